//! `cargo xtask tuf extract`: files of a repository on disk.

use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Extract targets below a directory, all of them or those named.
///
/// Each is compared with its signed length and hash. The directory appears when all of them are
/// good; it must be new or empty.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask tuf extract repo.zip --out targets
  cargo xtask tuf extract repo.zip --out zones zones/ntp.tar.gz zones/nexus.tar.gz")]
pub(super) struct Extract {
    /// The trusted root; without one the repository's own is taken on trust
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,

    /// The directory to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Print the names as JSON
    #[arg(long)]
    json: bool,

    /// The repository: a zip, or a directory with the same files
    repository: PathBuf,

    /// The targets (default: all)
    targets: Vec<String>,
}

impl Extract {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let repository = super::open(&self.repository, self.trust_root.as_deref(), printer)?;
        let names = repository.extract(&self.targets, &self.out).map_err(super::failure)?;
        if self.json {
            printer.json(&names)?;
        } else {
            for name in &names {
                printer.result(self.out.join(name).display());
            }
        }
        Ok(ExitStatus::Success)
    }
}
