//! SMF service manifests and profiles.
