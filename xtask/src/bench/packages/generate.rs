//! A package repository that looks like that of an operating system, the same each time.
//!
//! Packages have the kinds that a distribution has (programs, libraries, services, drivers,
//! software below `/opt`), a few of them most of the files; they depend on one another, are held
//! by one incorporation, and have older versions, of which only what a solver looks at is there.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::super::generate::{Numbers, Plan, PlannedFile};
use crate::failure::Failure;

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RepositoryPlan {
    /// Packages, at their newest versions.
    pub(crate) packages: u64,
    /// Files and their bytes in all of them.
    pub(crate) files: Plan,
    /// Versions of packages in the catalogue, the newest among them.
    pub(crate) versions: u64,
}

/// The files of all packages, and the manifests in source form: one for each version.
pub(crate) struct Generated {
    pub(crate) files: Vec<PlannedFile>,
    pub(crate) manifests: Vec<String>,
}

/// The packages that are not numbered: the base system, its incorporation, and what installs all.
pub(crate) const CORE: &str = "system/core";
pub(crate) const INCORPORATION: &str = "consolidation/osnet/osnet-incorporation";
pub(crate) const ENTIRE: &str = "entire";
const FURTHER: u64 = 3;

/// Files that the base system needs, and what is in them.
pub(crate) const CORE_FILES: [(&str, &str); 11] = [
    ("etc/passwd", "root:x:0:0:Super-User:/root:/usr/bin/sh\nbin:x:2:2::/:\n"),
    ("etc/shadow", "root:*LK*:6445::::::\nbin:NP:6445::::::\n"),
    ("etc/group", "root::0:\nother::1:root\nbin::2:root\nsys::3:root\n"),
    ("etc/ftpd/ftpusers", "root\nbin\n"),
    ("etc/name_to_major", "clone 11\n"),
    ("etc/driver_aliases", "#\n"),
    ("etc/driver_classes", "#\n"),
    ("etc/minor_perm", "#\n"),
    ("etc/security/device_policy", "#\n"),
    ("etc/security/extra_privs", "#\n"),
    ("lib/svc/seed/nonglobal.db", "a seed without services\n"),
];

const LOCALES: [&str; 6] = ["de", "fr", "ja", "es", "pt_BR", "zh_CN"];

/// What a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Program,
    Library,
    Service,
    Driver,
    Addition,
}

/// A package before it is written down.
struct Package {
    number: u64,
    kind: Kind,
    name: String,
}

impl Package {
    fn new(number: u64) -> Self {
        let (kind, group) = match number % 20 {
            0..=8 => (Kind::Program, ["text", "shell", "developer", "network", "web"]),
            9..=14 => {
                (Kind::Library, ["library", "library/security", "system/library", "x11", "gl"])
            }
            15..=16 => {
                (Kind::Service, ["service", "service/network", "system", "storage", "print"])
            }
            17..=18 => {
                (Kind::Driver, ["driver/network", "driver/storage", "driver", "usb", "audio"])
            }
            _ => (Kind::Addition, ["ooce", "ooce/text", "ooce/network", "extra", "local"]),
        };
        let group = group[(number / 20 % 5) as usize];
        Self { number, kind, name: format!("{group}/part-{number:04}") }
    }

    fn short(&self) -> String {
        format!("part-{:04}", self.number)
    }

    /// How many of the files it has, relative to the others.
    fn weight(&self) -> u64 {
        let size = Numbers::new(self.number.wrapping_mul(977)).size().isqrt();
        match self.kind {
            Kind::Program | Kind::Library => 4 * size,
            Kind::Service | Kind::Driver | Kind::Addition => 1 + size / 4,
        }
    }

    /// Where its file of a number is, and what its action says besides.
    fn place(&self, file: u64) -> (String, &'static str) {
        let name = self.short();
        match (self.kind, file % 16) {
            (Kind::Program, 0) => (format!("usr/bin/{name}-{file}"), "mode=0555"),
            (Kind::Program, 1) => {
                (format!("usr/share/man/man1/{name}-{file}.1"), "mode=0444 facet.doc.man=true")
            }
            (Kind::Program, 2) => {
                let locale = LOCALES[(file / 16 % 6) as usize];
                (format!("usr/share/locale/{locale}/{name}-{file}.mo"), "mode=0444")
            }
            (Kind::Program, 3) if file < 16 => {
                (format!("etc/{name}.conf"), "mode=0644 preserve=renamenew")
            }
            (Kind::Program, _) => {
                (format!("usr/share/{name}/{:02}/data-{file}", file / 100), "mode=0444")
            }
            (Kind::Library, 0..=3) => (format!("usr/lib/amd64/lib{name}-{file}.so.1"), "mode=0755"),
            (Kind::Library, 4..=7) => {
                (format!("usr/include/{name}/{file}.h"), "mode=0444 facet.devel=true")
            }
            (Kind::Library, _) => {
                (format!("usr/lib/{name}/{:02}/module-{file}", file / 100), "mode=0444")
            }
            (Kind::Service, 0) => (format!("lib/svc/manifest/site/{name}-{file}.xml"), "mode=0444"),
            (Kind::Service, 1) => (format!("lib/svc/method/{name}-{file}"), "mode=0555"),
            (Kind::Service, 2..=4) => {
                (format!("etc/{name}/{file}.conf"), "mode=0644 preserve=true")
            }
            (Kind::Service, 5) => (format!("var/{name}/state-{file}"), "mode=0644 preserve=true"),
            (Kind::Service, _) => (format!("usr/lib/{name}/{file}"), "mode=0555"),
            (Kind::Driver, _) => (
                format!("kernel/drv/amd64/{name}-{file}"),
                "mode=0755 variant.opensolaris.zone=global",
            ),
            (Kind::Addition, _) => {
                (format!("opt/ooce/{name}/{:02}/{file}", file / 100), "mode=0444")
            }
        }
    }

    /// What it needs: packages of smaller numbers, and some of them more often than others.
    fn needs(&self) -> Vec<Self> {
        let mut numbers = Numbers::new(self.number << 20);
        let mut needed: Vec<u64> = (0..numbers.below(8).min(self.number))
            .map(|_| numbers.skewed(self.number))
            .filter(|number| Self::new(*number).kind != Kind::Driver || self.kind == Kind::Driver)
            .collect();
        needed.sort_unstable();
        needed.dedup();
        needed.into_iter().map(Self::new).collect()
    }

    /// The version `age` steps before the newest one.
    fn version(age: u64) -> String {
        let build = 22_999_u64.saturating_sub(age);
        format!("0.5.11-2.0.{build}")
    }

    /// What a solver looks at.
    fn head(&self, age: u64) -> String {
        let mut text = head(&self.name, age);
        if self.kind == Kind::Driver {
            text.push_str("set name=variant.opensolaris.zone value=global\n");
        } else {
            text.push_str("set name=variant.opensolaris.zone value=global value=nonglobal\n");
        }
        let _ = writeln!(text, "depend fmri=pkg:/{CORE}@0.5.11 type=require");
        for needed in self.needs() {
            let version = Self::version(age);
            let _ = writeln!(text, "depend fmri=pkg:/{}@{version} type=require", needed.name);
        }
        if self.number % 7 == 3 {
            let _ = writeln!(
                text,
                "depend fmri=pkg:/{} type=optional\ndepend fmri=pkg:/{} predicate=pkg:/{} \
                 type=conditional",
                Self::new(self.number / 2).name,
                Self::new(0).name,
                Self::new(1).name,
            );
        }
        text
    }

    /// The newest version with its files; gives them their paths.
    fn body(&self, files: &mut [PlannedFile]) -> String {
        let name = self.short();
        let mut text = self.head(0);
        let mut directories = std::collections::BTreeSet::new();
        for (number, file) in (0..).zip(files) {
            let (path, says) = self.place(number);
            let mut above = path.as_str();
            while let Some((directory, _)) = above.rsplit_once('/') {
                directories.insert(directory.to_owned());
                above = directory;
            }
            let _ = writeln!(text, "file path={path} owner=root group={} {says}", group(&path));
            if number % 16 == 0 && self.kind == Kind::Library {
                let link = path.trim_end_matches(".1");
                let target = path.rsplit('/').next().unwrap_or_default();
                let _ = writeln!(text, "link path={link} target={target}");
            }
            if number % 64 == 16 && self.kind == Kind::Program {
                let target = path.rsplit('/').next().unwrap_or_default();
                let _ = writeln!(text, "hardlink path={path}-again target={target}");
            }
            file.path = path;
        }
        for directory in directories.iter().filter(|directory| !is_of_core(directory)) {
            let group = group(directory);
            let zone = if directory.starts_with("kernel") {
                " variant.opensolaris.zone=global"
            } else {
                ""
            };
            let _ = writeln!(text, "dir path={directory} owner=root group={group} mode=0755{zone}");
        }
        match self.kind {
            Kind::Service => {
                let id = 1000 + self.number;
                let _ = writeln!(
                    text,
                    "group groupname=s{id} gid={id}\nuser username=s{id} uid={id} group=s{id} \
                     home-dir=/var/{name} login-shell=/bin/false password=NP"
                );
            }
            Kind::Driver => {
                let _ = writeln!(
                    text,
                    "driver name=d{:04} alias=pci8086,{:x} perms=\"* 0600 root sys\"",
                    self.number, self.number
                );
            }
            Kind::Program if self.number.is_multiple_of(40) => {
                for version in ["1.9", "1.10"] {
                    let _ = writeln!(
                        text,
                        "link path=usr/bin/{name} target={name}-{version} mediator={name} \
                         mediator-version={version}"
                    );
                }
            }
            _ => {}
        }
        let _ = writeln!(text, "license license-{} license=cr_Sample", self.number % 9);
        text
    }
}

fn head(name: &str, age: u64) -> String {
    let version = Package::version(age);
    let last = name.rsplit('/').next().unwrap_or_default();
    format!(
        "set name=pkg.fmri value=pkg:/{name}@{version}\n\
         set name=pkg.summary value=\"The package {last} of the measurements\"\n\
         set name=pkg.description value=\"{last} has files that look like those of a system.\"\n\
         set name=info.classification value=org.opensolaris.category.2008:System/Core\n\
         set name=variant.arch value=i386\n"
    )
}

fn group(path: &str) -> &'static str {
    if path.starts_with("etc") || path.starts_with("var") || path.starts_with("kernel") {
        "sys"
    } else {
        "bin"
    }
}

/// Directories that the base system has already.
fn is_of_core(path: &str) -> bool {
    DIRECTORIES.contains(&path)
}

const DIRECTORIES: [&str; 20] = [
    "etc",
    "etc/ftpd",
    "etc/security",
    "etc/svc",
    "etc/svc/profile",
    "kernel",
    "lib",
    "lib/svc",
    "lib/svc/manifest",
    "lib/svc/manifest/site",
    "lib/svc/method",
    "lib/svc/seed",
    "opt",
    "usr",
    "usr/bin",
    "usr/include",
    "usr/lib",
    "usr/lib/amd64",
    "usr/share",
    "var",
];

fn core(age: u64) -> String {
    let mut text = head(CORE, age);
    text.push_str("set name=variant.opensolaris.zone value=global value=nonglobal\n");
    let _ = writeln!(text, "depend fmri=pkg:/{INCORPORATION} type=require");
    if age > 0 {
        return text;
    }
    for directory in DIRECTORIES {
        let group = group(directory);
        let zone = match directory {
            "kernel" => " variant.opensolaris.zone=global",
            _ => "",
        };
        let _ = writeln!(text, "dir path={directory} owner=root group={group} mode=0755{zone}");
    }
    for (path, _) in CORE_FILES {
        let says = match path {
            "etc/shadow" => "mode=0400 preserve=true",
            "lib/svc/seed/nonglobal.db" => "mode=0444 variant.opensolaris.zone=nonglobal",
            _ => "mode=0644 preserve=true",
        };
        let _ = writeln!(text, "file path={path} owner=root group={} {says}", group(path));
    }
    text
}

fn incorporation(packages: &[Package], age: u64) -> String {
    let mut text = head(INCORPORATION, age);
    text.push_str("set name=variant.opensolaris.zone value=global value=nonglobal\n");
    let version = Package::version(age);
    for name in packages.iter().map(|package| package.name.as_str()).chain([CORE]) {
        let _ = writeln!(text, "depend fmri=pkg:/{name}@{version} type=incorporate");
    }
    text
}

fn entire(packages: &[Package], age: u64) -> String {
    let mut text = head(ENTIRE, age);
    let version = Package::version(age);
    let _ = writeln!(text, "depend fmri=pkg:/{INCORPORATION}@{version} type=require");
    let _ = writeln!(text, "depend fmri=pkg:/{INCORPORATION}@{version} type=incorporate");
    for package in packages {
        let _ = writeln!(text, "depend fmri=pkg:/{} type=group", package.name);
    }
    text
}

impl RepositoryPlan {
    /// Everything but the contents of files.
    pub(crate) fn generate(self) -> Generated {
        let count = self.packages.saturating_sub(FURTHER).max(1);
        let packages: Vec<Package> = (0..count).map(Package::new).collect();
        let mut files = self.files.list();
        let shares = shares(&packages, files.len());
        let mut manifests = vec![core(0), incorporation(&packages, 0), entire(&packages, 0)];
        let mut rest = files.as_mut_slice();
        for (package, share) in packages.iter().zip(shares) {
            let (own, others) = rest.split_at_mut(share);
            manifests.push(package.body(own));
            rest = others;
        }
        let newest = u64::try_from(manifests.len()).unwrap_or(u64::MAX);
        for older in 0..self.versions.saturating_sub(newest) {
            let age = 1 + older / newest;
            manifests.push(match older % newest {
                0 => core(age),
                1 => incorporation(&packages, age),
                2 => entire(&packages, age),
                number => packages[(number - FURTHER) as usize].head(age),
            });
        }
        Generated { files, manifests }
    }

    /// Writes the files below a directory.
    pub(crate) fn write(files: &[PlannedFile], tree: &Path) -> Result<(), Failure> {
        let words = super::super::generate::Words::new();
        files.par_iter().try_for_each(|file| file.write(tree, &words).map_err(Failure::new))?;
        let further = CORE_FILES.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let licenses = (0..9).map(|number| {
            (
                format!("license-{number}"),
                format!("Licence {number} of the measurements.\n").repeat(99),
            )
        });
        for (path, text) in further.into_iter().chain(licenses) {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap_or(tree))?;
            fs::write(path, text)?;
        }
        Ok(())
    }
}

/// How many files each package has: at least one, and all of them together.
fn shares(packages: &[Package], files: usize) -> Vec<usize> {
    let weights: Vec<u64> = packages.iter().map(Package::weight).collect();
    let sum: u64 = weights.iter().sum();
    let mut before = 0;
    let mut given = 0;
    let mut shares = Vec::new();
    for weight in weights {
        before += weight;
        let until = u128::from(before) * files as u128 / u128::from(sum.max(1));
        let until = usize::try_from(until).unwrap_or(files).max(given);
        shares.push(until - given);
        given = until;
    }
    shares
}

#[cfg(test)]
mod tests {
    use ips::Manifest;

    use super::*;

    const SMALL: RepositoryPlan = RepositoryPlan {
        packages: 60,
        files: Plan { files: 500, bytes: 2_000_000 },
        versions: 200,
    };

    #[test]
    fn numbers_are_as_planned_and_always_the_same() {
        let generated = SMALL.generate();
        assert_eq!(generated.manifests.len(), 200);
        assert_eq!(generated.files.len(), 500);
        let manifests: Vec<Manifest> =
            generated.manifests.iter().map(|text| Manifest::parse("x", text).unwrap()).collect();
        let kinds = |kind| manifests.iter().flat_map(move |m| m.of_kind(kind)).count();
        assert_eq!(kinds(ips::ActionKind::File), 500 + CORE_FILES.len());
        for kind in ips::ActionKind::ALL {
            let absent = matches!(kind, ips::ActionKind::Legacy | ips::ActionKind::Signature);
            assert_eq!(kinds(kind) == 0, absent, "{kind}");
        }
        let mut names: Vec<String> =
            manifests.iter().map(|manifest| manifest.fmri().unwrap().to_string()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 200);
        let all = proto::Digest::of(generated.manifests.concat().as_bytes()).to_string();
        // Measurements of different days are of the same packages only while this holds.
        assert_eq!(all, "e0306a836b5b08f6220fbe75f048edc71f8d682149c36d6fa8ab90feeeed8034");
    }
}
