//! `cargo xtask inspect`: what a file is, what is in it, what is broken in it.

use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Say what a file is, what is in it, and what is broken in it.
///
/// The contents decide, not the name: baseline, layer and OS archives, phase-2 images, pools, boot
/// archives, .p5p archives, package manifests, update repositories, Hubris archives.
///
/// Exit status 0: sound; 1: damaged, with the place.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask inspect out/releng/host/os.tar.gz
  cargo xtask inspect --json repo.zip")]
pub(crate) struct Arguments {
    /// The file
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        if !self.file.exists() {
            return Err(Failure::missing(format!("{} is missing", self.file.display())));
        }
        let inspection = inspect::inspect(&self.file)?;
        if self.json {
            printer.json(&inspection)?;
        } else {
            printer.result(&inspection);
        }
        Ok(if inspection.is_sound() { ExitStatus::Success } else { ExitStatus::Findings })
    }
}
