//! Deterministic parallel gzip (one member) and zlib streams.
