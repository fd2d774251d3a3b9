//! What fuzz targets call: each function takes any bytes, and must return.
//!
//! Only there with the feature `fuzzing`.

use std::io::Write as _;

use crate::artifact::Kind;
use crate::documents::{self, ArtifactsDocument, InstallinatorDocument};
use crate::problem::Findings;
use crate::strict_json;
use crate::verify::fuzzing as roles;
use crate::zip::Archive;

/// Bytes that are read of an entry.
const PART: usize = 16 << 20;

/// A zip: opened, and every sound entry read. Whatever is read without a problem has the length
/// that was announced.
pub fn zip(bytes: &[u8]) {
    let Ok(mut file) = tempfile::tempfile() else { return };
    if file.write_all(bytes).is_err() {
        return;
    }
    let mut findings = Findings::default();
    let Ok(Some(archive)) = Archive::open_zip(file, &mut findings) else { return };
    for entry in archive.entries().values().filter(|entry| entry.size <= PART as u64) {
        let mut length = 0;
        if let Ok(Ok(())) = archive.stream(entry, |chunk| length += chunk.len() as u64) {
            assert_eq!(length, entry.size, "{}", entry.name);
        }
    }
}

/// A metadata file, read as each of the roles; a root also as one to trust.
pub fn metadata(bytes: &[u8]) {
    roles::metadata(bytes);
}

/// The two documents: what is read is printed and read again as the same.
pub fn documents(bytes: &[u8]) {
    let Ok(value) = strict_json::parse(bytes) else { return };
    if let Ok(document) = serde_json::from_value::<ArtifactsDocument>(value.clone()) {
        for artifact in &document.artifacts {
            if let Ok(kind) = Kind::from_tags(&artifact.tags) {
                assert_eq!(kind.tags(), artifact.tags);
            }
        }
        let text = documents::text(&document).unwrap_or_default();
        let again = strict_json::parse(&text).and_then(serde_json::from_value);
        assert_eq!(again.ok(), Some(document));
    }
    if let Ok(document) = serde_json::from_value::<InstallinatorDocument>(value) {
        let text = documents::text(&document).unwrap_or_default();
        let again = strict_json::parse(&text).and_then(serde_json::from_value);
        assert_eq!(again.ok(), Some(document));
    }
}
