//! `cargo xtask tuf show`: one file of a repository on standard output.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Write one target, or one metadata file, to standard output.
///
/// A target is read and compared with its signed hash before its first byte is written.
#[derive(Debug, Args)]
#[command(
    visible_alias = "cat",
    after_long_help = "Examples:
  cargo xtask tuf show repo.zip artifacts-v2.json
  cargo xtask tuf show --metadata repo.zip 1.root.json >root.json"
)]
pub(super) struct Show {
    /// The trusted root; without one the repository's own is taken on trust
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,

    /// Show a metadata file instead of a target
    #[arg(long)]
    metadata: bool,

    /// The repository: a zip, or a directory with the same files
    repository: PathBuf,

    /// The name of the target, or of the metadata file
    name: String,
}

impl Show {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let repository = super::open(&self.repository, self.trust_root.as_deref(), printer)?;
        let shown = if self.metadata {
            let bytes = repository.metadata(&self.name).map_err(super::failure)?;
            printer.copy(&mut bytes.as_slice()).map_err(Failure::new)
        } else {
            let mut out = printer.bytes();
            match repository.show(&self.name, &mut out) {
                // A reader that went away is not an error.
                Err(tuf::Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => {
                    Ok(())
                }
                shown => shown.map_err(super::failure),
            }
        };
        shown.map(|()| ExitStatus::Success)
    }
}
