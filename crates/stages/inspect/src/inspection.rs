//! What is found, and its form as text.

use std::fmt;
use std::path::PathBuf;

use indexmap::IndexMap;
use proto::Digest;
use serde::Serialize;

use crate::Damage;

/// What a file is and what is in it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes.
    pub size: u64,
    /// What can be said in a word each, by name, in order.
    pub facts: IndexMap<String, String>,
    /// Its members, in order.
    pub entries: Vec<Item>,
    /// What is wrong with it.
    pub damage: Vec<Damage>,
}

/// The formats that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// An Oxide archive of type `baseline`.
    Baseline,
    /// An Oxide archive of type `layer`: a zone image.
    Layer,
    /// An Oxide archive of type `os`: a host or trampoline image.
    OsArchive,
    /// A phase-2 image.
    Phase2,
    /// A ZFS pool without a header.
    Pool,
    /// A boot archive.
    BootArchive,
    /// A boot archive in its compressed form.
    CompressedBootArchive,
    /// An IPS package archive (`.p5p`).
    PackageArchive,
    /// An IPS package manifest.
    PackageManifest,
    /// An update repository.
    UpdateRepository,
    /// A Hubris archive: an image for a service processor or root of trust.
    HubrisArchive,
    /// A tar of no special kind, compressed or not.
    Tar,
    /// A gzip member with something else in it.
    Gzip,
    /// A zlib stream with something else in it.
    Zlib,
    /// A zip of no special kind.
    Zip,
}

/// A member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Item {
    /// The name.
    pub name: String,
    /// `file`, `directory`, `symlink` and so on; for packages and artifacts what they are.
    #[serde(rename = "type")]
    pub item_type: String,
    /// Bytes.
    pub size: u64,
    /// Permission bits, in octal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Numeric owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Numeric group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Modification time, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtime: Option<String>,
    /// Where a link points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// SHA-256 of its bytes, where they are identified by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// What else is known about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Inspection {
    pub(crate) fn new(path: PathBuf, size: u64) -> Self {
        Self {
            path,
            kind: Kind::Tar,
            size,
            facts: IndexMap::new(),
            entries: Vec::new(),
            damage: Vec::new(),
        }
    }

    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }

    pub(crate) fn fact(&mut self, name: &str, value: impl fmt::Display) {
        self.facts.insert(name.to_owned(), printable(&value.to_string()));
    }
}

/// Text from a file, fit for a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            escaped.into_iter().flatten().chain((!c.is_control()).then_some(c))
        })
        .collect()
}

impl Kind {
    /// What it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Baseline => "baseline archive",
            Self::Layer => "layer",
            Self::OsArchive => "OS archive",
            Self::Phase2 => "phase-2 image",
            Self::Pool => "ZFS pool image",
            Self::BootArchive => "boot archive",
            Self::CompressedBootArchive => "compressed boot archive",
            Self::PackageArchive => "package archive",
            Self::PackageManifest => "package manifest",
            Self::UpdateRepository => "update repository",
            Self::HubrisArchive => "Hubris archive",
            Self::Tar => "tar",
            Self::Gzip => "gzip member",
            Self::Zlib => "zlib stream",
            Self::Zip => "zip",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}, {} bytes", self.path.display(), self.kind, self.size)?;
        let width = self.facts.keys().map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, value) in &self.facts {
            writeln!(f, "  {name:width$}  {value}")?;
        }
        if !self.entries.is_empty() {
            let word = if self.entries.len() == 1 { "entry" } else { "entries" };
            writeln!(f, "  {} {word}:", self.entries.len())?;
        }
        let sizes = self.entries.iter().map(|e| e.size.to_string().len()).max().unwrap_or(0);
        for entry in &self.entries {
            write!(f, "    {:>sizes$}  ", entry.size)?;
            if let (Some(mode), Some(uid), Some(gid)) = (&entry.mode, entry.uid, entry.gid) {
                write!(f, "{mode} {uid}:{gid}  ")?;
            }
            write!(f, "{}", entry.name)?;
            if let Some(target) = &entry.target {
                let arrow = if entry.item_type == "hard link" { "=>" } else { "->" };
                write!(f, " {arrow} {target}")?;
            }
            if !matches!(&*entry.item_type, "file" | "directory" | "symlink" | "hard link") {
                write!(f, "  [{}]", entry.item_type)?;
            }
            if let Some(note) = &entry.note {
                write!(f, "  ({note})")?;
            }
            writeln!(f)?;
        }
        for damage in &self.damage {
            writeln!(f, "  DAMAGED: {damage}")?;
        }
        Ok(())
    }
}
