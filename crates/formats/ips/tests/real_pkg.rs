//! Against a real pkg(1). `RELENG_PKG` names the program; run with `--ignored`. `RELENG_SEEDS`
//! (`FROM..TO`) says which of the generated sets of packages are tried.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output};

use ips::{Fmri, Image, Lock, LockOrigin, LockedPackage, Origin, solve};
use proto::Digest;
use support::*;

/// An image of the real pkg(1).
struct Real {
    image: PathBuf,
}

impl Real {
    fn create(depot: &Depot, name: &str) -> Self {
        let real = Self { image: depot.dir.path().join(name) };
        let origin = format!("test=file://{}", depot.dir.path().join("repo").display());
        let image = real.image.display().to_string();
        let arguments =
            ["image-create", "-F", "--variant", "variant.arch=i386", "-p", &origin, &image];
        let done = run(&arguments);
        assert!(done.status.success(), "{done:?}");
        real
    }

    fn pkg(&self, arguments: &[&str]) -> Output {
        run(&[&["-R", self.image.to_str().unwrap()], arguments].concat())
    }

    /// What an installation would add, without doing it; none if it refuses.
    fn plan(&self, request: &[&str]) -> Option<BTreeSet<String>> {
        let done = self.pkg(&[&["install", "-n", "--parsable=0"], request].concat());
        match done.status.code() {
            // Everything is there already.
            Some(4) => return Some(BTreeSet::new()),
            Some(0) => {}
            _ => return None,
        }
        let text = String::from_utf8(done.stdout).unwrap();
        let line = text.lines().find(|line| line.starts_with('{')).expect("no plan in JSON");
        let plan: serde_json::Value = serde_json::from_str(line).unwrap();
        let added = plan["add-packages"].as_array().unwrap().iter();
        Some(added.map(|fmri| short(&Fmri::parse(fmri.as_str().unwrap()).unwrap())).collect())
    }
}

fn run(arguments: &[&str]) -> Output {
    let program = std::env::var_os("RELENG_PKG").expect("RELENG_PKG is not set");
    Command::new(program).args(arguments).output().unwrap()
}

fn short(fmri: &Fmri) -> String {
    format!("{}@{}", fmri.stem, fmri.version.as_ref().unwrap().release)
}

/// Numbers that follow from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

const STEMS: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
const VERSIONS: [&str; 4] = ["1", "1.1", "2", "3"];
const KINDS: [&str; 12] = [
    "require",
    "require",
    "require",
    "require",
    "incorporate",
    "optional",
    "conditional",
    "group",
    "group-any",
    "exclude",
    "require-any",
    "incorporate",
];

/// A set of packages that depend on each other in any way: each package's text by its name.
fn packages(numbers: &mut Numbers) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for stem in STEMS {
        let versions = &VERSIONS[numbers.below(2)..][..1 + numbers.below(3)];
        for (at, version) in versions.iter().enumerate() {
            let last = at + 1 == versions.len();
            let mut text = String::new();
            let mut count = numbers.below(3);
            match numbers.below(20) {
                0 if last => {
                    text += "set name=pkg.obsolete value=true\n";
                    count = 0;
                }
                1 if last => {
                    text += "set name=pkg.renamed value=true\n";
                    text += &format!("depend type=require fmri={}\n", other(numbers, stem, false));
                    count = 0;
                }
                _ => {}
            }
            for _ in 0..count {
                let kind = numbers.pick(&KINDS);
                let is_any = kind.ends_with("-any");
                let versioned = kind == "incorporate" || numbers.below(3) == 0;
                text += &format!("depend type={kind} fmri={}", other(numbers, stem, versioned));
                if is_any {
                    text += &format!(" fmri={}", other(numbers, stem, false));
                }
                if kind == "conditional" {
                    text += &format!(" predicate={}", other(numbers, stem, false));
                }
                text.push('\n');
            }
            all.insert(format!("{stem}@{version}"), text);
        }
    }
    all
}

fn other(numbers: &mut Numbers, stem: &str, versioned: bool) -> String {
    let others: Vec<&str> = STEMS.into_iter().filter(|other| *other != stem).collect();
    let stem = numbers.pick(&others);
    match versioned {
        true => format!("{stem}@{}", numbers.pick(&VERSIONS)),
        false => stem.to_owned(),
    }
}

fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("RELENG_SEEDS").unwrap_or_else(|_| "0..40".to_owned());
    let (from, to) = text.split_once("..").expect("FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
#[ignore = "needs RELENG_PKG"]
fn the_same_packages_are_chosen() {
    let mut differ = Vec::new();
    let (mut same, mut refused) = (0, 0);
    for seed in seeds() {
        let mut numbers = Numbers(seed);
        let all = packages(&mut numbers);
        let mut depot = Depot::new();
        for (name, text) in &all {
            depot.add(name, text);
        }
        depot.repository.write_catalogs(date()).unwrap();
        let request: Vec<&str> = (0..1 + numbers.below(2)).map(|_| numbers.pick(&STEMS)).collect();
        let image = Image::read(&depot.image()).unwrap();
        let ours = solve(&image, &depot.origins(), &names(&request));
        let chosen: Option<BTreeSet<String>> = ours
            .as_ref()
            .ok()
            .map(|chosen| chosen.iter().map(|package| short(&package.fmri)).collect());
        let theirs = Real::create(&depot, "real").plan(&request);
        match (&chosen, &theirs) {
            (None, None) => refused += 1,
            _ if chosen == theirs => same += 1,
            _ => {
                let list: String = all
                    .iter()
                    .map(|(n, t)| format!("  {n}\n{}", t.replace("depend", "     ")))
                    .collect();
                let why = ours.err().map(|error| error.to_string()).unwrap_or_default();
                differ.push(format!(
                    "seed {seed}: {request:?}\n  ours {chosen:?} {why}\n  pkg  {theirs:?}\n{list}"
                ));
            }
        }
    }
    assert!(same > refused, "{same} the same, {refused} refused by both: too few are possible");
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

#[test]
#[ignore = "needs RELENG_PKG"]
fn an_exported_incorporation_holds_what_was_locked() {
    let mut depot = Depot::new();
    for (name, text) in [
        ("top@1", "depend type=require fmri=lib\n"),
        ("top@2", "depend type=require fmri=lib@1\n"),
        ("lib@1", ""),
        ("lib@1.1", ""),
        ("lib@2", ""),
        ("other@1", "depend type=require fmri=lib@2\n"),
    ] {
        depot.add(name, text);
    }
    let locked: Vec<LockedPackage> = ["top@1", "lib@1.1"]
        .iter()
        .map(|name| {
            let fmri =
                depot.repository.packages().iter().find(|fmri| short(fmri) == *name).unwrap();
            LockedPackage {
                digest: Digest::of(depot.repository.manifest_text(fmri).unwrap().as_bytes()),
                fmri: fmri.clone(),
                origin: "repo".to_owned(),
            }
        })
        .collect();
    let origins =
        vec![LockOrigin { location: "repo".to_owned(), publishers: vec!["test".to_owned()] }];
    let lock = Lock::new(origins, locked).unwrap();
    let name: Fmri = "pkg://test/hold@1".parse().unwrap();
    let manifest = lock.incorporation(&name, "what was locked").unwrap();
    let text: String = manifest
        .actions()
        .filter(|action| action.get("name") != Some("pkg.fmri"))
        .map(|action| format!("{action}\n"))
        .collect();
    depot.add("hold@1", &text);
    depot.repository.write_catalogs(date()).unwrap();

    let real = Real::create(&depot, "real");
    let plan = |request: &[&str]| real.plan(request);
    let set = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(plan(&["top"]), set(&["lib@2", "top@2"]), "nothing holds them");
    assert_eq!(plan(&["hold", "top"]), set(&["hold@1", "lib@1.1", "top@1"]));
    assert_eq!(plan(&["hold", "other"]), None, "other needs a newer one than is held");
    let done = real.pkg(&["install", "hold"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(plan(&["top"]), set(&["lib@1.1", "top@1"]));
    assert_eq!(plan(&["lib@2"]), None);
}
