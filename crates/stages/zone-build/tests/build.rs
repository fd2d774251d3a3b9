//! Images built of sources of every kind, judged by other programs; and manifests and sources that
//! nothing can be built of.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fetch::{Client, Fetcher, Options};
use jobs::{Quiet, Stop};
use misbehaving_depot::{Fault, MisbehavingDepot};
use oxide_archive::{ArchiveType, Metadata, Writer};
use proto::Digest;
use store::Store;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zone_build::{Error, Image, Plan, Programs, Request, State, Url, plan};

const MANIFEST: &str = r#"
[package.agent]
service_name = "sled-agent"
only_for_targets.image = "standard"
source.type = "local"
source.rust.binary_names = ["agent"]
source.rust.release = true
source.paths = [
  { from = "smf/agent/manifest.xml", to = "pkg/manifest.xml" },
  { from = "smf/agent/{{machine}}", to = "pkg" },
]
output.type = "tarball"

[package.first]
service_name = "first-service"
source.type = "local"
source.rust.binary_names = ["agent"]
source.rust.release = true
source.paths = [
  { from = "smf/first", to = "/var/svc/manifest/site/first" },
  { from = "tree", to = "/opt/tree" },
]
output.type = "zone"
output.intermediate_only = true

[package.second]
service_name = "second"
source.type = "prebuilt"
source.repo = "elsewhere"
source.commit = "0123abc"
source.sha256 = "@second@"
output.type = "zone"
output.intermediate_only = true

[package.both]
service_name = "both"
source.type = "composite"
source.packages = ["first.tar.gz", "second.tar.gz"]
output.type = "zone"

[package.whole]
service_name = "whole"
source.type = "composite"
source.packages = ["both.tar.gz"]
output.type = "zone"

[package.shipped]
service_name = "shipped"
source.type = "prebuilt"
source.repo = "elsewhere"
source.commit = "0123abc"
source.sha256 = "@shipped@"
output.type = "zone"

[package.tools]
service_name = "tools"
source.type = "prebuilt"
source.repo = "elsewhere"
source.commit = "0123abc"
source.sha256 = "@tools@"
output.type = "tarball"

[package.hand]
service_name = "hand"
source.type = "manual"
output.type = "zone"

[package.blobs]
service_name = "blobs"
source.type = "local"
source.blobs = ["deep/firmware.bin"]
source.buildomat_blobs = [
  { repo = "r", series = "s", commit = "c", artifact = "table.json", sha256 = "@table@" },
]
output.type = "zone"

[package.elsewhere]
service_name = "elsewhere"
only_for_targets.image = "trampoline"
source.type = "local"
source.paths = [{ from = "not-there", to = "/x" }]
output.type = "zone"

[target.preset.host]
image = "standard"
machine = "gimlet"
[target.preset.recovery]
image = "trampoline"
"#;

const TIME: i64 = 1_000_000_000;

/// A source, what others published, and places to work.
struct Bench {
    depot: MisbehavingDepot,
    place: TempDir,
    runtime: Runtime,
    offline: bool,
}

type Published = BTreeMap<String, Vec<u8>>;

impl Bench {
    fn new() -> Self {
        Self::with(published(), MANIFEST)
    }

    fn with(published: Published, manifest: &str) -> Self {
        let mut text = manifest.to_owned();
        for (path, bytes) in &published {
            let name = path.rsplit('/').next().unwrap().split('.').next().unwrap();
            text = text.replace(&format!("@{name}@"), &Digest::of(bytes).to_string());
        }
        let published = Arc::new(published);
        let depot = MisbehavingDepot::start(move |path| published.get(path).cloned()).unwrap();
        let bench = Self {
            depot,
            place: tempfile::tempdir().unwrap(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            offline: false,
        };
        bench.write("source/package-manifest.toml", text.as_bytes(), 0o644);
        for (path, text, mode) in [
            ("smf/agent/manifest.xml", "<agent/>", 0o600),
            ("smf/agent/gimlet/config.toml", "gimlet", 0o640),
            ("smf/agent/other/config.toml", "other", 0o640),
            ("smf/first/manifest.xml", "<first/>", 0o664),
            ("smf/first/method.sh", "#!/bin/sh\n", 0o700),
            ("tree/deep/data", "data", 0o600),
            ("target/release/agent", "a program", 0o711),
        ] {
            bench.write(&format!("source/{path}"), text.as_bytes(), mode);
        }
        symlink("deep/data", bench.path("source/tree/link")).unwrap();
        bench.write("given/hand.tar.gz", &zone("hand", &[("root/hand", "by hand")]), 0o644);
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8], mode: u32) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn request(&self) -> Request {
        let source = self.path("source");
        let at = |path: &str| Url::parse(&self.depot.url()).unwrap().join(path).unwrap();
        Request {
            manifest: source.join("package-manifest.toml"),
            sysroot: None,
            preset: Some("host".to_owned()),
            target: Vec::new(),
            names: Vec::new(),
            version: None,
            programs: Programs { directory: source.join("target"), triple: None, cargo: None },
            directories: vec![self.path("given")],
            artifacts: at("files"),
            blobs: at("bucket"),
            pins: BTreeMap::from([("deep/firmware.bin".to_owned(), Digest::of(b"firmware"))]),
            tools: source.join("tools"),
            out: self.path("out"),
            mtime: TIME,
            fast: true,
            source,
        }
    }

    fn fetcher(&self) -> Fetcher {
        let store = Store::open(self.path("store")).unwrap();
        if self.offline {
            return Fetcher::offline(store);
        }
        let options = Options {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(20),
            stall_timeout: Duration::from_millis(500),
            attempts: 3,
            ..Options::default()
        };
        Fetcher::online(store, Client::new(self.runtime.handle().clone(), options).unwrap())
    }

    fn plan(&self, request: Request) -> Result<Plan, Error> {
        plan(request, &self.fetcher())
    }

    fn build(&self, request: Request) -> Result<Vec<Image>, String> {
        self.build_on(request, 2)
    }

    fn build_on(&self, request: Request, processors: usize) -> Result<Vec<Image>, String> {
        let processors = NonZeroUsize::new(processors).unwrap();
        let fetcher = self.fetcher();
        let work = tempfile::tempdir_in(self.place.path()).unwrap();
        let logs = work.path().join("logs");
        let plan = plan(request, &fetcher).map_err(|error| error.to_string())?;
        let (graph, images) =
            plan.graph(&fetcher, work.path(), processors).map_err(|error| error.to_string())?;
        graph.run(processors.get(), &logs, &Stop::new(), &Quiet).map_err(|error| {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text += &format!(": {error}");
                cause = error.source();
            }
            text
        })?;
        Ok(images.take())
    }

    /// What is in the directory of images.
    fn out(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("out")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// What others published: images as omicron's own tool writes them, where a directory comes again
/// with every path that is put into it, and a file may.
fn published() -> Published {
    let archive = "/files/oxidecomputer/elsewhere/image/0123abc";
    let mut second = layer("second");
    for (name, text) in [("opt/tree/deep/data", "from the second"), ("opt/second/bin/run", "old")] {
        let mut parent = String::from("root");
        second.directory(&parent, proto::Metadata::root(0o755)).unwrap();
        for part in name.split('/').take(name.split('/').count() - 1) {
            parent = format!("{parent}/{part}");
            second.directory(&parent, proto::Metadata::root(0o755)).unwrap();
        }
        let metadata = proto::Metadata::owned(0o775, 7, 8);
        second.file_bytes(format!("root/{name}"), metadata, text.as_bytes()).unwrap();
    }
    let run = "root/opt/second/bin/run";
    second.file_bytes(run, proto::Metadata::root(0o755), b"new").unwrap();
    second.symlink("root/opt/second/current", "bin/run", proto::Metadata::root(0o777)).unwrap();
    second.hardlink("root/opt/second/again", run, proto::Metadata::root(0o755)).unwrap();
    let mut tools = Writer::plain(Vec::new(), Path::new("tools"));
    tools.file_bytes("VERSION", proto::Metadata::root(0o644), b"0.0.0").unwrap();
    tools.file_bytes("./script.d", proto::Metadata::root(0o755), b"probe").unwrap();
    BTreeMap::from([
        (format!("{archive}/second.tar.gz"), finish(second)),
        (format!("{archive}/shipped.tar.gz"), zone("shipped", &[("root/shipped", "as it is")])),
        (format!("{archive}/tools.tar"), tools.finish().unwrap()),
        ("/bucket/deep/firmware.bin".to_owned(), b"firmware".to_vec()),
        ("/files/oxidecomputer/r/s/c/table.json".to_owned(), b"{}".to_vec()),
    ])
}

fn layer(name: &str) -> Writer<Vec<u8>> {
    let metadata = Metadata::new(ArchiveType::Layer).with_package(name, "0.0.0");
    Writer::new(Vec::new(), Path::new(name), &metadata, 5).unwrap()
}

fn zone(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = layer(name);
    writer.directory("root", proto::Metadata::root(0o755)).unwrap();
    for (path, text) in files {
        writer.file_bytes(path, proto::Metadata::root(0o644), text.as_bytes()).unwrap();
    }
    finish(writer)
}

fn finish(writer: Writer<Vec<u8>>) -> Vec<u8> {
    gzipped(&writer.finish().unwrap())
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = gzip::GzipWriter::new(Vec::new(), gzip::Level::Fast);
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Members with what GNU tar says of them: mode, owner, size, time, name.
fn listed(path: &Path) -> Option<Vec<String>> {
    let mut tar = verifiers::require("tar")?;
    let output = tar
        .env("TZ", "UTC0")
        .args(["--numeric-owner", "--full-time", "-tvf"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
}

fn unpacked(path: &Path) -> BTreeMap<String, String> {
    let mut reader = oxide_archive::open(path).unwrap();
    let mut files = BTreeMap::new();
    while let Some(member) = reader.next_member().unwrap() {
        let mut bytes = Vec::new();
        reader.read_all(&mut bytes).unwrap();
        if member.kind == oxide_archive::MemberKind::File {
            files.insert(member.display_name(), String::from_utf8(bytes).unwrap());
        }
    }
    files
}

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
    let layers = [bench.path("out/whole.tar.gz")];
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
fn what_breaks_off_is_fetched_from_there_on_and_once() {
    let bench = Bench::new();
    let path = "/files/oxidecomputer/elsewhere/image/0123abc/shipped.tar.gz";
    let size = published()[path].len();
    bench.depot.order(path, Fault::Truncate(100));
    bench.depot.order(path, Fault::Status { status: 503, retry_after: None });
    let request = || Request { names: vec!["shipped".to_owned()], ..bench.request() };
    bench.build(request()).unwrap();
    assert_eq!(bench.depot.bytes(path), size as u64, "not one byte twice");
    // It is in the store now: no network is needed.
    let offline = Bench { offline: true, ..bench };
    fs::remove_file(offline.path("out/shipped.tar.gz")).unwrap();
    offline.build(Request { names: vec!["shipped".to_owned()], ..offline.request() }).unwrap();
    assert_eq!(offline.out(), ["shipped.tar.gz"]);
}

#[test]
fn wrong_bytes_never_become_an_image() {
    let bench = Bench::new();
    let path = "/files/oxidecomputer/elsewhere/image/0123abc/shipped.tar.gz";
    bench.depot.order_times(9, path, &Fault::FlippedBit);
    let request = || Request { names: vec!["shipped".to_owned()], ..bench.request() };
    let error = bench.build(request()).unwrap_err();
    assert!(error.contains("not the pinned"), "{error}");
    assert!(bench.out().is_empty(), "{:?}", bench.out());

    bench.write("given/shipped.tar.gz", b"something else", 0o644);
    let error = bench.build(request()).unwrap_err();
    assert!(error.contains("given/shipped.tar.gz has sha256"), "{error}");
    assert!(error.contains("remove it, or correct the pin"), "{error}");
    assert!(bench.out().is_empty(), "{:?}", bench.out());
}

#[test]
fn archives_that_no_zone_could_be_installed_from_are_refused() {
    let good = zone("shipped", &[("root/shipped", "text")]);
    let mut twice = layer("shipped");
    twice.directory("root", proto::Metadata::root(0o755)).unwrap();
    for text in ["1", "2"] {
        twice.file_bytes("root/a", proto::Metadata::root(0o644), text.as_bytes()).unwrap();
    }
    let mut outside = layer("shipped");
    outside.file_bytes("root/../x", proto::Metadata::root(0o644), b"x").unwrap();
    for (bytes, word) in [
        ([good.clone(), b"garbage".to_vec()].concat(), "shipped.tar.gz"),
        ([good.clone(), good.clone()].concat(), "second"),
        (good[..good.len() - 9].to_vec(), "shipped.tar.gz"),
        (finish(twice), "brought a file of that name before"),
        (finish(outside), "`..` component"),
        (gzipped(b"no tar at all"), "shipped.tar.gz"),
    ] {
        let mut all = published();
        let key = "/files/oxidecomputer/elsewhere/image/0123abc/shipped.tar.gz";
        all.insert(key.to_owned(), bytes);
        let bench = Bench::with(all, MANIFEST);
        let request = || Request { names: vec!["shipped".to_owned()], ..bench.request() };
        let error = bench.build(request()).unwrap_err();
        assert!(error.contains(word), "{word}: {error}");
        assert!(bench.out().is_empty(), "{:?}", bench.out());
    }
}

#[test]
fn what_is_missing_is_planned_with_what_to_do() {
    let bench = Bench { offline: true, ..Bench::new() };
    for path in ["source/smf/first", "source/target", "given"] {
        fs::remove_dir_all(bench.path(path)).unwrap();
    }
    let request = Request { pins: BTreeMap::new(), ..bench.request() };
    let plan = bench.plan(Request { target: vec![], ..request }).unwrap();
    let problems = |name: &str| -> Vec<String> {
        plan.problems(name).iter().map(ToString::to_string).collect()
    };
    let first = problems("first");
    assert!(first[0].contains("source/smf/first is missing; take a whole checkout"), "{first:?}");
    assert!(first[1].contains("target/release/agent: not built"), "{first:?}");
    assert!(first[1].contains("cargo build --release -p first"), "{first:?}");
    assert!(problems("second")[0].contains("is not in the store; run once without --offline"));
    assert!(problems("hand")[0].contains("hand.tar.gz is to be put into place by hand"));
    assert!(problems("blobs")[0].contains("give it with --pin deep/firmware.bin=SHA256"));
    assert_eq!(problems("both").len(), 3, "a composite lacks what its components lack");
    assert_eq!(plan.state("elsewhere"), State::Excluded);
    let reason = plan.packages["elsewhere"].excluded.clone().unwrap();
    assert_eq!(reason, "only for image=trampoline, and the target has standard");

    // Nothing is begun.
    let error = bench.build(bench.request()).unwrap_err();
    assert!(error.contains("both") && error.contains("not built"), "{error}");
    assert!(bench.out().is_empty());

    // Without a preset the template has no value.
    let plan = bench.plan(Request { preset: None, ..bench.request() }).unwrap();
    let reason = plan.packages["agent"].excluded.clone().unwrap();
    assert_eq!(reason, "only for image=standard, which the target does not say");
    let target = vec![("image".to_owned(), "standard".to_owned())];
    let plan = bench.plan(Request { preset: None, target, ..bench.request() }).unwrap();
    let agent = plan.problems("agent")[0].to_string();
    assert!(agent.contains("machine") && agent.contains("--set KEY=VALUE"), "{agent}");
}

#[test]
fn what_cannot_be_built_is_left_out_on_request() {
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("source/smf/first")).unwrap();
    let mut plan = bench.plan(bench.request()).unwrap();
    let blocked = plan.leave_out_blocked();
    assert_eq!(blocked.keys().collect::<Vec<_>>(), ["both", "whole"]);
    let wanted: Vec<_> = plan.wanted().collect();
    assert_eq!(wanted, ["agent", "blobs", "hand", "shipped", "tools"]);
}

/// A manifest of one package.
fn package(name: &str, rest: &str) -> String {
    format!("[package.{name}]\nservice_name = \"{name}\"\noutput.type = \"zone\"\n{rest}\n")
}

#[test]
fn manifests_that_contradict_themselves_are_refused_as_a_whole() {
    let local = |to: &str| {
        format!("source.type = \"local\"\nsource.paths = [{{ from = \"tree\", to = \"{to}\" }}]")
    };
    let composite = |of: &str| format!("source.type = \"composite\"\nsource.packages = [{of}]");
    let manifest = [
        package("up", &local("/opt/../../etc")),
        package("relative", &local("opt")),
        package("dots", &local("/opt/./x")),
        package("unknown", &composite("\"dosts.tar.gz\"")),
        package("tarred", "source.type = \"composite\"\nsource.packages = []")
            .replace("zone", "tarball"),
        package(
            "program",
            "source.type = \"local\"\nsource.rust = { binary_names = [\"../x\"], release = true }",
        ),
    ]
    .concat();
    let bench = Bench::with(Published::new(), &manifest);
    let request = || Request { preset: None, ..bench.request() };
    let error = bench.plan(request()).unwrap_err().to_string();
    for line in [
        "up: `to = \"/opt/../../etc\"` has a `..` component",
        "relative: `to = \"opt\"` is relative; in a zone image paths begin with `/`",
        "dots: `to = \"/opt/./x\"` has a `.` component",
        "unknown: no package makes its component dosts.tar.gz; did you mean dots.tar.gz?",
        "tarred: only zone images can be composed",
        "program: `../x` is no name of a program",
    ] {
        assert!(error.contains(line), "{line}: {error}");
    }

    for (manifest, line) in [
        (
            [("a", "b"), ("b", "c"), ("c", "a")]
                .map(|(name, of)| package(name, &composite(&format!("\"{of}.tar.gz\""))))
                .concat(),
            "a: it is composed of itself: a <- b <- c <- a",
        ),
        (
            package("a", &local("/x")) + &package("b", &local("/x")).replace("\"b\"", "\"a\""),
            "b: it becomes a.tar.gz, and so does a",
        ),
    ] {
        let bench = Bench::with(Published::new(), &manifest);
        let error = bench.plan(Request { preset: None, ..bench.request() }).unwrap_err();
        assert!(error.to_string().contains(line), "{error}");
    }
}

#[test]
fn names_and_presets_that_are_not_there_are_told_with_what_is() {
    let bench = Bench::new();
    let names = |name: &str| Request { names: vec![name.to_owned()], ..bench.request() };
    for (request, line) in [
        (names("bothh"), "there is no package `bothh`; did you mean `both`?"),
        (names("elsewhere"), "the target does not have `elsewhere`: only for image=trampoline"),
        (
            Request { preset: Some("hosts".to_owned()), ..bench.request() },
            "there is no preset `hosts`, only host, recovery",
        ),
    ] {
        let error = bench.plan(request).unwrap_err().to_string();
        assert!(error.contains(line), "{error}");
    }
}

#[test]
fn types_that_differ_are_an_error_with_both_packages() {
    let part = |name: &str, to: &str| {
        package(
            name,
            &format!(
                "source.type = \"local\"\nsource.paths = [{{ from = \"tree/deep/data\", to = \"{to}\" }}]\n\
             output.intermediate_only = true"
            ),
        )
    };
    let manifest = part("one", "/opt/x")
        + &part("two", "/opt/x/y")
        + &package(
            "all",
            "source.type = \"composite\"\nsource.packages = [\"one.tar.gz\", \"two.tar.gz\"]",
        );
    let bench = Bench::with(Published::new(), &manifest);
    let error = bench.build(Request { preset: None, ..bench.request() }).unwrap_err();
    assert!(error.contains("all: opt/x is a file from one and a directory from two"), "{error}");
    assert!(bench.out().is_empty());
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
