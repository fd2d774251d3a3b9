//! Layers packed from directories, read back by this workspace and by GNU tar.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use oxide_archive::{ArchiveType, Options, SetOwners};
use zones::{PackOptions, pack};

fn write(root: &Path, path: &str, text: &str, mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn example(root: &Path, loose: bool) {
    let (file, program) = if loose { (0o666, 0o777) } else { (0o600, 0o700) };
    write(root, "opt/oxide/bin/server", "#!/bin/sh\n", program);
    write(root, "opt/oxide/etc/server.toml", "port = 1\n", file);
    write(root, "var/svc/profile/site.xml", "<x/>\n", file);
    symlink("../oxide/bin/server", root.join("opt/server")).unwrap();
    fs::hard_link(root.join("opt/oxide/bin/server"), root.join("opt/oxide/bin/zz")).unwrap();
}

fn packed(directory: &Path, name: &str, options: &PackOptions) -> PathBuf {
    let out = directory.parent().unwrap().join(name);
    pack(directory, &out, options).unwrap();
    out
}

#[test]
fn bytes_do_not_depend_on_times_and_umask() {
    let scratch = tempfile::tempdir().unwrap();
    let (first, second) = (scratch.path().join("a"), scratch.path().join("b"));
    example(&first, false);
    std::thread::sleep(std::time::Duration::from_millis(20));
    example(&second, true);
    let options = PackOptions { mtime: 1_000_000_000, ..PackOptions::default() };
    let first = fs::read(packed(&first, "1.tar.gz", &options)).unwrap();
    let second = fs::read(packed(&second, "2.tar.gz", &options)).unwrap();
    assert!(first == second);
}

#[test]
fn unpacks_to_what_was_packed() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("a");
    example(&directory, false);
    let package = Some(("nexus".to_owned(), "1.2.3".to_owned()));
    let archive = packed(&directory, "x.tar.gz", &PackOptions { package, mtime: 77 });
    let metadata = oxide_archive::read_metadata(&archive).unwrap();
    assert_eq!(metadata.package.as_deref(), Some("nexus"));
    assert_eq!(metadata.version.as_deref(), Some("1.2.3"));

    let root = scratch.path().join("root");
    fs::create_dir(&root).unwrap();
    let options = Options { set_owners: SetOwners::Never, ..Options::for_type(ArchiveType::Layer) };
    oxide_archive::unpack(&archive, &root, &options).unwrap();
    let server = fs::metadata(root.join("opt/oxide/bin/server")).unwrap();
    assert_eq!(server.mode() & 0o7777, 0o755);
    assert_eq!(server.mtime(), 77);
    assert_eq!(server.ino(), fs::metadata(root.join("opt/oxide/bin/zz")).unwrap().ino());
    assert_eq!(fs::read(root.join("opt/oxide/etc/server.toml")).unwrap(), b"port = 1\n");
    assert_eq!(fs::read_link(root.join("opt/server")).unwrap(), Path::new("../oxide/bin/server"));
}

/// What the manual page of the brand shows as the smallest layer.
#[test]
fn the_example_of_the_manual_page() {
    let Some(mut tar) = verifiers::require("tar") else { return };
    let manual = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../brand/man/omicron1.7"),
    );
    let manual = manual.unwrap();
    let after = |prompt: &str| {
        let lines = manual.lines().skip_while(|line| *line != prompt).skip(1);
        lines.take_while(|line| !line.starts_with(['$', '.'])).collect::<Vec<_>>()
    };
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("a");
    write(&directory, "opt/ntpd", "program", 0o755);
    let archive = packed(&directory, "ntp.tar.gz", &PackOptions::default());
    let output = tar.arg("tf").arg(&archive).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), after("$ tar tf ntp.tar.gz"));
    let mut reader = oxide_archive::open(&archive).unwrap();
    reader.next_member().unwrap();
    let mut text = Vec::new();
    reader.read_all(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), after("$ tar xOf ntp.tar.gz oxide.json"));
}

#[test]
fn gnu_tar_lists_the_same() {
    let Some(mut tar) = verifiers::require("tar") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("a");
    example(&directory, true);
    let archive = packed(&directory, "x.tar.gz", &PackOptions::default());
    let output = tar
        .args(["--list", "--verbose", "--numeric-owner", "--utc", "--gzip", "--file"])
        .arg(&archive)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(output.status.success());
    let listing = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<String> =
        listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let json = "{\"t\":\"layer\",\"v\":\"1\"}\n".len();
    let expected = [
        format!("-r--r--r-- 0/0 {json} 1970-01-01 00:00 oxide.json"),
        "drwxr-xr-x 0/0 0 1970-01-01 00:00 root/".to_owned(),
        "drwxr-xr-x 0/0 0 1970-01-01 00:00 root/opt/".to_owned(),
        "drwxr-xr-x 0/0 0 1970-01-01 00:00 root/opt/oxide/".to_owned(),
        "drwxr-xr-x 0/0 0 1970-01-01 00:00 root/opt/oxide/bin/".to_owned(),
        "-rwxr-xr-x 0/0 10 1970-01-01 00:00 root/opt/oxide/bin/server".to_owned(),
        "hrwxr-xr-x 0/0 0 1970-01-01 00:00 root/opt/oxide/bin/zz link to \
         root/opt/oxide/bin/server"
            .to_owned(),
        "drwxr-xr-x 0/0 0 1970-01-01 00:00 root/opt/oxide/etc/".to_owned(),
        "-rw-r--r-- 0/0 9 1970-01-01 00:00 root/opt/oxide/etc/server.toml".to_owned(),
        "lrwxrwxrwx 0/0 0 1970-01-01 00:00 root/opt/server -> ../oxide/bin/server".to_owned(),
    ];
    assert_eq!(lines[..expected.len()], expected);
    assert_eq!(
        lines.last().unwrap(),
        "-rw-r--r-- 0/0 5 1970-01-01 00:00 root/var/svc/profile/site.xml"
    );
}

#[test]
fn refuses_what_a_zone_could_not_be_installed_from() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::UnixListener;

    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("x.tar.gz");
    let refused = |directory: &Path, out: &Path| {
        let error = pack(directory, out, &PackOptions::default()).unwrap_err().to_string();
        assert!(!out.exists());
        error
    };

    let socket = scratch.path().join("socket");
    fs::create_dir(&socket).unwrap();
    let _listener = UnixListener::bind(socket.join("door")).unwrap();
    let error = refused(&socket, &out);
    assert!(error.contains("socket/door: a socket cannot be in a layer"), "{error}");

    let name = scratch.path().join("name");
    fs::create_dir(&name).unwrap();
    fs::write(name.join(OsStr::from_bytes(b"\xff")), "").unwrap();
    assert!(refused(&name, &out).contains("not UTF-8"));

    let inside = scratch.path().join("inside");
    fs::create_dir_all(inside.join("deep")).unwrap();
    assert!(refused(&inside, &inside.join("deep/x.tar.gz")).contains("write it elsewhere"));

    assert!(refused(&scratch.path().join("nowhere"), &out).contains("cannot examine"));
    fs::write(scratch.path().join("file"), "").unwrap();
    assert!(refused(&scratch.path().join("file"), &out).contains("is no directory"));
}
