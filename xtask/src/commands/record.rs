//! `cargo xtask record`: what an image was made from.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::record::Record;

/// Show what an image was made from.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(ShowArguments),
}

/// Print the record of an image: its packages with their digests, its lock file, templates and
/// overlays, and the tool that made it.
///
/// Every image carries its record inside `os.tar.gz`, and has it beside it as `record.json`.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask record show out/releng/host/os.tar.gz
  cargo xtask record show --json out/releng/host | jq -r '.packages[].fmri'")]
struct ShowArguments {
    /// os.tar.gz, record.json, or the directory with them
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let Command::Show(show) = self.command;
        let record = Record::load(&show.file)?;
        match show.json {
            true => printer.json(&record)?,
            false => printer.result(&record),
        }
        Ok(ExitStatus::Success)
    }
}
