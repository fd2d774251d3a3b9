//! Closures over made-up proto roots, whose ELF files the tests write themselves.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use oxide_archive::{ArchiveType, Options, SetOwners};
use proto::{Contents, Owners, Proto, ProtoPath, Store};
use zones::{Closure, Error, Feature, PackOptions, closure, write_layer};

/// The smallest ELF file that a runtime linker would take: program headers and a dynamic section.
struct Elf<'a> {
    wide: bool,
    interpreter: Option<&'a str>,
    /// Tag and text.
    dynamic: &'a [(u64, &'a str)],
}

const NEEDED: u64 = 1;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;
const AUXILIARY: u64 = 0x7fff_fffd;
const FILTER: u64 = 0x7fff_ffff;
const ADDRESS: u64 = 0x1_0000;

impl Elf<'_> {
    fn bytes(&self) -> Vec<u8> {
        let word = |value: u64| {
            let bytes = value.to_le_bytes();
            bytes[..if self.wide { 8 } else { 4 }].to_vec()
        };
        let (header, segment, entry) = if self.wide { (64, 56, 16) } else { (52, 32, 8) };
        let mut strings = vec![0];
        let mut dynamic = Vec::new();
        for (tag, text) in self.dynamic {
            dynamic.extend(word(*tag));
            dynamic.extend(word(strings.len() as u64));
            strings.extend(text.as_bytes());
            strings.push(0);
        }
        let segments = 2 + u64::from(self.interpreter.is_some());
        let dynamic_at = header + segments * segment;
        let strings_at = dynamic_at + dynamic.len() as u64 + 3 * entry;
        for (tag, value) in [(5, ADDRESS + strings_at), (10, strings.len() as u64), (0, 0)] {
            dynamic.extend(word(tag));
            dynamic.extend(word(value));
        }
        let interpreter = self.interpreter.map(|text| [text.as_bytes(), b"\0"].concat());
        let interpreter = interpreter.unwrap_or_default();
        let interpreter_at = strings_at + strings.len() as u64;
        let end = interpreter_at + interpreter.len() as u64;

        let mut bytes = b"\x7fELF".to_vec();
        bytes.extend([if self.wide { 2 } else { 1 }, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(3u16.to_le_bytes());
        bytes.extend(if self.wide { 62u16 } else { 3 }.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend([word(0), word(header), word(0)].concat());
        bytes.extend(0u32.to_le_bytes());
        for half in [header, segment, segments, 0, 0, 0] {
            bytes.extend((half as u16).to_le_bytes());
        }
        let mut add = |kind: u32, offset: u64, size: u64| {
            let flags = 4u32.to_le_bytes();
            bytes.extend(kind.to_le_bytes());
            if self.wide {
                bytes.extend(flags);
            }
            for value in [offset, ADDRESS + offset, ADDRESS + offset, size, size] {
                bytes.extend(word(value));
            }
            if !self.wide {
                bytes.extend(flags);
            }
            bytes.extend(word(1));
        };
        if self.interpreter.is_some() {
            add(3, interpreter_at, interpreter.len() as u64);
        }
        add(1, 0, end);
        add(2, dynamic_at, dynamic.len() as u64);
        bytes.extend(dynamic);
        bytes.extend(strings);
        bytes.extend(interpreter);
        bytes
    }
}

struct Scratch {
    directory: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn link(&self, target: &str, path: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn library(&self, path: &str, wide: bool, dynamic: &[(u64, &str)]) {
        self.write(path, Elf { wide, interpreter: None, dynamic }.bytes());
    }

    fn program(&self, path: &str, wide: bool, dynamic: &[(u64, &str)]) {
        let interpreter = Some(if wide { "/lib/amd64/ld.so.1" } else { "/usr/lib/ld.so.1" });
        self.write(path, Elf { wide, interpreter, dynamic }.bytes());
    }

    /// The C library and the runtime linker in both widths, placed as illumos does.
    fn system(&self) {
        for (directory, wide) in [("lib", false), ("lib/amd64", true)] {
            self.library(&format!("{directory}/ld.so.1"), wide, &[]);
            self.library(&format!("{directory}/libc.so.1"), wide, &[]);
        }
        self.link("amd64", "lib/64");
        self.link("../../lib/ld.so.1", "usr/lib/ld.so.1");
    }

    fn proto(&self) -> Proto {
        let manifest = proto::import_directory(&self.root(), Owners::Root).unwrap();
        let store = Store::create(self.directory.path().join("store")).unwrap();
        Proto { manifest, contents: Contents { store, tree: Some(self.root()) } }
    }

    fn closure(&self, programs: &[&str], features: &[Feature]) -> Result<Closure, Error> {
        let programs: Vec<String> = programs.iter().map(|&program| program.to_owned()).collect();
        closure(&self.proto(), &programs, features, &[])
    }
}

fn paths(closure: &Closure) -> Vec<String> {
    closure.members.keys().map(ToString::to_string).collect()
}

fn path(text: &str) -> ProtoPath {
    ProtoPath::new(text).unwrap()
}

#[test]
fn compilation_links_are_followed() {
    let scratch = Scratch::new();
    scratch.system();
    scratch.link("libc.so.1", "lib/amd64/libc.so");
    scratch.link("libsocket.so.1", "lib/amd64/libsocket.so");
    scratch.library("lib/amd64/libsocket.so.1", true, &[(NEEDED, "libc.so.1")]);
    scratch.program("opt/x", true, &[(NEEDED, "libsocket.so"), (NEEDED, "libc.so")]);
    let found = scratch.closure(&["/opt/x"], &[]).unwrap();
    assert_eq!(
        paths(&found),
        [
            "lib/64",
            "lib/amd64/ld.so.1",
            "lib/amd64/libc.so",
            "lib/amd64/libc.so.1",
            "lib/amd64/libsocket.so",
            "lib/amd64/libsocket.so.1",
            "opt/x",
        ]
    );
    assert_eq!(
        found.why(&path("lib/amd64/libsocket.so.1")).unwrap(),
        "opt/x (asked for)\n  \
         lib/amd64/libsocket.so (needed as libsocket.so)\n    \
         lib/amd64/libsocket.so.1 (target of the link)"
    );
    assert_eq!(found.why(&path("lib/libc.so.1")), None);
    let tree = found.tree();
    let program = tree.lines().find(|line| line.ends_with("opt/x (asked for)")).unwrap();
    let total: u64 = program.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(total, found.bytes());
    assert_eq!(tree.lines().count(), found.members.len() + 2);
}

#[test]
fn run_paths_origin_and_isalist() {
    let scratch = Scratch::new();
    scratch.system();
    scratch.program(
        "opt/bin/x",
        false,
        &[(NEEDED, "liba.so.1"), (NEEDED, "libb.so.1"), (RUNPATH, "$ORIGIN/../lib:/opt/$ISALIST")],
    );
    scratch.link("../opt/bin/x", "sbin/x");
    // Not inherited: liba finds its own by its own (old) run path.
    scratch.library("opt/lib/liba.so.1", false, &[(NEEDED, "libp.so.1"), (RPATH, "${ORIGIN}/p")]);
    scratch.library("opt/lib/p/libp.so.1", false, &[]);
    scratch.library("opt/i86/libb.so.1", false, &[]);
    // Of the wrong width, and therefore passed over.
    scratch.library("opt/amd64/libb.so.1", true, &[]);
    let found = scratch.closure(&["sbin/x"], &[]).unwrap();
    assert_eq!(
        paths(&found),
        [
            "lib/ld.so.1",
            "opt/bin/x",
            "opt/i86/libb.so.1",
            "opt/lib/liba.so.1",
            "opt/lib/p/libp.so.1",
            "sbin/x",
            "usr/lib/ld.so.1",
        ]
    );
}

#[test]
fn filtees_are_needed_and_auxiliaries_only_if_there() {
    let scratch = Scratch::new();
    scratch.system();
    scratch.library(
        "usr/lib/libpthread.so.1",
        false,
        &[(FILTER, "libc.so.1"), (AUXILIARY, "libfast.so.1")],
    );
    scratch.program("x", false, &[(NEEDED, "libpthread.so.1")]);
    let found = scratch.closure(&["x"], &[]).unwrap();
    assert!(found.members.contains_key(&path("lib/libc.so.1")));
    assert!(!found.members.contains_key(&path("lib/libfast.so.1")));
    scratch.library("lib/libfast.so.1", false, &[]);
    let found = scratch.closure(&["x"], &[]).unwrap();
    assert!(found.members.contains_key(&path("lib/libfast.so.1")));
}

#[test]
fn missing_libraries_name_the_chain() {
    let scratch = Scratch::new();
    scratch.system();
    scratch.library("lib/liba.so.1", false, &[(NEEDED, "libmd.so.1")]);
    scratch.program("usr/bin/x", false, &[(NEEDED, "liba.so.1")]);
    // Only in the other width.
    scratch.library("usr/lib/libmd.so.1", true, &[]);
    let error = scratch.closure(&["usr/bin/x"], &[]).unwrap_err().to_string();
    assert!(error.starts_with("libmd.so.1 (32-bit needed as libmd.so.1)"), "{error}");
    assert!(error.contains("lib/libmd.so.1 is missing"), "{error}");
    assert!(error.contains("usr/lib/libmd.so.1 is 64-bit"), "{error}");
    assert!(error.ends_with("asked for by usr/bin/x -> lib/liba.so.1"), "{error}");
}

#[test]
fn scripts_bring_their_interpreters() {
    let scratch = Scratch::new();
    scratch.system();
    scratch.program("usr/bin/i86/ksh93", false, &[(NEEDED, "libc.so.1")]);
    scratch.link("i86/ksh93", "usr/bin/sh");
    scratch.program("usr/bin/env", false, &[]);
    scratch.write("usr/bin/tool", "#!/usr/bin/env -S sh -e\n");
    scratch.write("opt/run", "#! /usr/bin/sh -p\nexec tool\n");
    let found = scratch.closure(&["opt/run"], &[]).unwrap();
    assert_eq!(
        paths(&found),
        [
            "lib/ld.so.1",
            "lib/libc.so.1",
            "opt/run",
            "usr/bin/i86/ksh93",
            "usr/bin/sh",
            "usr/lib/ld.so.1"
        ]
    );
    let found = scratch.closure(&["usr/bin/tool"], &[]).unwrap();
    assert!(found.members.contains_key(&path("usr/bin/i86/ksh93")));
    scratch.write("opt/lost", "#!/usr/bin/perl");
    let error = scratch.closure(&["opt/lost"], &[]).unwrap_err().to_string();
    assert!(error.contains("/usr/bin/perl (interpreter)"), "{error}");
    assert!(error.ends_with("asked for by opt/lost"), "{error}");
}

#[test]
fn isaexec_brings_what_it_starts() {
    let scratch = Scratch::new();
    scratch.system();
    scratch.program("usr/lib/isaexec", false, &[]);
    fs::create_dir_all(scratch.root().join("usr/bin")).unwrap();
    fs::hard_link(scratch.root().join("usr/lib/isaexec"), scratch.root().join("usr/bin/ksh93"))
        .unwrap();
    assert!(matches!(scratch.closure(&["usr/bin/ksh93"], &[]), Err(Error::Missing { .. })));
    scratch.program("usr/bin/i86/ksh93", false, &[(NEEDED, "libc.so.1")]);
    let found = scratch.closure(&["usr/bin/ksh93"], &[]).unwrap();
    assert!(found.members.contains_key(&path("lib/libc.so.1")));
    assert!(!found.members.contains_key(&path("usr/lib/isaexec")));
}

fn with_plugins() -> Scratch {
    let scratch = Scratch::new();
    scratch.system();
    scratch.library("lib/libpam.so.1", false, &[(NEEDED, "libc.so.1")]);
    for name in ["unix_auth", "roles", "extra"] {
        let path = format!("usr/lib/security/pam_{name}.so.1");
        scratch.library(&path, false, &[(NEEDED, "libc.so.1")]);
    }
    scratch.library("lib/nss_files.so.1", false, &[]);
    scratch.library("lib/libresolv.so.2", false, &[]);
    scratch.library("lib/nss_dns.so.1", false, &[(NEEDED, "libresolv.so.2")]);
    scratch.write(
        "etc/pam.conf",
        "login auth required pam_unix_auth.so.1\nother account requisite pam_roles.so.1\n\
         krlogin auth required pam_krb5.so.1\n",
    );
    scratch.write("etc/pam.d/login", "auth optional pam_absent.so.1\nauth required pam_extra.so.1");
    scratch.write("etc/nsswitch.conf", "passwd: files ldap\nhosts: files [NOTFOUND=return] dns\n");
    scratch.write("etc/passwd", "root:x:0:0::/:/sbin/sh\n");
    scratch.program("usr/bin/login", false, &[(NEEDED, "libpam.so.1")]);
    scratch.program("usr/bin/getent", false, &[(NEEDED, "libc.so.1")]);
    scratch.program("sbin/sh", false, &[(NEEDED, "libc.so.1")]);
    scratch.program("usr/bin/x", false, &[(NEEDED, "libc.so.1")]);
    scratch
}

#[test]
fn plugins_come_from_configuration() {
    let scratch = with_plugins();
    let plain = scratch.closure(&["usr/bin/x"], &[]).unwrap();
    assert!(!paths(&plain).iter().any(|path| path.contains("pam")));
    assert!(plain.members.contains_key(&path("lib/nss_files.so.1")));
    assert_eq!(
        plain.why(&path("lib/libresolv.so.2")).unwrap().lines().map(str::trim).collect::<Vec<_>>(),
        [
            "usr/bin/x (asked for)",
            "lib/libc.so.1 (needed as libc.so.1)",
            "lib/nss_dns.so.1 (plug-in declared by etc/nsswitch.conf)",
            "lib/libresolv.so.2 (needed as libresolv.so.2)",
        ]
    );
    assert!(plain.warnings.iter().any(|warning| warning.contains("nss_ldap.so.1")));

    let login = scratch.closure(&["usr/bin/x"], &[Feature::Zlogin]).unwrap();
    for module in ["pam_unix_auth", "pam_roles", "pam_extra"] {
        let module = path(&format!("usr/lib/security/{module}.so.1"));
        assert!(login.members.contains_key(&module), "{module}");
    }
    assert!(login.warnings.iter().any(|warning| warning.contains("pam_absent.so.1")));
    assert!(login.bytes() > plain.bytes());
}

#[test]
fn missing_plugins_are_errors_where_they_matter() {
    let scratch = with_plugins();
    fs::remove_file(scratch.root().join("usr/lib/security/pam_roles.so.1")).unwrap();
    let error = scratch.closure(&["usr/bin/x"], &[Feature::Zlogin]).unwrap_err().to_string();
    assert!(error.contains("usr/lib/security/pam_roles.so.1 is missing"), "{error}");
    assert!(error.ends_with("usr/bin/login -> lib/libpam.so.1"), "{error}");
    fs::remove_file(scratch.root().join("lib/nss_dns.so.1")).unwrap();
    assert!(scratch.closure(&["usr/bin/x"], &[]).is_ok());
    let error = scratch.closure(&["usr/bin/x"], &[Feature::Dns]).unwrap_err().to_string();
    assert!(error.contains("nss_dns.so.1"), "{error}");
}

#[test]
fn service_manifests_bring_their_methods() {
    let scratch = Scratch::new();
    scratch.system();
    scratch.write("lib/svc/method/x", "#!/sbin/sh\n");
    scratch.program("sbin/sh", false, &[]);
    scratch.write(
        "lib/svc/manifest/x.xml",
        "<?xml version='1.0'?><service_bundle type='manifest' name='x'>\
         <service name='site/x' type='service' version='1'>\
         <exec_method type='method' name='start' exec='/lib/svc/method/x start' \
         timeout_seconds='1'/><exec_method type='method' name='stop' exec=':kill' \
         timeout_seconds='1'/></service></service_bundle>",
    );
    let manifests = ["lib/svc/manifest/x.xml".to_owned()];
    let found = closure(&scratch.proto(), &[], &[], &manifests).unwrap();
    assert_eq!(
        paths(&found),
        ["lib/ld.so.1", "lib/svc/manifest/x.xml", "lib/svc/method/x", "sbin/sh", "usr/lib/ld.so.1"]
    );
}

#[test]
fn links_that_loop_or_dangle_are_errors() {
    let scratch = Scratch::new();
    scratch.system();
    scratch.link("b", "a");
    scratch.link("a", "b");
    scratch.link("/nowhere", "c");
    let error = scratch.closure(&["a"], &[]).unwrap_err().to_string();
    assert!(error.contains("links in a row"), "{error}");
    let error = scratch.closure(&["c"], &[]).unwrap_err().to_string();
    assert!(error.contains("nowhere is missing, where the link c leads to"), "{error}");
}

#[test]
fn damaged_elf_files_are_errors() {
    let scratch = Scratch::new();
    scratch.system();
    let good = Elf { wide: true, interpreter: None, dynamic: &[(NEEDED, "libc.so.1")] }.bytes();
    let mut bad_class = good.clone();
    bad_class[4] = 7;
    let mut bad_name = good.clone();
    // The first dynamic entry follows two program headers.
    bad_name[64 + 2 * 56 + 8] = 0xff;
    for bytes in [bad_class, bad_name, good[..100].to_vec()] {
        scratch.write("x", bytes);
        let error = scratch.closure(&["x"], &[]).unwrap_err();
        assert!(matches!(error, Error::Elf { .. }), "{error}");
    }
    // Whatever is cut off, nothing panics.
    for length in (0..good.len()).step_by(7) {
        scratch.write("x", &good[..length]);
        let _ = scratch.closure(&["x"], &[]);
    }
}

fn layer(scratch: &Scratch, name: &str) -> PathBuf {
    let proto = scratch.proto();
    let found = closure(&proto, &["usr/bin/x".to_owned()], &[], &[]).unwrap();
    let out = scratch.directory.path().join(name);
    write_layer(&proto, &found, &out, &PackOptions { package: None, mtime: 5 }).unwrap();
    out
}

#[test]
fn the_layer_is_installable_and_always_the_same() {
    let scratch = with_plugins();
    // Another name of the C library must stay a hard link.
    fs::hard_link(scratch.root().join("lib/libc.so.1"), scratch.root().join("lib/libaaa.so.1"))
        .unwrap();
    scratch.program("usr/bin/x", false, &[(NEEDED, "libc.so.1"), (NEEDED, "libaaa.so.1")]);
    let first = layer(&scratch, "1.tar.gz");
    std::thread::sleep(std::time::Duration::from_millis(20));
    scratch.write("etc/passwd", "not in the layer");
    scratch.write("etc/nsswitch.conf", "passwd: files ldap\nhosts: files [NOTFOUND=return] dns\n");
    let second = layer(&scratch, "2.tar.gz");
    assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap());

    let root = scratch.directory.path().join("unpacked");
    fs::create_dir(&root).unwrap();
    let options = Options { set_owners: SetOwners::Never, ..Options::for_type(ArchiveType::Layer) };
    let unpacked = oxide_archive::unpack(&first, &root, &options).unwrap();
    let found = scratch.closure(&["usr/bin/x"], &[]).unwrap();
    for member in found.members.keys() {
        assert!(unpacked.manifest.contains(member), "{member}");
    }
    assert!(!root.join("etc/passwd").exists());
    assert!(same(&root.join("lib/libc.so.1"), &root.join("lib/libaaa.so.1")));

    // The layer is complete: its closure over itself is the same.
    let manifest = proto::import_directory(&root, Owners::Root).unwrap();
    let store = Store::create(scratch.directory.path().join("store")).unwrap();
    let unpacked = Proto { manifest, contents: Contents { store, tree: Some(root) } };
    let again = closure(&unpacked, &["usr/bin/x".to_owned()], &[], &[]).unwrap();
    assert_eq!(again.members, found.members);
}

fn same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(one).unwrap().ino() == fs::metadata(other).unwrap().ino()
}
