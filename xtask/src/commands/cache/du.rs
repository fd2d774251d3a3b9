//! `cargo xtask cache du`

use clap::Args;
use store::{KindUsage, Store, Usage};

use super::{NOTHING, Place};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{Printer, bytes};

/// Say how much is in the store, by kind
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask cache du
  cargo xtask cache du --json")]
pub(super) struct Du {
    #[command(flatten)]
    place: Place,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Du {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let Some(directory) = self.place.find()? else {
            match self.json {
                true => printer.json(&Usage::default())?,
                false => printer.say(NOTHING),
            }
            return Ok(ExitStatus::Success);
        };
        let usage = Store::open(&directory)?.usage()?;
        if self.json {
            printer.json(&usage)?;
            return Ok(ExitStatus::Success);
        }
        let line = |name: &str, KindUsage { count, bytes: size }: KindUsage| {
            printer.result(format_args!("{:>10} {count:>8}  {name}", bytes(size)));
        };
        for (kind, used) in &usage.kinds {
            line(kind, *used);
        }
        for (name, used) in [
            ("without name", usage.unnamed),
            ("incomplete", usage.partial),
            ("damaged, set aside", usage.damaged),
        ] {
            if used.count > 0 {
                line(name, used);
            }
        }
        let total = KindUsage {
            count: usage.blobs.count + usage.partial.count + usage.damaged.count,
            bytes: usage.blobs.bytes + usage.partial.bytes + usage.damaged.bytes,
        };
        line(&format!("in {}", directory.display()), total);
        Ok(ExitStatus::Success)
    }
}
