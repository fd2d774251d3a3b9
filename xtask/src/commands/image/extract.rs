//! `cargo xtask image extract`: datasets as files.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use proto::ProtoPath;

use super::{failure, open};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Lay a dataset, or a part of it, out as files.
///
/// Permissions and times are set; owners, set-user and set-group bits are not, and devices, pipes
/// and sockets are left out: `ls --mtree` has all of that. After a failure nothing is left behind.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask image extract zfs.img rpool/ROOT/ramdisk etc --to /tmp/etc")]
pub(super) struct Extract {
    /// The image
    image: PathBuf,

    /// The dataset or snapshot
    dataset: String,

    /// Only what stands here: of a directory its contents
    path: Option<ProtoPath>,

    /// A new or empty directory
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

impl Extract {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let to = &self.to;
        if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Failure::usage(format!("{} is not empty", to.display()))
                .hint("give a new or empty directory"));
        }
        let image = open(&self.image)?.0;
        let mut dataset = image.dataset(&self.dataset).map_err(failure)?;
        // Laid out beside its final name, so that a damaged image leaves nothing behind.
        let parent = match to.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let stage =
            tempfile::Builder::new().prefix(".image.").tempdir_in(parent).map_err(|error| {
                format!("cannot create a directory in {}: {error}", parent.display())
            })?;
        let inner = stage.path().join("root");
        fs::create_dir(&inner)?;
        let path = self.path.unwrap_or_else(ProtoPath::root);
        let extracted = dataset.extract(&path, &inner).map_err(failure)?;
        fs::rename(&inner, to).map_err(|error| format!("cannot make {}: {error}", to.display()))?;
        printer.good(
            "extracted",
            format_args!(
                "{} entries, {} bytes in {}",
                extracted.entries,
                extracted.bytes,
                to.display()
            ),
        );
        for path in &extracted.left_out {
            printer.warn(format_args!("{path} is no file, directory or link: left out"));
        }
        for path in &extracted.without_attributes {
            printer.warn(format_args!("{path} has extended attributes: left out"));
        }
        printer.result(to.display());
        Ok(ExitStatus::Success)
    }
}
