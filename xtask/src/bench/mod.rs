//! Measures the stages against what people do without them.
//!
//! Every run of a stage is a process of its own, so that its memory and its processor time are
//! its own. Stages take turns, so that whatever else the machine does meets all of them.

mod collect;
mod generate;
mod judge;
mod measure;
pub(crate) mod packages;
pub(crate) mod pool;
mod records;
mod stage;
pub(crate) mod tuf;
mod workplace;
pub(crate) mod zones;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use jobs::Stop;
use serde::Serialize;
use walkdir::WalkDir;

pub(crate) use collect::DIRECTORIES;
pub(crate) use generate::Plan;
pub(crate) use judge::{Judged, Measurement};
pub(crate) use measure::Cost;
pub(crate) use stage::{Done, STAGES, Stage, prepare, run as run_stage};
pub(crate) use workplace::workplace;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// The hidden subcommand that runs one stage, and the name of the one that prepares.
pub(crate) const SUBCOMMAND: &str = "bench-stage";
pub(crate) const PREPARE: &str = "prepare";

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Processors that this process may use.
    pub(crate) processors: usize,
    /// The load of the machine, as `/proc/loadavg` has it, before and after.
    pub(crate) load: [String; 2],
    /// What the generated proto has.
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// How often each stage ran.
    pub(crate) runs: usize,
    /// The stages, in the order they took turns.
    pub(crate) stages: Vec<Measured>,
}

/// All runs of one stage.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// The line for the shell that was run, if it is no stage of this program.
    pub(crate) command: Option<&'static str>,
    /// Bytes it went through; none for the sample, which has too many kinds of input.
    pub(crate) input: Option<u64>,
    /// Bytes it wrote.
    pub(crate) output: u64,
    /// Seconds by the clock.
    pub(crate) wall: Spread,
    /// Seconds of processors, in user and in system mode.
    pub(crate) cpu: Spread,
    /// Peak of resident memory in bytes: of a stage its own process, of a pipeline the sum.
    pub(crate) peak: Spread,
    /// Megabytes of input in a second.
    pub(crate) speed: Option<f64>,
    /// The pipeline it is compared with, and how often faster it is by the clock.
    pub(crate) against: Option<(&'static str, f64)>,
}

/// Median and extremes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of some values.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else {
            return Self { median: 0.0, least: 0.0, most: 0.0 };
        };
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Self { median, least, most }
    }
}

/// Runs the stages by turns in a directory. Those compared with a pipeline bring it along.
pub(crate) fn run(
    directory: &Path,
    plan: Plan,
    runs: usize,
    only: &[String],
    stop: &Stop,
    printer: &Printer,
) -> Result<Report, Failure> {
    let stages = chosen(only, printer);
    let before = load();
    printer.say(format_args!(
        "generating {} files of {} and packing them ...",
        plan.files,
        printer::bytes(plan.bytes)
    ));
    let mut command = stage_command(PREPARE, directory)?;
    command.args(["--files", &plan.files.to_string(), "--bytes", &plan.bytes.to_string()]);
    measure::run(&mut command)?;

    for stage in stages.iter().filter(|stage| stage.name == RELENG) {
        let (cost, _) = turn(stage, directory, stop)?;
        printer.say(format_args!(
            "not counted: {RELENG} for the first time, with the brand's program to compile: {}",
            printer::seconds(cost.wall)
        ));
    }
    let samples = by_turns(&stages, directory, runs, stop, printer)?;
    let mut measured: Vec<Measured> =
        stages.iter().zip(&samples).map(|(stage, samples)| summarize(stage, samples)).collect();
    for index in 0..stages.len() {
        let Some(name) = stages[index].against else { continue };
        if let Some(other) = measured.iter().find(|measured| measured.name == name) {
            let ratio = other.wall.median / measured[index].wall.median;
            measured[index].against = Some((name, ratio));
        }
    }
    Ok(Report {
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        load: [before, load()],
        files: plan.files,
        bytes: plan.bytes,
        runs,
        stages: measured,
    })
}

fn chosen(only: &[String], printer: &Printer) -> Vec<Stage> {
    let named = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    let mut stages = STAGES.to_vec();
    stages.retain(|stage| {
        let compared = |other: &Stage| named(other.name) && other.against == Some(stage.name);
        named(stage.name) || STAGES.iter().any(compared)
    });
    if stages.iter().any(|stage| stage.name == ZIP) && !is_here("zip") {
        printer.warn("zip is not here: nothing to compare repo.zip with");
        stages.retain(|stage| stage.name != ZIP);
    }
    stages
}

/// The stage that compiles something which the next run finds compiled.
const RELENG: &str = "releng";

/// The pipeline whose program is not on every machine.
const ZIP: &str = "zip-image";

fn is_here(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// One run of a stage, unless somebody wants to stop.
fn turn(stage: &Stage, directory: &Path, stop: &Stop) -> Result<(Cost, Done), Failure> {
    if stop.requested() {
        return Err(Failure::new("interrupted").with_status(ExitStatus::Interrupted));
    }
    let scratch = directory.join("scratch");
    fs::create_dir_all(&scratch)?;
    let printed = directory.join("printed");
    let (cost, done) = match &stage.pipeline {
        Some(pipeline) => {
            let mut command = Command::new("sh");
            let cost = measure::run(command.args(["-c", pipeline.line]).current_dir(directory))?;
            let input = size_of(&directory.join(pipeline.reads));
            (cost, Done { input, output: size_of(&scratch), peak: cost.peak, part: None })
        }
        None => {
            let mut command = stage_command(stage.name, directory)?;
            let cost = measure::run(command.stdout(fs::File::create(&printed)?))?;
            // Stages may print results before.
            let text = fs::read_to_string(&printed)?;
            (cost, serde_json::from_str(text.lines().last().unwrap_or_default())?)
        }
    };
    fs::remove_dir_all(&scratch)?;
    Ok((done.part.map_or(cost, |part| part.instead_of(cost)), done))
}

fn stage_command(name: &str, directory: &Path) -> Result<Command, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| format!("cannot find this program's own file: {error}"))?;
    let mut command = Command::new(program);
    command.args([SUBCOMMAND, name]).arg(directory).stdin(Stdio::null());
    Ok(command)
}

/// Runs stages by turns, each so many times; the samples of each.
fn by_turns(
    stages: &[Stage],
    directory: &Path,
    runs: usize,
    stop: &Stop,
    printer: &Printer,
) -> Result<Vec<Vec<(Cost, Done)>>, Failure> {
    let mut samples = vec![Vec::new(); stages.len()];
    for run in 1..=runs {
        for (stage, samples) in stages.iter().zip(&mut samples) {
            let (cost, done) = turn(stage, directory, stop)?;
            printer.say(format_args!(
                "run {run} of {runs}: {:<23} {:>8}, processors {:>8}, peak {}",
                stage.name,
                printer::seconds(cost.wall),
                printer::seconds(cost.cpu),
                printer::bytes(done.peak)
            ));
            samples.push((cost, done));
        }
    }
    Ok(samples)
}

fn summarize(stage: &Stage, samples: &[(Cost, Done)]) -> Measured {
    let wall = Spread::of(samples.iter().map(|(cost, _)| cost.wall.as_secs_f64()));
    let last = samples.last().map(|(_, done)| *done);
    let input = last.map(|done| done.input).filter(|input| *input > 0);
    Measured {
        name: stage.name,
        command: stage.pipeline.map(|pipeline| pipeline.line),
        input,
        output: last.map_or(0, |done| done.output),
        wall,
        cpu: Spread::of(samples.iter().map(|(cost, _)| cost.cpu.as_secs_f64())),
        peak: Spread::of(samples.iter().map(|(_, done)| done.peak as f64)),
        speed: input.map(|input| input as f64 / 1e6 / wall.median),
        against: None,
    }
}

/// Bytes of all regular files below a directory.
fn size_of(directory: &Path) -> u64 {
    let metadata = WalkDir::new(directory).into_iter().flatten().flat_map(|e| e.metadata());
    metadata.filter(fs::Metadata::is_file).map(|metadata| metadata.len()).sum()
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }

    #[test]
    fn a_stage_brings_its_comparison() {
        let names: Vec<_> =
            chosen(&["pool".to_owned()], &Printer::new()).iter().map(|stage| stage.name).collect();
        assert_eq!(names, ["pool", "cp"]);
        for stage in STAGES {
            let there = |name| STAGES.iter().any(|s| s.name == name && s.pipeline.is_some());
            assert!(stage.against.is_none_or(there), "{}", stage.name);
        }
    }

    #[test]
    fn small_stages_run() {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path(), Plan { files: 60, bytes: 300_000 }).unwrap();
        for stage in STAGES.iter().filter(|s| s.pipeline.is_none() && s.name != "releng") {
            fs::create_dir(directory.path().join("scratch")).unwrap();
            run_stage(stage.name, directory.path(), &Printer::new()).unwrap();
            fs::remove_dir_all(directory.path().join("scratch")).unwrap();
        }
    }
}
