//! A source, what others published, and what is looked at in images.

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
use misbehaving_depot::MisbehavingDepot;
use oxide_archive::{ArchiveType, Metadata, Writer};
use proto::Digest;
use store::Store;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zone_build::{Error, Image, Plan, Programs, Request, Url, plan};

pub(crate) const MANIFEST: &str = r#"
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

pub(crate) const TIME: i64 = 1_000_000_000;

/// A source, what others published, and places to work.
pub(crate) struct Bench {
    pub(crate) depot: MisbehavingDepot,
    pub(crate) place: TempDir,
    pub(crate) runtime: Runtime,
    pub(crate) offline: bool,
}

pub(crate) type Published = BTreeMap<String, Vec<u8>>;

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(published(), MANIFEST)
    }

    pub(crate) fn with(published: Published, manifest: &str) -> Self {
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

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8], mode: u32) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn request(&self) -> Request {
        let source = self.path("source");
        let manifest = fs::read_to_string(source.join("package-manifest.toml")).unwrap();
        let pins = [("deep/firmware.bin", Digest::of(b"firmware"))];
        let pins = pins.into_iter().filter(|(name, _)| manifest.contains(name));
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
            pins: pins.map(|(name, digest)| (name.to_owned(), digest)).collect(),
            tools: source.join("tools"),
            out: self.path("out"),
            mtime: TIME,
            fast: true,
            source,
        }
    }

    pub(crate) fn fetcher(&self) -> Fetcher {
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

    pub(crate) fn plan(&self, request: Request) -> Result<Plan, Error> {
        plan(request, &self.fetcher())
    }

    pub(crate) fn build(&self, request: Request) -> Result<Vec<Image>, String> {
        self.build_on(request, 2)
    }

    pub(crate) fn build_on(
        &self,
        request: Request,
        processors: usize,
    ) -> Result<Vec<Image>, String> {
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
    pub(crate) fn out(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("out")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// What others published: images as omicron's own tool writes them, where a directory comes again
/// with every path that is put into it, and a file may.
pub(crate) fn published() -> Published {
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

pub(crate) fn layer(name: &str) -> Writer<Vec<u8>> {
    let metadata = Metadata::new(ArchiveType::Layer).with_package(name, "0.0.0");
    Writer::new(Vec::new(), Path::new(name), &metadata, 5).unwrap()
}

pub(crate) fn zone(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = layer(name);
    writer.directory("root", proto::Metadata::root(0o755)).unwrap();
    for (path, text) in files {
        writer.file_bytes(path, proto::Metadata::root(0o644), text.as_bytes()).unwrap();
    }
    finish(writer)
}

pub(crate) fn finish(writer: Writer<Vec<u8>>) -> Vec<u8> {
    gzipped(&writer.finish().unwrap())
}

pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = gzip::GzipWriter::new(Vec::new(), gzip::Level::Fast);
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Members with what GNU tar says of them: mode, owner, size, time, name.
pub(crate) fn listed(path: &Path) -> Option<Vec<String>> {
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

pub(crate) fn unpacked(path: &Path) -> BTreeMap<String, String> {
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

/// A manifest of one package.
pub(crate) fn package(name: &str, rest: &str) -> String {
    format!("[package.{name}]\nservice_name = \"{name}\"\noutput.type = \"zone\"\n{rest}\n")
}
