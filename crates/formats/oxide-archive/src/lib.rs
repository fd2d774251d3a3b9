//! Oxide archives (baseline, layer, os): oxide.json plus a tar, read and written safely.
