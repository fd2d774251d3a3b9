//! The embedded sample: what `releng` builds when nobody gives it anything else.
//!
//! The sources lie beside this crate and are listed in its README: packages of a small operating
//! system ([`package_manifests`] with the files of [`package_files`]), zones and software of the
//! global zone, boot ROMs, the member list of the boot archive. All of it is our own text. Nothing
//! in it runs a machine, and everything that could be mistaken for a thing that does says so.
//!
//! What would only be bulk in a repository is made when it is needed, the same bytes each time:
//! [`generate`] writes the remaining package files, [`build_omicron`] the zone images and global
//! zone packages in the form that omicron-package leaves them.

mod error;
mod generate;
mod omicron;
mod text;

use std::path::{Path, PathBuf};

pub use error::Error;
pub use generate::generate;
pub use omicron::build_omicron;

/// The publisher of the sample's packages.
pub const PUBLISHER: &str = "sample";

/// The macros of the package manifests and their values.
pub const MACROS: [(&str, &str); 1] = [("OSVERSION", "0.5.11-2.0.1")];

/// What the sample asks of the templates, as feature specifications: packages beside the
/// templates' own list.
pub const FEATURES: [&str; 4] = [
    "extra_packages+=/library/security/openssl-11",
    "extra_packages+=/locale/de",
    "host_packages+=/system/man",
    "optever=0.41.1",
];

/// The zones of the update repository.
pub const ZONES: [&str; 5] =
    ["sample-api", "sample-database", "sample-dns", "sample-metrics", "sample-time"];

/// The zone image that the host image carries for the zones it makes.
pub const BUNDLED_ZONE: &str = "sample-overlay";

/// The global-zone package of the host image.
pub const HOST_PACKAGE: &str = "sample-agent";

/// The global-zone package of the trampoline image.
pub const TRAMPOLINE_PACKAGE: &str = "sample-installer";

/// The boards that have a boot ROM.
pub const BOARDS: [&str; 2] = ["gimlet", "cosmo"];

/// The directory with the sources.
pub fn directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The package manifests, sorted.
pub fn package_manifests() -> Result<Vec<PathBuf>, Error> {
    let directory = directory().join("os/packages");
    let mut manifests = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(Error::io("list", &directory))? {
        let path = entry.map_err(Error::io("list", &directory))?.path();
        if path.extension().is_some_and(|extension| extension == "p5m") {
            manifests.push(path);
        }
    }
    manifests.sort();
    Ok(manifests)
}

/// The directory with the package files, beside those that [`generate`] writes.
pub fn package_files() -> PathBuf {
    directory().join("os/files")
}

/// Omicron's package manifest of the sample.
pub fn package_manifest() -> PathBuf {
    directory().join("omicron/package-manifest.toml")
}

/// The boot ROM of a board: a text that says that it is none.
pub fn rom(board: &str) -> PathBuf {
    directory().join("roms").join(format!("{board}.rom"))
}

/// The members of the boot archive, one a line.
pub fn boot_archive_files() -> PathBuf {
    directory().join("boot-archive-files.txt")
}
