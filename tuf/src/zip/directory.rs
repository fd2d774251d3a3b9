//! A repository that is a directory: the same files under the same names as in a zip.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use walkdir::WalkDir;

use super::headers::check_names;
use super::read::{Archive, Entry};
use crate::names::check_name;
use crate::problem::{Findings, ProblemId};

/// More files are no repository.
const MOST: usize = 65_534;

impl Archive {
    /// Reads the names of all files below `DIR/repo`, or below `DIR` if that has `metadata` itself.
    /// Whatever is no plain file is reported and left out.
    pub(super) fn open_directory(directory: &Path, findings: &mut Findings) -> io::Result<Self> {
        let inner = if directory.join("metadata").is_dir() && !directory.join("repo").exists() {
            "repo/"
        } else {
            ""
        };
        let mut sound = Vec::new();
        for found in WalkDir::new(directory).min_depth(1).sort_by_file_name() {
            let found = found.map_err(io::Error::from)?;
            let kind = found.file_type();
            let path = found.path().strip_prefix(directory).unwrap_or(found.path());
            let name = match path.to_str() {
                Some(name) => format!("{inner}{name}"),
                None => {
                    let name = path.display().to_string();
                    findings.problem(ProblemId::ZipName, name, "the name is no UTF-8");
                    continue;
                }
            };
            if kind.is_dir() {
                continue;
            }
            if !kind.is_file() {
                let what = if kind.is_symlink() { "a symlink" } else { "no plain file" };
                let reason = format!("{what}; only files belong here");
                findings.problem(ProblemId::ZipType, name, reason);
                continue;
            }
            if let Err(reason) = check_name(&name) {
                findings.problem(ProblemId::ZipName, name, reason);
                continue;
            }
            if !["repo/metadata/", "repo/targets/"].iter().any(|place| name.starts_with(place)) {
                let reason = "lies outside repo/metadata/ and repo/targets/";
                findings.problem(ProblemId::ZipName, name, reason);
                continue;
            }
            if sound.len() == MOST {
                let reason = format!("has more than {MOST} files");
                findings.problem(ProblemId::ZipDirectory, "the directory", reason);
                break;
            }
            let size = found.metadata().map_err(io::Error::from)?.len();
            sound.push(Entry::of_file(name, size));
        }
        check_names(&sound, findings);
        let entries: BTreeMap<String, Entry> =
            sound.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        Ok(Self::of_directory(directory.to_owned(), inner, entries))
    }
}
