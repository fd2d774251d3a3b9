//! Files, directories and links: from what packages delivered before to what they deliver now.

use std::collections::{BTreeMap, BTreeSet};

use proto::{Entry, Kind, Metadata, Mtime, ProtoPath};

use super::delivery::{Delivered, Delivery};
use super::fetch::Payloads;
use super::plan::{FilePlans, Plan, is_file};
use super::stage::Stage;
use crate::{ActionKind, Error, Owners, Timestamp};

/// The change of all paths of an image.
pub(crate) struct Files<'s, 'p, 'd> {
    pub(super) stage: &'s mut Stage<'p>,
    pub(super) old: &'d Delivery<'d>,
    pub(super) new: &'d Delivery<'d>,
    /// Paths made now, whose owner, group and mode are still to be set.
    fresh: BTreeMap<ProtoPath, ProtoPath>,
}

impl<'s, 'p, 'd> Files<'s, 'p, 'd> {
    /// Takes away what is not delivered any more, and plans what becomes of each file.
    pub(crate) fn plan_change(
        stage: &'s mut Stage<'p>,
        old: &'d Delivery<'d>,
        new: &'d Delivery<'d>,
    ) -> Result<FilePlans<'d>, Error> {
        let mut files = Self { stage, old, new, fresh: BTreeMap::new() };
        files.check_hardlinks()?;
        files.remove()?;
        files.plan().map(FilePlans)
    }

    /// Makes the change, except for owners and groups, which depend on files that it brings. The
    /// answer has the paths whose owners are to be set, each with the path whose action says so.
    pub(crate) fn change(
        stage: &'s mut Stage<'p>,
        old: &'d Delivery<'d>,
        new: &'d Delivery<'d>,
        plans: FilePlans<'d>,
        payloads: &Payloads<'_>,
    ) -> Result<BTreeMap<ProtoPath, ProtoPath>, Error> {
        let mut files = Self { stage, old, new, fresh: BTreeMap::new() };
        files.place(plans.0, payloads)?;
        Ok(files.fresh)
    }

    /// Every hard link must name a packaged file.
    fn check_hardlinks(&self) -> Result<(), Error> {
        for (path, delivered) in &self.new.paths {
            if delivered.action.kind != ActionKind::Hardlink {
                continue;
            }
            let target = super::hardlink_target(delivered.action, path)
                .map_err(|problem| delivered.refuse(problem))?;
            match self.new.paths.get(&target).map(|there| there.action.kind) {
                Some(ActionKind::File) => {}
                Some(kind) => {
                    return Err(delivered.refuse(format!("is a hard link to {target}, a {kind}")));
                }
                None => {
                    let problem = format!("is a hard link to {target}, which is not packaged");
                    return Err(delivered.refuse(problem));
                }
            }
        }
        Ok(())
    }

    fn remove(&mut self) -> Result<(), Error> {
        let (old, new) = (self.old, self.new);
        for (path, was) in old.paths.iter().rev() {
            let still = new.paths.get(path).is_some_and(|n| n.action.kind == was.action.kind);
            if still || was.action.kind == ActionKind::Dir || new.excluded.contains(path) {
                continue;
            }
            let Some(there) = self.stage.manifest.get(path) else { continue };
            if there.is_directory() {
                continue;
            }
            if was.action.kind == ActionKind::File
                && let Some(preserve) = was.preserve()
            {
                if preserve == "abandon" {
                    continue;
                }
                if self.is_edited(path, *was)? && !self.is_carried_over(path) {
                    self.stage.salvage(path)?;
                    continue;
                }
            }
            self.stage.manifest.remove(path);
        }
        self.stage.promote_hardlinks()?;
        let directories = |delivery: &Delivery<'_>| -> BTreeSet<ProtoPath> {
            let explicit = delivery
                .paths
                .iter()
                .filter(|(_, delivered)| delivered.action.kind == ActionKind::Dir)
                .map(|(path, _)| path.clone());
            explicit.chain(delivery.implied.iter().cloned()).collect()
        };
        let var_pkg = self.stage.path("var/pkg")?;
        let kept = directories(new);
        for path in directories(old).difference(&kept).collect::<Vec<_>>().into_iter().rev() {
            if var_pkg.starts_with(path)
                || !self.stage.manifest.get(path).is_some_and(Entry::is_directory)
            {
                continue;
            }
            match self.stage.manifest.subtree(path).count() {
                1 => drop(self.stage.manifest.remove(path)),
                _ => self.stage.salvage(path)?,
            }
        }
        Ok(())
    }

    fn is_carried_over(&self, path: &ProtoPath) -> bool {
        self.new.paths.values().any(|delivered| {
            delivered.action.get("original_name").is_some_and(|name| {
                name.rsplit(':').next().is_some_and(|old| old.as_bytes() == path.as_bytes())
            })
        })
    }

    fn place(
        &mut self,
        plans: Vec<(ProtoPath, Delivered<'d>, Plan)>,
        payloads: &Payloads<'_>,
    ) -> Result<(), Error> {
        let new = self.new;
        for (path, delivered) in &new.paths {
            if delivered.action.kind == ActionKind::Dir {
                self.make_parents(path, *delivered)?;
                self.place_directory(path, *delivered)?;
            }
        }
        for (path, delivered, plan) in plans {
            self.place_file(path, delivered, plan, payloads)?;
        }
        for (path, delivered) in &new.paths {
            match delivered.action.kind {
                ActionKind::Hardlink => self.place_hardlink(path, *delivered)?,
                ActionKind::Link => self.place_link(path, *delivered)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the directories above a path; never goes through a symbolic link.
    fn make_parents(&mut self, path: &ProtoPath, delivered: Delivered<'_>) -> Result<(), Error> {
        let mut missing = Vec::new();
        let mut above = path.parent();
        while let Some(directory) = above {
            match self.stage.manifest.get(&directory) {
                Some(entry) if entry.is_directory() => break,
                Some(entry) => {
                    let word = entry.kind.word();
                    return Err(delivered.refuse(format!(
                        "{directory} is a {word}; nothing is installed through it"
                    )));
                }
                None => {
                    above = directory.parent();
                    missing.push(directory);
                }
            }
        }
        for directory in missing {
            let entry = Entry::directory(Metadata::root(0o755).at(self.stage.mtime()));
            self.stage.manifest.replace(directory.clone(), entry);
            self.fresh.insert(directory.clone(), directory);
        }
        Ok(())
    }

    fn place_directory(&mut self, path: &ProtoPath, new: Delivered<'_>) -> Result<(), Error> {
        let stem = new.fmri.stem.as_str();
        let unchanged = self.old.paths.get(path).is_some_and(|old| {
            ["owner", "group", "mode"].iter().all(|key| old.action.get(key) == new.action.get(key))
        });
        let mtime = self.stage.mtime();
        match self.stage.manifest.get_mut(path) {
            Some(entry) if entry.is_directory() => {
                entry.package = Some(stem.into());
                if unchanged {
                    return Ok(());
                }
            }
            Some(entry) => {
                let word = entry.kind.word();
                return Err(new.refuse(format!("a {word} that no package delivers is in the way")));
            }
            // Removed after it was installed.
            None if unchanged => return Ok(()),
            None => {
                let entry = Entry::directory(Metadata::root(0o755).at(mtime)).from_package(stem);
                self.stage.manifest.replace(path.clone(), entry);
            }
        }
        self.fresh.insert(path.clone(), path.clone());
        Ok(())
    }

    fn place_file(
        &mut self,
        path: ProtoPath,
        new: Delivered<'_>,
        plan: Plan,
        payloads: &Payloads<'_>,
    ) -> Result<(), Error> {
        let stem = new.fmri.stem.as_str();
        let mtime = match new.action.get("timestamp") {
            Some(text) => text
                .parse::<Timestamp>()
                .map(|time| Mtime::from_seconds(time.epoch()))
                .map_err(|error| new.refuse(error.to_string()))?,
            None => self.stage.mtime(),
        };
        let metadata = Metadata::root(0o600).at(mtime);
        let (number, content) = match &plan {
            Plan::Skip => {
                let there = self.stage.manifest.get_mut(&path).filter(|entry| is_file(entry));
                there.into_iter().for_each(|entry| entry.package = Some(stem.into()));
                return Ok(());
            }
            Plan::Keep => {
                let unchanged = self.old.paths.get(&path).is_some_and(|old| {
                    ["owner", "group", "mode"]
                        .iter()
                        .all(|key| old.action.get(key) == new.action.get(key))
                });
                if let Some(entry) = self.stage.manifest.get_mut(&path) {
                    entry.package = Some(stem.into());
                    if !unchanged && is_file(entry) {
                        self.fresh.insert(path.clone(), path);
                    }
                }
                return Ok(());
            }
            Plan::CarryOver(from) => match self.stage.movable(from)? {
                Some(content) => (None, content),
                None => return Err(new.refuse(format!("its former path {from} is no file"))),
            },
            _ => payloads.get(new).map(|(number, content)| (Some(number), content))?,
        };
        self.make_parents(&path, new)?;
        match plan {
            Plan::MoveAside(aside) => {
                if let (Some(there), Some(content)) =
                    (self.stage.manifest.get(&path).cloned(), self.stage.movable(&path)?)
                {
                    let kept = Entry { kind: Kind::File(content), package: None, ..there };
                    self.stage.manifest.replace(aside, kept);
                }
            }
            Plan::Salvage => self.stage.salvage(&path)?,
            Plan::WriteBeside(beside) => {
                self.stage
                    .manifest
                    .replace(beside.clone(), Entry::new(Kind::File(content), metadata));
                number.into_iter().for_each(|number| self.stage.expect(beside.clone(), number));
                self.fresh.insert(beside, path);
                return Ok(());
            }
            _ => {}
        }
        // A further name of another file becomes a file of its own.
        if let Some(Entry { kind: Kind::Hardlink { .. }, .. }) = self.stage.manifest.get(&path) {
            self.stage.manifest.remove(&path);
        }
        let entry = Entry::new(Kind::File(content), metadata).from_package(stem);
        self.stage.manifest.replace(path.clone(), entry);
        number.into_iter().for_each(|number| self.stage.expect(path.clone(), number));
        self.fresh.insert(path.clone(), path);
        Ok(())
    }

    fn place_hardlink(&mut self, path: &ProtoPath, new: Delivered<'_>) -> Result<(), Error> {
        let target =
            super::hardlink_target(new.action, path).map_err(|problem| new.refuse(problem))?;
        let unchanged = self.old.paths.get(path).is_some_and(|old| {
            old.action.kind == ActionKind::Hardlink
                && old.action.get("target") == new.action.get("target")
        });
        let there = self.stage.manifest.get(path);
        if let Some(entry) = there
            && !is_file(entry)
        {
            let word = entry.kind.word();
            return Err(new.refuse(format!("a {word} that no package delivers is in the way")));
        }
        // Removed after it was installed, or its file was.
        let gone = self.stage.manifest.get(&target).and_then(Entry::content).is_none();
        if gone || (unchanged && there.is_none()) {
            return Ok(());
        }
        self.make_parents(path, new)?;
        let metadata = Metadata::root(0o600).at(self.stage.mtime());
        let entry = Entry::hardlink(target, metadata).from_package(new.fmri.stem.as_str());
        self.stage.manifest.replace(path.clone(), entry);
        Ok(())
    }

    fn place_link(&mut self, path: &ProtoPath, new: Delivered<'_>) -> Result<(), Error> {
        let target = new.action.get("target").ok_or_else(|| new.refuse("has no `target`"))?;
        let unchanged = self.old.paths.get(path).is_some_and(|old| {
            old.action.kind == ActionKind::Link && old.action.get("target") == Some(target)
        });
        match self.stage.manifest.get_mut(path) {
            Some(entry) if unchanged => {
                entry.package = Some(new.fmri.stem.as_str().into());
                return Ok(());
            }
            None if unchanged => return Ok(()),
            Some(entry) if entry.is_directory() => {
                return Err(new.refuse("a directory that no package delivers is in the way"));
            }
            _ => {}
        }
        self.make_parents(path, new)?;
        let metadata = Metadata::root(0o777).at(self.stage.mtime());
        let entry = Entry::symlink(target, metadata).from_package(new.fmri.stem.as_str());
        self.stage.manifest.replace(path.clone(), entry);
        Ok(())
    }
}

/// Sets owner, group and mode of what was made, now that the accounts are known.
pub(crate) fn own(
    stage: &mut Stage<'_>,
    new: &Delivery<'_>,
    fresh: &BTreeMap<ProtoPath, ProtoPath>,
    owners: &Owners,
) -> Result<(), Error> {
    // Parents come first, so that implied directories can take after them.
    for (path, of) in fresh {
        let delivered = new.paths.get(of).filter(|delivered| {
            matches!(delivered.action.kind, ActionKind::Dir | ActionKind::File)
        });
        let above = path.parent().and_then(|p| stage.manifest.get(&p)).map(|e| e.metadata);
        let metadata = match delivered {
            Some(delivered) => super::metadata_of(delivered.action, owners)
                .map_err(|problem| delivered.refuse(problem))?,
            None => above.unwrap_or(Metadata::root(0o755)),
        };
        let file = stage.manifest.resolve_hardlink(path).map(|(file, _)| file.clone());
        if let Some(entry) = file.and_then(|file| stage.manifest.get_mut(&file)) {
            entry.metadata = metadata.at(entry.metadata.mtime);
        }
    }
    // What a further name says of itself is what its file says.
    let links: Vec<(ProtoPath, Metadata)> = stage
        .manifest
        .iter()
        .filter(|(_, entry)| matches!(entry.kind, Kind::Hardlink { .. }))
        .filter_map(|(path, _)| {
            let (_, file) = stage.manifest.resolve_hardlink(path)?;
            Some((path.clone(), file.metadata))
        })
        .collect();
    for (path, metadata) in links {
        if let Some(entry) = stage.manifest.get_mut(&path) {
            entry.metadata = metadata;
        }
    }
    Ok(())
}
