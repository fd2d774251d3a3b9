//! Images built of sources of every kind, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod foreign;
mod images;
mod published;
mod refusals;
