//! From a directory on disk to a proto.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::{Contents, Entry, FileContent, Kind, Metadata, Proto, ProtoPath, Store};

use crate::image::{ExcludePatterns, Mediators};
use crate::{Action, ActionKind, Error, Image, Owners};

/// What to do with paths that no package delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unpackaged {
    /// They are an error that names them.
    #[default]
    Refuse,
    /// They are taken: directories and files as root:sys with the mode they have on disk,
    /// symbolic links as root:root.
    Accept,
}

/// How a directory is imported.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// What to do with paths that no package delivers.
    pub unpackaged: Unpackaged,
}

/// The group `sys`, which owns what nobody packages.
const SYS: u32 = 3;

/// Imports a directory that is a root file system, without any privileges.
///
/// Owners, groups, modes and types come from `DIR.mtree` beside the directory if there is one;
/// else from the package metadata in the directory (`var/pkg`), names mapped through the image's
/// own `etc/passwd` and `etc/group`; else they are as on disk, owned by root. Contents stay in the
/// directory, found by path; `store` takes files that are added later.
///
/// With package metadata, a packaged path that is missing or of another type, an owner the image
/// does not know, and (unless accepted) a path that nothing explains are errors.
pub fn import_root(dir: &Path, store: Store, options: &ImportOptions) -> Result<Proto, Error> {
    let contents = Contents { store, tree: Some(dir.to_owned()) };
    let beside = mtree_beside(dir);
    if fs::symlink_metadata(&beside).is_ok() {
        let manifest = proto::Manifest::read(&beside)?;
        return Ok(Proto { manifest, contents });
    }
    let manifest = proto::import_directory(dir, proto::Owners::Root)?;
    let disk = Proto { manifest, contents };
    if !Image::is_one(&disk) {
        return Ok(disk);
    }
    let image = Image::read(&disk)?;
    let manifest = Explainer::new(&disk, &image)?.explain(dir, options)?;
    Ok(Proto { manifest, contents: disk.contents })
}

/// `DIR.mtree`: the manifest beside a directory.
fn mtree_beside(dir: &Path) -> PathBuf {
    // `x/.` and `x/` mean `x`.
    let dir: PathBuf = dir.components().collect();
    let mut name = dir.into_os_string();
    name.push(".mtree");
    name.into()
}

/// Explains every path on disk by the packages.
struct Explainer<'a> {
    disk: &'a Proto,
    image: &'a Image,
    owners: Owners,
    mediators: Mediators,
    excluded: ExcludePatterns,
    manifest: proto::Manifest,
    /// Directories that are there because something packaged is below them.
    implied: BTreeSet<ProtoPath>,
    /// Hard links, made when all files are known.
    hardlinks: Vec<(ProtoPath, ProtoPath, Arc<str>)>,
}

impl<'a> Explainer<'a> {
    fn new(disk: &'a Proto, image: &'a Image) -> Result<Self, Error> {
        let patterns = image.config.property_list("exclude-patterns");
        let excluded = ExcludePatterns::parse(&patterns)
            .map_err(|problem| Error::damaged(crate::image::CONFIG, problem))?;
        let mediators = Mediators::choose(&image.config, image.actions().map(|(_, action)| action));
        Ok(Self {
            disk,
            image,
            owners: Owners::read(disk)?,
            mediators,
            excluded,
            manifest: proto::Manifest::new(),
            implied: BTreeSet::new(),
            hardlinks: Vec::new(),
        })
    }

    fn explain(mut self, dir: &Path, options: &ImportOptions) -> Result<proto::Manifest, Error> {
        let mtime = self.disk.manifest.get(&ProtoPath::root()).map(|root| root.metadata.mtime);
        let root = Metadata::root(0o755).at(mtime.unwrap_or_default());
        self.manifest.replace(ProtoPath::root(), Entry::directory(root));
        let overlaid = overlaid_paths(self.image);
        let mut accounts = false;
        for (package, action) in self.image.actions() {
            let stem: Arc<str> = package.fmri.stem.as_str().into();
            match action.kind {
                ActionKind::User | ActionKind::Group => accounts = true,
                ActionKind::Legacy => self.legacy(action),
                kind if kind.is_path() => {
                    let covered = kind == ActionKind::File
                        && action.get("overlay") != Some("true")
                        && action.path().is_some_and(|path| overlaid.contains(path));
                    if !covered && self.mediators.allow(action) {
                        self.packaged(action, stem)?;
                    }
                }
                _ => {}
            }
        }
        self.link_hardlinks()?;
        self.metadata_of_pkg();
        if accounts {
            self.take_as("etc/.pwd.lock", 0o755);
        }
        self.imply_directories();
        self.unpackaged(dir, options)?;
        self.manifest.check()?;
        Ok(self.manifest)
    }

    fn packaged(&mut self, action: &Action, package: Arc<str>) -> Result<(), Error> {
        let text = action.path().unwrap_or_default();
        let refuse = |problem: String| Error::Packaged {
            path: text.to_owned(),
            package: package.to_string(),
            problem,
        };
        let path = ProtoPath::new(text).map_err(|error| refuse(error.to_string()))?;
        if self.excluded.matches(text).map_err(refuse)? {
            self.imply_parents(&path);
            return Ok(());
        }
        let Some(there) = self.disk.manifest.get(&path) else {
            // What is only delivered when an older version was there may be absent.
            if action.get("preserve") == Some("legacy") {
                return Ok(());
            }
            return Err(refuse(format!("this {} is missing", action.kind)));
        };
        self.imply_parents(&path);
        let kind = match (action.kind, &there.kind) {
            (ActionKind::Dir, Kind::Directory) => Kind::Directory,
            (ActionKind::Link, Kind::Symlink { target }) => {
                Kind::Symlink { target: target.clone() }
            }
            (ActionKind::File, Kind::File(_) | Kind::Hardlink { .. }) => {
                Kind::File(self.content(&path).map_err(refuse)?)
            }
            (ActionKind::Hardlink, Kind::File(_) | Kind::Hardlink { .. }) => {
                let target = crate::install::hardlink_target(action, &path).map_err(refuse)?;
                self.hardlinks.push((path, target, package));
                return Ok(());
            }
            (wanted, found) => {
                return Err(refuse(format!("is a {} and should be a {wanted}", found.word())));
            }
        };
        let metadata = match kind {
            Kind::Symlink { .. } => Metadata::root(0o777),
            _ => crate::install::metadata_of(action, &self.owners).map_err(refuse)?,
        };
        let metadata = metadata.at(there.metadata.mtime);
        if self.manifest.get(&path).is_none() {
            let entry = Entry { kind, metadata, package: Some(package) };
            self.manifest.replace(path, entry);
        }
        Ok(())
    }

    /// The size of a file on disk, where it may be one of several names.
    fn content(&self, path: &ProtoPath) -> Result<FileContent, String> {
        match self.disk.manifest.resolve_hardlink(path).and_then(|(_, entry)| entry.content()) {
            Some(content) => Ok(content.clone()),
            None => Err("is no regular file".to_owned()),
        }
    }

    fn link_hardlinks(&mut self) -> Result<(), Error> {
        for (path, target, package) in std::mem::take(&mut self.hardlinks) {
            let refuse = |problem: String| Error::Packaged {
                path: path.to_string(),
                package: package.to_string(),
                problem,
            };
            let Some(file) = self.manifest.get(&target) else {
                return Err(refuse(format!(
                    "is a hard link to {target}, which is no packaged file"
                )));
            };
            if file.content().is_none() {
                let word = file.kind.word();
                return Err(refuse(format!("is a hard link to {target}, which is a {word}")));
            }
            let metadata = file.metadata;
            let same = self.is_same_file(&path, &target)?;
            let kind = match same {
                true => Kind::Hardlink { target },
                // The link was broken on disk and one side changed: what is there counts.
                false => Kind::File(self.content(&path).map_err(refuse)?),
            };
            if self.manifest.get(&path).is_none() {
                self.manifest.replace(path, Entry { kind, metadata, package: Some(package) });
            }
        }
        Ok(())
    }

    /// Whether two paths are one file on disk, or two with the same bytes.
    fn is_same_file(&self, one: &ProtoPath, other: &ProtoPath) -> Result<bool, Error> {
        let manifest = &self.disk.manifest;
        let (Some((one, a)), Some((other, b))) =
            (manifest.resolve_hardlink(one), manifest.resolve_hardlink(other))
        else {
            return Ok(false);
        };
        if one == other {
            return Ok(true);
        }
        let (Some(a), Some(b)) = (a.content(), b.content()) else { return Ok(false) };
        if a.size != b.size {
            return Ok(false);
        }
        let contents = &self.disk.contents;
        Ok(contents.read(one, a)? == contents.read(other, b)?)
    }

    /// `var/sadm/pkg/NAME/pkginfo` and the directories above it.
    fn legacy(&mut self, action: &Action) {
        let name = action.get("pkg").unwrap_or_default();
        for (below, mode) in [("", 0o755), ("/pkginfo", 0o644)] {
            self.take_as(&format!("var/sadm/pkg/{name}{below}"), mode);
        }
        for directory in ["var/sadm", "var/sadm/pkg"] {
            self.take_as(directory, 0o755);
        }
    }

    /// Takes a path that pkg makes itself, if it is there, as root:root.
    fn take_as(&mut self, path: &str, mode: u32) {
        let Ok(path) = ProtoPath::new(path) else { return };
        if self.manifest.contains(&path) {
            return;
        }
        let Some(there) = self.disk.manifest.get(&path) else { return };
        let kind = match &there.kind {
            Kind::Hardlink { .. } => match self.content(&path) {
                Ok(content) => Kind::File(content),
                Err(_) => return,
            },
            kind => kind.clone(),
        };
        let metadata = Metadata::root(mode).at(there.metadata.mtime);
        self.imply_parents(&path);
        self.manifest.replace(path, Entry::new(kind, metadata));
    }

    /// Everything below `var/pkg` is pkg's own, with the modes that pkg gives it.
    fn metadata_of_pkg(&mut self) {
        let Ok(var_pkg) = ProtoPath::new("var/pkg") else { return };
        let paths: Vec<(String, u32)> = self
            .disk
            .manifest
            .subtree(&var_pkg)
            .filter_map(|(path, entry)| {
                let text = path.as_str()?;
                let mode = match &entry.kind {
                    Kind::Directory => 0o755,
                    Kind::Symlink { .. } => 0o777,
                    _ if text.starts_with("var/pkg/license/") => 0o444,
                    _ if text == "var/pkg/lock" => 0o755,
                    _ => 0o644,
                };
                Some((text.to_owned(), mode))
            })
            .collect();
        for (path, mode) in paths {
            self.take_as(&path, mode);
        }
    }

    fn imply_parents(&mut self, path: &ProtoPath) {
        let mut parent = path.parent();
        while let Some(directory) = parent {
            if directory.is_root() || !self.implied.insert(directory.clone()) {
                break;
            }
            parent = directory.parent();
        }
    }

    /// Directories that only follow from what is below them have owner, group and mode of the
    /// directory above, as pkg makes them.
    fn imply_directories(&mut self) {
        // Parents sort before what is in them.
        for path in std::mem::take(&mut self.implied) {
            if self.manifest.contains(&path) {
                continue;
            }
            let Some(there) = self.disk.manifest.get(&path).filter(|e| e.is_directory()) else {
                continue;
            };
            let above = path.parent().and_then(|parent| self.manifest.get(&parent));
            let metadata = above.map_or(Metadata::root(0o755), |above| above.metadata);
            let entry = Entry::directory(metadata.at(there.metadata.mtime));
            self.manifest.replace(path, entry);
        }
    }

    fn unpackaged(&mut self, root: &Path, options: &ImportOptions) -> Result<(), Error> {
        let mut left = BTreeMap::new();
        for (path, entry) in self.disk.manifest.iter() {
            if !self.manifest.contains(path) {
                left.insert(path.clone(), entry);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        if options.unpackaged == Unpackaged::Refuse {
            let paths = left.into_keys().collect();
            return Err(Error::Unpackaged { root: root.to_owned(), paths });
        }
        for (path, entry) in left {
            let metadata = match entry.kind {
                Kind::Symlink { .. } => Metadata::root(0o777),
                _ => Metadata::owned(entry.metadata.mode, 0, SYS),
            };
            let kind = match &entry.kind {
                Kind::Hardlink { target } => match self.manifest.get(target).map(|e| &e.kind) {
                    Some(Kind::File(_)) => Kind::Hardlink { target: target.clone() },
                    Some(Kind::Hardlink { target }) => Kind::Hardlink { target: target.clone() },
                    _ => entry.kind.clone(),
                },
                kind => kind.clone(),
            };
            self.manifest.replace(path, Entry::new(kind, metadata.at(entry.metadata.mtime)));
        }
        Ok(())
    }
}

/// Paths at which one package's file takes the place of another's.
fn overlaid_paths(image: &Image) -> BTreeSet<String> {
    image
        .actions()
        .filter(|(_, action)| action.get("overlay") == Some("true"))
        .filter_map(|(_, action)| action.path().map(str::to_owned))
        .collect()
}
