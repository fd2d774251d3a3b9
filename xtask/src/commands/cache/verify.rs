//! `cargo xtask cache verify`

use clap::Args;
use store::Store;

use super::{NOTHING, Place};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{Printer, bytes};

/// Read everything in the store and compare it with its digest
///
/// What is damaged is set aside, so that the next run that needs it fetches it again.
///
/// Exit status 0: everything is as it should be; 1: something was damaged.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask cache verify")]
pub(super) struct Verify {
    #[command(flatten)]
    place: Place,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let Some(directory) = self.place.find()? else {
            printer.say(NOTHING);
            return Ok(ExitStatus::Success);
        };
        let found = Store::open(&directory)?.verify()?;
        if self.json {
            printer.json(&found)?;
        } else {
            for (digest, path) in &found.damaged {
                printer.result(format_args!("damaged {digest}: now {}", path.display()));
            }
            for name in &found.dangling {
                printer.result(format_args!("forgotten {name}"));
            }
            printer.good(
                "read",
                format_args!("{} files, {}", found.checked.count, bytes(found.checked.bytes)),
            );
        }
        Ok(if found.is_good() { ExitStatus::Success } else { ExitStatus::Findings })
    }
}
