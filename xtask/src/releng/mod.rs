//! The main job: one graph from packages to a verified repository.

mod brand;
mod check;
pub(crate) mod config;
mod finished;
mod firmware;
mod graph;
mod helios_build;
mod image;
mod lock;
mod overlay;
mod packages;
pub(crate) mod pool;
mod progress;
mod release;
mod repository;
mod repository_v1;
mod result_set;
mod roms;
mod run;
mod sample;
mod settings;
mod summary;
mod version;

pub(crate) use self::check::{PathFinding, check};
pub(crate) use self::helios_build::lines as helios_build_lines;
pub(crate) use self::lock::{Keep, Locker};
pub(crate) use self::progress::{Mode, Progress};
pub(crate) use self::result_set::lock as lock_output;
pub(crate) use self::run::{run, stop_on_signals};
pub(crate) use self::settings::Request;
