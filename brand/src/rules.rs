//! Which files of the global zone become links in a zone, and which become copies.

/// The trees that are replicated, in this order.
pub const TREES: [&str; 3] = ["usr", "lib", "sbin"];
