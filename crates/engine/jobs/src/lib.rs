//! A job graph: declared inputs and outputs, bounded parallelism, a log file per job, clean stops.
//!
//! A [`Job`] says which files it reads and which it makes; who must wait for whom follows from
//! that and is never written down. [`Graph::run`] starts every job whose inputs are there, at
//! most as many at once as it is told to, and tells a [`Reporter`] what happens. The first
//! failure (or [`Stop::request`], from a signal handler) keeps further jobs from starting, ends
//! the external programs of running ones, waits for them and is returned.
//!
//! This crate knows no file format and prints nothing.
//!
//! ```
//! use jobs::{Graph, Job, Quiet, Stop};
//!
//! # let directory = tempfile::tempdir()?;
//! # let dir = directory.path();
//! let (a, b) = (dir.join("a"), dir.join("b"));
//! let mut graph = Graph::new();
//! graph.add(Job::new("second", { let (a, b) = (a.clone(), b.clone()); move |_| {
//!     Ok(std::fs::copy(a, b).map(drop)?)
//! }}).reads([&a]).makes([&b]))?;
//! graph.add(Job::new("first", { let a = a.clone(); move |job| {
//!     job.log("writing a");
//!     Ok(std::fs::write(a, "text")?)
//! }}).makes([&a]))?;
//! let done = graph.run(2, &dir.join("logs"), &Stop::new(), &Quiet)?;
//! assert_eq!(done.iter().map(|job| &*job.name).collect::<Vec<_>>(), ["first", "second"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod command;
mod context;
mod error;
mod graph;
mod run;
mod stop;

pub use command::Command;
pub use context::Context;
pub use error::{Error, JobError};
pub use graph::{Graph, Job};
pub use run::{End, Finished, Quiet, Reporter};
pub use stop::Stop;
