//! Needs of made-up packages, whose ELF files the tests write themselves, and who delivers them.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use depend::{GenerateOptions, Generated, Severity, generate, resolve};
use ips::{Fmri, Manifest};
use tempfile::TempDir;

/// The smallest ELF64 file that a runtime linker would take.
fn elf(dynamic: &[(u64, &str)]) -> Vec<u8> {
    let (mut strings, mut entries) = (vec![0], Vec::new());
    for (tag, text) in dynamic {
        entries.extend([tag.to_le_bytes(), (strings.len() as u64).to_le_bytes()].concat());
        strings.extend(text.as_bytes());
        strings.push(0);
    }
    let at = 64 + 2 * 56;
    let strings_at = at + entries.len() as u64 + 3 * 16;
    for (tag, value) in [(5, 0x10000 + strings_at), (10, strings.len() as u64), (0, 0)] {
        entries.extend([u64::to_le_bytes(tag), value.to_le_bytes()].concat());
    }
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    file.extend([0u64, 64, 0].map(u64::to_le_bytes).concat());
    file.extend(0u32.to_le_bytes());
    file.extend([64u16, 56, 2, 0, 0, 0].map(u16::to_le_bytes).concat());
    let end = strings_at + strings.len() as u64;
    for (kind, offset, size) in [(1u32, 0, end), (2, at, entries.len() as u64)] {
        file.extend([kind.to_le_bytes(), 4u32.to_le_bytes()].concat());
        file.extend(
            [offset, 0x10000 + offset, 0x10000 + offset, size, size, 1]
                .map(u64::to_le_bytes)
                .concat(),
        );
    }
    file.extend(entries);
    file.extend(strings);
    file
}

const NEEDED: u64 = 1;
const RUNPATH: u64 = 29;

const SERVICE: &str = r#"<?xml version="1.0"?>
<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">
<service_bundle type="manifest" name="x">
  <service name="NAME" type="service" version="1">
    <create_default_instance enabled="true"/>
    <dependency name="d" grouping="GROUPING" restart_on="none" type="service">
      <service_fmri value="NEEDS"/>
    </dependency>
    <exec_method type="method" name="start" exec=":true" timeout_seconds="60"/>
    <exec_method type="method" name="stop" exec=":true" timeout_seconds="60"/>
  </service>
</service_bundle>
"#;

fn service(name: &str, grouping: &str, needs: &str) -> String {
    SERVICE.replace("NAME", name).replace("GROUPING", grouping).replace("NEEDS", needs)
}

struct Proto(TempDir);

impl Proto {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let proto = Self(tempfile::tempdir().unwrap());
        for (path, bytes) in files {
            let path = proto.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        proto
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn generate(&self, manifest: &str) -> Generated {
        self.generate_with(manifest, GenerateOptions::default())
    }

    fn generate_with(&self, manifest: &str, mut options: GenerateOptions) -> Generated {
        options.content.push(self.path().to_owned());
        generate(&Manifest::parse("m.p5m", manifest).unwrap(), &options).unwrap()
    }
}

fn lines(generated: &Generated) -> Vec<String> {
    let actions = generated.dependencies.iter().chain(&generated.sets);
    actions.map(|action| action.to_string().replace("pkg.debug.depend", "p.d.d")).collect()
}

#[test]
fn elf_files() {
    let program =
        elf(&[(NEEDED, "libc.so.1"), (NEEDED, "libown.so.1"), (RUNPATH, "$ORIGIN/../lib")]);
    let library = elf(&[(NEEDED, "libc.so.1")]);
    let proto = Proto::new(&[("usr/bin/x", &program), ("usr/lib/libown.so.1", &library)]);
    let found = proto.generate(
        "file path=usr/bin/x mode=0555 variant.opensolaris.zone=global\n\
         file path=usr/lib/libown.so.1\n\
         set name=variant.opensolaris.zone value=global value=nonglobal\n",
    );
    assert_eq!(
        lines(&found),
        [
            "depend fmri=__TBD p.d.d.file=libc.so.1 p.d.d.path=lib/64 \
             p.d.d.path=usr/bin/../lib p.d.d.path=usr/lib/64 p.d.d.reason=usr/bin/x \
             p.d.d.type=elf type=require variant.opensolaris.zone=global",
            "depend fmri=__TBD p.d.d.file=libc.so.1 p.d.d.path=lib/64 p.d.d.path=usr/lib/64 \
             p.d.d.reason=usr/lib/libown.so.1 p.d.d.type=elf type=require",
        ],
        "its own library is found by the run path"
    );
    assert!(found.findings.is_empty());

    // Without the run path, the package's own library is a guess.
    let program = elf(&[(NEEDED, "libown.so.1")]);
    let proto = Proto::new(&[("usr/bin/x", &program), ("usr/lib/libown.so.1", b"x")]);
    let manifest = "file path=usr/bin/x mode=0555\nfile path=usr/lib/libown.so.1\n";
    let found = lines(&proto.generate(manifest));
    assert!(found[0].contains("p.d.d.severity=warning"), "{found:?}");
    let wanted = |attribute: &str| manifest.replace("mode", &format!("{attribute} mode"));
    let found = lines(&proto.generate(&wanted("pkg.depend.runpath=/usr/lib:/opt")));
    assert!(found.is_empty(), "{found:?}");
    let found = lines(&proto.generate(&wanted("pkg.depend.runpath=/a:$PKGDEPEND_RUNPATH")));
    assert!(found[0].contains("path=a p.d.d.path=lib/64 "), "{found:?}");
    let found = lines(&proto.generate(&wanted("pkg.depend.bypass-generate=.*")));
    assert_eq!(found, ["set name=p.d.d.bypassed value=usr/bin/x:.*"]);
    let found = lines(&proto.generate(&wanted("pkg.depend.bypass-generate=libown.so.1")));
    assert_eq!(
        found,
        ["set name=p.d.d.bypassed value=lib/64/libown.so.1 value=usr/lib/64/libown.so.1"]
    );
    let found = lines(&proto.generate(&wanted("pkg.depend.bypass-generate=lib/.*")));
    assert!(found[0].contains("p.d.d.fullpath=usr/lib/64/libown.so.1"), "{found:?}");
    let options = GenerateOptions { keep_internal: true, ..GenerateOptions::default() };
    let found = proto.generate_with(&wanted("pkg.depend.runpath=/usr/lib"), options);
    assert_eq!(found.dependencies.len(), 1);

    let bad = Manifest::parse("m.p5m", "\nfile path=usr/bin/x pkg.depend.bypass-generate=(*\n");
    let options = GenerateOptions { content: vec![proto.path().into()], ..Default::default() };
    let error = generate(&bad.unwrap(), &options).unwrap_err().to_string();
    assert!(error.starts_with("m.p5m:2: pkg.depend.bypass-generate=(* is no regular"), "{error}");
}

#[test]
fn scripts_and_hard_links() {
    let proto = Proto::new(&[
        ("a", b"#!/bin/sh -e\n"),
        ("b", b"#! /usr/bin/perl\nx"),
        ("c", b"#!/bin/sh"),
        ("d", b"#!perl\n"),
        ("e", b"#!"),
        ("f", b"\x7fELF\x02\x01"),
    ]);
    let found = proto.generate(
        "file path=a mode=0555\nfile path=b mode=755\nfile path=c mode=0444\n\
         file path=d mode=0555\nfile path=e mode=0555\nfile path=f mode=0555\n\
         file path=missing mode=0444\n\
         hardlink path=usr/bin/g target=../../etc/g\nhardlink path=h target=/a\n",
    );
    assert_eq!(
        lines(&found),
        [
            "depend fmri=__TBD p.d.d.file=g p.d.d.path=etc p.d.d.reason=usr/bin/g \
             p.d.d.type=hardlink type=require",
            "depend fmri=__TBD p.d.d.file=perl p.d.d.path=usr/bin p.d.d.reason=b \
             p.d.d.type=script type=require",
            "depend fmri=__TBD p.d.d.file=sh p.d.d.path=usr/bin p.d.d.reason=a \
             p.d.d.type=script type=require",
        ]
    );
    let findings: Vec<String> = found.findings.iter().map(ToString::to_string).collect();
    assert!(findings[0].starts_with("m.p5m:4: d is to be run by perl, a relative path"));
    assert!(findings[1].starts_with("m.p5m:6: "), "{findings:?}");
    assert!(findings[2].starts_with("m.p5m:7: missing is in no content directory ("));
}

#[test]
fn service_manifests() {
    let path = "lib/svc/manifest/site/x.xml";
    let own = service("site/x", "require_all", "svc:/system/y:default");
    let other = service("system/y", "optional_all", "svc:/nothing");
    let system = Proto::new(&[("lib/svc/manifest/system/y.xml", other.as_bytes())]);
    let proto = Proto::new(&[(path, own.as_bytes())]);
    let manifest = format!("file path={path} mode=0444\n");

    let found = proto.generate(&manifest);
    assert!(found.findings[0].problem.contains("depends on svc:/system/y:default, which no"));
    assert_eq!(found.findings[0].severity, Severity::Error);

    let options =
        GenerateOptions { systems: vec![system.path().into()], ..GenerateOptions::default() };
    let found = proto.generate_with(&manifest, options.clone());
    assert_eq!(
        lines(&found),
        [
            "depend fmri=__TBD p.d.d.file=y.xml p.d.d.path=lib/svc/manifest/system \
             p.d.d.reason=lib/svc/manifest/site/x.xml p.d.d.type=smf_manifest type=require",
            "set name=org.opensolaris.smf.fmri value=svc:/site/x value=svc:/site/x:default",
        ]
    );
    assert!(found.findings.is_empty());

    let proto = Proto::new(&[(path, b"<service_bundle")]);
    let found = proto.generate_with(&manifest, options);
    assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
}

#[test]
fn variants_nobody_declared() {
    let proto = Proto::new(&[("a", b"x")]);
    let found = proto.generate("file path=a mode=0444 variant.arch=i386\n");
    assert_eq!(found.findings.len(), 1);
    assert_eq!(found.findings[0].severity, Severity::Warning);
    assert!(found.findings[0].problem.contains("set name=variant.arch value=i386"));
}

/// A manifest with a name and needs of files: `(path, variants)`.
fn needing(name: &str, needs: &[(&str, &str)]) -> Manifest {
    let mut text = format!("set name=pkg.fmri value=pkg:/{name}@1.0,5.11-2:20260102T030405Z\n");
    for (path, rest) in needs {
        let (directory, file) = path.rsplit_once('/').unwrap();
        text += &format!(
            "depend fmri=__TBD type=require pkg.debug.depend.file={file} \
             pkg.debug.depend.path={directory} pkg.debug.depend.reason=x {rest}\n"
        );
    }
    Manifest::parse(format!("{name}.p5m"), &text).unwrap()
}

fn other(name: &str, text: &str) -> (Fmri, Arc<Manifest>) {
    let fmri = Fmri::parse(&format!("pkg://p/{name}@2.0,5.11-3:20260102T030405Z")).unwrap();
    (fmri, Arc::new(Manifest::parse(name, text).unwrap()))
}

fn texts(manifests: &[Manifest], others: &[(Fmri, Arc<Manifest>)]) -> (Vec<String>, Vec<String>) {
    let resolved = resolve(manifests, others).unwrap();
    let of_first = &resolved[0];
    (
        of_first.dependencies.iter().map(ToString::to_string).collect(),
        of_first.findings.iter().map(ToString::to_string).collect(),
    )
}

const ZONES: &str = "set name=variant.opensolaris.zone value=global value=nonglobal\n";

#[test]
fn packages_are_found_through_links() {
    let others = [
        other("system/library", "file path=usr/lib/amd64/libc.so.1\n"),
        other("links", "link path=lib target=usr/lib\nlink path=usr/lib/64 target=amd64\n"),
    ];
    let app = needing("app", &[("lib/64/libc.so.1", ""), ("usr/lib/amd64/libc.so.1", "")]);
    let (found, findings) = texts(&[app], &others);
    assert_eq!(
        found,
        [
            "depend fmri=pkg:/links@2.0-3 type=require",
            "depend fmri=pkg:/system/library@2.0-3 type=require"
        ]
    );
    assert!(findings.is_empty());
}

#[test]
fn several_packages_and_the_own_one() {
    let others = [
        other("a", "file path=bin/x\n"),
        other("b", "file path=bin/x\nfile path=bin/y\n"),
        other("c", "link path=bin/z target=x\n"),
    ];
    let app = |path: &str| needing("app", &[(path, "")]);
    let (found, _) = texts(&[app("bin/x")], &others);
    assert_eq!(found, ["depend fmri=pkg:/a@2.0-3 fmri=pkg:/b@2.0-3 type=require-any"]);
    let (found, _) = texts(&[needing("app", &[("bin/x", ""), ("bin/y", "")])], &others);
    assert_eq!(found, ["depend fmri=pkg:/b@2.0-3 type=require"]);
    let (found, _) = texts(&[app("bin/z")], &others);
    assert_eq!(
        found,
        [
            "depend fmri=pkg:/c@2.0-3 predicate=pkg:/a@2.0-3 type=conditional",
            "depend fmri=pkg:/c@2.0-3 predicate=pkg:/b@2.0-3 type=conditional",
            "depend fmri=pkg:/a@2.0-3 fmri=pkg:/b@2.0-3 type=require-any",
        ]
    );
    // What is resolved at the same time goes before, under its own version.
    let mut new = needing("a", &[]);
    new.lines.extend(Manifest::parse("x", "file path=bin/x\n").unwrap().lines);
    let (found, _) = texts(&[app("bin/x"), new.clone()], &others);
    assert_eq!(found, ["depend fmri=pkg:/a@1.0-2 type=require"]);
    let (found, findings) = texts(&[new], &[]);
    assert!(found.is_empty() && findings.is_empty(), "it delivers that itself");
}

#[test]
fn variants_are_kept_apart() {
    let others = [
        other("zone", &format!("{ZONES}file path=bin/x variant.opensolaris.zone=nonglobal\n")),
        other("all", &format!("{ZONES}file path=bin/y\n")),
        other("global", "set name=variant.opensolaris.zone value=global\nfile path=bin/x\n"),
    ];
    let app = |needs: &[(&str, &str)]| {
        let mut manifest = needing("app", needs);
        manifest.lines.extend(Manifest::parse("x", ZONES).unwrap().lines);
        manifest
    };
    let (found, findings) = texts(&[app(&[("bin/x", ""), ("bin/y", "")])], &others);
    assert_eq!(
        found,
        [
            "depend fmri=pkg:/all@2.0-3 type=require",
            "depend fmri=pkg:/global@2.0-3 type=require variant.opensolaris.zone=global",
            "depend fmri=pkg:/zone@2.0-3 type=require variant.opensolaris.zone=nonglobal",
        ]
    );
    assert!(findings.is_empty());
    // Needed by all and by some: by all.
    let global = "variant.opensolaris.zone=global";
    let (found, _) = texts(&[app(&[("bin/y", global)])], &others);
    assert_eq!(found, [format!("depend fmri=pkg:/all@2.0-3 type=require {global}")]);
    let (found, _) = texts(&[app(&[("bin/y", global), ("bin/y", "")])], &others);
    assert_eq!(found, ["depend fmri=pkg:/all@2.0-3 type=require"]);
    // Not for everybody.
    let (found, findings) = texts(&[app(&[("bin/x", "")])], &others[..2]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        findings,
        ["app.p5m:2: x needs bin/x, which no package delivers (for opensolaris.zone=global); add \
          the package that does, or pass it over with pkg.depend.bypass-generate"]
    );
}

#[test]
fn what_is_given_stays_and_what_is_missing_is_said() {
    let mut app = needing("app", &[("bin/x", "pkg.debug.depend.severity=warning")]);
    let given = "depend fmri=pkg:/entire type=incorporate\n";
    app.lines.extend(Manifest::parse("x", given).unwrap().lines);
    let resolved = &resolve(&[app], &[]).unwrap()[0];
    assert_eq!(resolved.dependencies.len(), 1);
    assert_eq!(resolved.findings[0].severity, Severity::Warning);
    let nameless = Manifest::parse("n", "dir path=a\n").unwrap();
    assert!(resolve(&[nameless], &[]).is_err());
}
