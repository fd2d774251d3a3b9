//! Whether programs for illumos can be built here.

use std::fs;
use std::path::{Path, PathBuf};

use brand::packaging::ILLUMOS;

use crate::environment;

/// What there is for building them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Illumos {
    /// The directory of the target's standard library.
    pub(crate) library: Option<PathBuf>,
    /// Whether a program can be linked, which takes a linker and the system's own libraries. Only
    /// tried with a standard library.
    pub(crate) links: bool,
}

impl Illumos {
    /// Asks rustc, and has cargo build the smallest program there is, with all its configuration.
    pub(crate) fn look() -> Self {
        let directory = duct::cmd!("rustc", "--print", "target-libdir", "--target", ILLUMOS)
            .dir(environment::workspace())
            .stderr_null()
            .read();
        let library = directory.ok().map(PathBuf::from).filter(|directory| directory.is_dir());
        let links = library.is_some() && links().unwrap_or_default();
        Self { library, links }
    }

    /// Whether programs can be built.
    pub(crate) fn is_possible(&self) -> bool {
        self.library.is_some() && self.links
    }
}

fn links() -> std::io::Result<bool> {
    let directory = tempfile::tempdir()?;
    write_probe(directory.path())?;
    let manifest = directory.path().join("Cargo.toml");
    let target = directory.path().join("target");
    // In the workspace's directory, for that is where configuration is looked for.
    let built = duct::cmd!(
        environment::cargo(),
        "build",
        "--quiet",
        "--offline",
        "--target",
        ILLUMOS,
        "--manifest-path",
        manifest,
        "--target-dir",
        target
    )
    .dir(environment::workspace())
    .stdout_null()
    .stderr_null()
    .unchecked()
    .run()?;
    Ok(built.status.success())
}

fn write_probe(directory: &Path) -> std::io::Result<()> {
    fs::create_dir(directory.join("src"))?;
    fs::write(directory.join("src/main.rs"), "fn main() {}\n")?;
    let manifest = "[package]\nname = \"probe\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(directory.join("Cargo.toml"), manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The probe itself is sound: for this machine it can be built.
    #[test]
    fn the_probe_is_a_package() {
        let directory = tempfile::tempdir().unwrap();
        write_probe(directory.path()).unwrap();
        let built = duct::cmd!(environment::cargo(), "check", "--quiet", "--offline")
            .dir(directory.path())
            .env("CARGO_TARGET_DIR", directory.path().join("target"))
            .stderr_capture()
            .unchecked()
            .run()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }

    #[test]
    fn without_a_standard_library_nothing_is_possible() {
        let illumos =
            |library: Option<&str>, links| Illumos { library: library.map(Into::into), links };
        assert!(!illumos(None, true).is_possible());
        assert!(!illumos(Some("/l"), false).is_possible());
        assert!(illumos(Some("/l"), true).is_possible());
    }
}
