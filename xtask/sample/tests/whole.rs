//! The sample goes through the templates: packages, both images.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::path::Path;

use image_templates::{Applied, Context, Features, ImagePackages, Search, apply, load};
use ips::{Publication, Repository, Timestamp, publish};
use proto::{Entry, Kind, Mtime, Proto, ProtoPath, Store};

const DATE: i64 = 1_767_225_600;

fn date() -> Timestamp {
    Timestamp::from_epoch(DATE).unwrap()
}

/// Publishes the sample's packages to `DIRECTORY/repository`.
fn publish_sample(directory: &Path) -> String {
    let generated = directory.join("generated");
    sample::generate(&generated).unwrap();
    let mut publication = Publication::new(sample::PUBLISHER, date());
    publication.content = vec![sample::package_files(), generated];
    for (name, value) in sample::MACROS {
        publication.mogrify.macros.insert(name.to_owned(), value.to_owned());
    }
    let path = directory.join("repository");
    let mut repository = Repository::create(&path, sample::PUBLISHER).unwrap();
    let manifests = sample::package_manifests().unwrap();
    let packages = publish(&mut repository, &publication, &manifests).unwrap();
    assert_eq!(packages.len(), manifests.len());
    path.display().to_string()
}

struct Images<'a> {
    directory: &'a Path,
    repository: String,
    more: Vec<&'a str>,
    context: Context<'a>,
    proto: Proto,
}

impl<'a> Images<'a> {
    fn new(directory: &'a Path, repository: &str, more: &[&'a str]) -> Self {
        let mut context = Context::new(directory.join("output"));
        context.mtime = Mtime::from_seconds(DATE);
        std::fs::create_dir_all(&context.output).unwrap();
        let proto = Proto::new(Store::create(directory.join("store")).unwrap());
        Self { directory, repository: repository.into(), more: more.to_vec(), context, proto }
    }

    fn phase(&mut self, name: &str) -> Applied {
        let mut features = Features::from_specs(sample::FEATURES).unwrap();
        features.apply("publisher_0_name=sample").unwrap();
        features.apply(&format!("publisher_0_url=file://{}", self.repository)).unwrap();
        for spec in &self.more {
            features.apply(spec).unwrap();
        }
        let repository = ips::open_origin(&self.repository).unwrap();
        let origins = [&*repository];
        let mut packages = ImagePackages::new(&origins, date());
        let mut context = Context {
            packages: Some(&mut packages),
            snapshots: std::mem::take(&mut self.context.snapshots),
            ..Context::new(self.directory.join("output"))
        };
        context.mtime = self.context.mtime;
        let plan = load(&Search::own("sled"), name, &features).unwrap();
        let applied = apply(&plan, &mut self.proto, &mut context)
            .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
        self.context.snapshots = context.snapshots;
        applied
    }

    fn stat(&self, at: &str) -> String {
        let at = path(at);
        let entry = self.proto.manifest.get(&at).unwrap_or_else(|| panic!("no {at}"));
        let metadata = entry.metadata;
        let more = match &entry.kind {
            Kind::Symlink { target } => format!(" {}", String::from_utf8_lossy(target)),
            Kind::Hardlink { target } => format!(" {target}"),
            _ => String::new(),
        };
        let (uid, gid) = (metadata.uid, metadata.gid);
        format!("{} {:04o} {uid}:{gid}{more}", entry.kind.word(), metadata.mode)
    }

    fn text(&self, at: &str) -> String {
        let at = path(at);
        let (at, entry) = self.proto.manifest.resolve_hardlink(&at).unwrap();
        let bytes = self.proto.contents.read(at, entry.content().unwrap()).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn has_boot_archive(&self) {
        for line in std::fs::read_to_string(sample::boot_archive_files()).unwrap().lines() {
            let at = path(line);
            let found = self.proto.manifest.resolve_hardlink(&at);
            assert!(found.is_some_and(|(_, entry)| entry.content().is_some()), "{line}");
        }
    }

    fn has(&self, at: &str) -> bool {
        self.proto.manifest.contains(&path(at))
    }
}

fn path(text: &str) -> ProtoPath {
    ProtoPath::new(text).unwrap()
}

fn size(proto: &Proto) -> u64 {
    proto.manifest.iter().filter_map(|(_, entry)| entry.content()).map(|c| c.size).sum()
}

#[test]
fn the_host_image_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let repository = publish_sample(directory.path());
    let mut images = Images::new(directory.path(), &repository, &[]);
    images.phase("ramdisk-01-os");
    assert!(size(&images.proto) > 1_000_000 && size(&images.proto) < 4_000_000);
    assert_eq!(images.stat("usr/bin/openssl"), "symlink 0777 0:0 openssl-3");
    assert_eq!(images.stat("var/lib/chrony"), "directory 0750 162:162");
    assert!(images.text("kernel/amd64/genunix").contains("not for debugging"));
    assert!(images.text("etc/passwd").contains("netadm:x:16:65:"));
    assert!(images.text("etc/name_to_major").contains("igb "));
    assert!(images.text("etc/security/extra_privs").contains("sample_packets"));
    assert!(!images.has("lib/svc/seed/nonglobal.db") && images.has("lib/svc/seed/global.db"));
    assert!(images.has("usr/share/man/man7/sample.7") && !images.has("usr/demo/mdb/README"));
    assert!(images.has("usr/lib/libsample.a") && images.has("usr/lib/locale/de_DE.UTF-8"));
    let names = ["usr/bin/ex", "usr/bin/vi", "usr/bin/view", "usr/bin/vim"].map(|at| {
        matches!(images.proto.manifest.get(&path(at)).unwrap().kind, Kind::Hardlink { .. })
    });
    assert_eq!(names.iter().filter(|link| **link).count(), 3);

    images.phase("ramdisk-02-trim");
    assert!(
        !images.has("var/pkg") && !images.has("usr/include") && !images.has("usr/lib/libsample.a")
    );
    assert!(images.text("etc/system.d/.self-assembly").contains("sample:value=1"));
    images.has_boot_archive();

    let applied = images.phase("zfs");
    let pool = applied.pool.unwrap();
    assert_eq!((&*pool.name, pool.bename.as_deref()), ("rpool", Some("ramdisk")));
    assert_eq!(images.text("etc/nodename"), "unknown\n");
    assert_eq!(images.stat("dev/null"), "symlink 0777 0:0 ../devices/pseudo/mm@0:null");
    assert_eq!(
        images.stat("etc/svc/profile/generic.xml"),
        "symlink 0777 0:0 generic_limited_net.xml"
    );
    assert!(!images.has("lib/svc/manifest/system/zones.xml"));
    let notes: Vec<&str> = applied.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(notes.iter().any(|note| note.starts_with("services were not seeded")), "{notes:?}");
    images.proto.manifest.check().unwrap();
    assert!(images.proto.manifest.iter().all(|(_, entry)| !dangles(entry)));
}

fn dangles(entry: &Entry) -> bool {
    matches!(&entry.kind, Kind::File(content) if content.digest.is_none())
}

#[test]
fn the_trampoline_image_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let repository = publish_sample(directory.path());
    let mut images = Images::new(directory.path(), &repository, &["recovery", "debug_variant"]);
    images.phase("ramdisk-01-os");
    assert!(!images.has("usr/share/man/man7/sample.7"));
    assert!(images.text("kernel/amd64/genunix").contains("(for debugging)"));
    images.phase("ramdisk-02-trim");
    images.phase("ramdisk-03-recovery-trim");
    images.has_boot_archive();
    assert!(!images.has("usr/bin/mdb") && !images.has("usr/lib/locale"));
    let applied = images.phase("zfs-recovery");
    assert!(images.has("usr/lib/oxide/recovery-name"));
    assert!(applied.pool.unwrap().trim);
    images.proto.manifest.check().unwrap();
}

#[test]
fn the_baseline_goes_into_the_host_image_only_with_the_brand() {
    let directory = tempfile::tempdir().unwrap();
    let repository = publish_sample(directory.path());
    let mut images = Images::new(directory.path(), &repository, &[]);
    images.phase("ramdisk-01-os");
    images.phase("ramdisk-02-trim");
    std::fs::write(directory.path().join("output/files.tar.gz"), "baseline").unwrap();
    std::fs::write(directory.path().join("output/gzonly.txt"), "usr/sbin/sh\n").unwrap();
    let trimmed = images.proto.clone();
    images.phase("zfs");
    assert!(!images.has("usr/lib/brand"));
    images.proto = trimmed;
    images.more = vec!["omicron1"];
    images.phase("zfs");
    for name in ["files.tar.gz", "gzonly.txt"] {
        let at = format!("usr/lib/brand/omicron1/baseline/{name}");
        assert_eq!(images.stat(&at), "file 0644 0:3");
    }
}
