//! `cargo xtask cache`: what was fetched, and is kept.

mod du;
mod gc;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::environment;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Look after the store of what was fetched from package depots.
///
/// It is shared by all runs of a user and safe for several at once. Everything in it is named by
/// its digest; what is damaged is set aside and fetched again.
#[derive(Debug, Args)]
#[command(after_long_help = "Environment:
  RELENG_CACHE  the store (default: xtask-releng in the user's cache directory)")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Du(du::Du),
    Gc(gc::Gc),
    Verify(verify::Verify),
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            Command::Du(arguments) => arguments.run(printer),
            Command::Gc(arguments) => arguments.run(printer),
            Command::Verify(arguments) => arguments.run(printer),
        }
    }
}

/// Which store.
#[derive(Debug, Args)]
struct Place {
    /// The store, if it is not the user's
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Place {
    /// Where it is; none when there is none yet.
    fn find(&self) -> Result<Option<PathBuf>, Failure> {
        let directory = match &self.directory {
            Some(directory) if !directory.exists() => {
                return Err(Failure::missing(format!("{} is missing", directory.display())));
            }
            // What is said here wins over the environment.
            Some(directory) => directory.clone(),
            None => environment::cache_directory(None)?,
        };
        Ok(directory.exists().then_some(directory))
    }
}

/// What the commands say where nothing was fetched yet.
const NOTHING: &str = "nothing was fetched yet";
