//! The baseline that a zone starts from: an archive and a list, always from the same directory.

use std::path::{Path, PathBuf};

use oxide_archive::ArchiveType;
use proto::Digest;

use crate::Error;
use crate::install::check_type;

/// The key under which a sealed archive has the SHA-256 of the `gzonly.txt` it was made with.
const SEAL: &str = "gzonly-sha256";

/// Where baselines are looked for, below the tree that plays `/`. The first directory that has
/// either file wins.
const PLACES: [&str; 2] = ["var/run/brand/omicron1/baseline", "usr/lib/brand/omicron1/baseline"];

/// The two files of a baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// `files.tar.gz`.
    pub(crate) archive: PathBuf,
    /// `gzonly.txt`: paths that belong to the global zone only.
    pub(crate) global_only: PathBuf,
}

impl Baseline {
    /// Finds the baseline of a system.
    pub(crate) fn find(system_root: &Path) -> Result<Baseline, Error> {
        for place in PLACES {
            let directory = system_root.join(place);
            let baseline = Baseline {
                archive: directory.join("files.tar.gz"),
                global_only: directory.join("gzonly.txt"),
            };
            let half = |there: &Path, missing: &Path| Error::Baseline {
                message: format!(
                    "{} is there without {}: half a baseline",
                    there.display(),
                    missing.display()
                ),
            };
            match (baseline.archive.exists(), baseline.global_only.exists()) {
                (true, true) => return Ok(baseline),
                (true, false) => return Err(half(&baseline.archive, &baseline.global_only)),
                (false, true) => return Err(half(&baseline.global_only, &baseline.archive)),
                (false, false) => {}
            }
        }
        let places: Vec<String> =
            PLACES.iter().map(|place| system_root.join(place).display().to_string()).collect();
        Err(Error::Baseline { message: format!("there is no baseline in {}", places.join(" or ")) })
    }

    /// Checks that the archive is a baseline and that both files were made together, as far as
    /// the archive says so, and reads the list of paths that belong to the global zone only: one
    /// relative path to a line.
    pub(crate) fn read(&self) -> Result<Vec<PathBuf>, Error> {
        let metadata = check_type(&self.archive, ArchiveType::Baseline)?;
        let path = &self.global_only;
        let text = std::fs::read(path).map_err(Error::io("read", path))?;
        let sealed = metadata.info.get(SEAL);
        if sealed.is_some_and(|sealed| *sealed != Digest::of(&text).to_string()) {
            let (list, archive) = (path.display(), self.archive.display());
            let message = format!("{list} is not the one that {archive} was made with");
            return Err(Error::Baseline { message });
        }
        parse_global_only(&text).map_err(|(line, message)| Error::GlobalOnly {
            path: path.clone(),
            line,
            message,
        })
    }
}

fn parse_global_only(text: &[u8]) -> Result<Vec<PathBuf>, (usize, String)> {
    let mut paths = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let wrong =
            |why: &str| Err((index + 1, format!("{:?} {why}", String::from_utf8_lossy(line))));
        if line.starts_with(b"/") {
            return wrong("is absolute: paths are relative to the zone root");
        }
        if line.contains(&0) {
            return wrong("holds a NUL");
        }
        if line.split(|byte| *byte == b'/').any(|name| matches!(name, b"" | b"." | b"..")) {
            return wrong("has an empty component, . or ..");
        }
        let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(line);
        paths.push(PathBuf::from(path));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_relative_paths() {
        let parsed = parse_global_only(b"usr/sbin/zoneadm\nlib/svc/method/x\n");
        assert_eq!(parsed, Ok(vec!["usr/sbin/zoneadm".into(), "lib/svc/method/x".into()]));
        assert_eq!(parse_global_only(b"a"), Ok(vec!["a".into()]));
        for text in
            ["x\n/etc/passwd", "x\n../x", "x\na/../../x", "x\n./a", "x\na//b", "x\na/", "x\na\0"]
        {
            match parse_global_only(text.as_bytes()) {
                Err((2, _)) => {}
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_gives_a_path_that_leads_out(text in any::<Vec<u8>>()) {
            for path in parse_global_only(&text).unwrap_or_default() {
                prop_assert!(path.components().all(|c| matches!(c, std::path::Component::Normal(_))));
            }
        }
    }

    #[test]
    fn one_directory_wins_as_a_pair() -> Result<(), Box<dyn std::error::Error>> {
        let system = tempfile::tempdir()?;
        let find = || Baseline::find(system.path()).map_err(|error| error.to_string());
        assert!(find().is_err_and(|error| error.starts_with("there is no baseline in ")));
        let [made, packaged] = PLACES.map(|place| system.path().join(place));
        for place in [&made, &packaged] {
            std::fs::create_dir_all(place)?;
        }
        std::fs::write(packaged.join("files.tar.gz"), "")?;
        std::fs::write(packaged.join("gzonly.txt"), "")?;
        assert!(find().is_ok_and(|found| found.archive.starts_with(&packaged)));
        std::fs::write(made.join("files.tar.gz"), "")?;
        assert!(find().is_err_and(|error| error.contains("half a baseline")));
        std::fs::write(made.join("gzonly.txt"), "")?;
        let found = find()?;
        assert!(found.archive.starts_with(&made) && found.global_only.starts_with(&made));
        Ok(())
    }
}
