//! What becomes of each file: what is there, what was edited, and what `preserve` says of it.

use std::io::{self, Read};

use proto::{Entry, Kind, ProtoPath};
use sha1::{Digest as _, Sha1};

use super::delivery::Delivered;
use super::files::Files;
use crate::{ActionKind, DotSequence, Error};

/// What becomes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// What is there stays, content and all.
    Keep,
    /// It is not delivered.
    Skip,
    /// The packaged content takes the place of whatever is there.
    Write,
    /// What is there moves to another name first.
    MoveAside(ProtoPath),
    /// What is there moves to lost+found first.
    Salvage,
    /// What is there stays, the packaged content goes to another name.
    WriteBeside(ProtoPath),
    /// The edited content of the file's former path is carried over.
    CarryOver(ProtoPath),
}

/// What becomes of each file.
pub(crate) struct FilePlans<'d>(pub(super) Vec<(ProtoPath, Delivered<'d>, Plan)>);

impl<'d> FilePlans<'d> {
    /// The actions whose payloads are needed.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = Delivered<'d>> {
        let plans = self.0.iter().filter(|(_, _, plan)| {
            matches!(plan, Plan::Write | Plan::MoveAside(_) | Plan::Salvage | Plan::WriteBeside(_))
        });
        plans.map(|(_, delivered, _)| *delivered)
    }
}

impl<'d> Files<'_, '_, 'd> {
    pub(super) fn plan(&self) -> Result<Vec<(ProtoPath, Delivered<'d>, Plan)>, Error> {
        let mut plans = Vec::new();
        for (path, delivered) in &self.new.paths {
            if delivered.action.kind == ActionKind::File {
                plans.push((path.clone(), *delivered, self.plan_file(path, *delivered)?));
            }
        }
        Ok(plans)
    }

    pub(super) fn plan_file(&self, path: &ProtoPath, new: Delivered<'_>) -> Result<Plan, Error> {
        let there = self.stage.manifest.get(path);
        let overlays = new.action.get("overlay") == Some("true");
        // What is overlaid is not replaced: for the file on top there was nothing before.
        let same_file = |old: &&Delivered<'_>| {
            old.action.kind == ActionKind::File && !(overlays && old.fmri.stem != new.fmri.stem)
        };
        let old = self.old.paths.get(path).filter(same_file);
        let preserve = new.preserve();
        let same = old.is_some_and(|old| old.action.payload == new.action.payload);
        let in_the_way = |entry: &Entry| {
            new.refuse(format!("a {} that no package delivers is in the way", entry.kind.word()))
        };
        if preserve == Some("abandon") {
            return Ok(Plan::Skip);
        }
        match (old, there) {
            // What was removed after it was installed stays away until it changes.
            (Some(_), None) if same => Ok(Plan::Skip),
            (Some(_), Some(_)) if same => Ok(Plan::Keep),
            (Some(_), Some(entry)) if !is_file(entry) => Err(in_the_way(entry)),
            (Some(old), Some(_)) => match preserve {
                Some("install-only") => Ok(Plan::Keep),
                Some(_) if goes_back(*old, new) && self.is_edited(path, *old)? => {
                    Ok(Plan::MoveAside(self.beside(path, ".update")?))
                }
                Some(rule) if self.is_edited(path, *old)? => match rule {
                    "renameold" => Ok(Plan::MoveAside(self.beside(path, ".old")?)),
                    "legacy" => Ok(Plan::MoveAside(self.beside(path, ".legacy")?)),
                    "renamenew" => Ok(Plan::WriteBeside(self.beside(path, ".new")?)),
                    _ => Ok(Plan::Keep),
                },
                Some("legacy") => Ok(Plan::MoveAside(self.beside(path, ".legacy")?)),
                _ => Ok(Plan::Write),
            },
            (None, None) | (Some(_), None) => match preserve {
                Some("legacy") if old.is_none() => Ok(Plan::Skip),
                Some("install-only") if old.is_some() => Ok(Plan::Skip),
                Some(_) => Ok(self.former_path(new)?.map_or(Plan::Write, Plan::CarryOver)),
                None => Ok(Plan::Write),
            },
            (None, Some(entry)) if !is_file(entry) => Err(in_the_way(entry)),
            (None, Some(_)) => match preserve {
                Some("install-only") => Ok(Plan::Keep),
                Some(_) if !self.old.stems.contains(new.fmri.stem.as_str()) => Ok(Plan::Salvage),
                // A package that was there already finds a file that it did not have so far.
                Some("renameold") => Ok(Plan::MoveAside(self.beside(path, ".old")?)),
                Some("renamenew") => Ok(Plan::WriteBeside(self.beside(path, ".new")?)),
                Some(_) => Ok(Plan::Keep),
                None => Ok(Plan::Write),
            },
        }
    }

    pub(super) fn beside(&self, path: &ProtoPath, suffix: &str) -> Result<ProtoPath, Error> {
        self.stage.path(&format!("{path}{suffix}"))
    }

    /// Where an editable file was before, if it was edited there and moves now.
    pub(super) fn former_path(&self, new: Delivered<'_>) -> Result<Option<ProtoPath>, Error> {
        let Some(name) = new.action.get("original_name") else { return Ok(None) };
        let (stem, path) = match name.split_once(':') {
            Some((stem, path)) => (stem, path),
            None => (new.fmri.stem.as_str(), name),
        };
        let path = ProtoPath::new(path).map_err(|error| new.refuse(error.to_string()))?;
        let Some(old) = self.old.paths.get(&path) else { return Ok(None) };
        let moves = old.fmri.stem == stem
            && old.action.kind == ActionKind::File
            && !self.new.paths.contains_key(&path);
        Ok((moves && self.is_edited(&path, *old)?).then_some(path))
    }

    /// Whether a file differs from what its package delivered.
    pub(super) fn is_edited(&self, path: &ProtoPath, was: Delivered<'_>) -> Result<bool, Error> {
        let Some((file, entry)) = self.stage.before.resolve_hardlink(path) else {
            return Ok(false);
        };
        let Some(content) = entry.content() else { return Ok(true) };
        // What was only foreseen was never there to be edited.
        if content.digest.is_none() && self.stage.contents.tree.is_none() {
            return Ok(false);
        }
        let opened = self.stage.contents.open(file, content)?;
        let sha1 = sha1_of(opened).map_err(Error::io("read", path.to_string()))?;
        Ok(was.action.payload.as_deref() != Some(sha1.as_str()))
    }
}

/// Whether an editable file becomes one of an older form: its package is downgraded, and its
/// `preserve-version` is lower. What was edited would not suit the older programs.
fn goes_back(old: Delivered<'_>, new: Delivered<'_>) -> bool {
    let form = |delivered: Delivered<'_>| -> Option<DotSequence> {
        delivered.action.get("preserve-version").unwrap_or("0").parse().ok()
    };
    old.fmri.stem == new.fmri.stem && new.fmri.version < old.fmri.version && form(new) < form(old)
}

pub(super) fn is_file(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::File(_) | Kind::Hardlink { .. })
}

fn sha1_of(mut reader: impl Read) -> io::Result<String> {
    let mut hasher = Sha1::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}
