//! Against a real pkg(1). `RELENG_PKG` names the program; run with `--ignored`. `RELENG_SEEDS`
//! (`FROM..TO`) says which of the generated sets of packages are tried.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output};

use ips::{
    Chosen, Error, Fmri, Image, ImportOptions, Lock, LockOrigin, LockedPackage, Origin,
    import_root, solve, solve_removal,
};
use proto::{Digest, Store};
use support::*;

/// Names and versions of packages, with publishers.
type Names = BTreeSet<String>;

/// An image of the real pkg(1).
struct Real {
    image: PathBuf,
}

impl Real {
    fn create(depot: &Depot, arguments: &[&str]) -> Self {
        let real = Self { image: depot.dir.path().join("real") };
        let origin = format!("test={}", Self::location(depot));
        let image = real.image.display().to_string();
        let first = ["image-create", "-F", "--variant", "variant.arch=i386", "-p", &origin];
        let done = run(&[&first, arguments, &[&image]].concat());
        assert!(done.status.success(), "{done:?}");
        real
    }

    fn location(depot: &Depot) -> String {
        format!("file://{}", depot.dir.path().join("repo").display())
    }

    fn pkg(&self, arguments: &[&str]) -> Output {
        run(&[&["-R", self.image.to_str().unwrap()], arguments].concat())
    }

    fn must(&self, arguments: &[&str]) {
        let done = self.pkg(arguments);
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }

    /// The image, read by us.
    fn read(&self, depot: &Depot) -> Image {
        let store = Store::create(depot.dir.path().join("store")).unwrap();
        Image::read(&import_root(&self.image, store, &ImportOptions::default()).unwrap()).unwrap()
    }

    /// What an operation would leave in the image, without doing it; none if it refuses.
    fn plan(&self, before: &Names, operation: &[&str], request: &[&str]) -> Option<Names> {
        self.try_plan(before, operation, request).ok()
    }

    fn try_plan(
        &self,
        before: &Names,
        operation: &[&str],
        request: &[&str],
    ) -> Result<Names, String> {
        let done = self.pkg(&[operation, &["-n", "--parsable=0"], request].concat());
        match done.status.code() {
            // Everything is there already.
            Some(4) => return Ok(before.clone()),
            Some(0) => {}
            _ => return Err(format!("{done:?}")),
        }
        let text = String::from_utf8(done.stdout).unwrap();
        let line = text.lines().find(|line| line.starts_with('{')).expect("no plan in JSON");
        let plan: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = |fmri: &serde_json::Value| short(&fmri.as_str().unwrap().parse().unwrap());
        let list = |key: &str| plan[key].as_array().unwrap().clone();
        let mut after = before.clone();
        for removed in list("remove-packages") {
            after.remove(&name(&removed));
        }
        for changed in list("change-packages") {
            after.remove(&name(&changed[0]));
            after.insert(name(&changed[1]));
        }
        after.extend(list("add-packages").iter().map(name));
        Ok(after)
    }

    fn install(&self, request: &[&str]) -> Option<Names> {
        self.plan(&Names::new(), &["install"], request)
    }
}

fn run(arguments: &[&str]) -> Output {
    let program = std::env::var_os("RELENG_PKG").expect("RELENG_PKG is not set");
    Command::new(program).args(arguments).output().unwrap()
}

fn short(fmri: &Fmri) -> String {
    let publisher = fmri.publisher.as_deref().filter(|publisher| *publisher != "test");
    let publisher = publisher.map(|publisher| format!("//{publisher}/")).unwrap_or_default();
    format!("{publisher}{}@{}", fmri.stem, fmri.version.as_ref().unwrap().release)
}

/// The name that pkg takes for it and nothing else.
fn full(short: &str) -> String {
    match short.strip_prefix("//") {
        Some(name) => format!("pkg://{name}"),
        None => format!("pkg://test/{short}"),
    }
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
/// What asks for steps in between comes last: it only counts where something is installed.
const KINDS: [&str; 14] = [
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
    "parent",
    "origin",
];
const CONDITIONS: [&str; 6] = [
    "variant.arch=i386",
    "variant.arch=sparc",
    "facet.off=true",
    "facet.off=all facet.on=true",
    "facet.off=true facet.on=true",
    "facet.on=true",
];

/// A set of packages that depend on each other in any way: each package's text by its name.
fn packages(numbers: &mut Numbers, versions: &[&str]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for stem in STEMS {
        let from = numbers.below(2).min(versions.len() - 1);
        let count = (1 + numbers.below(3)).min(versions.len() - from);
        for (at, version) in versions[from..from + count].iter().enumerate() {
            let last = at + 1 == count;
            let kinds = &KINDS[..KINDS.len() - 1];
            all.insert(format!("{stem}@{version}"), package(numbers, kinds, stem, last));
        }
    }
    all
}

fn package(numbers: &mut Numbers, kinds: &[&str], stem: &str, last: bool) -> String {
    let mut text = String::new();
    match numbers.below(20) {
        0 if last => return "set name=pkg.obsolete value=true\n".to_owned(),
        1 | 2 if last => {
            let target = other(numbers, stem, false);
            return format!("set name=pkg.renamed value=true\ndepend type=require fmri={target}\n");
        }
        3 => text += "set name=variant.arch value=sparc\n",
        4 => text += "set name=variant.arch value=sparc value=i386\n",
        5 if last => text += "set name=pkg.depend.explicit-install value=true\n",
        _ => {}
    }
    for _ in 0..numbers.below(3) {
        let kind = numbers.pick(kinds);
        let versioned = kind == "incorporate" || kind == "origin" || numbers.below(3) == 0;
        text += &format!("depend type={kind} fmri={}", other(numbers, stem, versioned));
        if kind.ends_with("-any") {
            text += &format!(" fmri={}", other(numbers, stem, false));
        }
        if kind == "conditional" {
            text += &format!(" predicate={}", other(numbers, stem, false));
        }
        if numbers.below(6) == 0 {
            text += &format!(" {}", numbers.pick(&CONDITIONS));
        }
        text.push('\n');
    }
    text
}

fn other(numbers: &mut Numbers, stem: &str, versioned: bool) -> String {
    let others: Vec<&str> = STEMS.into_iter().filter(|other| *other != stem).collect();
    let stem = numbers.pick(&others);
    match versioned {
        true => format!("{stem}@{}", numbers.pick(&VERSIONS)),
        false => stem.to_owned(),
    }
}

fn request(numbers: &mut Numbers) -> Vec<String> {
    let mut stems: Vec<&str> = (0..1 + numbers.below(2)).map(|_| numbers.pick(&STEMS)).collect();
    stems.dedup();
    let version = |(stem, at): (&str, usize)| match at {
        0 | 1 => format!("{stem}@{}", VERSIONS[at]),
        2 => format!("{stem}@latest"),
        _ => stem.to_owned(),
    };
    stems.into_iter().map(|stem| version((stem, numbers.below(12)))).collect()
}

fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("RELENG_SEEDS").unwrap_or_else(|_| "0..40".to_owned());
    let (from, to) = text.split_once("..").expect("FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

/// What came of comparing.
#[derive(Default)]
struct Tally {
    same: usize,
    refused: usize,
    /// Where one of several had to be taken, another was.
    others: usize,
    /// pkg did not find what it accepts.
    more: usize,
    differ: Vec<String>,
}

/// A set of packages, an image of them, and what is compared.
struct Trial {
    seed: u64,
    depot: Depot,
    real: Real,
    texts: BTreeMap<String, String>,
    notes: String,
}

impl Trial {
    fn new(seed: u64, numbers: &mut Numbers) -> Self {
        let mut depot = Depot::new();
        let mut texts = packages(numbers, &VERSIONS[..3]);
        let two = numbers.below(3) == 0;
        if two {
            let more = packages(numbers, &VERSIONS[..2]);
            let some = more.into_iter().filter(|_| numbers.below(4) == 0);
            texts.extend(some.map(|(name, text)| (format!("//extra/{name}"), text)));
            texts.insert("//extra/only@1".to_owned(), String::new());
        }
        publish(&mut depot, &texts, 0);
        let real = Real::create(&depot, &["--facet", "facet.off=false"]);
        let mut notes = String::new();
        if two {
            let location = Real::location(&depot);
            real.must(&["set-publisher", "-g", &location, "extra"]);
            if numbers.below(2) == 0 {
                real.must(&["set-publisher", "--non-sticky", "test"]);
                notes += "  test is not sticky\n";
            }
            if numbers.below(3) == 0 {
                real.must(&["set-publisher", "--search-before", "test", "extra"]);
                notes += "  extra comes first\n";
            }
        }
        Self { seed, depot, real, texts, notes }
    }

    /// Compares one operation; what the image is to hold then, if both say the same.
    fn compare(
        &self,
        tally: &mut Tally,
        operation: &str,
        request: &[String],
        ours: impl Fn(&Image) -> Result<Vec<Chosen>, Error>,
    ) -> Option<Names> {
        let image = self.real.read(&self.depot);
        let before: Names = image.packages.iter().map(|package| short(&package.fmri)).collect();
        let words: Vec<&str> = request.iter().map(String::as_str).collect();
        let theirs = self.real.try_plan(&before, &[operation], &words);
        let (theirs, message) = (theirs.as_ref().ok().cloned(), theirs.err().unwrap_or_default());
        let ours = ours(&image);
        let chosen = ours
            .as_ref()
            .ok()
            .map(|chosen| chosen.iter().map(|package| short(&package.fmri)).collect::<Names>());
        match (&chosen, &theirs) {
            (None, None) => tally.refused += 1,
            (Some(chosen), Some(theirs)) if chosen == theirs => {
                tally.same += 1;
                return Some(chosen.clone());
            }
            (Some(chosen), theirs) if self.is_accepted(&before, &words, chosen, theirs) => {
                match theirs {
                    Some(_) => tally.others += 1,
                    None => tally.more += 1,
                }
            }
            _ => {
                let list: String = self
                    .texts
                    .iter()
                    .map(|(n, t)| format!("  {n}\n{}", t.replace("depend", "     ")))
                    .collect();
                let why = ours.err().map(|error| error.to_string()).unwrap_or_default();
                tally.differ.push(format!(
                    "seed {}: {operation} {request:?} in {before:?}\n  ours {chosen:?} {why}\n  \
                     pkg  {theirs:?} {message}\n{}{list}",
                    self.seed, self.notes
                ));
            }
        }
        None
    }

    /// Whether pkg takes exactly these packages if they are named, where it took others (which it
    /// may if one of several is needed) or found none.
    fn is_accepted(
        &self,
        before: &Names,
        request: &[&str],
        chosen: &Names,
        theirs: &Option<Names>,
    ) -> bool {
        let mut in_question = chosen.iter().chain(theirs.iter().flatten());
        let any = |name: &String| self.texts.get(name).is_some_and(|text| text.contains("-any"));
        if theirs.is_some() && !in_question.any(any) {
            return false;
        }
        let mut named: Vec<String> = chosen.iter().map(|name| full(name)).collect();
        named.extend(request.iter().map(|name| (*name).to_owned()).filter(|name| {
            let stem = name.split('@').next().unwrap_or_default();
            !chosen.iter().any(|chosen| chosen.split('@').next() == Some(stem))
        }));
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        self.real.plan(before, &["install"], &named).as_ref() == Some(chosen)
    }

    fn install(&self, tally: &mut Tally, request: &[String]) -> Option<Names> {
        let origins = self.depot.origins();
        self.compare(tally, "install", request, |image| solve(image, &origins, request))
    }
}

fn publish(depot: &mut Depot, texts: &BTreeMap<String, String>, hour: u8) {
    for publisher in ["test", "extra"] {
        // Without catalogs the manifests count.
        let dir = depot.dir.path().join("repo/publisher").join(publisher).join("catalog");
        let _ = std::fs::remove_dir_all(dir);
    }
    for (name, text) in texts {
        depot.add(&full(name), text);
    }
    let date = format!("2026010{}T030405Z", 2 + hour);
    depot.repository.write_catalogs(date.parse().unwrap()).unwrap();
}

#[test]
#[ignore = "needs RELENG_PKG"]
fn the_same_packages_are_chosen() {
    let mut tally = Tally::default();
    for seed in seeds() {
        let mut numbers = Numbers(seed);
        let mut trial = Trial::new(seed, &mut numbers);
        let first = request(&mut numbers);
        if trial.install(&mut tally, &first).is_none_or(|chosen| chosen.is_empty()) {
            continue;
        }
        let words: Vec<&str> = first.iter().map(String::as_str).collect();
        trial.real.must(&[&["install"], &words[..]].concat());
        trial.notes += &format!("  installed: {first:?}\n");
        // Later: there are newer versions, some of what is there is frozen, and things are avoided.
        let newer: BTreeMap<String, String> = STEMS
            .iter()
            .filter(|_| numbers.below(2) == 0)
            .map(|stem| format!("{stem}@3"))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|name| {
                let text = package(&mut numbers, &KINDS, &name[..1], true);
                (name, text)
            })
            .collect();
        publish(&mut trial.depot, &newer, 1);
        trial.texts.extend(newer);
        let stem = numbers.pick(&STEMS);
        match numbers.below(4) {
            0 if trial.real.pkg(&["freeze", stem]).status.success() => {
                trial.notes += &format!("  frozen: {stem}\n");
            }
            1 if trial.real.pkg(&["avoid", stem]).status.success() => {
                trial.notes += &format!("  avoided: {stem}\n");
            }
            _ => {}
        }
        for _ in 0..2 {
            trial.install(&mut tally, &request(&mut numbers));
        }
        let image = trial.real.read(&trial.depot);
        let there: Vec<&str> = image.packages.iter().map(|p| p.fmri.stem.as_str()).collect();
        let gone = [numbers.pick(&there).to_owned()];
        // Where one of several is needed, pkg may take another then; we refuse or go without.
        let any = |package: &ips::InstalledPackage| package.manifest.to_string().contains("-any");
        if image.packages.iter().any(any) {
            continue;
        }
        trial.compare(&mut tally, "uninstall", &gone, |image| solve_removal(image, &gone));
    }
    let Tally { same, refused, others, more, differ } = tally;
    let text = format!(
        "{same} the same, {refused} refused by both, {others} another of several, {more} pkg did \
         not find"
    );
    assert!(same > refused, "{text}: too few are possible");
    // Odd ones are left: pkg gives up an obsolete package that was named for a newer version of
    // another, and knows of no alternative to what it has left out before it solves.
    let few = (same + refused) / 50;
    assert!(differ.len() <= few, "{text}; {} differ:\n{}", differ.len(), differ.join("\n"));
    assert!(others < same / 10 && more < same / 10, "{text}");
    assert!(same + refused > 0, "{text}");
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

    let real = Real::create(&depot, &[]);
    let plan = |request: &[&str]| real.install(request);
    let set = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(plan(&["top"]), set(&["lib@2", "top@2"]), "nothing holds them");
    assert_eq!(plan(&["hold", "top"]), set(&["hold@1", "lib@1.1", "top@1"]));
    assert_eq!(plan(&["hold", "other"]), None, "other needs a newer one than is held");
    let done = real.pkg(&["install", "hold"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(plan(&["top"]), set(&["lib@1.1", "top@1"]));
    assert_eq!(plan(&["lib@2"]), None);
}
