//! The omicron1 zone brand.
