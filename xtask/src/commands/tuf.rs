//! `cargo xtask tuf`: update repositories, one file per verb.

mod build;
mod check;
mod diff;
mod edit;
mod extract;
mod list;
mod merge;
mod refresh;
mod show;
mod signing;
mod verify;

pub(crate) use self::build::Format;

use std::path::Path;

use clap::{Args, Subcommand};
use tuf::Repository;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Work on update repositories.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(build::Build),
    Verify(verify::Verify),
    List(list::List),
    Show(show::Show),
    Extract(extract::Extract),
    Check(check::Check),
    Refresh(refresh::Refresh),
    Edit(edit::Edit),
    Merge(merge::Merge),
    Diff(diff::Diff),
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            Command::Build(arguments) => arguments.run(printer),
            Command::Verify(arguments) => arguments.run(printer),
            Command::List(arguments) => arguments.run(printer),
            Command::Show(arguments) => arguments.run(printer),
            Command::Extract(arguments) => arguments.run(printer),
            Command::Check(arguments) => arguments.run(printer),
            Command::Refresh(arguments) => arguments.run(printer),
            Command::Edit(arguments) => arguments.run(printer),
            Command::Merge(arguments) => arguments.run(printer),
            Command::Diff(arguments) => arguments.run(printer),
        }
    }
}

/// Opens a repository, saying what is odd about it.
fn open(path: &Path, trust_root: Option<&Path>, printer: &Printer) -> Result<Repository, Failure> {
    check_there(trust_root.into_iter().chain([path]))?;
    let repository = Repository::open(path, trust_root).map_err(failure)?;
    for warning in tuf::problem_lines(&repository.listing().warnings) {
        printer.warn(format_args!("{}: {warning}", path.display()));
    }
    Ok(repository)
}

/// Refuses inputs that are missing.
fn check_there(files: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<(), Failure> {
    for file in files {
        if !file.as_ref().exists() {
            return Err(Failure::missing(format!("{} is missing", file.as_ref().display())));
        }
    }
    Ok(())
}

/// A repository that is refused is a finding; anything else is a failed operation.
fn failure(error: tuf::Error) -> Failure {
    match &error {
        tuf::Error::Refused { .. } => Failure::new(error).with_status(ExitStatus::Findings),
        tuf::Error::Target { problem, .. } if problem.starts_with("no such") => {
            Failure::usage(error).hint("`cargo xtask tuf list` shows the names")
        }
        tuf::Error::Target { .. } => Failure::new(error).with_status(ExitStatus::Findings),
        tuf::Error::Unsigned { .. } => Failure::usage(error)
            .hint("give the keys of its root with --key, or make a new root with --new-root"),
        tuf::Error::Edit { .. }
        | tuf::Error::Incomplete { .. }
        | tuf::Error::SameTags { .. }
        | tuf::Error::Collision { .. } => Failure::usage(error),
        tuf::Error::Key { .. } | tuf::Error::Time(_) | tuf::Error::Version { .. } => {
            Failure::usage(error)
        }
        _ => Failure::new(error),
    }
}
