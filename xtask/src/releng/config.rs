//! `releng.toml`: what goes into a build. `releng.example.toml` at the root of the repository
//! shows and explains every key.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use ips::Location;
use proto::Digest;
use serde::Deserialize;

use crate::failure::Failure;

/// A whole `releng.toml`. Relative paths are relative to the file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    /// `MAJOR.MINOR.PATCH` that the default system version starts with.
    pub(crate) base_version: Option<String>,
    /// Where packages come from, and which.
    pub(crate) packages: Packages,
    /// The image templates.
    pub(crate) templates: Templates,
    /// The host image.
    pub(crate) host: Image,
    /// The trampoline (recovery) image.
    pub(crate) trampoline: Image,
    /// Omicron's packages: zones and global-zone software.
    pub(crate) omicron: Option<Omicron>,
    /// The update repository.
    pub(crate) repository: Repository,
    /// Firmware for it, by lists of hashes.
    pub(crate) firmware: Vec<Firmware>,
    /// Where the file is; none for a config that was never one.
    #[serde(skip)]
    directory: Option<PathBuf>,
}

/// `[packages]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Packages {
    /// File repositories, `.p5p` archives and addresses of depots, in search order.
    pub(crate) origins: Vec<PathBuf>,
    /// Depots that are asked for payloads before the origins.
    pub(crate) mirrors: Vec<String>,
    /// PEM files of certification authorities that are trusted besides the system's.
    pub(crate) authorities: Vec<PathBuf>,
    /// The store of what comes from depots, in place of the user's.
    pub(crate) cache: Option<PathBuf>,
    /// The most bytes that a build leaves in that store.
    pub(crate) cache_max_size: Option<Bytes>,
    /// Packages of both images, in place of the templates' own list.
    pub(crate) install: Vec<String>,
    /// Whether the brand built by this run is installed into the host image.
    pub(crate) brand: Option<bool>,
    /// The lock file, in place of `helios.lock` beside the config.
    pub(crate) lock: Option<PathBuf>,
}

/// `[templates]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Templates {
    /// The template root, in place of the embedded one.
    pub(crate) directory: Option<PathBuf>,
    /// The group below it.
    pub(crate) group: Option<String>,
    /// Directories for `extsrc`, in search order.
    pub(crate) external: Vec<PathBuf>,
    /// Features for both images, in order: `f`, `f=v`, `f+=v`, `f-=v`, `^f`.
    pub(crate) features: Vec<String>,
    /// The file that names the members of the boot archive, one a line.
    pub(crate) boot_archive: Option<PathBuf>,
}

/// `[host]` and `[trampoline]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Image {
    /// A finished output folder of helios-build, taken instead of building.
    pub(crate) image: Option<PathBuf>,
    /// The name in the phase-2 header.
    pub(crate) name: Option<String>,
    /// Further features of this image, after the common ones.
    pub(crate) features: Vec<String>,
    /// Further packages of this image.
    pub(crate) packages: Vec<String>,
    /// Omicron packages and how they are put in, in place of the default list.
    pub(crate) overlay: Option<BTreeMap<String, Method>>,
    /// Extra proto directories, laid over the image in order.
    pub(crate) proto: Vec<PathBuf>,
    /// Boot ROMs by board.
    pub(crate) roms: BTreeMap<String, PathBuf>,
    /// Makes clearly marked stand-ins for the ROMs that are not given. They do not boot.
    pub(crate) stand_in_roms: bool,
    /// The ramdisk to create at boot, in MiB.
    pub(crate) target_size: Option<u64>,
    /// The pool image: `"auto"` (from the contents), or a size in MiB that must suffice.
    pub(crate) size: Option<Size>,
    /// The largest the pool image may be, in MiB.
    pub(crate) budget: Option<NonZeroU64>,
    /// The `summary.json` of an earlier run, to say what grew.
    pub(crate) record: Option<PathBuf>,
    /// How the pool is compressed, in place of what the template says.
    pub(crate) compression: Option<Compression>,
    /// Makes the pool's identifiers differ from those that its contents give.
    pub(crate) salt: Option<String>,
    /// Compresses the pool with the least time.
    pub(crate) fast: bool,
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Bytes(pub(crate) u64);

impl TryFrom<String> for Bytes {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        crate::quantity::size(&text).map(Self)
    }
}

/// How a pool is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Compression {
    /// Whichever form makes the smaller ramdisk.
    Auto,
    /// So.
    Fixed(zpool_image::Compression),
}

impl TryFrom<String> for Compression {
    type Error = String;
    fn try_from(word: String) -> Result<Self, String> {
        match word.as_str() {
            "auto" => Ok(Self::Auto),
            // The templates' pools have no features.
            "lz4" => Err("`lz4` needs a feature, and the pools of images have none".to_owned()),
            _ => word
                .parse()
                .map(Self::Fixed)
                .map_err(|error: zpool_image::UnknownCompression| format!("{error}, and auto")),
        }
    }
}

/// How an omicron package is put into an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Method {
    /// Unpacked to `opt/oxide/SERVICE`, its `pkg/manifest.xml` moved to
    /// `lib/svc/manifest/site/SERVICE.xml`.
    Install,
    /// Copied to `opt/oxide/SERVICE.tar.gz`.
    Bundle,
}

/// A pool size.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(crate) enum Size {
    /// What the contents need.
    Auto,
    /// Mebibytes.
    Mebibytes(u64),
}

impl TryFrom<toml::Value> for Size {
    type Error = String;
    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(word) if word == "auto" => Ok(Self::Auto),
            toml::Value::Integer(size) if size > 0 => Ok(Self::Mebibytes(size.unsigned_abs())),
            other => Err(format!("expected \"auto\" or a number of MiB, not {other}")),
        }
    }
}

/// `[omicron]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Omicron {
    /// Omicron's `package-manifest.toml`, which names the services.
    pub(crate) package_manifest: PathBuf,
    /// The directory with `NAME.tar` and `NAME.tar.gz`.
    pub(crate) artifacts: PathBuf,
    /// SHA-256 that the archives of some packages must have.
    #[serde(default)]
    pub(crate) sha256: BTreeMap<String, Digest>,
}

/// `[repository]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Repository {
    /// Omicron packages that are zones of the repository, in place of the default list.
    pub(crate) zones: Option<Vec<String>>,
    /// Further zone images, by path; the file's name is the name on the rack.
    pub(crate) zone_files: Vec<ZoneFile>,
    /// Days until the metadata expires.
    pub(crate) expires: Option<u32>,
}

/// `[[firmware]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Firmware {
    /// By whom it is signed: `staging` or `production`.
    pub(crate) environment: String,
    /// The list: a BLAKE3 hash and a label a line.
    pub(crate) list: PathBuf,
    /// Directories with files named by hash, looked into first.
    #[serde(default)]
    pub(crate) directories: Vec<PathBuf>,
    /// Addresses that are asked for `artifact/HASH`.
    #[serde(default)]
    pub(crate) from: Vec<String>,
}

/// A zone image: a path, or a table with `path` and the `sha256` that it must have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(crate) struct ZoneFile {
    pub(crate) path: PathBuf,
    pub(crate) sha256: Option<Digest>,
}

impl TryFrom<toml::Value> for ZoneFile {
    type Error = String;
    fn try_from(value: toml::Value) -> Result<Self, String> {
        /// The long form.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Pinned {
            path: PathBuf,
            sha256: Digest,
        }
        match value {
            toml::Value::String(path) => Ok(Self { path: path.into(), sha256: None }),
            toml::Value::Table(table) => {
                let Pinned { path, sha256 } = Pinned::deserialize(toml::Value::Table(table))
                    .map_err(|error| error.message().to_owned())?;
                Ok(Self { path, sha256: Some(sha256) })
            }
            other => {
                Err(format!("expected a path or {{ path = \"…\", sha256 = \"…\" }}, not {other}"))
            }
        }
    }
}

/// Releng's list for the host image.
pub(crate) const HOST_OVERLAY: [(&str, Method); 8] = [
    ("crucible-utils", Method::Install),
    ("mg-ddm-gz", Method::Install),
    ("omicron-sled-agent", Method::Install),
    ("overlay", Method::Bundle),
    ("oxlog", Method::Install),
    ("propolis-server", Method::Bundle),
    ("pumpkind-gz", Method::Install),
    ("switch-asic", Method::Bundle),
];

/// Releng's list for the trampoline image.
pub(crate) const TRAMPOLINE_OVERLAY: [(&str, Method); 2] =
    [("installinator", Method::Install), ("mg-ddm-gz", Method::Install)];

/// Releng's zones of the repository.
pub(crate) const ZONES: [&str; 12] = [
    "clickhouse",
    "clickhouse_keeper",
    "clickhouse_server",
    "cockroachdb",
    "crucible-pantry-zone",
    "crucible-zone",
    "external-dns",
    "internal-dns",
    "nexus",
    "ntp",
    "oximeter",
    "probe",
];

/// Days until the metadata expires, unless the user says otherwise.
pub(crate) const EXPIRES: u32 = 7;

impl Config {
    /// Reads a file; paths in it become relative to the current directory.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::missing(format!("cannot read {}: {error}", path.display()))
        })?;
        let mut config = Self::parse(&text, path)?;
        config.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        toml::from_str(text).map_err(|error| {
            // toml's message shows the line and names the keys that could stand there.
            let message = error.to_string();
            let failure = Failure::usage(format!(
                "{} cannot be used\n{}",
                path.display(),
                message.trim_end()
            ));
            match suggestion(&message) {
                Some(word) => failure.hint(format!("did you mean `{word}`?")),
                None => failure.hint("releng.example.toml explains every key"),
            }
        })
    }

    /// The lock file, whether it is there or not.
    pub(crate) fn lock_file(&self) -> Option<PathBuf> {
        let beside = || self.directory.as_ref().map(|directory| directory.join("helios.lock"));
        self.packages.lock.clone().or_else(beside)
    }

    /// What an origin is called, wherever the config's directory is: the path as it was written.
    pub(crate) fn origin_name(&self, path: &Path) -> String {
        let relative = self.directory.as_ref().and_then(|base| path.strip_prefix(base).ok());
        relative.unwrap_or(path).to_string_lossy().into_owned()
    }

    fn resolve(&mut self, base: &Path) {
        self.directory = Some(base.to_owned());
        let below = |path: &mut PathBuf| {
            if !Location::of(&path).is_depot() {
                *path = base.join(&*path);
            }
        };
        let Self { packages, templates, host, trampoline, omicron, repository, firmware, .. } =
            self;
        packages.origins.iter_mut().for_each(below);
        packages.cache.iter_mut().for_each(below);
        packages.authorities.iter_mut().for_each(below);
        packages.lock.iter_mut().for_each(below);
        templates.directory.iter_mut().for_each(below);
        templates.external.iter_mut().for_each(below);
        templates.boot_archive.iter_mut().for_each(below);
        for image in [host, trampoline] {
            image.image.iter_mut().for_each(below);
            image.proto.iter_mut().for_each(below);
            image.roms.values_mut().for_each(below);
            image.record.iter_mut().for_each(below);
        }
        if let Some(omicron) = omicron {
            below(&mut omicron.package_manifest);
            below(&mut omicron.artifacts);
        }
        repository.zone_files.iter_mut().map(|file| &mut file.path).for_each(below);
        for firmware in firmware {
            below(&mut firmware.list);
            firmware.directories.iter_mut().for_each(below);
        }
    }
}

/// From serde's "unknown field `x`, expected one of `a`, `b`" the nearest of the expected words.
fn suggestion(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("unknown ")?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let given = quoted.next()?;
    quoted
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .filter(|(distance, word)| *distance <= word.len().max(given.len()) / 2)
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(text: &str) -> Failure {
        Config::parse(text, Path::new("releng.toml")).unwrap_err()
    }

    #[test]
    fn the_commented_example_is_valid() {
        let example = include_str!("../../../releng.example.toml");
        Config::parse(example, Path::new("releng.example.toml")).unwrap();
        // Every key that is commented out is a real one, too.
        let uncommented: String = example
            .lines()
            .map(|line| match line.strip_prefix("#") {
                Some(key) if !key.starts_with(' ') => format!("{key}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        Config::parse(&uncommented, Path::new("releng.example.toml")).unwrap();
    }

    #[test]
    fn a_misspelt_key_is_an_error_with_a_suggestion() {
        let failure = refuse("[packages]\norigin = []\n");
        assert!(failure.error.to_string().contains("line 2"), "{}", failure.error);
        assert_eq!(failure.hints, ["did you mean `origins`?"]);
        assert_eq!(refuse("[hosts]\n").hints, ["did you mean `host`?"]);
        let failure = refuse("[host.overlay]\nx = \"instal\"\n");
        assert_eq!(failure.hints, ["did you mean `install`?"]);
    }

    #[test]
    fn sizes() {
        let size = |text: &str| {
            Config::parse(&format!("[host]\nsize = {text}\n"), Path::new("t")).map(|c| c.host.size)
        };
        assert_eq!(size("\"auto\"").unwrap(), Some(Size::Auto));
        assert_eq!(size("1200").unwrap(), Some(Size::Mebibytes(1200)));
        assert!(size("-1").is_err());
        assert!(size("\"big\"").is_err());
    }

    #[test]
    fn zone_files_may_be_pinned() {
        let files = |text: &str| {
            let text = format!("[repository]\nzone-files = [{text}]\n");
            Config::parse(&text, Path::new("t")).map(|config| config.repository.zone_files)
        };
        let sum = "0".repeat(63) + "1";
        let found = files(&format!("\"a\", {{ path = \"b\", sha256 = \"{sum}\" }}")).unwrap();
        assert_eq!(found[0], ZoneFile { path: "a".into(), sha256: None });
        assert_eq!(found[1], ZoneFile { path: "b".into(), sha256: sum.parse().ok() });
        for (bad, word) in [
            ("1".to_owned(), "expected a path"),
            ("{ path = \"b\" }".to_owned(), "sha256"),
            ("{ path = \"b\", sha256 = \"12\" }".to_owned(), "line 2"),
            (format!("{{ path = \"b\", sha256 = \"{sum}\", x = 1 }}"), "unknown field `x`"),
        ] {
            let failure = files(&bad).unwrap_err();
            assert!(failure.error.to_string().contains(word), "{}", failure.error);
        }
    }

    #[test]
    fn compressions() {
        let compression = |text: &str| {
            let text = format!("[host]\ncompression = {text}\n");
            Config::parse(&text, Path::new("t")).map(|config| config.host.compression)
        };
        assert_eq!(compression("\"auto\"").unwrap(), Some(Compression::Auto));
        let gzip = Compression::Fixed(zpool_image::Compression::Gzip(9));
        assert_eq!(compression("\"gzip-9\"").unwrap(), Some(gzip));
        for bad in ["\"zstd\"", "\"lz4\"", "9"] {
            let failure = compression(bad).unwrap_err();
            assert!(failure.error.to_string().contains("line 2"), "{}", failure.error);
        }
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("releng.toml");
        std::fs::write(&file, "[packages]\norigins = [\"repo\", \"/abs.p5p\", \"http://x/y\"]\n")
            .unwrap();
        let config = Config::read(&file).unwrap();
        assert_eq!(
            config.packages.origins,
            [directory.path().join("repo"), "/abs.p5p".into(), "http://x/y".into()]
        );
    }
}
