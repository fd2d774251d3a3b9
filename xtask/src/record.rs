//! What an image was made from: `record.json`, in `os.tar.gz` and beside it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ips::Image;
use jiff::Timestamp;
use proto::{Digest, Proto, ProtoPath};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

/// The name beside the other results of an image, and in `os.tar.gz`.
pub(crate) const NAME: &str = "record.json";

/// The largest record that is read.
const LARGEST: u64 = 64 << 20;

/// The inputs of an image. The same inputs give the same record, on any machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The version of this form.
    pub(crate) v: u32,
    /// Which image: `host` or `trampoline`.
    pub(crate) image: String,
    /// The name in its phase-2 header.
    pub(crate) name: String,
    /// The time of the build, seconds since the epoch.
    pub(crate) build_time: i64,
    /// What made it.
    pub(crate) tool: Tool,
    /// The SHA-256 of the lock file, as `cargo xtask lock` writes it; none if there was none.
    pub(crate) lock: Option<Digest>,
    /// The packages, by name.
    pub(crate) packages: Vec<PackageRecord>,
    /// The features of the templates, in order.
    pub(crate) features: Vec<String>,
    /// The templates and the files that they take, by name, with their SHA-256.
    pub(crate) templates: BTreeMap<String, Digest>,
    /// What was laid over the packages, in order.
    pub(crate) overlays: Vec<OverlayRecord>,
}

/// The tool that made an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tool {
    /// Its version.
    pub(crate) version: String,
    /// The commit of its sources; none outside git.
    pub(crate) commit: Option<String>,
    /// Whether its sources differ from that commit.
    pub(crate) dirty: bool,
}

/// A package of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackageRecord {
    /// Its name with publisher and full version.
    pub(crate) fmri: String,
    /// The SHA-256 of its manifest, which has the hashes of its files.
    pub(crate) manifest: Digest,
}

/// Something that was laid over an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OverlayRecord {
    /// What it is called: an omicron package, or a directory's last name.
    pub(crate) name: String,
    /// `package` or `directory`.
    pub(crate) kind: String,
    /// The SHA-256 of the package's archive, or of the directory's list of files with theirs.
    pub(crate) sha256: Digest,
}

impl Record {
    /// The packages of a proto.
    pub(crate) fn packages(proto: &Proto) -> Result<Vec<PackageRecord>, Failure> {
        let image = Image::read(proto)?;
        let record = |package: &ips::InstalledPackage| -> Result<PackageRecord, Failure> {
            let path = ProtoPath::new(package.manifest_path())?;
            let content = proto.manifest.get(&path).and_then(|entry| entry.content());
            let content = content.ok_or_else(|| format!("{path} is missing"))?;
            let manifest = match content.digest {
                Some(digest) => digest,
                None => Digest::of(&proto.contents.read(&path, content)?),
            };
            Ok(PackageRecord { fmri: package.fmri.long(), manifest })
        };
        image.packages.iter().map(record).collect()
    }

    /// As it is written.
    pub(crate) fn text(&self) -> Result<String, Failure> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads the record of an image: from `os.tar.gz`, from `record.json`, or from the directory
    /// with both.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        if !path.exists() {
            return Err(Failure::missing(format!("{} is missing", path.display())));
        }
        let beside = path.join(NAME);
        let path = match path.is_dir() {
            true if beside.is_file() => &beside,
            true => &path.join("os.tar.gz"),
            false => path,
        };
        let read = |error: io::Error| format!("cannot read {}: {error}", path.display());
        let mut start = [0];
        let mut file = File::open(path).map_err(read)?;
        let text = match file.read(&mut start).map_err(read)? {
            1 if start == *b"{" => fs::read(path).map_err(read)?,
            _ => in_archive(path)?,
        };
        let versioned: serde_json::Value = serde_json::from_slice(&text)
            .map_err(|error| format!("{} is no record: {error}", path.display()))?;
        match versioned.get("v").and_then(serde_json::Value::as_u64) {
            Some(1) => {}
            Some(other) => {
                return Err(format!(
                    "{}: version {other} of records is not known here, only 1 is",
                    path.display()
                )
                .into());
            }
            None => return Err(format!("{} is no record: it has no `v`", path.display()).into()),
        }
        Ok(serde_json::from_value(versioned)
            .map_err(|error| format!("{} is no record: {error}", path.display()))?)
    }
}

/// The text of the record in an archive. It stands before the image, so that only the beginning of
/// the archive is read.
fn in_archive(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut reader = oxide_archive::open(path)?;
    let wanted = format!("image/{NAME}");
    while let Some(member) = reader.next_member()? {
        if member.name == wanted.as_bytes() {
            if member.size > LARGEST {
                return Err(format!("{}: its record is too large", path.display()).into());
            }
            let mut text = Vec::new();
            reader.read_all(&mut text)?;
            return Ok(text);
        }
        if member.name == b"image/zfs.img" {
            break;
        }
    }
    Err(Failure::new(format!("{} has no record", path.display()))
        .hint("only images of this program have one, and not those of its first versions"))
}

/// The SHA-256 of a file.
pub(crate) fn digest(path: &Path) -> Result<Digest, Failure> {
    let fail = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let mut file = File::open(path).map_err(fail)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 256 * 1024]);
    loop {
        match file.read(&mut buffer).map_err(fail)? {
            0 => return Ok(Digest(hasher.finalize().into())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// The SHA-256 of a directory: of a list of everything in it, by name, with mode, and digest of the
/// content or text of the link.
pub(crate) fn tree_digest(directory: &Path) -> Result<Digest, Failure> {
    let mut list = String::new();
    for entry in walkdir::WalkDir::new(directory).min_depth(1).sort_by_file_name() {
        let entry =
            entry.map_err(|error| format!("cannot list {}: {error}", directory.display()))?;
        let name = entry.path().strip_prefix(directory)?;
        let metadata = entry.metadata()?;
        let mode = metadata.permissions().mode() & 0o7777;
        let what = if metadata.is_dir() {
            format!("directory {mode:04o}")
        } else if metadata.is_symlink() {
            format!("link {:?}", fs::read_link(entry.path())?)
        } else {
            format!("file {mode:04o} {}", digest(entry.path())?)
        };
        writeln!(list, "{name:?} {what}")?;
    }
    Ok(Digest::of(list.as_bytes()))
}

impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, name, build_time, tool, lock, .. } = self;
        let time = Timestamp::from_second(*build_time).map(|time| time.to_string());
        writeln!(out, "image      {image}, {name:?}")?;
        writeln!(out, "built      {}", time.unwrap_or_else(|_| build_time.to_string()))?;
        let commit = tool.commit.as_deref().unwrap_or("unknown");
        let dirty = if tool.dirty { " with changes" } else { "" };
        writeln!(out, "tool       {}, commit {commit}{dirty}", tool.version)?;
        match lock {
            Some(lock) => writeln!(out, "lock       {lock}")?,
            None => writeln!(out, "lock       none")?,
        }
        writeln!(out, "features   {}", self.features.join(" "))?;
        write!(out, "packages   {}, with the SHA-256 of their manifests", self.packages.len())?;
        for PackageRecord { fmri, manifest } in &self.packages {
            write!(out, "\n  {manifest}  {fmri}")?;
        }
        write!(out, "\ntemplates  {}", self.templates.len())?;
        for (name, digest) in &self.templates {
            write!(out, "\n  {digest}  {name}")?;
        }
        write!(out, "\noverlays   {}", self.overlays.len())?;
        for OverlayRecord { name, kind, sha256 } in &self.overlays {
            write!(out, "\n  {sha256}  {kind} {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            v: 1,
            image: "host".to_owned(),
            name: "test".to_owned(),
            build_time: 1_790_000_000,
            tool: Tool { version: "1.0.0".to_owned(), commit: None, dirty: false },
            lock: None,
            packages: vec![PackageRecord {
                fmri: "pkg://p/a@1,5.11:20260102T030405Z".to_owned(),
                manifest: Digest([7; 32]),
            }],
            features: vec!["a".to_owned()],
            templates: BTreeMap::from([("sled/zfs.json".to_owned(), Digest([8; 32]))]),
            overlays: Vec::new(),
        }
    }

    #[test]
    fn written_and_read() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(NAME), record().text().unwrap()).unwrap();
        assert_eq!(Record::load(directory.path()).unwrap(), record());
        assert_eq!(Record::load(&directory.path().join(NAME)).unwrap(), record());
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let good = record().text().unwrap();
        for (text, problem) in [
            (good.replace("\"v\": 1", "\"v\": 2"), "version 2 of records"),
            (good.replace("\"v\": 1", "\"w\": 1"), "has no `v`"),
            (good.replace("0707", "07x7"), "is no record"),
            (good[..good.len() / 2].to_owned(), "is no record"),
            (String::new(), ""),
            ("not an archive".to_owned(), ""),
        ] {
            fs::write(&path, text).unwrap();
            let failure = Record::load(&path).unwrap_err();
            assert!(failure.error.to_string().contains(problem), "{}", failure.error);
        }
        assert!(Record::load(&directory.path().join("none")).is_err());
    }

    #[test]
    fn a_tree_is_known_by_names_modes_and_contents() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a");
        let set = |text: &str, mode: u32| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            tree_digest(directory.path()).unwrap()
        };
        let first = set("x", 0o644);
        assert_ne!(set("y", 0o644), first);
        assert_ne!(set("x", 0o600), first);
        assert_eq!(set("x", 0o644), first);
        fs::rename(&file, directory.path().join("b")).unwrap();
        assert_ne!(tree_digest(directory.path()).unwrap(), first);
    }
}
