//! Pools as their users see them: zdb and GRUB judge, bytes repeat, bad input is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail where they stand")]

mod bad_input;
mod draw;
mod export;
mod features;
mod flips;
mod generate;
mod helper;
mod judge;
mod matrix;
mod pools;
mod reading;
mod repeatable;
mod verifying;
