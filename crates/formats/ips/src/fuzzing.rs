//! What fuzz targets call: each function takes any bytes, and must return.
//!
//! Only there with the feature `fuzzing`. Signatures of catalogs are not asked for in
//! [`catalog`], as no changed input would have the right one.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::path::Path;

use proto::{Proto, Store};

use crate::catalog::read_base;
use crate::image::{ImageConfig, read_metadata};
use crate::{
    Catalog, Chosen, Facets, Image, InstallOptions, Lock, Manifest, Origin, PackageArchive,
    StoredPayload, Timestamp, Variants, create_image, json,
};

/// Bytes that are read of a payload.
const PART: u64 = 1 << 20;

/// A manifest: what is read is printed and read again as the same, every action is held against
/// variants and facets, and the whole is installed into an empty image, which may refuse it.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(manifest) = Manifest::parse("manifest", text) else { return };
    let printed = manifest.to_string();
    // A quoted backslash does not survive pkg's own canonical form.
    if !text.contains('\\') {
        assert_eq!(Manifest::parse("printed", &printed).ok(), Some(manifest.clone()), "{printed}");
    }
    let (variants, facets) = (Variants::for_zone("global"), Facets::new());
    for action in manifest.actions() {
        let _ = variants.allow(&action.attributes) && facets.allow(&action.attributes);
    }
    let Ok(fmri) = manifest.fmri() else { return };
    with_store(|store| {
        let date: Timestamp = "20260102T030405Z".parse()?;
        let mut proto = Proto::new(store);
        create_image(&mut proto, variants.clone(), date)?;
        let before = proto.manifest.clone();
        let chosen = Chosen { fmri, manifest: manifest.into(), origin: None, manual: true };
        let options = InstallOptions { date };
        if crate::install_chosen(&mut proto, vec![chosen], &[&Nothing], &options).is_err() {
            assert_eq!(proto.manifest, before);
        }
        Ok(())
    });
}

/// An origin that has every manifest and every payload, all empty.
struct Nothing;

impl Origin for Nothing {
    fn location(&self) -> &Path {
        Path::new("nothing")
    }

    fn packages(&self) -> &[crate::Fmri] {
        &[]
    }

    fn manifest_text(&self, _: &crate::Fmri) -> Result<String, crate::Error> {
        Ok(String::new())
    }

    fn stored_payload(&self, _: &str, _: &str) -> Result<StoredPayload, crate::Error> {
        Ok(StoredPayload { size: 0, reader: Box::new(std::io::empty()) })
    }

    fn payload(
        &self,
        _: &str,
        _: &crate::Action,
    ) -> Result<Box<dyn std::io::Read + Send>, crate::Error> {
        Ok(Box::new(std::io::empty()))
    }
}

/// The base part of a catalog, with the states that images keep; its canonical form is read again
/// as the same.
pub fn catalog(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = json::verify(text);
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) else { return };
    let canonical = json::canonical(&serde_json::Value::Object(object.clone()));
    let again: Result<serde_json::Value, _> = serde_json::from_str(&canonical);
    assert_eq!(again.ok(), Some(serde_json::Value::Object(object.clone())));
    let Ok(entries) = read_base(Path::new("catalog"), &object) else { return };
    for entry in &entries {
        let _ = read_metadata(entry.metadata.as_ref());
    }
    let catalog = Catalog { entries };
    assert!(catalog.entries.is_sorted_by(|a, b| a.fmri <= b.fmri));
}

/// A package archive: opened, every manifest and the begin of every payload read.
pub fn archive(bytes: &[u8]) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(bytes).is_err() {
        return;
    }
    let Ok(archive) = PackageArchive::open(file.path()) else { return };
    for fmri in archive.packages() {
        let Ok(manifest) = archive.manifest(fmri) else { continue };
        let publisher = fmri.publisher.as_deref().unwrap_or_default();
        for action in manifest.actions().filter(|action| action.kind.has_payload()) {
            if let Ok(payload) = archive.payload(publisher, action) {
                let _ = std::io::copy(&mut payload.take(PART), &mut std::io::sink());
            }
        }
    }
}

/// A lock: what is read is printed and read again as the same.
pub fn lock(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(lock) = Lock::parse("lock", text) else { return };
    let printed = lock.to_string();
    assert_eq!(Lock::parse("printed", &printed).ok(), Some(lock), "{printed}");
}

/// The settings of an image.
pub fn image_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(config) = ImageConfig::parse(text) else { return };
    let printed = config.print();
    let again = ImageConfig::parse(&printed).map(|config| config.print());
    assert_eq!(again.ok(), Some(printed));
}

/// The database of an image of format 5.
pub fn image_database(bytes: &[u8]) {
    with_store(|store| {
        let mut proto = Proto::new(store);
        create_image(&mut proto, Variants::for_zone("global"), "20260102T030405Z".parse()?)?;
        let text = crate::image::ImageConfig::new(Variants::for_zone("global")).print();
        let text = text.replace("version = 4", "version = 5");
        for (path, bytes) in
            [(crate::image::CONFIG, text.as_bytes()), ("var/pkg/state/catalog.db", bytes)]
        {
            let content = proto.contents.store.add_bytes(bytes)?;
            let path = proto::ProtoPath::new(path)?;
            let metadata = proto::Metadata::root(0o644);
            proto.manifest.replace(path, proto::Entry::new(proto::Kind::File(content), metadata));
        }
        let _ = Image::read(&proto);
        Ok(())
    });
}

thread_local! {
    /// Where contents go, used again for each input.
    static DIRECTORY: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// Does something with a store; what goes wrong with the store itself is nobody's fault.
fn with_store(action: impl FnOnce(Store) -> Result<(), Box<dyn std::error::Error>>) {
    DIRECTORY.with_borrow_mut(|directory| {
        if directory.is_none() {
            *directory = tempfile::tempdir().ok();
        }
        let Some(directory) = directory else { return };
        if let Ok(store) = Store::create(directory.path()) {
            let _ = action(store);
        }
    });
}
