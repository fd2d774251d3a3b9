//! `cargo xtask tuf edit`: artifacts put in, replaced and taken out.

use std::path::PathBuf;

use clap::Args;
use tuf::{EditOptions, Input};

use super::signing::{self, Signing};
use crate::environment::BuildClock;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Change a repository: put artifacts in, replace them, take them out.
///
/// What stays is copied in its compressed form. The installinator document and the list of
/// artifacts are made anew, so that they always fit. The zip is replaced by one rename. It is
/// signed under its own root unless --new-root or --root says otherwise. The time is
/// SOURCE_DATE_EPOCH, else now.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask tuf edit --key key.pem --replace ntp.tar.gz repo.zip
  cargo xtask tuf edit --new-root --remove zones/probe.tar.gz --out smaller.zip repo.zip")]
pub(super) struct Edit {
    /// An artifact to put in, recognised by its contents; repeatable
    #[arg(long, value_name = "ARTIFACT")]
    add: Vec<PathBuf>,

    /// An artifact to put in for the one with the same tags; repeatable
    #[arg(long, value_name = "ARTIFACT")]
    replace: Vec<PathBuf>,

    /// The name of a target to take out; repeatable
    #[arg(long, value_name = "TARGET")]
    remove: Vec<String>,

    /// Let a complete repository become a part of one: what every rack needs may be taken out
    #[arg(long)]
    partial: bool,

    /// Another system version
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,

    #[command(flatten)]
    signing: Signing,

    /// Write another zip instead of replacing this one
    #[arg(long, value_name = "ZIP")]
    out: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    /// The repository
    zip: PathBuf,
}

impl Edit {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        super::check_there(self.add.iter().chain(&self.replace).chain([&self.zip]))?;
        if self.add.is_empty()
            && self.replace.is_empty()
            && self.remove.is_empty()
            && self.version.is_none()
        {
            return Err(Failure::usage("nothing to change was given")
                .hint("--add, --replace, --remove or --version; `tuf refresh` only signs again"));
        }
        let guess = |paths: &[PathBuf]| {
            let inputs = paths.iter().map(Input::guess).collect::<Result<Vec<_>, _>>();
            inputs.map_err(super::failure)
        };
        let options = EditOptions {
            add: guess(&self.add)?,
            replace: guess(&self.replace)?,
            remove: self.remove,
            system_version: self.version,
            keys: self.signing.keys()?,
            root: self.signing.root(),
            expires_days: self.signing.expires,
            trust_root: self.signing.trust_root,
            build_time: BuildClock::read()?.time,
            complete: !self.partial,
            digest: self.json,
            out: self.out.unwrap_or_else(|| self.zip.clone()),
            zip: self.zip,
        };
        // What is odd about the old one is said before it is gone.
        super::open(&options.zip, options.trust_root.as_deref(), printer)?;
        let report = tuf::edit(&options).map_err(|error| {
            let hint = match &error {
                tuf::Error::SameTags { .. } | tuf::Error::Collision { .. } => {
                    Some("--replace takes out what has the same tags")
                }
                tuf::Error::Incomplete { .. } => Some("--partial makes a part of a repository"),
                _ => None,
            };
            let failure = super::failure(error);
            match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
        signing::tell("edited", &report, &options.root, self.json, printer)?;
        Ok(ExitStatus::Success)
    }
}
