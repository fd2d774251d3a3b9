//! ZFS pool images written without ZFS.
