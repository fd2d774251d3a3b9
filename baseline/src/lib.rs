//! Baseline archives for omicron1 zones, from a proto and its package metadata.
