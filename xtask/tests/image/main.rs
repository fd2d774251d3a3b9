//! `cargo xtask image build` as a program: what goes in comes out, plans are exact, budgets hold,
//! and bad input is refused without leaving anything.

#![expect(clippy::unwrap_used, reason = "a test that cannot run its program shall fail")]

mod bad_input;
mod common;
mod inputs;
mod size;
