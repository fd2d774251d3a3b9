//! `cargo xtask` as a program: what it makes, how it ends, what it says.
//!
//! One binary, so that the sample is built once for everything that looks at it.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its sample shall fail")]

mod bad_input;
mod check;
mod common;
mod config;
mod firmware;
mod images;
mod lock;
mod network;
mod repeat;
mod results;
mod size;
mod steps;
