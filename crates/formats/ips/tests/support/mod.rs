//! Small repositories and images for the tests.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;

use ips::{
    Fmri, InstallOptions, Manifest, Origin, Publisher, Report, Repository, Timestamp, Variants,
    create_image, install, set_publisher,
};
use proto::{Entry, Kind, Metadata, Proto, ProtoPath, Store};
use tempfile::TempDir;

pub(crate) const DATE: &str = "20260102T030405Z";

pub(crate) fn date() -> Timestamp {
    DATE.parse().unwrap()
}

pub(crate) fn options() -> InstallOptions {
    InstallOptions { date: date() }
}

pub(crate) fn path(text: &str) -> ProtoPath {
    ProtoPath::new(text).unwrap()
}

pub(crate) fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// Accounts and driver tables, as a system's base package has them.
pub(crate) const BASE: &str = "\
dir path=etc owner=root group=sys mode=0755
dir path=etc/ftpd owner=root group=sys mode=0755
dir path=etc/security owner=root group=sys mode=0755
file root:x:0:0:Super-User:/root:/bin/sh path=etc/passwd owner=root group=sys mode=0644 preserve=true
file root:*LK*:6445:::::: path=etc/shadow owner=root group=sys mode=0400 preserve=true
file root::0:|bin::2:|sys::3:|staff::10: path=etc/group owner=root group=sys mode=0644 preserve=true
file root path=etc/ftpd/ftpusers owner=root group=sys mode=0644 preserve=true
file clone|11 path=etc/name_to_major owner=root group=sys mode=0644 preserve=true
file # path=etc/driver_aliases owner=root group=sys mode=0644 preserve=true
file # path=etc/driver_classes owner=root group=sys mode=0644 preserve=true
file # path=etc/minor_perm owner=root group=sys mode=0644 preserve=true
file # path=etc/security/device_policy owner=root group=sys mode=0644 preserve=true
file # path=etc/security/extra_privs owner=root group=sys mode=0644 preserve=true
";

/// A repository in a temporary directory, and a store for protos.
pub(crate) struct Depot {
    pub(crate) dir: TempDir,
    pub(crate) repository: Repository,
}

impl Depot {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = Repository::create(dir.path().join("repo"), "test").unwrap();
        Self { dir, repository }
    }

    /// With the package `base`.
    pub(crate) fn with_base() -> Self {
        let mut depot = Self::new();
        depot.add("base@1", BASE);
        depot
    }

    /// Publishes a package. The payload of a `file` or `license` action is its content, `|`
    /// standing for the end of a line.
    pub(crate) fn add(&mut self, fmri: &str, text: &str) -> Fmri {
        let fmri = match fmri.starts_with("pkg:") {
            true => fmri.to_owned(),
            false => format!("pkg://test/{fmri}"),
        };
        let fmri = Fmri::parse(&format!("{fmri}:{DATE}")).unwrap();
        let publisher = fmri.publisher.clone().unwrap();
        let mut manifest = Manifest::parse("test", text).unwrap();
        let content = self.dir.path().join("content");
        for line in &mut manifest.lines {
            if let Some(payload) = &line.action.payload {
                let bytes = payload.replace("clone|", "clone ").replace('|', "\n") + "\n";
                fs::write(&content, bytes).unwrap();
                let payload = self.repository.add_payload(&publisher, &content).unwrap();
                payload.describe(&mut line.action);
            }
        }
        let text = format!("set name=pkg.fmri value={}\n{manifest}", fmri.long());
        self.add_manifest(&fmri, &text);
        fmri
    }

    /// Puts a manifest as it is into the repository, past the checks of a publisher: hostile ones
    /// do not come from ours. Without a catalog the manifests count.
    pub(crate) fn add_manifest(&mut self, fmri: &Fmri, text: &str) {
        let repo = self.dir.path().join("repo");
        let (stem, version) = fmri.quoted().unwrap();
        let publisher = repo.join("publisher").join(fmri.publisher.as_deref().unwrap());
        fs::create_dir_all(publisher.join("pkg").join(&stem)).unwrap();
        fs::write(publisher.join("pkg").join(stem).join(version), text).unwrap();
        self.repository = Repository::open(repo).unwrap();
    }

    pub(crate) fn origins(&self) -> [&dyn Origin; 1] {
        [&self.repository]
    }

    /// An empty image with the publisher `test`.
    pub(crate) fn image(&self) -> Proto {
        self.image_with(Variants::for_zone("global"))
    }

    pub(crate) fn image_with(&self, variants: Variants) -> Proto {
        let mut proto = Proto::new(Store::create(self.dir.path().join("store")).unwrap());
        create_image(&mut proto, variants, date()).unwrap();
        set_publisher(&mut proto, Publisher::new("test", "file:///repo/"), date()).unwrap();
        proto
    }

    pub(crate) fn install(
        &self,
        proto: &mut Proto,
        packages: &[&str],
    ) -> Result<Report, ips::Error> {
        install(proto, &names(packages), &self.origins(), &options())
    }
}

/// Puts a file into an image, past its packages.
pub(crate) fn put(proto: &mut Proto, file: &str, text: &str) {
    let content = proto.contents.store.add_bytes(text.as_bytes()).unwrap();
    let entry = Entry::new(Kind::File(content), Metadata::root(0o644));
    proto.manifest.replace(path(file), entry);
}

pub(crate) fn text(proto: &Proto, file: &str) -> String {
    let path = path(file);
    let (path, entry) = proto.manifest.resolve_hardlink(&path).expect(file);
    let bytes = proto.contents.read(path, entry.content().expect(file)).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// One line a path: type, mode, owner, group, package, link text. Package metadata is left out.
pub(crate) fn listing(proto: &Proto) -> String {
    let mut lines = String::new();
    for (path, entry) in proto.manifest.iter() {
        if path.to_string().starts_with("var/pkg/") {
            continue;
        }
        let link = match &entry.kind {
            Kind::Symlink { target } => format!(" -> {}", String::from_utf8_lossy(target)),
            Kind::Hardlink { target } => format!(" = {target}"),
            _ => String::new(),
        };
        let metadata = entry.metadata;
        let package = entry.package.as_deref().unwrap_or("-");
        lines += &format!(
            "{path} {} {:o} {}:{} {package}{link}\n",
            entry.kind.word(),
            metadata.mode,
            metadata.uid,
            metadata.gid
        );
    }
    lines
}
