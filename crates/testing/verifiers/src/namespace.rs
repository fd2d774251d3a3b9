//! Tests in user namespaces.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::{find, require, skipped};

/// Which ids a namespace has.
#[derive(Debug, Clone, Copy)]
enum Ids {
    /// Many: root maps them by itself, an ordinary user needs `newuidmap` and an entry in
    /// `/etc/subuid`.
    Many,
    /// Zero alone, which stands for the user's own.
    One,
}

/// Runs a test of the calling test program again in a user namespace in which it is root, so that
/// it can set owners: any, or where so many ids cannot be had, those that [`mapped`] gives. Where
/// no such namespace can be made, that is reported as a missing program is.
///
/// # Panics
///
/// When the test fails there; with `RELENG_REQUIRE_VERIFIERS=1` also when no namespace can be made.
pub fn in_user_namespace(test: &str) {
    let (Some(_), Some(unshare)) = (require("unshare"), find("unshare")) else { return };
    let program = std::env::current_exe().unwrap_or_default();
    let possible = |ids: &Ids| {
        inside(*ids, &unshare, &program, &["--list"]).is_ok_and(|output| output.status.success())
    };
    let Some(ids) = [Ids::Many, Ids::One].into_iter().find(possible) else {
        return skipped("unshare", test, "it cannot make a user namespace here");
    };
    let output = inside(ids, &unshare, &program, &[test, "--exact"]);
    let output = output.unwrap_or_else(|error| panic!("{test}: {error}"));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "in a user namespace with {ids:?}: {told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A command that runs a program of a directory tree as the first process of its own: the tree is
/// its root directory, it is root there, and it and all its children end with the command. `None`
/// after reporting that the caller's check is skipped.
///
/// # Panics
///
/// With `RELENG_REQUIRE_VERIFIERS=1`, when no such namespaces can be made.
pub fn first_process(root: &Path) -> Option<Command> {
    const NAMESPACES: [&str; 5] = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child"];
    let possible = require("unshare")?.args(NAMESPACES).arg("true").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        let thread = std::thread::current();
        skipped("unshare", thread.name().unwrap_or("a test"), "it cannot make namespaces here");
        return None;
    }
    let mut command = require("unshare")?;
    let mut option = std::ffi::OsString::from("--root=");
    option.push(root);
    command.args(NAMESPACES).arg(option).arg("--wd=/").env_clear();
    Some(command)
}

/// This id if the namespace of this process has it as a user and as a group, else 0.
pub fn mapped(id: u32) -> u32 {
    let has = |map: &str| {
        // without such a file there are no namespaces
        let Ok(text) = std::fs::read_to_string(map) else { return true };
        text.lines().any(|line| {
            let numbers: Vec<u32> =
                line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
            matches!(numbers[..], [first, _, count] if id >= first && id - first < count)
        })
    };
    if has("/proc/self/uid_map") && has("/proc/self/gid_map") { id } else { 0 }
}

fn inside(ids: Ids, unshare: &Path, program: &Path, arguments: &[&str]) -> io::Result<Output> {
    let mut command = Command::new(unshare);
    command.arg("--user");
    let own = std::fs::metadata("/proc/self")?;
    let by_unshare: &[&str] = match ids {
        Ids::One => &["--map-root-user"],
        Ids::Many => &["--map-root-user", "--map-auto"],
    };
    if matches!(ids, Ids::One) || std::os::unix::fs::MetadataExt::uid(&own) != 0 {
        return command.args(by_unshare).arg(program).args(arguments).output();
    }
    // Root maps ids by itself, while the process in the namespace waits for a line.
    command.args(["sh", "-c", "read line && exec \"$@\"", "sh"]).arg(program).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mapped = map_ids(child.id());
    if let Some(mut input) = child.stdin.take() {
        match mapped {
            Ok(()) => input.write_all(b"\n")?,
            // without a line the process ends
            Err(_) => drop(input),
        }
    }
    child.wait_with_output()
}

/// Maps 65,536 ids to themselves, once the process has a namespace of its own.
fn map_ids(process: u32) -> io::Result<()> {
    let directory = format!("/proc/{process}");
    let ours = std::fs::read_link("/proc/self/ns/user")?;
    for _ in 0..200 {
        if std::fs::read_link(format!("{directory}/ns/user")).is_ok_and(|theirs| theirs != ours) {
            for map in ["uid_map", "gid_map"] {
                std::fs::write(format!("{directory}/{map}"), "0 0 65536\n")?;
            }
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Err(io::Error::other("no namespace was made"))
}
