//! `baseline`: makes a baseline from an installed image.

mod depots;
mod printer;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use baseline::{Options, Seed, Selection, generate, verify};
use clap::Parser;
use depots::Depots;
use ips::{ImportOptions, Location, Origin, Unpackaged};
use proto::{Proto, Store};

/// Make the baseline of omicron1 zones: files.tar.gz and gzonly.txt.
#[derive(Debug, Parser)]
#[command(
    version,
    after_long_help = "\
Examples:
  baseline -R proto/host --origin packages.p5p out/baseline
  baseline -R proto/host --verify out/baseline/files.tar.gz

Exit status: 0 if all went well, 1 if not (with --verify also if the archive does not belong
to the image), 2 for wrong usage."
)]
struct Arguments {
    /// The image: a directory with package metadata in var/pkg. Its zones get every package it
    /// has. Without it, the running system's zones get `entire`, ssh and time servers.
    #[arg(short = 'R', long, value_name = "DIR")]
    image: Option<PathBuf>,
    /// Wait until the image's origins are there, depots too.
    #[arg(short, long)]
    wait: bool,
    /// A repository, package archive or depot for files the image does not have; may be repeated.
    /// Default: the image's own origins; its depots only without -R or with --wait.
    #[arg(long, value_name = "REPO|P5P|URL")]
    origin: Vec<String>,
    /// Where what depots give is kept for the next time. Default: nowhere.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The zone's service repository: a copy of the packaged `nonglobal` seed, `none`, or a file.
    #[arg(long, value_name = "nonglobal|none|FILE", default_value = "nonglobal")]
    smf_seed: PathBuf,
    /// Fail if a packaged file of the image was changed.
    #[arg(long)]
    strict: bool,
    /// Leave out files that neither the image nor an origin has.
    #[arg(long)]
    allow_missing: bool,
    /// The time of all entries whose packages name none, in seconds since 1970. Default: when the
    /// newest package was published.
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "SECONDS")]
    epoch: Option<i64>,
    /// Say whether this archive still belongs to the image.
    #[arg(long, value_name = "ARCHIVE", conflicts_with = "directory")]
    verify: Option<PathBuf>,
    /// The directory that gets both files.
    #[arg(value_name = "DIR", required_unless_present = "verify")]
    directory: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            printer::error(&*error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (image, packages) = match &arguments.image {
        Some(image) => (image.clone(), Selection::Installed),
        None => (PathBuf::from("/"), Selection::Development),
    };
    // Takes what is added to the proto, which is nothing here.
    let scratch = tempfile::tempdir()?;
    let store = Store::create(scratch.path().join("store"))?;
    // What no package delivers never gets into a zone, so it may be there.
    let import = ImportOptions { unpackaged: Unpackaged::Accept };
    let proto = ips::import_root(&image, store, &import)?;
    if let Some(archive) = &arguments.verify {
        let verified = verify(archive, &proto)?;
        printer::verified(archive, &verified);
        return Ok(if verified.belongs() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let Some(output) = &arguments.directory else { return Ok(ExitCode::from(2)) };
    let kept = arguments.store.clone().unwrap_or_else(|| scratch.path().join("depots"));
    let depots = Depots::new(&kept);
    let origins = origins(arguments, &proto, &depots)?;
    let origins: Vec<&dyn Origin> = origins.iter().map(AsRef::as_ref).collect();
    let seed = match arguments.smf_seed.to_str() {
        Some("nonglobal") => Seed::Nonglobal,
        Some("none") => Seed::None,
        _ => Seed::File(arguments.smf_seed.clone()),
    };
    let report = generate(&Options {
        proto: &proto,
        origins: &origins,
        output,
        packages,
        seed: &seed,
        strict: arguments.strict,
        allow_missing: arguments.allow_missing,
        epoch: arguments.epoch,
    })?;
    printer::report(&report);
    Ok(ExitCode::SUCCESS)
}

/// How long to wait before origins are asked again.
const PAUSE: Duration = Duration::from_secs(5);

/// The origins that were named, else those of the image.
fn origins(
    arguments: &Arguments,
    proto: &Proto,
    depots: &Depots<'_>,
) -> Result<Vec<Box<dyn Origin>>, Box<dyn std::error::Error>> {
    if !arguments.origin.is_empty() {
        return arguments.origin.iter().map(|text| open(&Location::of(text), depots)).collect();
    }
    let mut opened = Vec::new();
    for location in baseline::origins(proto)? {
        // An image that is only looked at needs no network.
        if location.is_depot() && arguments.image.is_some() && !arguments.wait {
            continue;
        }
        let mut said = String::new();
        loop {
            let problem = match &location {
                Location::Path(path) if !path.exists() => "it is not there".to_owned(),
                Location::Path(_) => {
                    opened.push(open(&location, depots)?);
                    break;
                }
                Location::Depot(_) => match open(&location, depots) {
                    Ok(origin) => {
                        opened.push(origin);
                        break;
                    }
                    Err(error) => error.to_string(),
                },
            };
            let what = if arguments.wait { "waiting for" } else { "going on without" };
            if said != problem {
                printer::note(&format!("{what} the origin {location}: {problem}"));
                said = problem;
            }
            if !arguments.wait {
                break;
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(opened)
}

fn open(
    location: &Location,
    depots: &Depots<'_>,
) -> Result<Box<dyn Origin>, Box<dyn std::error::Error>> {
    match location {
        Location::Path(path) => Ok(ips::open_origin(path)?),
        Location::Depot(url) => depots.open(url),
    }
}
