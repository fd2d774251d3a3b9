//! Installing a zone of the brand, against what a shell would do.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use brand::{Installation, Plan as Replication};
use oxide_archive::{ArchiveType, Metadata, Writer};
use rayon::prelude::*;
use rustix::fs::copy_file_range;

use super::super::generate::Words;
use super::super::stage::{Done, TIME};
use super::super::{Plan, size_of};
use crate::failure::Failure;

/// Paths that a baseline has, and their bytes.
const BASELINE: Plan = Plan { files: 3000, bytes: 12_000_000 };

/// What is copied with `cp -a`, linked with `ln -s` and unpacked with `tar`. Directories are there
/// before, as a loop over sorted paths would have them.
pub(super) const BY_SHELL: &str = "mkdir -p scratch/zone/root && \
    (cd scratch/zone/root && xargs -d '\\n' mkdir -p < ../../../input/install/directories) && \
    cd input/install/system && \
    xargs -d '\\n' cp -a --parents -t ../../../scratch/zone/root < ../copied && \
    (while read -r text path; do ln -s \"$text\" \"../../../scratch/zone/root/$path\"; done) \
    < ../linked && \
    tar -C ../../../scratch/zone -xzf usr/lib/brand/omicron1/baseline/files.tar.gz";

/// The published brand, to which the system is `/`. Its zone is in the scratch directory too.
pub(super) const BY_PUBLISHED: &str = "mkdir scratch/zone && unshare --mount sh -c \
    'mount --bind scratch/zone input/install/system/zone && \
    exec chroot input/install/system /published-brand -z bench -R /zone install > /dev/null'";

/// Where a file of the system lies: of a hundred files 62 are of kinds that become links.
fn place(number: usize) -> String {
    let group = number / 100 % 40;
    match number % 100 {
        0..8 => format!("usr/bin/program-{number}"),
        8..20 => format!("usr/lib/lib{number}.so.1"),
        20..30 => format!("usr/lib/amd64/lib{number}.so.1"),
        30..55 => format!("usr/share/man/man{}/page-{number}", group % 9),
        55..60 => format!("usr/share/locale/locale-{group}/text-{number}"),
        60..62 => format!("sbin/program-{number}"),
        62..66 => format!("lib/svc/method/method-{number}"),
        66..75 => format!("usr/lib/part-{group}/file-{number}"),
        _ => format!("usr/share/part-{group}/deep/file-{number}"),
    }
}

/// Generates a system root, its baseline, and the lists that the shell reads.
pub(super) fn prepare(directory: &Path, plan: Plan) -> Result<(), Failure> {
    let input = directory.join("input/install");
    let system = input.join("system");
    let words = Words::new();
    for (number, mut file) in plan.list().into_iter().enumerate() {
        file.path = place(number);
        file.write(&system, &words)?;
    }
    for tree in ["usr/bin", "lib/svc/manifest", "sbin", "etc/default"] {
        fs::create_dir_all(system.join(tree))?;
    }
    fs::write(system.join("etc/default/init"), "TZ=UTC\n")?;
    let baseline = system.join("usr/lib/brand/omicron1/baseline");
    fs::create_dir_all(&baseline)?;
    fs::write(baseline.join("gzonly.txt"), format!("{}\n{}\n", place(1), place(70)))?;
    write_baseline(&baseline.join("files.tar.gz"), plan, &words)?;

    let (mut directories, mut copied, mut linked) = (String::new(), String::new(), String::new());
    for listed in Replication::make(&system)?.listing().paths {
        let path = listed.path.trim_start_matches('/');
        match (listed.decision, listed.target) {
            ("make", _) => directories.push_str(&format!("{path}\n")),
            ("link", Some(text)) => linked.push_str(&format!("{text} {path}\n")),
            _ => copied.push_str(&format!("{path}\n")),
        }
    }
    for (name, text) in [("directories", directories), ("copied", copied), ("linked", linked)] {
        fs::write(input.join(name), text)?;
    }
    fs::write(input.join(SIZE), size_of(&system).to_string())?;
    Ok(())
}

/// Where the bytes of the system are noted, so that no stage needs to count them.
const SIZE: &str = "size";

/// Puts the published brand into the system, with what it wants to be there.
pub(super) fn add_published(directory: &Path, program: &Path) -> Result<(), Failure> {
    let system = directory.join("input/install/system");
    for place in ["zone", "var/log"] {
        fs::create_dir_all(system.join(place))?;
    }
    fs::copy(program, system.join("published-brand"))
        .map_err(|error| format!("cannot copy {}: {error}", program.display()))?;
    Ok(())
}

/// A baseline with as much of everything as the plan has of what is usual.
fn write_baseline(path: &Path, plan: Plan, words: &Words) -> Result<(), Failure> {
    let part = Plan {
        files: (BASELINE.files * plan.files / super::INSTALL.files).max(1),
        bytes: BASELINE.bytes * plan.bytes / super::INSTALL.bytes,
    };
    let metadata = Metadata::new(ArchiveType::Baseline);
    let mut writer = Writer::create(path, &metadata, TIME)?;
    let time = proto::Mtime::from_seconds(TIME);
    let directory = proto::Metadata::root(0o755).at(time);
    for name in ["root", "root/etc", "root/etc/default", "root/var"] {
        writer.directory(name, directory)?;
    }
    for (number, file) in part.list().into_iter().enumerate() {
        if number % 20 == 0 {
            writer.directory(format!("root/var/part-{}", number / 20), directory)?;
        }
        let name = format!("root/var/part-{}/file-{number}", number / 20);
        writer.file_bytes(name, proto::Metadata::root(0o644).at(time), &file.content(words))?;
    }
    writer.commit()?;
    Ok(())
}

pub(super) fn run_stage(name: &str, directory: &Path) -> Option<Result<Done, Failure>> {
    Some(match name {
        "zone-install" => install(directory),
        "zone-install-bare" => bare(directory),
        _ => return None,
    })
}

fn install(directory: &Path) -> Result<Done, Failure> {
    let zonepath = directory.join("scratch/zone");
    fs::create_dir(&zonepath)?;
    let system = directory.join("input/install/system");
    let what =
        Installation { zone: "bench", zonepath: &zonepath, layers: &[], system_root: &system };
    let report = brand::install(&what, &mut |_| {})?;
    let output = report.phases.iter().map(|phase| phase.bytes).sum();
    Ok(Done::now(read(directory, SIZE)?.parse()?, output))
}

fn read(directory: &Path, name: &str) -> Result<String, Failure> {
    Ok(fs::read_to_string(directory.join("input/install").join(name))?)
}

/// The least that any installation does: links and copies, on all processors, by a plan that is
/// there. Nothing is looked at, no owner, mode or time is set, and there is no baseline.
fn bare(directory: &Path) -> Result<Done, Failure> {
    let system = directory.join("input/install/system");
    let root = directory.join("scratch/zone/root");
    let [directories, linked, copied] =
        ["directories", "linked", "copied"].map(|name| read(directory, name));
    fs::create_dir_all(&root)?;
    for path in directories?.lines() {
        fs::create_dir_all(root.join(path))?;
    }
    let linked = linked?;
    let linked: Vec<_> = linked.lines().filter_map(|line| line.split_once(' ')).collect();
    // neighbours are in one directory, where threads would wait for each other
    linked
        .par_chunks(256)
        .flatten_iter()
        .try_for_each(|(text, path)| symlink(text, root.join(path)))?;
    let copied = copied?;
    let copied: Vec<&str> = copied.lines().collect();
    let bytes = copied
        .par_chunks(64)
        .flatten_iter()
        .map(|path| {
            let (from, to) = (File::open(system.join(path))?, File::create_new(root.join(path))?);
            Ok(copy_file_range(&from, None, &to, None, 1 << 30)? as u64)
        })
        .try_reduce(|| 0, |one, other| Ok::<_, std::io::Error>(one + other))?;
    Ok(Done::now(read(directory, SIZE)?.parse()?, bytes))
}
