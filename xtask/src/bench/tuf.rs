//! Building, verifying, editing and refreshing an update repository, against hashing alone.

mod stages;

use std::path::Path;

use jobs::Stop;
use serde::Serialize;

pub(crate) use self::stages::run_stage;
use super::judge::{self, Group, MIB, Measurement, Target, Wanted, is_chosen, peak, wall};
use super::load;
use super::stage::{own, shell};
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// The peak of every stage has one limit.
const PEAK: Wanted = Wanted::AtMost(64.0);

const GROUPS: [Group; 4] = [
    Group {
        name: "build",
        stages: &[
            own("tuf-build", None),
            shell(
                "hash-inputs",
                "input/artifacts",
                "find input/artifacts -type f | xargs sha256sum > scratch/sums",
            ),
        ],
        once: false,
        targets: &[Target {
            what: "build: peak memory",
            wanted: PEAK,
            unit: "MiB",
            number: |runs| peak(runs, "tuf-build") / MIB,
        }],
    },
    Group {
        name: "verify",
        stages: &[
            own("tuf-verify", None),
            own("tuf-hash", None),
            shell(
                "hash-targets",
                "input/targets",
                "find input/targets -type f | xargs sha256sum > scratch/sums",
            ),
        ],
        once: false,
        targets: &[
            Target {
                what: "verify: time against hashing the targets alone, on as many processors",
                wanted: Wanted::AtMost(1.3),
                unit: "x",
                number: |runs| wall(runs, "tuf-verify") / wall(runs, "tuf-hash"),
            },
            Target {
                what: "verify: peak memory",
                wanted: PEAK,
                unit: "MiB",
                number: |runs| peak(runs, "tuf-verify") / MIB,
            },
        ],
    },
    Group {
        name: "edit",
        stages: &[own("tuf-edit", None)],
        once: false,
        targets: &[Target {
            what: "edit: peak memory",
            wanted: PEAK,
            unit: "MiB",
            number: |runs| peak(runs, "tuf-edit") / MIB,
        }],
    },
    Group {
        name: "refresh",
        stages: &[own("tuf-refresh", None)],
        once: false,
        targets: &[
            Target {
                what: "refresh",
                wanted: Wanted::AtMost(0.5),
                unit: "s",
                number: |runs| wall(runs, "tuf-refresh"),
            },
            Target {
                what: "refresh: peak memory",
                wanted: PEAK,
                unit: "MiB",
                number: |runs| peak(runs, "tuf-refresh") / MIB,
            },
        ],
    },
];

/// The same work by the published tool, measured where that is here.
const PEERS: [Group; 3] = [
    Group {
        name: "build",
        stages: &[
            own("tuf-build", None),
            shell(
                "tufaceous-build",
                "input/artifacts",
                "tufaceous build -V 20.0.0-0.bench -o scratch/repo.zip input/artifacts/host \
                 input/artifacts/trampoline input/artifacts/*.tar.gz",
            ),
        ],
        once: false,
        targets: &[Target {
            what: "build: time against the published tool",
            wanted: Wanted::AtMost(0.5),
            unit: "x",
            number: |runs| wall(runs, "tuf-build") / wall(runs, "tufaceous-build"),
        }],
    },
    Group {
        name: "verify",
        stages: &[
            own("tuf-verify", None),
            shell("tufaceous-verify", "input/targets", "tufaceous verify -f input/repo.zip"),
        ],
        once: false,
        targets: &[Target {
            what: "verify: time against the published tool",
            wanted: Wanted::AtMost(0.6),
            unit: "x",
            number: |runs| wall(runs, "tuf-verify") / wall(runs, "tufaceous-verify"),
        }],
    },
    Group {
        name: "edit",
        stages: &[
            own("tuf-edit", None),
            shell(
                "tufaceous-edit",
                "input/targets",
                "tufaceous edit -f -d zones/zone-00.tar.gz -a input/other/zone-00.tar.gz \
                 -o scratch/repo.zip input/repo.zip",
            ),
        ],
        once: false,
        targets: &[Target {
            what: "edit: time against the published tool",
            wanted: Wanted::AtMost(0.1),
            unit: "x",
            number: |runs| wall(runs, "tuf-edit") / wall(runs, "tufaceous-edit"),
        }],
    },
];

/// The names of the groups.
pub(crate) const NAMES: [&str; 4] = ["build", "verify", "edit", "refresh"];

/// What people use instead, which is not on every machine.
pub(crate) const PUBLISHED: &str = "tufaceous";

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct TufReport {
    /// Bytes of the artifacts.
    pub(crate) bytes: u64,
    /// Whether the published tool is here and was measured, too.
    pub(crate) published_tool: bool,
    /// What was measured.
    #[serde(flatten)]
    pub(crate) measurement: Measurement,
}

/// Generates artifacts and measures the groups that are named, or all.
pub(crate) fn run(
    directory: &Path,
    bytes: u64,
    runs: usize,
    only: &[String],
    stop: &Stop,
    printer: &Printer,
) -> Result<TufReport, Failure> {
    let before = load();
    printer.say(format_args!("generating artifacts of {} ...", printer::bytes(bytes)));
    stages::prepare(directory, bytes)?;
    let published_tool = super::is_here(PUBLISHED);
    let peers = PEERS.iter().filter(|_| published_tool);
    let chosen = GROUPS.iter().chain(peers).filter(|group| is_chosen(only, group.name));
    let measurement = judge::measure(chosen, directory, runs, before, stop, printer)?;
    Ok(TufReport { bytes, published_tool, measurement })
}

#[cfg(test)]
mod tests {
    use super::super::judge::try_out;
    use super::super::stage::Done;
    use super::*;

    #[test]
    fn every_stage_runs_and_every_target_gets_its_numbers() {
        let directory = tempfile::tempdir().unwrap();
        stages::prepare(directory.path(), 3_000_000).unwrap();
        for groups in [&GROUPS[..], &PEERS] {
            try_out(groups, directory.path(), |stage| match stage.pipeline {
                Some(_) => Done::now(1, 1),
                None => run_stage(stage.name, directory.path()).unwrap().unwrap(),
            });
        }
        assert_eq!(GROUPS.map(|group| group.name), NAMES);
    }
}
