//! `cargo xtask zone`: zone images.

mod build;
mod minimal;

use clap::{Args, Subcommand};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Work on zone images.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<build::Arguments>),
    Minimal(Box<minimal::Arguments>),
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            Command::Build(arguments) => arguments.run(printer),
            Command::Minimal(arguments) => arguments.run(printer),
        }
    }
}
