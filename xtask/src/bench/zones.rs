//! Building zone images, installing zones and unpacking layers.

mod build;
mod install;
mod unpack;

#[cfg(test)]
pub(crate) use self::build::request;

use std::path::Path;

use jobs::Stop;
use serde::Serialize;

use super::judge::{self, Group, MIB, Measurement, Target, Wanted, is_chosen, peak, wall};
use super::stage::{Done, own, shell};
use super::{Plan, load};
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// Zone images that are built.
pub(crate) const IMAGES: u64 = 12;

/// What is built by default; another plan makes everything smaller or larger in proportion.
const BUILD: u64 = 1_000_000_000;
/// A system that zones are installed from.
const INSTALL: Plan = Plan { files: 27_500, bytes: 690_000_000 };
/// A layer.
const LAYER: Plan = Plan { files: 5_000, bytes: 500_000_000 };

const GROUPS: [Group; 4] = [
    Group {
        name: "build",
        stages: &[own("zones-build", None), own("zones-build-one-processor", None)],
        once: false,
        targets: &[
            Target {
                what: "zone images: speed on all processors against one",
                wanted: Wanted::AtLeast(1.8),
                unit: "x",
                number: |runs| wall(runs, "zones-build-one-processor") / wall(runs, "zones-build"),
            },
            Target {
                what: "zone images: peak memory",
                wanted: Wanted::AtMost(150.0),
                unit: "MiB",
                number: |runs| peak(runs, "zones-build") / MIB,
            },
        ],
    },
    Group {
        name: "install",
        stages: &[
            own("zone-install", None),
            shell("cp-ln-tar", "input/install", install::BY_SHELL),
        ],
        once: false,
        targets: &[
            Target {
                what: "zone install: speed against cp -a, ln -s and tar",
                wanted: Wanted::AtLeast(3.0),
                unit: "x",
                number: |runs| wall(runs, "cp-ln-tar") / wall(runs, "zone-install"),
            },
            Target {
                what: "zone install: peak memory",
                wanted: Wanted::AtMost(64.0),
                unit: "MiB",
                number: |runs| peak(runs, "zone-install") / MIB,
            },
        ],
    },
    Group {
        name: PUBLISHED,
        stages: &[
            own("zone-install", None),
            shell("published-brand", "input/install", install::BY_PUBLISHED),
            own("zone-install-bare", None),
        ],
        once: false,
        targets: &[
            Target {
                what: "zone install: speed against the published brand",
                wanted: Wanted::AtLeast(3.0),
                unit: "x",
                number: |runs| wall(runs, "published-brand") / wall(runs, "zone-install"),
            },
            Target {
                what: "bare links and copies, and nothing else: the same",
                wanted: Wanted::AtLeast(3.0),
                unit: "x",
                number: |runs| wall(runs, "published-brand") / wall(runs, "zone-install-bare"),
            },
        ],
    },
    Group {
        name: "unpack",
        stages: &[own("layer-unpack", None), shell("tar-xzf", "input/layer", unpack::BY_TAR)],
        once: false,
        targets: &[Target {
            what: "layer unpack: time against tar xzf",
            wanted: Wanted::AtMost(1.2),
            unit: "x",
            number: |runs| wall(runs, "layer-unpack") / wall(runs, "tar-xzf"),
        }],
    },
];

/// The group that needs a program which people build for themselves.
const PUBLISHED: &str = "published";

/// The names of the groups.
pub(crate) const NAMES: [&str; 4] = ["build", "install", PUBLISHED, "unpack"];

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct ZonesReport {
    /// What the zone images are built of.
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// What was measured.
    #[serde(flatten)]
    pub(crate) measurement: Measurement,
}

/// Generates files and measures the groups that are named, or all. `published` is the hook program
/// of the published brand.
pub(crate) fn run(
    directory: &Path,
    plan: Plan,
    runs: usize,
    only: &[String],
    published: Option<&Path>,
    stop: &Stop,
    printer: &Printer,
) -> Result<ZonesReport, Failure> {
    let before = load();
    if published.is_none() && only.iter().any(|name| name == PUBLISHED) {
        return Err(Failure::new("there is no program of the published brand to compare with")
            .hint(
                "build it for this system, linked statically, name its file in \
                 RELENG_PUBLISHED_BRAND, and measure as root",
            ));
    }
    let bytes = printer::bytes(plan.bytes);
    printer.say(format_args!("generating {} files of {bytes} ...", plan.files));
    prepare(directory, plan, only)?;
    if let Some(program) = published {
        install::add_published(directory, program)?;
    }
    let possible = |group: &&Group| group.name != PUBLISHED || published.is_some();
    let chosen = GROUPS.iter().filter(|group| is_chosen(only, group.name)).filter(possible);
    let measurement = judge::measure(chosen, directory, runs, before, stop, printer)?;
    Ok(ZonesReport { files: plan.files, bytes: plan.bytes, measurement })
}

fn prepare(directory: &Path, plan: Plan, only: &[String]) -> Result<(), Failure> {
    if is_chosen(only, "build") {
        build::prepare(directory, plan)?;
    }
    let share = |whole: Plan| Plan {
        files: (whole.files * plan.bytes / BUILD).max(200),
        bytes: whole.bytes * plan.bytes / BUILD,
    };
    if is_chosen(only, "install") || is_chosen(only, PUBLISHED) {
        install::prepare(directory, share(INSTALL))?;
    }
    if is_chosen(only, "unpack") {
        unpack::prepare(directory, share(LAYER))?;
    }
    Ok(())
}

/// Runs one stage, if there is one of this name, and says what it did.
pub(crate) fn run_stage(name: &str, directory: &Path) -> Option<Result<Done, Failure>> {
    build::run_stage(name, directory)
        .or_else(|| install::run_stage(name, directory))
        .or_else(|| unpack::run_stage(name, directory))
}

#[cfg(test)]
mod tests {
    use super::super::judge::try_out;
    use super::*;

    #[test]
    fn every_stage_runs_and_every_target_gets_its_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let plan = Plan { files: 60, bytes: 600_000 };
        prepare(directory.path(), plan, &[]).unwrap();
        try_out(&GROUPS, directory.path(), |stage| match stage.name {
            // A line for the shell.
            _ if stage.pipeline.is_some() => Done::now(1, 1),
            // One thread is asked for once in a process.
            name if name.ends_with("-one-processor") => Done::now(1, 1),
            name => run_stage(name, directory.path()).unwrap().unwrap(),
        });
        assert_eq!(GROUPS.map(|group| group.name), NAMES);
    }
}
