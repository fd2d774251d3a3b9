//! Images of every kind, judged by other programs and by the brand.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use oxide_archive::{ArchiveType, Metadata, Writer};
use proto::Digest;
use zone_build::{Image, Request};

use crate::common::{Bench, Published, TIME, gzipped, listed, package, published, unpacked, zone};

#[test]
fn every_kind_is_built_and_other_programs_read_it() {
    let bench = Bench::new();
    let images = bench.build(bench.request()).unwrap();
    let names: Vec<_> = images.iter().map(|image| image.package.as_str()).collect();
    assert_eq!(names, ["agent", "blobs", "both", "hand", "shipped", "tools", "whole"]);
    for image in &images {
        assert_eq!(Digest::of(&fs::read(&image.path).unwrap()), image.sha256);
    }

    // What is prebuilt is taken as it is.
    let published = published();
    for (name, path) in [("shipped.tar.gz", "shipped"), ("tools.tar", "tools")] {
        let (_, bytes) = published.iter().find(|(url, _)| url.contains(path)).unwrap();
        assert!(fs::read(bench.path("out").join(name)).unwrap() == *bytes, "{name}");
    }

    let both = bench.path("out/both.tar.gz");
    let metadata = oxide_archive::read_metadata(&both).unwrap();
    assert_eq!(metadata.package.as_deref(), Some("both"));
    assert_eq!(metadata.version.as_deref(), Some("0.0.0"));
    let files = unpacked(&both);
    assert_eq!(files["root/var/svc/manifest/site/first/manifest.xml"], "<first/>");
    assert_eq!(files["root/opt/oxide/first-service/bin/agent"], "a program");
    assert_eq!(files["root/opt/tree/link"], "data");
    // The later part wins, as it would when omicron's image with both is installed.
    assert_eq!(files["root/opt/tree/deep/data"], "from the second");
    assert_eq!(files["root/opt/second/bin/run"], "new");
    assert_eq!(files["root/opt/second/again"], "new");
    let image = images.iter().find(|image| image.package == "both").unwrap();
    assert_eq!(image.replaced, ["opt/tree/deep/data: the file from first gives way to second's"]);
    assert_eq!(unpacked(&bench.path("out/whole.tar.gz")).len(), files.len());
    let blobs = unpacked(&bench.path("out/blobs.tar.gz"));
    assert_eq!(blobs["root/opt/oxide/blobs/blob/deep/firmware.bin"], "firmware");
    assert_eq!(blobs["root/opt/oxide/blobs/blob/table.json"], "{}");

    if let Some(lines) = listed(&both) {
        let directory = "drwxr-xr-x 0/0 0 2001-09-09 01:46:40";
        assert!(lines[0].starts_with("-r--r--r-- 0/0 "), "{lines:?}");
        assert!(lines[0].ends_with(" 2001-09-09 01:46:40 oxide.json"), "{lines:?}");
        assert_eq!(lines[1], format!("{directory} root/"));
        let names: Vec<_> = lines[1..].iter().map(|l| l.split(' ').nth(5).unwrap()).collect();
        assert!(
            names.is_sorted_by(|a, b| a
                .trim_end_matches('/')
                .split('/')
                .lt(b.trim_end_matches('/').split('/'))),
            "{names:?}"
        );
        let line = |name: &str| lines.iter().find(|line| line.contains(name)).unwrap().as_str();
        let at = "0/0 8 2001-09-09 01:46:40 root/var/svc/manifest/site/first/manifest.xml";
        assert_eq!(line("first/manifest.xml"), format!("-rw-r--r-- {at}"));
        assert!(line("method.sh").starts_with("-rwxr-xr-x 0/0 "));
        assert!(line("/current").ends_with("root/opt/second/current -> bin/run"));
    }
    if let Some(lines) = listed(&bench.path("out/agent.tar")) {
        let names: Vec<_> = lines.iter().map(|l| l.split(' ').nth(5).unwrap()).collect();
        assert_eq!(names, ["VERSION", "agent", "pkg/", "pkg/config.toml", "pkg/manifest.xml"]);
    }
    let agent = unpacked(&bench.path("out/agent.tar"));
    assert_eq!((&*agent["VERSION"], &*agent["pkg/config.toml"]), ("0.0.0", "gimlet"));
    for image in images.iter().filter(|image| image.path.extension().unwrap() == "gz") {
        if let Some(mut gzip) = verifiers::require("gzip") {
            assert!(gzip.arg("-t").arg(&image.path).status().unwrap().success());
        }
        if let Some(mut bsdtar) = verifiers::require("bsdtar") {
            let output = bsdtar.arg("-tf").arg(&image.path).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        }
    }
}

/// A system that zones can be installed from: the trees that are shared, and a baseline.
fn system(root: &Path) {
    let files = [
        ("usr/bin/ls", "ls"),
        ("lib/libc.so.1", "libc"),
        ("sbin/init", "init"),
        ("etc/default/init", ""),
    ];
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let baseline = root.join("usr/lib/brand/omicron1/baseline");
    fs::create_dir_all(&baseline).unwrap();
    fs::write(baseline.join("gzonly.txt"), "").unwrap();
    let metadata = Metadata::new(ArchiveType::Baseline);
    let mut writer = Writer::create(baseline.join("files.tar.gz"), &metadata, TIME).unwrap();
    for directory in ["root", "root/etc", "root/etc/default", "root/opt", "root/var"] {
        writer.directory(directory, proto::Metadata::root(0o755)).unwrap();
    }
    writer.file_bytes("root/etc/motd", proto::Metadata::root(0o644), b"hello").unwrap();
    writer.commit().unwrap();
}

#[test]
fn a_zone_is_installed_from_a_built_image() {
    let bench = Bench::new();
    bench.build(Request { names: vec!["whole".to_owned()], ..bench.request() }).unwrap();
    let (root, zonepath) = (bench.path("system"), bench.path("zones/ntp"));
    system(&root);
    fs::create_dir_all(&zonepath).unwrap();
    let layers = [brand::Layer { path: bench.path("out/whole.tar.gz"), sha256: None }];
    let installation = brand::Installation {
        zone: "ntp",
        zonepath: &zonepath,
        layers: &layers,
        system_root: &root,
    };
    brand::install(&installation, &mut |_| {}).unwrap();
    let at = |path: &str| zonepath.join("root").join(path);
    let read = |path: &str| fs::read_to_string(at(path)).unwrap();
    assert_eq!(read("etc/motd"), "hello");
    assert_eq!(read("opt/tree/deep/data"), "from the second");
    assert_eq!(read("opt/second/current"), "new");
    assert_eq!(read("var/svc/manifest/site/first/method.sh"), "#!/bin/sh\n");
    let agent = fs::metadata(at("opt/oxide/first-service/bin/agent")).unwrap();
    assert_eq!(agent.permissions().mode() & 0o7777, 0o755);
    assert_eq!(std::os::unix::fs::MetadataExt::mtime(&agent), TIME);
}

#[test]
fn bytes_do_not_depend_on_who_builds_when_and_with_what() {
    let (first, second) = (Bench::new(), Bench::new());
    for path in ["smf/agent/manifest.xml", "smf/first/manifest.xml", "tree/deep/data"] {
        let mode = fs::Permissions::from_mode(0o646);
        fs::set_permissions(second.path("source").join(path), mode).unwrap();
    }
    let stamped = |bench: &Bench, fast| Request {
        version: Some("1.2.3-0.ci+git1".parse().unwrap()),
        fast,
        ..bench.request()
    };
    let sums = |images: Vec<Image>| -> Vec<_> {
        images.into_iter().map(|image| (image.package, image.sha256)).collect()
    };
    let one = sums(first.build_on(stamped(&first, false), 1).unwrap());
    std::thread::sleep(Duration::from_millis(20));
    let four = sums(second.build_on(stamped(&second, false), 4).unwrap());
    assert_eq!(one, four);
    assert_ne!(
        one,
        sums(first.build_on(stamped(&first, true), 2).unwrap()),
        "fast is another level"
    );
    // Everything carries the version, also what was prebuilt.
    for name in ["both", "shipped", "hand", "whole"] {
        let path = first.path("out").join(format!("{name}.tar.gz"));
        let metadata = oxide_archive::read_metadata(path).unwrap();
        assert_eq!(metadata.package.as_deref(), Some(name));
        assert_eq!(metadata.version.as_deref(), Some("1.2.3-0.ci+git1"));
    }
    let tools = unpacked(&first.path("out/tools.tar"));
    assert_eq!(
        tools,
        [("VERSION", "1.2.3-0.ci+git1"), ("script.d", "probe")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into()
    );
}

#[test]
fn versions_and_digests_come_from_omicrons_files() {
    let clickhouse = {
        let mut tar = Writer::plain(Vec::new(), Path::new("clickhouse"));
        tar.file_bytes("./clickhouse", proto::Metadata::owned(0o755, 5, 5), b"server").unwrap();
        tar.file_bytes("./config.xml", proto::Metadata::owned(0o644, 5, 5), b"theirs").unwrap();
        gzipped(&tar.finish().unwrap())
    };
    let lldp = zone("lldp", &[("root/lldp", "text")]);
    let url = "/files/oxidecomputer/lldp/image/abc123/lldp.tar.gz";
    let published = Published::from([(url.to_owned(), lldp.clone())]);
    let manifest = package("lldp", "source.type = \"prebuilt\"\nsource.repo = \"lldp\"")
        + &package(
            "clickhouse",
            "source.type = \"local\"\nsource.paths = [\n\
             { from = \"out/clickhouse\", to = \"/opt/oxide/clickhouse\" },\n\
             { from = \"tree/deep/data\", to = \"/opt/oxide/clickhouse/config.xml\" }]",
        );
    let bench = Bench::with(published, &manifest);
    let request = || Request { preset: None, ..bench.request() };

    // Without the files neither can be had.
    let plan = bench.plan(request()).unwrap();
    let problem = plan.problems("lldp")[0].to_string();
    assert!(problem.contains("lldp.tar.gz has no digest; add source.sha256"), "{problem}");
    assert!(plan.problems("clickhouse")[0].to_string().contains("out/clickhouse is missing"));

    let sum = |bytes: &[u8]| format!("CIDL_SHA256_ILLUMOS=\"{}\"\n", Digest::of(bytes));
    bench.write("source/tools/lldp_version", b"COMMIT=\"abc123\"\n", 0o644);
    bench.write("source/tools/lldp_checksums", sum(&lldp).as_bytes(), 0o644);
    bench.write("source/tools/clickhouse_version", b"v1.2\n", 0o644);
    bench.write("source/tools/clickhouse_checksums", sum(&clickhouse).as_bytes(), 0o644);
    let plan = bench.plan(request()).unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert!(text.contains("amazonaws.com/clickhouse-v1.2.illumos.tar.gz"), "{text}");
    // The network would be asked for it; here it is on disk.
    bench.write("given/clickhouse-v1.2.illumos.tar.gz", &clickhouse, 0o644);
    let images = bench.build(request()).unwrap();
    assert_eq!(images.len(), 2);
    let files = unpacked(&bench.path("out/clickhouse.tar.gz"));
    assert_eq!(files["root/opt/oxide/clickhouse/clickhouse"], "server");
    assert_eq!(files["root/opt/oxide/clickhouse/config.xml"], "data");
}

#[test]
fn programs_are_built_by_cargo_first() {
    let manifest = package(
        "demo",
        "source.type = \"local\"\nsource.rust = { binary_names = [\"demo\"], release = false }",
    );
    let bench = Bench::with(Published::new(), &manifest);
    let cargo_toml =
        "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    bench.write("source/Cargo.toml", cargo_toml.as_bytes(), 0o644);
    bench.write("source/src/main.rs", b"fn main() {}\n", 0o644);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut request = Request { preset: None, ..bench.request() };
    request.programs.cargo = Some(cargo);
    request.programs.directory = bench.path("target");
    bench.build(request.clone()).unwrap();
    let mut reader = oxide_archive::open(bench.path("out/demo.tar.gz")).unwrap();
    let mut found = None;
    while let Some(member) = reader.next_member().unwrap() {
        if member.display_name() == "root/opt/oxide/demo/bin/demo" {
            found = Some((member.size, member.metadata.mode));
        }
    }
    let built = fs::metadata(bench.path("target/debug/demo")).unwrap().len();
    assert_eq!(found, Some((built, 0o755)));
    // It runs here, and in no zone.
    request.programs.cargo = None;
    let plan = bench.plan(request.clone()).unwrap();
    let warning = &plan.packages["demo"].warnings;
    assert!(warning.iter().any(|text| text.contains("is no program of illumos")), "{warning:?}");

    bench.write("source/src/main.rs", b"fn main() { mistake }\n", 0o644);
    request.programs.cargo = std::env::var_os("CARGO").or_else(|| Some("cargo".into()));
    let error = bench.build(request).unwrap_err();
    assert!(error.contains("job `cargo debug` failed"), "{error}");
}
