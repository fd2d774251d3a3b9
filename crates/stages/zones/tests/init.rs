//! A root that starts, under an init that nobody here wrote.
//!
//! There is no illumos here. Its init is one of those that read `/etc/inittab`, and another of
//! them is to be had: that of System V for Linux. So the root of this test has that one as its
//! init, and this machine's shell as its shell and as its program, all with the libraries that the
//! closure finds for them. It is unpacked and started as a zone is: init is the first process.
//!
//! The two differ in one thing. An entry `sysinit` runs once, and init waits for it; but the entry
//! `smf` of illumos's init is kept running, which elsewhere is called `respawn`. Both are tried.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::Scratch;
use common::roots::{check_references, unpack};
use zones::{Boot, PackOptions, Request, Script, closure, write_root};

/// What the program does: it tells how it was started, and ends when it is told to.
const PROGRAM: &str = "echo \"program: $# $*, $PATH\" >> /var/log/ran\nread line < /var/run/next\n";
const STARTED: &str = "program: 3 --port 80 a  b, /usr/sbin:/usr/bin:/sbin\n";
const SCRIPTS: &str = "net\nbroken\n";
/// Where this machine's linker is told to look, for illumos's looks elsewhere.
const LIBRARIES: &str = "/lib/64";

/// A proto root of Linux programs. Their libraries lie where illumos has its own.
fn system(init: &Path) -> Scratch {
    let scratch = Scratch::new();
    let copy = |from: &Path, to: &str| {
        scratch.write(to, fs::read(from).unwrap());
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(scratch.root().join(to), mode).unwrap();
    };
    let shell = fs::canonicalize("/bin/sh").unwrap();
    for (program, path) in [(init, "sbin/init"), (&shell, "sbin/sh"), (&shell, "opt/x/server")] {
        copy(program, path);
        for (name, library) in libraries(program) {
            copy(&library, &format!("lib/64/{}", name.rsplit('/').next().unwrap()));
            if let Some(interpreter) = name.strip_prefix('/') {
                copy(&library, interpreter);
            }
        }
    }
    // Where this init looks for a shell.
    scratch.link("../../sbin/sh", "usr/bin/sh");
    scratch.link("usr/bin", "bin");
    scratch.write("opt/x/main", PROGRAM);
    scratch
}

/// The interpreter and the libraries that this machine's linker takes for a program.
fn libraries(program: &Path) -> Vec<(String, PathBuf)> {
    let output = Command::new("ldd").arg(program).env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let library = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [name, "=>", path, _] => Some((name.to_owned(), path.into())),
            [path, _] if path.starts_with('/') => Some((path.to_owned(), path.into())),
            _ => None,
        }
    };
    let found: Vec<_> = text.lines().filter_map(library).collect();
    assert!(found.len() >= 2, "{text}");
    found
}

fn fifo(path: &Path) -> fs::File {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    // Both ends, so that opening waits for nobody.
    fs::File::options().read(true).write(true).open(path).unwrap()
}

/// An unpacked root with what a brand mounts there, and all that was said on its console.
struct Zone {
    root: PathBuf,
    next: fs::File,
    console: Arc<Mutex<String>>,
    running: Option<Child>,
}

impl Zone {
    fn new(root: PathBuf) -> Self {
        let console = Arc::new(Mutex::new(String::new()));
        let mut from = fifo(&root.join("dev/console"));
        let to = Arc::clone(&console);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = from.read(&mut buffer) {
                to.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        // What this init wants besides.
        fs::create_dir(root.join("run")).unwrap();
        let next = fifo(&root.join("var/run/next"));
        Self { root, next, console, running: None }
    }

    /// Boots it: there is a new file system on `/etc/svc/volatile`.
    fn boot(&mut self) -> Option<()> {
        let volatile = self.root.join("etc/svc/volatile");
        fs::remove_dir_all(&volatile).unwrap();
        fs::create_dir(volatile).unwrap();
        fs::write(self.ran_path(), "").unwrap();
        self.console.lock().unwrap().clear();
        let mut command = verifiers::first_process(&self.root)?;
        // The level is not in the table, for illumos has it from its services.
        command.args(["/sbin/init", "3"]).env("LD_LIBRARY_PATH", LIBRARIES).stderr(Stdio::null());
        self.running = Some(command.spawn().unwrap());
        Some(())
    }

    fn halt(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().unwrap();
            running.wait().unwrap();
        }
    }

    fn ran_path(&self) -> PathBuf {
        self.root.join("var/log/ran")
    }

    fn console(&self) -> String {
        self.console.lock().unwrap().clone()
    }

    fn end_program(&mut self) {
        self.next.write_all(b"end\n").unwrap();
    }

    fn wait_for(&self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_there(self) {
            let ran = fs::read_to_string(self.ran_path()).unwrap();
            let told = self.console();
            assert!(begun.elapsed() < Duration::from_secs(60), "no {what}: {ran}\n{told}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until this ran, and nothing else.
    fn wait_until_ran(&self, expected: &str) {
        let ran = || fs::read_to_string(self.ran_path()).unwrap();
        self.wait_for(expected, |_| ran().len() >= expected.len());
        assert_eq!(ran(), expected, "{}", self.console());
    }

    fn wait_until_told(&self, text: &str) {
        self.wait_for(text, |zone| zone.console().contains(text));
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        self.halt();
    }
}

#[test]
fn another_init_starts_a_root() {
    let Some(init) = verifiers::require("sysvinit") else { return };
    let scratch = system(Path::new(init.get_program()));
    let script = |name: &str, end: &str| Script {
        name: name.into(),
        text: format!("#!/sbin/sh\necho {name} >> /var/log/ran\n{end}").into(),
    };
    let boot = Boot {
        command: "/opt/x/server /opt/x/main --port 80 'a  b'".into(),
        scripts: vec![script("net", ""), script("broken", "exit 3\n")],
    };
    let programs = ["opt/x/main", "bin/sh"].map(str::to_owned);
    let request = Request { programs: &programs, boot: Some(&boot), ..Request::default() };
    let proto = scratch.proto();
    let found = closure(&proto, &request).unwrap();
    let archive = scratch.directory.path().join("a.tar.gz");
    let options = PackOptions { package: None, mtime: 7 };
    write_root(&proto, &found, &boot, &archive, &options).unwrap();
    let Some(root) = unpack(&archive) else { return };
    check_references(&root);
    let table = fs::read_to_string(root.join("etc/inittab")).unwrap();
    let mut zone = Zone::new(root);

    // The table as it is: scripts, then the program, and when it ends the zone stays as it is.
    let Some(()) = zone.boot() else { return };
    zone.wait_until_ran(&format!("{SCRIPTS}{STARTED}"));
    zone.wait_until_told("running /etc/boot.d/001-net");
    zone.wait_until_told("/etc/boot.d/002-broken failed: status 3");
    zone.end_program();
    zone.wait_until_told("no more processes left in this runlevel");
    zone.wait_until_ran(&format!("{SCRIPTS}{STARTED}"));
    assert!(!zone.console().contains("inittab["), "{}", zone.console());
    assert!(zone.running.as_mut().unwrap().try_wait().unwrap().is_none());
    zone.halt();

    // Kept running, as illumos does with this entry: the program again and again, but no script.
    let kept = table.replace("smf::sysinit:", "smf:3:respawn:");
    assert_ne!(kept, table);
    fs::write(zone.root.join("etc/inittab"), kept).unwrap();
    zone.boot().unwrap();
    let mut ran = format!("{SCRIPTS}{STARTED}");
    zone.wait_until_ran(&ran);
    for _ in 0..3 {
        zone.end_program();
        ran.push_str(STARTED);
        zone.wait_until_ran(&ran);
    }
    zone.halt();

    // This init does say so when a table is wrong.
    fs::write(zone.root.join("etc/inittab"), table.replace(":sysinit:", ":sysinitial:")).unwrap();
    zone.boot().unwrap();
    zone.wait_until_told("inittab[");
    zone.halt();
    zone.wait_until_ran("");
}
