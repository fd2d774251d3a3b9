//! `cargo xtask baseline`: the sealed baseline archive of a proto root.

use std::path::{Path, PathBuf};

use baseline::{Options, Seed, Selection};
use clap::{Args, Subcommand};
use ips::{ImportOptions, Location, Origin, Unpackaged};
use proto::{Proto, Store};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// Generate the baseline archive that omicron1 zones start from, or check one.
///
/// From the proto root and its own package metadata (var/pkg): no pkg(1), no network, no root.
/// The output directory gets `files.tar.gz` and `gzonly.txt`, both or neither.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_long_help = "Examples:
  cargo xtask baseline --proto proto/root --origin img.repo --out out/baseline
  cargo xtask baseline verify out/baseline/files.tar.gz --proto proto/root"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    generate: Generate,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(Verify),
}

#[derive(Debug, Args)]
struct Generate {
    /// The proto root of the global zone
    #[arg(long, value_name = "ROOT", required = true)]
    proto: Option<PathBuf>,

    /// Where files come from that only zones get: a file repository, a .p5p or a depot
    /// (repeatable; default: the file origins that the proto names)
    #[arg(long = "origin", value_name = "REPO|P5P|URL")]
    origins: Vec<PathBuf>,

    /// Where the two files go
    #[arg(long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,

    /// The zone's service repository: `nonglobal` copies the packaged seed, `none` leaves it out,
    /// a file is one that svccfg made elsewhere
    #[arg(long, value_name = "nonglobal|none|FILE", default_value = "nonglobal", value_parser = seed)]
    smf_seed: Seed,

    /// Leave out files that cannot be had, with a warning
    #[arg(long)]
    allow_missing: bool,

    /// Treat a packaged file whose bytes were changed as an error
    #[arg(long)]
    strict: bool,
}

/// Say whether a baseline archive still belongs to a proto root.
///
/// Exit status 0: it does; 1: it does not, or is damaged.
#[derive(Debug, Args)]
struct Verify {
    /// The archive
    archive: PathBuf,

    /// The proto root
    #[arg(long, value_name = "ROOT")]
    proto: PathBuf,
}

fn seed(text: &str) -> Result<Seed, std::convert::Infallible> {
    Ok(match text {
        "nonglobal" => Seed::Nonglobal,
        "none" => Seed::None,
        path => Seed::File(path.into()),
    })
}

fn import(directory: &Path, store: &Path) -> Result<Proto, Failure> {
    if !directory.is_dir() {
        return Err(Failure::missing(format!("{} is no directory", directory.display())));
    }
    let options = ImportOptions { unpackaged: Unpackaged::Accept };
    Ok(ips::import_root(directory, Store::create(store)?, &options)?)
}

/// An input that is not there has an exit status of its own.
fn require(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        Ok(())
    } else {
        Err(Failure::missing(format!("{} is missing", path.display())))
    }
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            Some(Command::Verify(arguments)) => arguments.run(printer),
            None => self.generate.run(printer),
        }
    }
}

impl Generate {
    fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let (Some(root), Some(out)) = (self.proto, self.out) else {
            return Err(Failure::usage("--proto and --out are required"));
        };
        if let Seed::File(path) = &self.smf_seed {
            require(path)?;
        }
        let scratch = tempfile::tempdir()?;
        let proto = import(&root, scratch.path())?;
        let mut opened: Vec<Box<dyn Origin>> = Vec::new();
        let network = Network::default();
        for path in &self.origins {
            opened.push(match Location::of(path) {
                Location::Depot(address) => Box::new(network.open(&address)?),
                Location::Path(path) => {
                    require(&path)?;
                    ips::open_origin(path)?
                }
            });
        }
        if self.origins.is_empty() {
            for location in baseline::origins(&proto)? {
                // The network is asked only by name.
                let Location::Path(path) = location else { continue };
                if path.exists() {
                    opened.push(ips::open_origin(path)?);
                } else {
                    printer.warn(format_args!(
                        "the origin that the proto names is not here: {}; see --origin",
                        path.display()
                    ));
                }
            }
        }
        let origins: Vec<&dyn Origin> = opened.iter().map(|origin| &**origin).collect();
        let report = baseline::generate(&Options {
            proto: &proto,
            origins: &origins,
            output: &out,
            packages: Selection::Installed,
            seed: &self.smf_seed,
            strict: self.strict,
            allow_missing: self.allow_missing,
            epoch: None,
        })?;
        for warning in &report.warnings {
            printer.warn(warning);
        }
        printer.good(
            "sealed",
            format_args!(
                "{} paths of {} packages, {} global-only paths",
                report.entries,
                report.packages.len(),
                report.gzonly_paths
            ),
        );
        for file in [&report.archive, &report.gzonly] {
            printer.result(file.path.display());
        }
        Ok(ExitStatus::Success)
    }
}

impl Verify {
    fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        require(&self.archive)?;
        let scratch = tempfile::tempdir()?;
        let proto = import(&self.proto, scratch.path())?;
        let verified = baseline::verify(&self.archive, &proto)?;
        let belongs = verified.belongs();
        printer.result(format_args!(
            "{}: sealed {} by {}, the proto is {}: {}",
            self.archive.display(),
            verified.sealed,
            verified.tool.as_deref().unwrap_or("an unnamed tool"),
            verified.proto,
            if belongs { "belongs" } else { "does NOT belong" }
        ));
        Ok(if belongs { ExitStatus::Success } else { ExitStatus::Findings })
    }
}
