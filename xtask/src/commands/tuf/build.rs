//! `cargo xtask tuf build`: a repository of given artifacts.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use tuf::{BuildOptions, BuildReport, Input, Key, V1BuildOptions, V1Manifest, VerifyOptions};

use crate::environment::BuildClock;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// Build a repository of artifacts, each recognised by its contents.
///
/// An artifact is a folder of OS images, a CoRIM, a Hubris archive or a zone image. With --format v1
/// a repository of the older format is built of what a manifest names. The repository is verified
/// before it gets its name. The time is SOURCE_DATE_EPOCH, else now. Without a key a throwaway key
/// signs.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask tuf build --version 20.0.0 --key key.pem --out repo.zip host/ trampoline/ *.tar.gz
  cargo xtask tuf build --version 20.0.0 --fake --out repo.zip
  cargo xtask tuf build --format v1 --manifest manifest.toml --key key.pem --out repo-v1.zip")]
pub(super) struct Build {
    /// The version of the whole; a semantic version
    #[arg(long, value_name = "VERSION", required_unless_present = "manifest")]
    version: Option<String>,

    /// The format
    #[arg(long, value_enum, default_value_t = Format::V2)]
    format: Format,

    /// What goes into a repository of format v1, with its version
    #[arg(long, value_name = "FILE", conflicts_with_all = ["version", "artifacts"])]
    manifest: Option<PathBuf>,

    /// The zip to write; one that is there is replaced
    #[arg(long, value_name = "ZIP")]
    out: PathBuf,

    /// A key that signs: Ed25519, ECDSA P-256 or RSA in PKCS#8 PEM or DER; repeatable
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,

    /// A root to sign under, taken over byte for byte; repeatable, `1.root.json` to the last
    #[arg(long = "root", value_name = "ROOT.json", requires = "keys")]
    roots: Vec<PathBuf>,

    /// Days until the metadata expires
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    expires: u32,

    /// Build a part of a repository: no OS images needed
    #[arg(long)]
    partial: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    /// Put in stand-ins for everything that a complete repository has: for trying what handles
    /// one, never for a rack
    #[arg(long, conflicts_with = "manifest")]
    fake: bool,

    /// The artifacts
    #[arg(required_unless_present_any = ["manifest", "fake"], value_name = "ARTIFACT")]
    artifacts: Vec<PathBuf>,
}

/// The formats of repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// `artifacts.json`, as deployed racks read it
    V1,
    /// `artifacts-v2.json`
    V2,
}

impl Build {
    /// Builds what was asked for into a file.
    fn build(&self, out: PathBuf, build_time: Timestamp) -> Result<BuildReport, Failure> {
        let keys = self.keys.iter().map(Key::from_file).collect::<Result<_, _>>();
        let keys = keys.map_err(super::failure)?;
        let (roots, expires_days) = (self.roots.clone(), self.expires);
        let report = match (self.format, &self.manifest, &self.version) {
            (Format::V1, Some(manifest), _) => tuf::build_v1(&V1BuildOptions {
                manifest: V1Manifest::read(manifest).map_err(super::failure)?,
                keys,
                roots,
                expires_days,
                build_time,
                out,
                complete: !self.partial,
            }),
            (Format::V2, None, Some(version)) => {
                let inputs = self.artifacts.iter().map(Input::guess);
                let inputs = inputs.chain(self.fake.then_some(Ok(Input::Fakes)));
                tuf::build(&BuildOptions {
                    system_version: version.clone(),
                    inputs: inputs.collect::<Result<_, _>>().map_err(super::failure)?,
                    keys,
                    roots,
                    expires_days,
                    build_time,
                    out,
                    installinator_document: true,
                })
            }
            _ => {
                return Err(Failure::usage("--manifest and --format v1 belong together")
                    .hint("format v2 is built of artifacts that are named on the command line"));
            }
        };
        report.map_err(super::failure)
    }

    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let files = self.artifacts.iter().chain(&self.keys).chain(&self.roots);
        super::check_there(files.chain(&self.manifest))?;
        let parent = match self.out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => std::path::Path::new("."),
        };
        let stage =
            tempfile::Builder::new().prefix(".build-").tempdir_in(parent).map_err(|error| {
                format!("cannot create a directory in {}: {error}", parent.display())
            })?;
        let staged = stage.path().join("repo.zip");
        let build_time = BuildClock::read()?.time;
        let mut built = self.build(staged.clone(), build_time)?;
        let options = VerifyOptions {
            complete: !self.partial,
            digest: false,
            ..VerifyOptions::at(build_time)
        };
        let verified = tuf::verify(&staged, &options)?;
        if !verified.outcome().is_ok() {
            for problem in &verified.problems {
                printer.result(problem);
            }
            return Err(Failure::new(
                "the repository is refused by its own check; nothing is written",
            )
            .with_status(ExitStatus::Findings)
            .hint("--partial builds a part of a repository"));
        }
        std::fs::rename(&staged, &self.out)
            .map_err(|error| format!("cannot write {}: {error}", self.out.display()))?;
        built.path = self.out;
        if self.fake {
            printer.warn("it holds stand-ins: no rack can be updated from it");
        }
        if built.throwaway_key {
            printer.warn("signed with a throwaway key: nobody can sign this repository again");
        }
        if self.json {
            printer.json(&built)?;
        } else {
            printer.good(
                "built",
                format_args!(
                    "{} targets, {}, expires {}{}",
                    built.targets.len(),
                    printer::bytes(built.size),
                    built.expires,
                    built.sha256.map(|sha256| format!(", SHA256 = {sha256}")).unwrap_or_default()
                ),
            );
            printer.result(built.path.display());
        }
        Ok(ExitStatus::Success)
    }
}
