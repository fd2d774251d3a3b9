//! `cargo xtask bench`: how long the stages take, and how much memory.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use jobs::Stop;

use crate::bench::packages::{self, PackagesReport, RepositoryPlan};
use crate::bench::pool::{self, PoolReport};
use crate::bench::tuf::{self, TufReport};
use crate::bench::zones::{self, ZonesReport};
use crate::bench::{
    self, DIRECTORIES, Judged, Measured, Measurement, Plan, Report, STAGES, Spread,
};
use crate::environment;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};
use crate::releng::stop_on_signals;

/// Measure the stages on a generated system, against the usual pipelines.
///
/// The system is the same bytes each time. Stages run by turns, each in a process of its own;
/// medians and extremes are told. docs/performance.md has what was seen.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_long_help = "Examples:
  cargo xtask bench
  cargo xtask bench pool
  cargo xtask bench packages
  cargo xtask bench zones
  cargo xtask bench tuf
  cargo xtask bench --runs 3 --only pool --only baseline
  cargo xtask bench --json > measured.json")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    suite: Option<Suite>,

    /// How often each stage runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Files of the generated system
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    files: u64,

    /// Their bytes, in millions
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..100_000))]
    megabytes: u64,

    /// A stage to measure, with the pipeline it is compared with (repeatable; default: all)
    #[arg(long, value_name = "STAGE", value_parser = PossibleValuesParser::new(STAGES.map(|s| s.name)))]
    only: Vec<String>,

    /// Where to work; takes about eight times the megabytes (default: memory, if there is room)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Suite {
    Pool(PoolArguments),
    Packages(PackagesArguments),
    Tuf(TufArguments),
    Zones(ZonesArguments),
}

/// Measure the pool writer and reader, against the same work without a pool.
///
/// The tree is of real program files, those of this machine. Writing is compared with `cp -a` and
/// `sha256sum`, compressing with the library alone and with zlib, verifying with the checksum
/// alone. Each number is told with what it should be.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask bench pool
  cargo xtask bench pool --only off --only verify
  cargo xtask bench pool --files 3000 --megabytes 100 --from /usr/lib --json")]
pub(crate) struct PoolArguments {
    /// How often each stage runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Files of the tree
    #[arg(long, value_name = "N", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    files: u64,

    /// Their bytes, in millions; met within 5 in 100
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..100_000))]
    megabytes: u64,

    /// A directory to take files from (repeatable; default: those of programs below /usr)
    #[arg(long, value_name = "DIR")]
    from: Vec<PathBuf>,

    /// What to measure (repeatable; default: all)
    #[arg(long, value_name = "GROUP", value_parser = PossibleValuesParser::new(pool::NAMES))]
    only: Vec<String>,

    /// Where to work; takes about five times the megabytes (default: memory, if there is room)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measure resolving, installing and sealing packages, and checking templates against them.
///
/// The repository is generated, the same bytes each time: packages of the kinds an operating system
/// has, one of them requiring all others, and older versions that the catalogue lists. Installing is
/// compared with inflating and writing the same payloads. Each number is told with what it should
/// be.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask bench packages
  cargo xtask bench packages --only catalogue --only plan
  cargo xtask bench packages --packages 60 --files 3000 --megabytes 100 --versions 3000 --json")]
pub(crate) struct PackagesArguments {
    /// How often each stage runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Packages that are installed
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(50..10_000))]
    packages: u64,

    /// Their files
    #[arg(long, value_name = "N", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    files: u64,

    /// The bytes of the files, in millions
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..100_000))]
    megabytes: u64,

    /// Versions in the catalogue
    #[arg(long, value_name = "N", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    versions: u64,

    /// What to measure (repeatable; default: all)
    #[arg(long, value_name = "GROUP", value_parser = PossibleValuesParser::new(packages::NAMES))]
    only: Vec<String>,

    /// Where to work; takes about four times the megabytes (default: memory, if there is room)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measure building zone images, installing zones and unpacking layers.
///
/// The files are generated, the same bytes each time. Building is measured on all processors and on
/// one; installing, from a system of 27,500 files and 690 MB with a baseline of 3,000, against cp -a,
/// a loop of ln -s, and tar; unpacking a layer of 500 MB against tar xzf. Each number is told with
/// what it should be.
///
/// Installing can be compared with the published brand as well, by root and with its hook program in
/// `RELENG_PUBLISHED_BRAND`: built for this system and linked statically, as it runs with the
/// generated system as its root. Beside it a program is measured that does nothing but make the
/// links and copies.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask bench zones
  RELENG_PUBLISHED_BRAND=target/release/brand cargo xtask bench zones --only published
  cargo xtask bench zones --only build --megabytes 100 --json")]
pub(crate) struct ZonesArguments {
    /// How often each stage runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Files of twelve zone images
    #[arg(long, value_name = "N", default_value_t = 6000, value_parser = clap::value_parser!(u64).range(12..1_000_000))]
    files: u64,

    /// Their bytes, in millions; system and layer are larger or smaller in proportion
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..100_000))]
    megabytes: u64,

    /// What to measure (repeatable; default: all)
    #[arg(long, value_name = "GROUP", value_parser = PossibleValuesParser::new(zones::NAMES))]
    only: Vec<String>,

    /// Where to work; takes about six times the megabytes (default: memory, if there is room)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measure building, verifying, editing and refreshing an update repository.
///
/// The artifacts are generated, the same bytes each time: two fifths are a ramdisk that is not
/// compressed, the rest are zones that are. Verifying is compared with hashing the same targets
/// alone, on as many processors; `sha256sum` is told beside it. Each number is told with what it
/// should be.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask bench tuf
  cargo xtask bench tuf --only verify --only refresh
  cargo xtask bench tuf --megabytes 100 --json")]
pub(crate) struct TufArguments {
    /// How often each stage runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// The bytes of the artifacts, in millions
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(3..3_000))]
    megabytes: u64,

    /// What to measure (repeatable; default: all)
    #[arg(long, value_name = "GROUP", value_parser = PossibleValuesParser::new(tuf::NAMES))]
    only: Vec<String>,

    /// Where to work; takes about five times the megabytes (default: memory, if there is room)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs one stage; `bench` calls it.
#[derive(Debug, Args)]
pub(crate) struct StageArguments {
    stage: String,
    directory: PathBuf,
    #[arg(long, default_value_t = 0)]
    files: u64,
    #[arg(long, default_value_t = 0)]
    bytes: u64,
}

impl StageArguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        if self.stage == bench::PREPARE {
            bench::prepare(&self.directory, Plan { files: self.files, bytes: self.bytes })?;
        } else {
            bench::run_stage(&self.stage, &self.directory, printer)?;
        }
        Ok(ExitStatus::Success)
    }
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let stop = Stop::new();
        stop_on_signals(&stop)?;
        match self.suite {
            Some(Suite::Pool(arguments)) => return arguments.run(&stop, printer),
            Some(Suite::Packages(arguments)) => return arguments.run(&stop, printer),
            Some(Suite::Zones(arguments)) => return arguments.run(&stop, printer),
            Some(Suite::Tuf(arguments)) => return arguments.run(&stop, printer),
            None => {}
        }
        let plan = Plan { files: self.files, bytes: self.megabytes * 1_000_000 };
        let directory = bench::workplace(self.directory.as_deref(), plan.bytes * 8)?;
        let runs = usize::try_from(self.runs)?;
        let report = bench::run(directory.path(), plan, runs, &self.only, &stop, printer)?;
        if self.json {
            printer.json(&report)?;
        } else {
            table(&report, printer);
        }
        Ok(ExitStatus::Success)
    }
}

impl PoolArguments {
    fn run(self, stop: &Stop, printer: &Printer) -> Result<ExitStatus, Failure> {
        let plan = Plan { files: self.files, bytes: self.megabytes * 1_000_000 };
        let directory = bench::workplace(self.directory.as_deref(), plan.bytes * 5)?;
        let mut from = self.from;
        if from.is_empty() {
            from.extend(DIRECTORIES.map(PathBuf::from).into_iter().filter(|path| path.is_dir()));
        }
        let runs = usize::try_from(self.runs)?;
        let report = pool::run(directory.path(), &from, plan, runs, &self.only, stop, printer)?;
        if self.json {
            printer.json(&report)?;
        } else {
            pool_table(&report, printer);
        }
        Ok(ExitStatus::Success)
    }
}

impl PackagesArguments {
    fn run(self, stop: &Stop, printer: &Printer) -> Result<ExitStatus, Failure> {
        let plan = RepositoryPlan {
            packages: self.packages,
            files: Plan { files: self.files, bytes: self.megabytes * 1_000_000 },
            versions: self.versions,
        };
        let directory = bench::workplace(self.directory.as_deref(), plan.files.bytes * 4)?;
        let runs = usize::try_from(self.runs)?;
        let report = packages::run(directory.path(), plan, runs, &self.only, stop, printer)?;
        if self.json {
            printer.json(&report)?;
        } else {
            packages_table(&report, printer);
        }
        Ok(ExitStatus::Success)
    }
}

impl ZonesArguments {
    fn run(self, stop: &Stop, printer: &Printer) -> Result<ExitStatus, Failure> {
        let plan = Plan { files: self.files, bytes: self.megabytes * 1_000_000 };
        let directory = bench::workplace(self.directory.as_deref(), plan.bytes * 6)?;
        let runs = usize::try_from(self.runs)?;
        let published = environment::published_brand();
        let report = zones::run(
            directory.path(),
            plan,
            runs,
            &self.only,
            published.as_deref(),
            stop,
            printer,
        )?;
        if self.json {
            printer.json(&report)?;
        } else {
            zones_table(&report, printer);
        }
        Ok(ExitStatus::Success)
    }
}

impl TufArguments {
    fn run(self, stop: &Stop, printer: &Printer) -> Result<ExitStatus, Failure> {
        let bytes = self.megabytes * 1_000_000;
        let directory = bench::workplace(self.directory.as_deref(), bytes * 5)?;
        let runs = usize::try_from(self.runs)?;
        let report = tuf::run(directory.path(), bytes, runs, &self.only, stop, printer)?;
        if self.json {
            printer.json(&report)?;
        } else {
            tuf_table(&report, printer);
        }
        Ok(ExitStatus::Success)
    }
}

fn table(report: &Report, printer: &Printer) {
    printer.result(format_args!(
        "{} files, {}; {} runs by turns; {} processors; load {} before, {} after\n",
        report.files,
        printer::bytes(report.bytes),
        report.runs,
        report.processors,
        report.load[0],
        report.load[1]
    ));
    stages(&report.stages, printer);
}

/// What was measured, in Markdown.
fn stages(stages: &[Measured], printer: &Printer) {
    printer.result(
        "| stage | wall, s (min - max) | processors, s | MB/s | peak, MiB (max) | output, MB | against |",
    );
    printer.result("|---|---|---|---|---|---|---|");
    for stage in stages {
        let Spread { median, least, most } = stage.wall;
        let speed = stage.speed.map_or_else(String::new, |speed| format!("{speed:.0}"));
        let against =
            stage.against.map_or_else(String::new, |(name, r)| format!("{r:.1} x {name}"));
        let mib = |bytes: f64| bytes / 1_048_576.0;
        printer.result(format_args!(
            "| {} | {median:.2} ({least:.2} - {most:.2}) | {:.2} | {speed} | {:.0} ({:.0}) | {:.0} | {against} |",
            stage.name,
            stage.cpu.median,
            mib(stage.peak.median),
            mib(stage.peak.most),
            stage.output as f64 / 1e6,
        ));
    }
    printer.result("");
    for stage in stages {
        if let Some(command) = stage.command {
            printer.result(format_args!("{}: {command}", stage.name));
        }
    }
}

fn pool_table(report: &PoolReport, printer: &Printer) {
    let tree = &report.tree;
    let from: Vec<_> = tree.from.iter().map(|path| path.display().to_string()).collect();
    let repeated = match tree.repeated {
        0 => String::new(),
        count => format!(", {count} of them repeated with their bytes rotated"),
    };
    printer.result(format_args!(
        "{} files, {}, of {}{repeated} (sha256 {})",
        tree.files,
        printer::bytes(tree.bytes),
        from.join(" "),
        &tree.sha256[..16]
    ));
    circumstances(&report.measurement, printer);
    numbers(&report.measurement, printer);
}

fn packages_table(report: &PackagesReport, printer: &Printer) {
    printer.result(format_args!(
        "{} packages, {} versions, {} files, {}",
        report.packages,
        report.versions,
        report.files,
        printer::bytes(report.bytes)
    ));
    circumstances(&report.measurement, printer);
    numbers(&report.measurement, printer);
}

fn zones_table(report: &ZonesReport, printer: &Printer) {
    printer.result(format_args!(
        "{} files, {}, in {} zone images",
        report.files,
        printer::bytes(report.bytes),
        zones::IMAGES
    ));
    circumstances(&report.measurement, printer);
    numbers(&report.measurement, printer);
}

fn tuf_table(report: &TufReport, printer: &Printer) {
    printer.result(format_args!("artifacts of {}", printer::bytes(report.bytes)));
    circumstances(&report.measurement, printer);
    if !report.published_tool {
        printer.result(format_args!(
            "{} is not here: nothing says how long it would take\n",
            tuf::PUBLISHED
        ));
    }
    numbers(&report.measurement, printer);
}

/// How and where something was measured.
fn circumstances(measurement: &Measurement, printer: &Printer) {
    printer.result(format_args!(
        "{} runs by turns; {} processors; load {} before, {} after\n",
        measurement.runs, measurement.processors, measurement.load[0], measurement.load[1]
    ));
}

fn numbers(measurement: &Measurement, printer: &Printer) {
    judged(&measurement.judged, printer);
    printer.result("");
    stages(&measurement.stages, printer);
}

/// Numbers and what they should be, in Markdown.
fn judged(judged: &[Judged], printer: &Printer) {
    printer.result("| what | wanted | median (min - max) | met |");
    printer.result("|---|---|---|---|");
    for judged in judged {
        let Spread { median, least, most } = judged.measured;
        let digits = match judged.unit {
            "x" => 3,
            "s" => 2,
            _ => 0,
        };
        printer.result(format_args!(
            "| {} | {} | {median:.digits$} ({least:.digits$} - {most:.digits$}) | {} |",
            judged.what,
            judged.wanted,
            if judged.met { "yes" } else { "no" }
        ));
    }
}
