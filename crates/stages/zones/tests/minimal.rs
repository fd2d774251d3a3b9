//! Closures over made-up proto roots, whose ELF files the tests write themselves.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{AUXILIARY, Elf, FILTER, NEEDED, RPATH, RUNPATH, Scratch};
use oxide_archive::{ArchiveType, Options, SetOwners};
use proto::{Contents, Owners, Proto, ProtoPath, Store};
use zones::{Closure, Error, Feature, PackOptions, Request, closure, write_layer};

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

/// What init sets for everything, and the transports of netconfig.
#[test]
fn locales_time_zones_and_transports_come_from_configuration() {
    let scratch = with_plugins();
    scratch.write("etc/default/init", "TZ=US/Pacific\nLANG=de_DE.UTF-8\nLC_TIME=sv_SE.UTF-8\n");
    scratch.write("usr/share/lib/zoneinfo/US/Pacific", "TZif");
    scratch.write("usr/lib/locale/de_DE.UTF-8/LC_CTYPE/LCL_DATA", "data");
    scratch.write("usr/lib/locale/fr_FR.UTF-8/LC_CTYPE/LCL_DATA", "data");
    scratch.library("lib/libnsl.so.1", false, &[(NEEDED, "libc.so.1")]);
    scratch.library("usr/lib/straddr.so", false, &[]);
    scratch.write(
        "etc/netconfig",
        "udp tpi_clts v inet udp /dev/udp -\nticots tpi_cots v loopback - /dev/ticots straddr.so\n",
    );
    scratch.program("usr/bin/x", false, &[(NEEDED, "libnsl.so.1")]);
    let found = scratch.closure(&["usr/bin/x"], &[]).unwrap();
    let has = |text: &str| found.members.contains_key(&path(text));
    assert!(has("usr/share/lib/zoneinfo/US/Pacific"));
    assert!(has("usr/lib/locale/de_DE.UTF-8/LC_CTYPE/LCL_DATA"));
    assert!(!has("usr/lib/locale/fr_FR.UTF-8"));
    assert!(found.warnings.iter().any(|warning| warning.contains("sv_SE.UTF-8: etc/default/init")));
    assert!(
        found
            .why(&path("usr/share/lib/zoneinfo/US/Pacific"))
            .unwrap()
            .ends_with("usr/share/lib/zoneinfo/US/Pacific (plug-in declared by etc/default/init)")
    );
    // netconfig matters to who brings it
    assert!(!has("usr/lib/straddr.so"));
    let dns = scratch.closure(&["usr/bin/x"], &[Feature::Dns]).unwrap();
    assert!(dns.members.contains_key(&path("usr/lib/straddr.so")));

    // A locale that is asked for must be there.
    let programs = ["usr/bin/x".to_owned()];
    let proto = scratch.proto();
    let request = |locales: &[String]| {
        closure(&proto, &Request { programs: &programs, locales, ..Request::default() })
    };
    let french = request(&["fr_FR.UTF-8".to_owned()]).unwrap();
    assert!(french.members.contains_key(&path("usr/lib/locale/fr_FR.UTF-8/LC_CTYPE/LCL_DATA")));
    let error = request(&["xx_XX".to_owned()]).unwrap_err().to_string();
    assert!(error.starts_with("usr/lib/locale/xx_XX (locale asked for) is not in"), "{error}");
}

#[test]
fn service_manifests_bring_their_methods() {
    let scratch = Scratch::new();
    scratch.system();
    scratch.write("lib/svc/method/x", "#!/sbin/sh\n");
    let programs = ["sbin/sh", "usr/bin/ctrun", "opt/x/bin/server", "opt/x/bin/refresher"];
    for program in programs.into_iter().chain(["opt/x/bin/check"]) {
        scratch.program(program, false, &[]);
    }
    scratch.write(
        "lib/svc/manifest/x.xml",
        "<?xml version='1.0'?><service_bundle type='manifest' name='x'>\
         <service name='site/x' type='service' version='1'>\
         <exec_method type='method' name='start' exec='/lib/svc/method/x start' \
         timeout_seconds='1'/><exec_method type='method' name='stop' exec=':kill' \
         timeout_seconds='1'/><instance name='real' enabled='true'>\
         <exec_method type='method' name='start' timeout_seconds='0' exec='ctrun -l child \
         -o noorphan,regent /opt/x/bin/server --address %{config/address} &amp;'/>\
         <exec_method type='method' name='refresh' timeout_seconds='0' exec='refresher %i'>\
         <method_context><method_environment><envvar name='PATH' value='/usr/bin:/opt/x/bin'/>\
         </method_environment></method_context></exec_method>\
         <exec_method type='method' name='restart' timeout_seconds='0' exec='nowhere'/>\
         <exec_method type='method' name='check' timeout_seconds='0' \
         exec='%{config/check} %i'/><exec_method type='method' name='other' \
         timeout_seconds='0' exec='%{config/other}'/><property_group name='config' \
         type='application'><propval name='check' type='astring' value='/opt/x/bin/check'/>\
         </property_group></instance></service></service_bundle>",
    );
    let manifests = ["lib/svc/manifest/x.xml".to_owned()];
    let request = Request { manifests: &manifests, ..Request::default() };
    let found = closure(&scratch.proto(), &request).unwrap();
    assert_eq!(
        paths(&found),
        [
            "lib/ld.so.1",
            "lib/svc/manifest/x.xml",
            "lib/svc/method/x",
            "opt/x/bin/check",
            "opt/x/bin/refresher",
            "opt/x/bin/server",
            "sbin/sh",
            "usr/bin/ctrun",
            "usr/lib/ld.so.1"
        ]
    );
    let warnings: Vec<&String> = found.warnings.iter().collect();
    let [unset, nowhere] = warnings[..] else { panic!("{warnings:?}") };
    assert!(unset.starts_with("%{config/other}: a method of lib/svc/manifest/x.xml"), "{unset}");
    let expected = "nowhere: a method of lib/svc/manifest/x.xml runs it, and it is not in ";
    assert!(nowhere.starts_with(expected), "{nowhere}");
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
    let programs = ["usr/bin/x".to_owned()];
    let found = closure(&proto, &Request { programs: &programs, ..Request::default() }).unwrap();
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
    let programs = ["usr/bin/x".to_owned()];
    let request = Request { programs: &programs, ..Request::default() };
    let again = closure(&unpacked, &request).unwrap();
    assert_eq!(again.members, found.members);
}

fn same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(one).unwrap().ino() == fs::metadata(other).unwrap().ino()
}

/// Programs of both widths as a linker makes them, not as these tests do.
#[test]
fn programs_of_a_real_linker_are_followed() {
    let scratch = Scratch::new();
    scratch.system();
    for (width, emulation, interpreter) in
        [("32", "elf_i386", "/usr/lib/ld.so.1"), ("64", "elf_x86_64", "/lib/amd64/ld.so.1")]
    {
        let at = |name: &str| scratch.directory.path().join(format!("{name}{width}"));
        let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
            let output = verifiers::require(program)?.args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            Some(())
        };
        fs::write(at("source"), ".globl _start\n_start: ret\n").unwrap();
        let (source, object, library, program) =
            (at("source"), at("object"), at("library"), at("program"));
        let option = format!("--{width}");
        let assembled =
            run("as", &[option.as_ref(), "-o".as_ref(), object.as_ref(), source.as_ref()]);
        let Some(()) = assembled else { return };
        let name = format!("libown{width}.so.1");
        let shared = ["-m", emulation, "-shared", "-soname", &name, "-o"];
        let mut arguments: Vec<&std::ffi::OsStr> = shared.map(AsRef::as_ref).to_vec();
        arguments.extend([library.as_os_str(), object.as_os_str()]);
        let Some(()) = run("ld", &arguments) else { return };
        let linked = ["-m", emulation, "--dynamic-linker", interpreter, "--enable-new-dtags"];
        let rest = ["-rpath", "$ORIGIN/../lib", "--no-as-needed", "-o"];
        let mut arguments: Vec<&std::ffi::OsStr> = linked.map(AsRef::as_ref).to_vec();
        arguments.extend(rest.map(|word| -> &std::ffi::OsStr { word.as_ref() }));
        arguments.extend([program.as_os_str(), object.as_os_str(), library.as_os_str()]);
        run("ld", &arguments).unwrap();
        scratch.write(&format!("opt/x/bin/program{width}"), fs::read(program).unwrap());
        scratch.write(&format!("opt/x/lib/{name}"), fs::read(library).unwrap());
    }
    let found = scratch.closure(&["opt/x/bin/program32", "opt/x/bin/program64"], &[]).unwrap();
    assert_eq!(
        paths(&found),
        [
            "lib/amd64/ld.so.1",
            "lib/ld.so.1",
            "opt/x/bin/program32",
            "opt/x/bin/program64",
            "opt/x/lib/libown32.so.1",
            "opt/x/lib/libown64.so.1",
            "usr/lib/ld.so.1",
        ]
    );
    // A library of the other width is none.
    let wide = fs::read(scratch.root().join("opt/x/lib/libown64.so.1")).unwrap();
    scratch.write("opt/x/lib/libown32.so.1", wide);
    let error = scratch.closure(&["opt/x/bin/program32"], &[]).unwrap_err().to_string();
    assert!(error.contains("libown32.so.1") && error.contains("32-bit"), "{error}");
}
