//! `cargo xtask tuf build`: a repository of given artifacts.

use std::path::PathBuf;

use clap::Args;
use tuf::{BuildOptions, Input, Key, VerifyOptions};

use crate::environment::BuildClock;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// Build a repository of artifacts, each recognised by its contents.
///
/// An artifact is a folder of OS images, a CoRIM, a Hubris archive or a zone image. The repository
/// is verified before it gets its name. The time is SOURCE_DATE_EPOCH, else now. Without a key a
/// throwaway key signs.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask tuf build --version 20.0.0 --key key.pem --out repo.zip host/ trampoline/ *.tar.gz")]
pub(super) struct Build {
    /// The version of the whole; a semantic version
    #[arg(long, value_name = "VERSION")]
    version: String,

    /// The zip to write; one that is there is replaced
    #[arg(long, value_name = "ZIP")]
    out: PathBuf,

    /// A key that signs: Ed25519, ECDSA P-256 or RSA in PKCS#8 PEM or DER; repeatable
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,

    /// Days until the metadata expires
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    expires: u32,

    /// Build a part of a repository: no OS images needed
    #[arg(long)]
    partial: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    /// The artifacts
    #[arg(required = true, value_name = "ARTIFACT")]
    artifacts: Vec<PathBuf>,
}

impl Build {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        for path in &self.artifacts {
            if !path.exists() {
                return Err(Failure::missing(format!("{} is missing", path.display())));
            }
        }
        let inputs = self.artifacts.iter().map(Input::guess).collect::<Result<_, _>>();
        let keys = self.keys.iter().map(Key::from_file).collect::<Result<_, _>>();
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
        let mut built = tuf::build(&BuildOptions {
            system_version: self.version,
            inputs: inputs.map_err(super::failure)?,
            keys: keys.map_err(super::failure)?,
            expires_days: self.expires,
            build_time,
            out: staged.clone(),
            installinator_document: true,
        })
        .map_err(super::failure)?;
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
        if built.throwaway_key {
            printer.warn("signed with a throwaway key: nobody can sign this repository again");
        }
        if self.json {
            printer.json(&built)?;
        } else {
            printer.good(
                "built",
                format_args!(
                    "{} targets, {}, expires {}, SHA256 = {}",
                    built.targets.len(),
                    printer::bytes(built.size),
                    built.expires,
                    built.sha256
                ),
            );
            printer.result(built.path.display());
        }
        Ok(ExitStatus::Success)
    }
}
