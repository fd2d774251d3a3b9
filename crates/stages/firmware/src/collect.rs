//! From lists to images that may be signed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hubris::{Archive, Corim, ImageName};

use crate::library::{Library, write};
use crate::list::parse_hash;
use crate::manifest::{Entry, KindWord, Manifest, Source};
use crate::{Error, HashList, Line};

/// By whom images are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Environment {
    /// For development.
    Staging,
    /// For customers.
    Production,
}

impl Environment {
    /// The short word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// The word in names of artifacts.
    fn full(self) -> &'static str {
        match self {
            Self::Staging => "staging-devel",
            Self::Production => "production-release",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "staging" => Ok(Self::Staging),
            "production" => Ok(Self::Production),
            _ => Err(format!("staging or production was expected, not {text:?}")),
        }
    }
}

/// What an image is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A root of trust: slot a, slot b.
    Rot([PathBuf; 2]),
    /// A root of trust's bootloader.
    RotBootloader(PathBuf),
    /// A service processor.
    Sp(PathBuf),
    /// Reference measurements.
    Corpus(PathBuf),
}

/// One artifact, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What it is, and its files.
    pub kind: Kind,
    /// The word of the older format, e.g. `gimlet_rot`.
    pub word: &'static str,
    /// Its name in that format.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Everything that the manifests of a list name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// The artifacts, in the order of the list and of its manifests.
    pub artifacts: Vec<Artifact>,
}

/// Gets everything that a list names, into a directory that is there.
///
/// # Errors
///
/// When something cannot be had, is not what its hash says, or contradicts itself: an image whose
/// version is not that of its manifest, a slot with the image of the other, boards in an order
/// that older readers take for another.
pub fn collect(
    list: &HashList,
    environment: Environment,
    library: &Library,
    directory: &Path,
) -> Result<Collected, Error> {
    let mut collected = Collected::default();
    let mut names: BTreeMap<(&str, String), String> = BTreeMap::new();
    for line in &list.lines {
        let refuse = |problem: String| Error::Manifest {
            hash: line.hash.to_string(),
            label: line.label.clone(),
            problem,
        };
        let bytes = library.get(line.hash, &format!("the manifest {}", line.label))?;
        let manifest = Manifest::parse(&bytes).map_err(refuse)?;
        for (word, entries) in &manifest.artifact {
            for entry in entries {
                let key = (word.as_str(), entry.name.clone());
                if let Some(other) = names.insert(key, line.label.clone()) {
                    let problem =
                        format!("{} {} is also in the manifest {other}", word.as_str(), entry.name);
                    return Err(refuse(problem));
                }
                let one = One { line, entry, library, directory };
                collected.artifacts.push(one.get(*word)?);
            }
        }
        if let Some(part) = &manifest.measurement_corpus {
            let hash = parse_hash(&part.hash).map_err(|problem| refuse(problem.to_owned()))?;
            let bytes = library.get(hash, &format!("the corpus of {}", line.label))?;
            let path = write(directory, &format!("{hash}.corim"), &bytes)?;
            let corim = Corim::parse(&bytes).map_err(|error| Error::Image {
                name: "the corpus".to_owned(),
                manifest: line.label.clone(),
                path: path.clone(),
                problem: error.to_string(),
            })?;
            collected.artifacts.push(Artifact {
                kind: Kind::Corpus(path),
                word: "measurement_corpus",
                name: format!("{environment}-{}", corim.id),
                version: corim.version,
            });
        }
    }
    Ok(collected)
}

impl Collected {
    /// Checks what readers of the older format need: of the two boards that share a kind, the
    /// gimlet's root of trust and bootloader come before the cosmo's, and all four are there.
    ///
    /// # Errors
    ///
    /// Says which is missing or in the wrong place.
    pub fn check_order(&self, environment: Environment) -> Result<(), String> {
        let full = environment.full();
        for (word, [first, second]) in [
            (
                KindWord::GimletRot,
                [format!("oxide-rot-1-{full}-gimlet"), format!("oxide-rot-1-{full}-cosmo")],
            ),
            (
                KindWord::GimletRotBootloader,
                [
                    format!("gimlet_rot_bootloader-{full}-gimlet"),
                    format!("gimlet_rot_bootloader-{full}-cosmo"),
                ],
            ),
        ] {
            let word = word.as_str();
            let place = |name: &str| {
                let at = self.artifacts.iter().position(|a| a.word == word && a.name == name);
                at.ok_or_else(|| format!("there is no {word} named {name}"))
            };
            if place(&first)? > place(&second)? {
                return Err(format!("{word} {first} must come before {second}"));
            }
        }
        Ok(())
    }
}

/// One entry of a manifest, with everything that is needed to get it.
struct One<'a> {
    line: &'a Line,
    entry: &'a Entry,
    library: &'a Library,
    directory: &'a Path,
}

impl One<'_> {
    fn get(&self, word: KindWord) -> Result<Artifact, Error> {
        use KindWord as W;
        let kind = match (word, &self.entry.source) {
            (
                W::GimletRot | W::PscRot | W::SwitchRot,
                Source::CompositeRot { archive_a, archive_b },
            ) => {
                let (a, board_a) = self.image(&archive_a.hash, Some(&ImageName::A))?;
                let (b, board_b) = self.image(&archive_b.hash, Some(&ImageName::B))?;
                if board_a != board_b {
                    let problem =
                        format!("its slots are for different boards, {board_a} and {board_b}");
                    return Err(self.refuse(&b, problem));
                }
                Kind::Rot([a, b])
            }
            (
                W::GimletRotBootloader | W::PscRotBootloader | W::SwitchRotBootloader,
                Source::File { hash },
            ) => Kind::RotBootloader(self.image(hash, None)?.0),
            (W::GimletSp | W::PscSp | W::SwitchSp, Source::File { hash }) => {
                Kind::Sp(self.image(hash, Some(&ImageName::Default))?.0)
            }
            (word, _) => {
                let problem = format!(
                    "{} {} has a source of the wrong kind; a root of trust is `composite-rot`, \
                     everything else is `file`",
                    word.as_str(),
                    self.entry.name
                );
                return Err(self.manifest(problem));
            }
        };
        Ok(Artifact {
            kind,
            word: word.as_str(),
            name: self.entry.name.clone(),
            version: self.entry.version.clone(),
        })
    }

    /// Gets an image and looks whether it is what the manifest says. Returns its board, too.
    fn image(&self, hash: &str, wanted: Option<&ImageName>) -> Result<(PathBuf, String), Error> {
        let hash = parse_hash(hash)
            .map_err(|problem| self.manifest(format!("{}: {problem}", self.entry.name)))?;
        let bytes = self.library.get(hash, &self.entry.name)?;
        let path = write(self.directory, &format!("{hash}.zip"), &bytes)?;
        let refuse = |problem: String| self.refuse(&path, problem);
        let archive =
            Archive::read(Cursor::new(bytes)).map_err(|error| refuse(error.to_string()))?;
        let text = |result: Result<&str, hubris::Error>| match result {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(refuse(error.to_string())),
        };
        let version = text(archive.caboose.version())?;
        if version != self.entry.version {
            let problem =
                format!("its version is {version}, the manifest says {}", self.entry.version);
            return Err(refuse(problem));
        }
        let board = text(archive.caboose.board())?;
        match wanted {
            // Archives that do not say what they are, are what the manifest says.
            Some(wanted)
                if archive.image_name != ImageName::Absent && archive.image_name != *wanted =>
            {
                Err(refuse(format!("it is {:?} and should be {wanted:?}", archive.image_name)))
            }
            _ => Ok((path, board)),
        }
    }

    fn refuse(&self, path: &Path, problem: String) -> Error {
        Error::Image {
            name: self.entry.name.clone(),
            manifest: self.line.label.clone(),
            path: path.to_owned(),
            problem,
        }
    }

    fn manifest(&self, problem: String) -> Error {
        Error::Manifest {
            hash: self.line.hash.to_string(),
            label: self.line.label.clone(),
            problem,
        }
    }
}
