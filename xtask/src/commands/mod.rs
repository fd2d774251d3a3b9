//! The subcommands, one file each.

mod baseline;
mod bench;
mod cache;
mod check;
mod doctor;
mod image;
mod inspect;
mod layer;
mod lock;
mod pkg;
mod record;
mod releng;
mod test;
mod tuf;
mod upload;
mod zone;

use clap::{Parser, Subcommand};

use crate::exit_status::{self, ExitStatus};
use crate::failure::Failure;
use crate::printer::Printer;

/// From OS packages and zone images to signed update repositories.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, after_long_help = exit_status::TABLE)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Releng(releng::Arguments),
    Check(check::Arguments),
    Pkg(pkg::Arguments),
    Cache(cache::Arguments),
    Lock(lock::Arguments),
    Baseline(baseline::Arguments),
    Tuf(tuf::Arguments),
    Upload(upload::Arguments),
    Layer(layer::Arguments),
    Zone(zone::Arguments),
    Image(image::Arguments),
    Inspect(inspect::Arguments),
    Record(record::Arguments),
    Doctor(doctor::Arguments),
    Test(test::Arguments),
    Bench(bench::Arguments),
    #[command(hide = true)]
    BenchStage(bench::StageArguments),
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            Command::Releng(arguments) => arguments.run(printer),
            Command::Check(arguments) => arguments.run(printer),
            Command::Pkg(arguments) => arguments.run(printer),
            Command::Cache(arguments) => arguments.run(printer),
            Command::Lock(arguments) => arguments.run(printer),
            Command::Baseline(arguments) => arguments.run(printer),
            Command::Tuf(arguments) => arguments.run(printer),
            Command::Upload(arguments) => arguments.run(printer),
            Command::Layer(arguments) => arguments.run(printer),
            Command::Zone(arguments) => arguments.run(printer),
            Command::Image(arguments) => arguments.run(printer),
            Command::Inspect(arguments) => arguments.run(printer),
            Command::Record(arguments) => arguments.run(printer),
            Command::Doctor(arguments) => arguments.run(printer),
            Command::Test(arguments) => arguments.run(printer),
            Command::Bench(arguments) => arguments.run(printer),
            Command::BenchStage(arguments) => arguments.run(printer),
        }
    }
}
