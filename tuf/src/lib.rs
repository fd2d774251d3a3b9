//! Update repositories: artifacts, signing, zip, checking.
