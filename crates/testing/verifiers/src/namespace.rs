//! Tests in user namespaces.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::{find, require};

/// Runs a test of the calling test program again in a user namespace in which it is root and many
/// ids are mapped, so that it can set owners. Where no such namespace can be made (an ordinary
/// user needs `newuidmap` and an entry in `/etc/subuid`), that is reported and nothing is run.
///
/// # Panics
///
/// When the test fails there.
#[expect(clippy::print_stderr, reason = "a skip must be loud, and tests have no printer")]
pub fn in_user_namespace(test: &str) {
    let (Some(_), Some(unshare)) = (require("unshare"), find("unshare")) else { return };
    let program = std::env::current_exe().unwrap_or_default();
    let tried = inside(&unshare, &program, &["--list"]);
    if !tried.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED {test} in a user namespace: none with many ids can be made here");
        return;
    }
    let output = inside(&unshare, &program, &[test, "--exact"]);
    let output = output.unwrap_or_else(|error| panic!("{test}: {error}"));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "in a user namespace: {told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn inside(unshare: &Path, program: &Path, arguments: &[&str]) -> io::Result<Output> {
    let mut command = Command::new(unshare);
    command.arg("--user");
    let own = std::fs::metadata("/proc/self")?;
    if std::os::unix::fs::MetadataExt::uid(&own) != 0 {
        command.args(["--map-root-user", "--map-auto"]).arg(program).args(arguments);
        return command.output();
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
