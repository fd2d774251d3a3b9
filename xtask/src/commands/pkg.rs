//! `cargo xtask pkg`: packages, one file per verb.

mod mogrify;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::{Args, Subcommand};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Work on IPS packages, without pkg(7).
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Mogrify(mogrify::Mogrify),
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            Command::Mogrify(arguments) => arguments.run(printer),
        }
    }
}

/// Reads `NAME=VALUE` of a command line.
fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE was expected".to_owned()),
    }
}

/// What went wrong with packages, with the status that fits.
fn failure(error: ips::Error) -> Failure {
    let missing = matches!(&error,
        ips::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound);
    match &error {
        _ if missing => Failure::missing(error),
        ips::Error::NoPackage { .. } | ips::Error::NoPayload { .. } => Failure::missing(error),
        ips::Error::Pattern { .. } => Failure::usage(error),
        ips::Error::Manifest { .. } | ips::Error::Damaged { .. } => {
            Failure::new(error).with_status(ExitStatus::Findings)
        }
        _ => Failure::new(error),
    }
}

/// Writes a text beside its final name, then renames it.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let write = || {
        let mut new = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o644))
            .tempfile_in(directory.unwrap_or(Path::new(".")))?;
        new.write_all(text.as_bytes())?;
        new.persist(file).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error: std::io::Error| {
        Failure::new(format!("cannot write {}: {error}", file.display()))
    })
}
