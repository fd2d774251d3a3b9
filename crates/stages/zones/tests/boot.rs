//! Roots that start without services: what is in them, and that they do start.
//!
//! There is no illumos here. The roots of these tests have this machine's shell in place of
//! illumos's, and a test plays init: it reads the table as init does and runs the entry in the
//! unpacked root, in a namespace where it may change its root directory.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{NEEDED, Scratch};
use zones::{Boot, Error, PackOptions, Packed, Request, Script, closure, write_root};

fn boot(command: &str) -> Boot {
    let script = |name: &str, text: &str| Script { name: name.into(), text: text.into() };
    Boot {
        command: command.into(),
        scripts: vec![
            script("net", "#!/sbin/sh\necho net >> /var/log/ran\n"),
            script("broken", "#!/sbin/sh\necho broken >> /var/log/ran\nexit 3\n"),
        ],
    }
}

fn write(scratch: &Scratch, boot: &Boot, name: &str) -> Result<(PathBuf, Packed), Error> {
    let proto = scratch.proto();
    let found = closure(&proto, &Request { boot: Some(boot), ..Request::default() })?;
    let out = scratch.directory.path().join(name);
    let packed = write_root(&proto, &found, boot, &out, &PackOptions { package: None, mtime: 7 })?;
    Ok((out, packed))
}

/// Unpacked by somebody else's program.
fn unpack(archive: &Path) -> Option<PathBuf> {
    let root = archive.with_extension("root");
    fs::create_dir(&root).unwrap();
    let mut tar = verifiers::require("tar")?;
    let output = tar.args(["--no-same-owner", "-xpzf"]).arg(archive).arg("-C").arg(&root).output();
    let output = output.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    Some(root)
}

fn system() -> Scratch {
    let scratch = Scratch::new();
    scratch.system();
    scratch.program("sbin/init", false, &[(NEEDED, "libc.so.1")]);
    scratch.program("sbin/sh", false, &[(NEEDED, "libc.so.1")]);
    scratch.program("usr/bin/getent", false, &[(NEEDED, "libc.so.1")]);
    scratch.program("opt/x/bin/server", true, &[(NEEDED, "libc.so.1")]);
    scratch.link("./usr/bin", "bin");
    scratch
}

#[test]
fn a_root_has_what_init_and_the_platform_need() {
    let scratch = system();
    scratch.write("etc/passwd", "root:x:0:0::/root:/usr/bin/bash\n");
    scratch.write("etc/inittab", "smf::sysinit:/lib/svc/bin/svc.startd\n");
    let boot = boot("/opt/x/bin/server --port 80");
    let (archive, packed) = write(&scratch, &boot, "a.tar.gz").unwrap();
    let (second, _) = write(&scratch, &boot, "b.tar.gz").unwrap();
    assert!(fs::read(&archive).unwrap() == fs::read(second).unwrap());
    let Some(root) = unpack(&archive) else { return };
    for program in
        ["sbin/init", "sbin/sh", "usr/bin/getent", "opt/x/bin/server", "lib/64/libc.so.1"]
    {
        assert!(root.join(program).is_file(), "{program}");
    }
    assert_eq!(fs::read_link(root.join("bin")).unwrap(), Path::new("./usr/bin"));
    assert!(!root.join("oxide.json").exists() && !root.join("root/opt").exists());
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    assert_eq!(text("etc/passwd"), "root:x:0:0::/root:/sbin/sh\n");
    assert_eq!(text("etc/shadow"), "root:NP:::::::\n");
    assert!(!text("etc/inittab").contains("svc.startd"));
    assert!(text("etc/boot.rc").ends_with("\nexec /opt/x/bin/server --port 80\n"));
    assert_eq!(text("etc/default/init"), "TZ=UTC\nCMASK=022\n");
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().mode() & 0o7777;
    for (path, expected) in [
        ("tmp", 0o1777),
        ("root", 0o700),
        ("etc/shadow", 0o400),
        ("etc/boot.rc", 0o744),
        ("etc/boot.d/001-net", 0o744),
        ("etc/mnttab", 0o444),
        ("etc/dfs/sharetab", 0o444),
    ] {
        assert_eq!(mode(path), expected, "{path}");
    }
    for mount_point in ["dev", "proc", "system/contract", "system/object", "etc/svc/volatile"] {
        assert!(root.join(mount_point).is_dir(), "{mount_point}");
    }
    assert!(packed.entries > 30);
}

#[test]
fn what_would_not_start_is_refused() {
    let scratch = system();
    let refused = |boot: &Boot| write(&scratch, boot, "x.tar.gz").unwrap_err().to_string();
    assert_eq!(refused(&boot(" ")), "the zone would not start: the command to run is empty");
    let error = refused(&boot("/opt/x/bin/other"));
    assert!(error.starts_with("/opt/x/bin/other (to start) is not in the proto root"), "{error}");
    let mut perl = boot("/opt/x/bin/server");
    perl.scripts[0].text = b"#!/usr/bin/perl\n".to_vec();
    let error = refused(&perl);
    assert!(error.starts_with("/usr/bin/perl (interpreter of the script net)"), "{error}");
    fs::remove_file(scratch.root().join("sbin/init")).unwrap();
    assert!(refused(&boot("/opt/x/bin/server")).starts_with("sbin/init (to start)"));
    assert!(!scratch.directory.path().join("x.tar.gz").exists());
}

/// The files of this process that the runtime linker has mapped: the C library and itself.
fn mapped(name: &str) -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let mut paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    paths.find(|path| path.rsplit('/').next().is_some_and(|n| n.starts_with(name))).map(Into::into)
}

/// A root with this machine's shell. Its libraries lie where illumos has its own.
fn runnable() -> Option<Scratch> {
    let scratch = Scratch::new();
    let copy = |from: &Path, to: &str| {
        scratch.write(to, fs::read(from).unwrap());
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(scratch.root().join(to), mode).unwrap();
    };
    copy(&fs::canonicalize("/bin/sh").ok()?, "sbin/sh");
    copy(&mapped("libc.so")?, "lib/64/libc.so.6");
    let linker = mapped("ld-linux")?;
    let name = linker.file_name()?.to_str()?.to_owned();
    copy(&linker, &format!("lib/64/{name}"));
    copy(&linker, &format!("lib64/{name}"));
    scratch.write("sbin/init", "#!/sbin/sh\n");
    scratch
        .write("opt/server", "#!/sbin/sh\necho \"$0 $* as $(id 2>/dev/null)\" >> /var/log/ran\n");
    fs::set_permissions(scratch.root().join("opt/server"), fs::Permissions::from_mode(0o755))
        .unwrap();
    Some(scratch)
}

/// The command of the entry that init starts: identifier, levels, action, command.
fn entry(root: &Path) -> String {
    let table = fs::read_to_string(root.join("etc/inittab")).unwrap();
    assert!(table.len() >= 10, "init takes a shorter one for damaged");
    let mut entries = table.lines().filter(|line| !line.trim_start().starts_with('#'));
    let entry = entries.find_map(|line| line.strip_prefix("smf::sysinit:")).unwrap();
    format!("exec {entry}")
}

#[test]
fn a_root_starts_and_its_program_is_started_again() {
    let Some(scratch) = runnable() else { return };
    let boot = boot("/opt/server --port 80 'a  b'");
    let (archive, _) = match write(&scratch, &boot, "a.tar.gz") {
        // A shell that needs more than the C library.
        Err(Error::Missing { .. }) => return,
        written => written.unwrap(),
    };
    let Some(root) = unpack(&archive) else { return };
    check_references(&root);
    // What the brand mounts.
    fs::write(root.join("dev/console"), "").unwrap();
    let start = || {
        let mut unshare = verifiers::require("unshare")?;
        let mut root_option = std::ffi::OsString::from("--root=");
        root_option.push(&root);
        let output = unshare
            .args(["--user", "--map-root-user"])
            .arg(root_option)
            .args(["/sbin/sh", "-c", &entry(&root)])
            .env_clear()
            // This machine's linker does not look where illumos's does.
            .env("LD_LIBRARY_PATH", "/lib/64")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (!told.contains("unshare")).then(|| assert!(output.status.success(), "{told}"))
    };
    let ran = || fs::read_to_string(root.join("var/log/ran")).unwrap_or_default();
    let Some(()) = start() else { return };
    let program = "/opt/server --port 80 a  b as \n";
    let console = fs::read_to_string(root.join("dev/console")).unwrap();
    assert_eq!(ran(), format!("net\nbroken\n{program}"), "{console}");
    assert!(console.contains("/etc/boot.d/002-broken failed: status 3"), "{console}");
    // The program has ended, and init starts it again, without the scripts.
    start();
    assert_eq!(ran(), format!("net\nbroken\n{program}{program}"));
    // The zone is booted again: a new file system is on /etc/svc/volatile.
    fs::remove_file(root.join("etc/svc/volatile/booted")).unwrap();
    start();
    assert!(ran().ends_with(&format!("{program}net\nbroken\n{program}")));
}

/// Every interpreter and every library that a file of a tree asks for is in the tree, as readelf
/// and the first lines of scripts have it.
fn check_references(root: &Path) {
    let Some(readelf) = verifiers::require("readelf") else { return };
    let readelf = readelf.get_program().to_owned();
    let mut checked = 0;
    let mut queue = vec![root.to_owned()];
    while let Some(path) = queue.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            queue.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let mut wanted: Vec<Vec<String>> = Vec::new();
        if metadata.is_symlink() {
            wanted.push(vec![fs::read_link(&path).unwrap().display().to_string()]);
        } else {
            let bytes = fs::read(&path).unwrap();
            if bytes.starts_with(b"#!") {
                let line = String::from_utf8_lossy(&bytes).lines().next().unwrap()[2..].to_owned();
                wanted.push(vec![line.split_whitespace().next().unwrap().to_owned()]);
            } else if bytes.starts_with(b"\x7fELF") {
                let output =
                    Command::new(&readelf).args(["-ldW"]).arg(&path).env("LC_ALL", "C").output();
                let text = String::from_utf8(output.unwrap().stdout).unwrap();
                let wide = bytes[4] == 2;
                for line in text.lines() {
                    let inner = |open: char, close: char| {
                        Some(line.split_once(open)?.1.split_once(close)?.0.to_owned())
                    };
                    if line.contains("program interpreter:") {
                        let name = inner(':', ']').unwrap().trim().to_owned();
                        wanted.push(vec![name]);
                    } else if line.contains("(NEEDED)") {
                        let name = inner('[', ']').unwrap();
                        let places =
                            if wide { ["lib/64", "usr/lib/64"] } else { ["lib", "usr/lib"] };
                        wanted.push(places.iter().map(|p| format!("/{p}/{name}")).collect());
                    }
                }
            }
        }
        for choices in wanted {
            let there = |choice: &String| match choice.strip_prefix('/') {
                Some(absolute) => root.join(absolute).symlink_metadata().is_ok(),
                None => path.parent().unwrap().join(choice).symlink_metadata().is_ok(),
            };
            assert!(choices.iter().any(there), "{}: {choices:?}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked}");
}

/// The program of the npm package `@esbuild/sunos-x64`, unpacked in `RELENG_ESBUILD`, with
/// stand-ins for the libraries of the system, which is not to be had here.
#[test]
#[ignore = "needs RELENG_ESBUILD"]
fn a_real_program_of_illumos_becomes_a_root() {
    let program = std::env::var_os("RELENG_ESBUILD").expect("RELENG_ESBUILD is not set");
    let scratch = system();
    scratch.write("opt/esbuild", fs::read(Path::new(&program).join("bin/esbuild")).unwrap());
    for name in ["libsendfile", "libsocket"] {
        scratch.library(&format!("lib/amd64/{name}.so.1"), true, &[(NEEDED, "libc.so.1")]);
        scratch.link(&format!("{name}.so.1"), &format!("lib/amd64/{name}.so"));
    }
    scratch.link("libc.so.1", "lib/amd64/libc.so");
    let boot = boot("/opt/esbuild --serve");
    let (archive, _) = write(&scratch, &boot, "a.tar.gz").unwrap();
    let proto = scratch.proto();
    let found = closure(&proto, &Request { boot: Some(&boot), ..Request::default() }).unwrap();
    let libraries: BTreeSet<String> = found
        .members
        .iter()
        .filter(|(_, member)| {
            member.from.as_ref().is_some_and(|from| *from == "opt/esbuild".parse().unwrap())
        })
        .map(|(path, member)| format!("{path} ({})", member.reason))
        .collect();
    let expected = [
        "lib/64 (link on the way)",
        "lib/amd64/ld.so.1 (interpreter)",
        "lib/amd64/libc.so (needed as libc.so)",
        "lib/amd64/libsendfile.so (needed as libsendfile.so)",
        "lib/amd64/libsocket.so (needed as libsocket.so)",
    ];
    assert!(libraries.iter().eq(expected.iter()), "{libraries:?}");
    if let Some(root) = unpack(&archive) {
        check_references(&root);
    }
}
