//! The pool writer and reader against copying, compressing and summing the same bytes alone.

mod stages;

use std::path::{Path, PathBuf};

use jobs::Stop;
use serde::Serialize;
use zpool_image::{Compression, Effort, PoolOptions};

pub(crate) use self::stages::run_stage;
use self::stages::{ENTRIES, Places, options};
use super::collect::{self, Collected};
use super::judge::{
    self, Group, MIB, Measurement, Target, Wanted, cpu, is_chosen, output, peak, speed, wall,
};
use super::stage::{own, shell};
use super::{Plan, load};
use crate::failure::Failure;
use crate::printer::{self, Printer};

const GROUPS: [Group; 6] = [
    Group {
        name: "off",
        stages: &[
            own("write-off", None),
            own("write-off-sha256", None),
            shell(
                "cp-sha256sum",
                "input/tree",
                "cp -a input/tree scratch/tree && find input/tree -type f -print0 | sort -z | \
                 xargs -0 sha256sum > scratch/sums",
            ),
        ],
        once: false,
        targets: &[
            Target {
                what: "write, compression off: speed against cp -a and sha256sum",
                wanted: Wanted::AtLeast(0.6),
                unit: "x",
                number: |runs| wall(runs, "cp-sha256sum") / wall(runs, "write-off"),
            },
            Target {
                what: "the same with the SHA-256 of the image",
                wanted: Wanted::AtLeast(0.6),
                unit: "x",
                number: |runs| wall(runs, "cp-sha256sum") / wall(runs, "write-off-sha256"),
            },
            Target {
                what: "write, compression off: peak memory",
                wanted: Wanted::AtMost(128.0),
                unit: "MiB",
                number: |runs| peak(runs, "write-off") / MIB,
            },
        ],
    },
    Group {
        name: "gzip-9",
        stages: &[
            own("write-gzip-9", None),
            own("write-gzip-9-one-processor", None),
            own("deflate-alone", None),
        ],
        once: false,
        targets: &[
            Target {
                what: "write, gzip-9: processor time against the library alone",
                wanted: Wanted::AtMost(1.1),
                unit: "x",
                number: |runs| cpu(runs, "write-gzip-9") / cpu(runs, "deflate-alone"),
            },
            Target {
                what: "write, gzip-9: speed on all processors against one",
                wanted: Wanted::AtLeast(1.8),
                unit: "x",
                number: |runs| {
                    wall(runs, "write-gzip-9-one-processor") / wall(runs, "write-gzip-9")
                },
            },
            Target {
                what: "write, gzip-9: peak memory",
                wanted: Wanted::AtMost(128.0),
                unit: "MiB",
                number: |runs| peak(runs, "write-gzip-9") / MIB,
            },
        ],
    },
    Group {
        name: "size",
        stages: &[own("records-gzip-9", None), own("records-zlib-9", None)],
        once: true,
        // zlib-rs makes about 3 in 1000 more of the same records than zlib, which OpenZFS has.
        targets: &[Target {
            what: "records, gzip-9: allocated against zlib-rs at level 9",
            wanted: Wanted::Below(0.995),
            unit: "x",
            number: |runs| output(runs, "records-gzip-9") / output(runs, "records-zlib-9"),
        }],
    },
    Group {
        name: "memory",
        stages: &[own("entries-30000", None), own("entries-130000", None)],
        once: false,
        targets: &[
            Target {
                what: "30,000 small files: peak memory",
                wanted: Wanted::AtMost(128.0),
                unit: "MiB",
                number: |runs| peak(runs, "entries-30000") / MIB,
            },
            Target {
                what: "memory for each further entry",
                wanted: Wanted::AtMost(1024.0),
                unit: "bytes",
                number: |runs| {
                    let more = peak(runs, "entries-130000") - peak(runs, "entries-30000");
                    more / (ENTRIES[1] - ENTRIES[0]) as f64
                },
            },
        ],
    },
    Group {
        name: "verify",
        stages: &[
            own("verify-off", None),
            own("verify-gzip-1", None),
            own("fletcher-4-alone", None),
            own("fletcher-4-reading", None),
        ],
        once: false,
        targets: &[Target {
            what: "verify, compression off: speed against reading and summing the same bytes",
            wanted: Wanted::AtLeast(0.8),
            unit: "x",
            number: |runs| speed(runs, "verify-off") / speed(runs, "fletcher-4-reading"),
        }],
    },
    Group {
        name: "image",
        stages: &[own("image-one-reading", None), own("image-step-by-step", None)],
        once: false,
        targets: &[Target {
            what: "pool, phase 2 and os.tar.gz: speed of one reading against step by step",
            wanted: Wanted::AtLeast(1.0),
            unit: "x",
            number: |runs| wall(runs, "image-step-by-step") / wall(runs, "image-one-reading"),
        }],
    },
];

/// The names of the groups.
pub(crate) const NAMES: [&str; 6] = ["off", "gzip-9", "size", "memory", "verify", "image"];

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct PoolReport {
    /// The tree.
    pub(crate) tree: Collected,
    /// What was measured.
    #[serde(flatten)]
    pub(crate) measurement: Measurement,
}

/// Collects a tree and measures the groups that are named, or all.
pub(crate) fn run(
    directory: &Path,
    from: &[PathBuf],
    plan: Plan,
    runs: usize,
    only: &[String],
    stop: &Stop,
    printer: &Printer,
) -> Result<PoolReport, Failure> {
    let before = load();
    let tree = prepare(directory, from, plan, only, printer)?;
    let chosen = GROUPS.iter().filter(|group| is_chosen(only, group.name));
    let measurement = judge::measure(chosen, directory, runs, before, stop, printer)?;
    Ok(PoolReport { tree, measurement })
}

fn prepare(
    directory: &Path,
    from: &[PathBuf],
    plan: Plan,
    only: &[String],
    printer: &Printer,
) -> Result<Collected, Failure> {
    let at = Places { directory };
    let bytes = printer::bytes(plan.bytes);
    printer.say(format_args!("collecting {} files, {bytes} ...", plan.files));
    let collected = collect::collect(from, plan, &at.tree())?;
    if collected.repeated > 0 {
        printer.warn(format_args!(
            "there are too few files: {} of {} repeat others with their bytes rotated",
            collected.repeated, collected.files
        ));
    }
    if is_chosen(only, "memory") {
        for count in ENTRIES {
            collect::entries(&at.entries(count), count)?;
        }
    }
    if is_chosen(only, "verify") {
        for compression in [Compression::Off, Compression::Gzip(1)] {
            let options = PoolOptions { effort: Effort::Fast, ..options(compression) };
            let proto = at.proto(&at.tree())?;
            zpool_image::write(&proto, &options, &at.image(compression))?;
        }
    }
    Ok(collected)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::judge::try_out;
    use super::super::stage::Done;
    use super::super::turn;
    use super::*;

    #[test]
    fn every_stage_runs_and_every_target_gets_its_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        for number in 0..40u32 {
            fs::create_dir_all(&from).unwrap();
            let line = format!("{} {} ", number * number, number % 3);
            fs::write(from.join(number.to_string()), line.repeat(1000)).unwrap();
        }
        let plan = Plan { files: 60, bytes: 600_000 };
        let only = ["off", "gzip-9", "size", "verify"].map(str::to_owned);
        let places = Places { directory: directory.path() };
        prepare(directory.path(), &[from], plan, &only, &Printer::new()).unwrap();
        for count in ENTRIES {
            collect::entries(&places.entries(count), 150).unwrap();
        }
        try_out(&GROUPS, directory.path(), |stage| match stage.pipeline {
            // One thread is asked for once in a process.
            None if stage.name == "write-gzip-9-one-processor" => Done::now(1, 1),
            None => run_stage(stage.name, directory.path()).unwrap().unwrap(),
            Some(_) => turn(stage, directory.path(), &Stop::new()).unwrap().1,
        });
        assert_eq!(GROUPS.map(|group| group.name), NAMES);
    }
}
