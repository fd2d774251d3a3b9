//! `cargo xtask pkg`: packages, one file per verb.

mod contents;
mod diff;
mod generate;
mod info;
mod lint;
mod list;
mod mogrify;
mod republish;
mod resolve;
mod search;
mod serve;
mod signatures;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::{Args, Subcommand};
use ips::{Location, Packages, Timestamp};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// Work on IPS packages, without pkg(7).
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Contents(contents::Contents),
    Info(info::Info),
    Search(search::Search),
    Diff(diff::Diff),
    Lint(lint::Lint),
    Mogrify(mogrify::Mogrify),
    Generate(generate::Generate),
    Resolve(resolve::Resolve),
    Republish(republish::Republish),
    Signatures(signatures::Signatures),
    Serve(serve::Serve),
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let network = &Network::default();
        match self.command {
            Command::List(arguments) => arguments.run(network, printer),
            Command::Contents(arguments) => arguments.run(network, printer),
            Command::Info(arguments) => arguments.run(network, printer),
            Command::Search(arguments) => arguments.run(network, printer),
            Command::Diff(arguments) => arguments.run(network, printer),
            Command::Lint(arguments) => arguments.run(network, printer),
            Command::Mogrify(arguments) => arguments.run(printer),
            Command::Generate(arguments) => arguments.run(printer),
            Command::Resolve(arguments) => arguments.run(network, printer),
            Command::Republish(arguments) => arguments.run(network, printer),
            Command::Signatures(arguments) => arguments.run(network, printer),
            Command::Serve(arguments) => arguments.run(printer),
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

/// Opens an image, a repository, a package archive or a depot.
fn open(place: &Path, network: &Network) -> Result<Packages, Failure> {
    if let Location::Depot(address) = Location::of(place) {
        return Ok(Packages::Origin(Box::new(network.open(&address)?)));
    }
    if !place.exists() {
        return Err(Failure::missing(format!("{} is missing", place.display())));
    }
    Packages::open(place).map_err(failure)
}

/// Seconds since 1970, as packages have them.
fn timestamp(seconds: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_epoch(seconds)
        .ok_or_else(|| Failure::usage(format!("{seconds} is no time that packages can have")))
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
