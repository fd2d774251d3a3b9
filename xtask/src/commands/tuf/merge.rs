//! `cargo xtask tuf merge`: one repository of several.

use std::path::PathBuf;

use clap::Args;
use tuf::MergeOptions;

use super::signing::{self, Signing};
use crate::environment::BuildClock;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Put everything that several repositories hold into one.
///
/// What several hold must be the same in all. Targets are copied in their compressed form; the
/// installinator document and the list of artifacts are made anew. It is signed under the first
/// one's root unless --new-root or --root says otherwise. The time is SOURCE_DATE_EPOCH, else now.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask tuf merge --key key.pem --out whole.zip os.zip zones.zip firmware.zip")]
pub(super) struct Merge {
    /// The system version of the whole, where theirs differ
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,

    #[command(flatten)]
    signing: Signing,

    /// The zip to write; one that is there is replaced
    #[arg(long, value_name = "ZIP")]
    out: PathBuf,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    /// The repositories
    #[arg(required = true, num_args = 2.., value_name = "ZIP")]
    zips: Vec<PathBuf>,
}

impl Merge {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        super::check_there(&self.zips)?;
        for zip in &self.zips {
            super::open(zip, self.signing.trust_root.as_deref(), printer)?;
        }
        let options = MergeOptions {
            zips: self.zips,
            out: self.out,
            system_version: self.version,
            keys: self.signing.keys()?,
            root: self.signing.root(),
            expires_days: self.signing.expires,
            trust_root: self.signing.trust_root,
            build_time: BuildClock::read()?.time,
            digest: self.json,
        };
        let report = tuf::merge(&options).map_err(super::failure)?;
        signing::tell("merged", &report, &options.root, self.json, printer)?;
        Ok(ExitStatus::Success)
    }
}
