//! Resolving, installing and sealing packages, against inflating and writing alone.

mod fetching;
mod generate;
mod stages;

use std::path::Path;

use jobs::Stop;
use serde::Serialize;

pub(crate) use self::generate::RepositoryPlan;
pub(crate) use self::stages::run_stage;
use super::judge::{self, Group, MIB, Measurement, Target, Wanted, is_chosen, peak, wall};
use super::load;
use super::stage::own;
use crate::failure::Failure;
use crate::printer::{self, Printer};

const GROUPS: [Group; 6] = [
    Group {
        name: "catalogue",
        stages: &[own("catalogue-load", None)],
        once: false,
        targets: &[Target {
            what: "a catalogue is loaded",
            wanted: Wanted::AtMost(1.0),
            unit: "s",
            number: |runs| wall(runs, "catalogue-load"),
        }],
    },
    Group {
        name: "plan",
        stages: &[own("resolve-plan", None)],
        once: false,
        targets: &[Target {
            what: "resolve and plan, with the catalogue loaded",
            wanted: Wanted::AtMost(1.0),
            unit: "s",
            number: |runs| wall(runs, "resolve-plan"),
        }],
    },
    Group {
        name: "install",
        stages: &[
            own("install-packages", None),
            own("resolve-and-install", None),
            own("inflate-write", None),
            own("inflate-write-whole", None),
        ],
        once: false,
        targets: &[
            Target {
                what: "install: time against inflating and writing the same payloads",
                wanted: Wanted::AtMost(1.3),
                unit: "x",
                number: |runs| wall(runs, "install-packages") / wall(runs, "inflate-write"),
            },
            Target {
                what: "install: the same against inflating whole payloads with its own library",
                wanted: Wanted::AtMost(1.3),
                unit: "x",
                number: |runs| wall(runs, "install-packages") / wall(runs, "inflate-write-whole"),
            },
            Target {
                what: "resolve and install: peak memory",
                wanted: Wanted::AtMost(200.0),
                unit: "MiB",
                number: |runs| peak(runs, "resolve-and-install") / MIB,
            },
        ],
    },
    Group {
        name: "baseline",
        stages: &[own("baseline-packages", None)],
        once: false,
        targets: &[
            Target {
                what: "baseline",
                wanted: Wanted::AtMost(3.0),
                unit: "s",
                number: |runs| wall(runs, "baseline-packages"),
            },
            Target {
                what: "baseline: peak memory",
                wanted: Wanted::AtMost(200.0),
                unit: "MiB",
                number: |runs| peak(runs, "baseline-packages") / MIB,
            },
        ],
    },
    Group {
        name: "check",
        stages: &[own("path-check", None)],
        once: false,
        targets: &[Target {
            what: "paths of templates checked, with the packages foreseen",
            wanted: Wanted::AtMost(1.0),
            unit: "s",
            number: |runs| wall(runs, "path-check"),
        }],
    },
    Group {
        name: fetching::NAME,
        stages: &fetching::STAGES,
        once: false,
        targets: &[
            Target {
                what: "fetch and check everything: time against curl fetching the same files",
                wanted: Wanted::AtMost(1.3),
                unit: "x",
                number: |runs| wall(runs, "fetch-cold") / wall(runs, "curl"),
            },
            Target {
                what: "fetch: peak memory",
                wanted: Wanted::AtMost(200.0),
                unit: "MiB",
                number: |runs| peak(runs, "fetch-cold") / MIB,
            },
            Target {
                what: "fetch with everything in the store",
                wanted: Wanted::AtMost(1.0),
                unit: "s",
                number: |runs| wall(runs, "fetch-warm"),
            },
        ],
    },
];

/// The names of the groups.
pub(crate) const NAMES: [&str; 6] =
    ["catalogue", "plan", "install", "baseline", "check", fetching::NAME];

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct PackagesReport {
    /// What the generated repository has.
    pub(crate) packages: u64,
    pub(crate) versions: u64,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// What was measured.
    #[serde(flatten)]
    pub(crate) measurement: Measurement,
}

/// Generates a repository and measures the groups that are named, or all.
pub(crate) fn run(
    directory: &Path,
    plan: RepositoryPlan,
    runs: usize,
    only: &[String],
    stop: &Stop,
    printer: &Printer,
) -> Result<PackagesReport, Failure> {
    let before = load();
    printer.say(format_args!(
        "generating and publishing {} packages, {} versions, {} files of {} ...",
        plan.packages,
        plan.versions,
        plan.files.files,
        printer::bytes(plan.files.bytes)
    ));
    let installed = ["baseline", "check"].iter().any(|name| is_chosen(only, name));
    stages::prepare(directory, plan, installed)?;
    let _depot = match is_chosen(only, fetching::NAME) {
        true => Some(fetching::Served::start(directory, &directory.join(stages::REPOSITORY))?),
        false => None,
    };
    let chosen = GROUPS.iter().filter(|group| is_chosen(only, group.name));
    let measurement = judge::measure(chosen, directory, runs, before, stop, printer)?;
    Ok(PackagesReport {
        packages: plan.packages,
        versions: plan.versions,
        files: plan.files.files,
        bytes: plan.files.bytes,
        measurement,
    })
}

#[cfg(test)]
mod tests {
    use super::super::generate::Plan;
    use super::super::judge::try_out;
    use super::*;

    #[test]
    fn every_stage_runs_and_every_target_gets_its_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let plan = RepositoryPlan {
            packages: 60,
            files: Plan { files: 300, bytes: 600_000 },
            versions: 150,
        };
        stages::prepare(directory.path(), plan, true).unwrap();
        // What is fetched needs the program itself, as a depot.
        let possible: Vec<Group> =
            GROUPS.into_iter().filter(|group| group.name != fetching::NAME).collect();
        try_out(&possible, directory.path(), |stage| {
            run_stage(stage.name, directory.path()).unwrap().unwrap()
        });
        assert_eq!(GROUPS.map(|group| group.name), NAMES);
    }
}
