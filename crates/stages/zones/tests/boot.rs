//! Roots that start without services: what is in them. That they do start is seen in `init.rs`.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use common::roots::{check_references, unpack, write};
use common::{NEEDED, Scratch};
use zones::{Boot, Request, Script, closure};

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
