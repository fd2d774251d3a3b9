//! A small system of our own, published to a repository and installed.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot make its sample shall fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use baseline::{Options, Report, Seed, Selection};
use ips::{
    Fmri, InstallOptions, Manifest, Origin, Publication, Publisher, Repository, Timestamp, Variants,
};
use oxide_archive::MemberKind;
use proto::{Proto, Store};

/// 2026-01-02T03:04:05Z.
pub(crate) const PUBLISHED: i64 = 1_767_323_045;

const INCORPORATION: &str = "
set name=pkg.fmri value=pkg://sample/consolidation/osnet/osnet-incorporation@1.0-1
set name=variant.opensolaris.zone value=global value=nonglobal
depend fmri=system/core@1.0 type=incorporate
";

const ENTIRE: &str = "
set name=pkg.fmri value=pkg://sample/entire@1.0-1
depend fmri=system/core type=require
depend fmri=system/kernel type=require variant.opensolaris.zone=global
depend fmri=consolidation/osnet/osnet-incorporation type=require
";

const KERNEL: &str = "
set name=pkg.fmri value=pkg://sample/system/kernel@1.0-1
set name=variant.opensolaris.zone value=global
dir path=kernel owner=root group=sys mode=0755
file path=kernel/unix owner=root group=sys mode=0755
file path=etc/system owner=root group=sys mode=0644 preserve=true
";

const CORE: &str = "
set name=pkg.fmri value=pkg://sample/system/core@1.0-1
set name=variant.opensolaris.zone value=global value=nonglobal
set name=variant.arch value=i386
dir path=etc owner=root group=sys mode=0755
dir path=etc/ftpd owner=root group=sys mode=0755
dir path=etc/svc owner=root group=sys mode=0755
dir path=etc/svc/profile owner=root group=sys mode=0755
dir path=usr owner=root group=sys mode=0755
dir path=usr/bin owner=root group=bin mode=0755
dir path=lib owner=root group=bin mode=0755
dir path=lib/svc owner=root group=bin mode=0755
dir path=lib/svc/seed owner=root group=bin mode=0755
dir path=lib/svc/manifest owner=root group=sys mode=0755
dir path=tmp owner=root group=sys mode=1777
dir path=var owner=root group=sys mode=0755
dir path=dev owner=root group=sys mode=0755 variant.opensolaris.zone=global
dir path=root owner=root group=root mode=0700
file path=etc/passwd owner=root group=sys mode=0644 preserve=true
file path=etc/shadow owner=root group=sys mode=0400 preserve=true
file path=etc/group owner=root group=sys mode=0644 preserve=true
file path=etc/ftpd/ftpusers owner=root group=sys mode=0644 preserve=true
file path=etc/release owner=root group=sys mode=0444 timestamp=20250102T030405Z
file path=etc/motd owner=root group=sys mode=0644 preserve=true
file path=etc/svc/profile/generic.xml owner=root group=sys mode=0444
file path=etc/hostid owner=root group=sys mode=0644 variant.opensolaris.zone=global
file path=lib/libc.so.1 owner=root group=bin mode=0755
file path=lib/svc/seed/global.db owner=root group=sys mode=0444 variant.opensolaris.zone=global
file path=lib/svc/seed/nonglobal.db owner=root group=sys mode=0444 variant.opensolaris.zone=nonglobal
file path=lib/svc/manifest/core.xml owner=root group=sys mode=0444
file path=dev/only owner=root group=sys mode=0444 variant.opensolaris.zone=global
file path=usr/bin/ls owner=root group=bin mode=0555
file path=usr/bin/zoneadm owner=root group=bin mode=0555 variant.opensolaris.zone=global
file path=usr/bin/debug owner=root group=bin mode=0555 facet.debug.tools=true variant.opensolaris.zone=global
file path=etc/doc owner=root group=sys mode=0444 facet.doc=true
file path=etc/two owner=root group=sys mode=0644
file path=etc/overlaid owner=root group=sys mode=0644 overlay=allow preserve=true
hardlink path=etc/svc/two target=../two
link path=bin target=./usr/bin
link path=usr/sbin target=./bin variant.opensolaris.zone=global
link path=etc/tool target=tool-1 mediator=tool mediator-version=1
link path=etc/tool target=tool-2 mediator=tool mediator-version=2
license LICENSE license=MPL-2.0
legacy pkg=SMPLcore arch=i386 category=system desc=core name=Core vendor=Sample version=1.0
user username=netadm uid=16 group=netadm gcos-field=\"Net Admin\" home-dir=/var password=NP ftpuser=false
group groupname=netadm gid=65
depend fmri=consolidation/osnet/osnet-incorporation type=require
";

const TIME: &str = "
set name=pkg.fmri value=pkg://sample/service/network/time@2.0-1
dir path=var/lib/time owner=time group=time mode=0750
file path=etc/time.keys owner=time group=time mode=0600 preserve=true
file path=etc/overlaid owner=root group=sys mode=0644 overlay=true
user username=time uid=162 group=time home-dir=/var/lib/time login-shell=/bin/false password=NP
group groupname=time gid=162
depend fmri=system/core type=require
";

/// What is in the files that need something in particular.
const CONTENTS: [(&str, &str); 5] = [
    ("etc/passwd", "root:x:0:0:Super-User:/root:/usr/bin/sh\nbin:x:2:2::/:/bin/sh\n"),
    ("etc/shadow", "root:*LK*:6445::::::\nbin:NP:6445::::::\n"),
    ("etc/group", "root::0:\nother::1:root\nbin::2:root\nsys::3:root\n"),
    ("etc/ftpd/ftpusers", "root\n"),
    ("lib/svc/seed/nonglobal.db", "a seed of few services\n"),
];

/// The sample system: its packages, its repository, and the directory for a test's files.
pub(crate) struct Sample {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) packages: Vec<String>,
}

/// What a run of the sample is given, if not the usual.
pub(crate) struct Run<'a> {
    pub(crate) with_origin: bool,
    pub(crate) packages: Selection,
    pub(crate) seed: Seed,
    pub(crate) strict: bool,
    pub(crate) allow_missing: bool,
    pub(crate) output: &'a str,
}

impl Default for Run<'_> {
    fn default() -> Self {
        Self {
            with_origin: true,
            packages: Selection::Installed,
            seed: Seed::Nonglobal,
            strict: false,
            allow_missing: false,
            output: "out",
        }
    }
}

impl Sample {
    pub(crate) fn new() -> Self {
        let packages = [INCORPORATION, CORE, TIME, KERNEL, ENTIRE].map(str::to_owned);
        let directory = tempfile::tempdir().unwrap();
        Self { directory, packages: packages.into() }
    }

    /// The same with a text in the packages replaced.
    pub(crate) fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.packages.iter().any(|package| package.contains(from)), "{from}");
        for package in &mut self.packages {
            *package = package.replace(from, to);
        }
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Publishes the packages; the repository is made once.
    pub(crate) fn repository(&self) -> Repository {
        let path = self.path("repository");
        if path.exists() {
            return Repository::open(path).unwrap();
        }
        let mut repository = Repository::create(path, "sample").unwrap();
        let contents: BTreeMap<_, _> = CONTENTS.into_iter().collect();
        let mut publication = Publication::new("sample", Timestamp::from_epoch(PUBLISHED).unwrap());
        for (number, text) in self.packages.iter().enumerate() {
            let source = self.path(&format!("{number}.p5m"));
            fs::write(&source, text).unwrap();
            let manifest = Manifest::read(&source).unwrap();
            let stem = manifest.fmri().unwrap().stem;
            let files = self.path(&format!("{number}.files"));
            for action in manifest.actions().filter(|action| action.kind.has_payload()) {
                let path = action.payload.as_deref().or(action.path()).unwrap();
                let made_up = format!("{path} of {stem}\n");
                let file = files.join(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, contents.get(path).copied().unwrap_or(&made_up)).unwrap();
            }
            publication.content = vec![files];
            ips::publish(&mut repository, &publication, &[source]).unwrap();
        }
        repository
    }

    /// Installs the packages into a global zone's proto.
    pub(crate) fn try_install(&self) -> Result<Proto, ips::Error> {
        let repository = self.repository();
        let wanted: Vec<String> = repository.packages().iter().map(Fmri::long).collect();
        self.install_from(&repository, &wanted)
    }

    /// Installs some of the packages, and what they need.
    pub(crate) fn install_only(&self, repository: &Repository, wanted: &[&str]) -> Proto {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        self.install_from(repository, &wanted).unwrap()
    }

    fn install_from(
        &self,
        repository: &Repository,
        wanted: &[String],
    ) -> Result<Proto, ips::Error> {
        let date = Timestamp::from_epoch(PUBLISHED + 1000).unwrap();
        let mut proto = new_proto(&self.path("store"));
        ips::create_image(&mut proto, Variants::for_zone("global"), date)?;
        let uri = format!("file://{}", self.path("repository").display());
        ips::set_publisher(&mut proto, Publisher::new("sample", uri), date)?;
        ips::install(&mut proto, wanted, &[repository], &InstallOptions { date })?;
        Ok(proto)
    }

    pub(crate) fn install(&self) -> Proto {
        self.try_install().unwrap()
    }

    /// Writes a proto to disk, as whoever runs the test.
    pub(crate) fn export(&self, proto: &Proto, name: &str) -> PathBuf {
        let directory = self.path(name);
        proto.manifest.export(&proto.contents, &directory).unwrap();
        directory
    }

    pub(crate) fn run(&self, proto: &Proto, run: &Run<'_>) -> Result<Report, baseline::Error> {
        let repository = self.repository();
        let origins: &[&dyn Origin] = if run.with_origin { &[&repository] } else { &[] };
        baseline::generate(&Options {
            proto,
            origins,
            output: &self.path(run.output),
            packages: run.packages,
            seed: &run.seed,
            strict: run.strict,
            allow_missing: run.allow_missing,
            epoch: None,
        })
    }
}

/// One line for each member of an archive behind `oxide.json`, and the contents of its files.
pub(crate) fn listing(archive: &Path) -> (Vec<String>, BTreeMap<String, Vec<u8>>) {
    let mut reader = oxide_archive::open(archive).unwrap();
    let mut lines = Vec::new();
    let mut contents = BTreeMap::new();
    while let Some(member) = reader.next_member().unwrap() {
        let name = member.display_name().trim_end_matches('/').to_owned();
        let mut data = Vec::new();
        let kind = match &member.kind {
            MemberKind::File => {
                reader.read_all(&mut data).unwrap();
                "f".to_owned()
            }
            MemberKind::Directory => "d".to_owned(),
            MemberKind::Symlink { target } => format!("l->{}", String::from_utf8_lossy(target)),
            MemberKind::Hardlink { target } => format!("h->{}", String::from_utf8_lossy(target)),
            other => format!("{other:?}"),
        };
        let owner = member.metadata;
        if name != "oxide.json" {
            lines.push(format!(
                "{name} {:04o} {}:{} {} {kind}",
                owner.mode, owner.uid, owner.gid, owner.mtime.seconds
            ));
        }
        contents.insert(name, data);
    }
    (lines, contents)
}

pub(crate) fn new_proto(directory: &Path) -> Proto {
    Proto::new(Store::create(directory).unwrap())
}
