//! Depots, theirs and ours, through the public face.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod content;
mod faults;
mod offline;
mod serving;
mod support;
