//! Installing into protos, through the public face, from real repositories.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod edited;
mod outcome;
mod refused;
mod settings;
#[path = "../support/mod.rs"]
mod support;
