//! Pools as their users see them: zdb and GRUB judge, bytes repeat, bad input is refused.

mod bad_input;
mod generate;
mod judge;
mod pools;
mod repeatable;
