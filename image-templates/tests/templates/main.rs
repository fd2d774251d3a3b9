//! Templates, theirs and ours, through the public face.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod archives;
mod check;
mod field;
mod files;
mod genproto;
mod own;
mod packages;
mod rehearsal;
mod removals;
mod system;
mod tools;
