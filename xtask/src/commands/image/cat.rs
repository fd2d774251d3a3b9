//! `cargo xtask image cat`: one file of an image.

use std::path::PathBuf;

use clap::Args;
use proto::ProtoPath;

use super::{failure, open};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Write a file of a dataset to standard output.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask image cat zfs.img rpool/ROOT/ramdisk etc/release")]
pub(super) struct Cat {
    /// The image
    image: PathBuf,

    /// The dataset or snapshot
    dataset: String,

    /// The regular file
    path: ProtoPath,
}

impl Cat {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let image = open(&self.image)?.0;
        let mut dataset = image.dataset(&self.dataset).map_err(failure)?;
        let mut file = dataset.file(&self.path).map_err(failure)?;
        match printer.copy(&mut file) {
            Ok(()) => Ok(ExitStatus::Success),
            Err(error) => Err(match error.downcast::<zpool_image::Error>() {
                Ok(error) => failure(error),
                Err(error) => Failure::new(format!("cannot write to standard output: {error}")),
            }),
        }
    }
}
