//! Images after the same steps, ours and those of a real pkg(1). `RELENG_PKG` names the program,
//! which must run as root; run with `--ignored`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ips::{change_facets, change_variants, install, set_properties, uninstall};
use proto::{Entry, Kind, Metadata, Proto};
use support::*;

/// What is done to both images.
enum Step {
    /// `pkg install`.
    Install(&'static str),
    /// `pkg uninstall`.
    Uninstall(&'static str),
    /// A package comes into the repository.
    Publish(&'static str, &'static str),
    /// Somebody writes a file.
    Edit(&'static str, &'static str),
    /// Somebody removes a file.
    Remove(&'static str),
    /// `pkg change-facet`.
    Facet(&'static str, Option<bool>),
    /// `pkg change-variant`.
    Variant(&'static str, &'static str),
    /// `pkg set-property exclude-patterns`, as a list with one pattern.
    Exclude(&'static str),
}
use Step::*;

struct Trial {
    depot: Depot,
    real: PathBuf,
    ours: Proto,
    hour: u8,
}

impl Trial {
    fn new() -> Self {
        let depot = Depot::with_base();
        depot.repository.write_catalogs(date()).unwrap();
        let ours = depot.image();
        let real = depot.dir.path().join("real");
        let trial = Self { depot, real, ours, hour: 0 };
        let origin = format!("test=file://{}", trial.depot.dir.path().join("repo").display());
        let image = trial.real.display().to_string();
        let create =
            ["image-create", "-F", "--variant", "variant.arch=i386", "-p", &origin, &image];
        let done = Command::new(program()).args(create).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        trial
    }

    /// Carries out a step; whether pkg did, and whether we did.
    fn step(&mut self, step: &Step) -> (Result<(), String>, Result<(), String>) {
        let (origins, options) = ([&self.depot.repository as &dyn ips::Origin], options());
        let ours = &mut self.ours;
        let words = |text: &'static str| -> Vec<&str> { text.split(' ').collect() };
        let list = |text: &'static str| names(&words(text));
        let said = |done: Result<ips::Report, ips::Error>| {
            done.map(drop).map_err(|error| error.to_string())
        };
        match step {
            Install(what) => {
                let done = install(ours, &list(what), &origins, &options);
                (self.pkg("install", &words(what)), said(done))
            }
            Uninstall(what) => {
                let done = uninstall(ours, &list(what), &options);
                (self.pkg("uninstall", &words(what)), said(done))
            }
            Facet(name, value) => {
                let word = value.map_or("none".to_owned(), |value| value.to_string());
                let done = change_facets(ours, &[((*name).to_owned(), *value)], &origins, &options);
                (self.pkg("change-facet", &[&format!("{name}={word}")]), said(done))
            }
            Variant(name, value) => {
                let pair = ((*name).to_owned(), (*value).to_owned());
                let done = change_variants(ours, &[pair], &origins, &options);
                (self.pkg("change-variant", &[&format!("{name}={value}")]), said(done))
            }
            Exclude(pattern) => {
                let pair = ("exclude-patterns".to_owned(), format!("['{pattern}']"));
                let done = set_properties(ours, &[pair], date()).map_err(|e| e.to_string());
                (self.pkg("add-property-value", &["exclude-patterns", pattern]), done)
            }
            Publish(name, text) => {
                let catalog = self.depot.dir.path().join("repo/publisher/test/catalog");
                let _ = fs::remove_dir_all(catalog);
                self.depot.add(name, text);
                self.hour += 1;
                let date = format!("20260102T{:02}0405Z", 3 + self.hour);
                self.depot.repository.write_catalogs(date.parse().unwrap()).unwrap();
                (Ok(()), Ok(()))
            }
            Edit(at, text) => {
                fs::write(self.real.join(at), text).unwrap();
                let digest = ours.contents.store.add_bytes(text.as_bytes()).unwrap();
                let there = ours.manifest.get(&path(at)).map(|entry| entry.metadata);
                let metadata = there.unwrap_or(Metadata::root(0o644));
                ours.manifest.replace(path(at), Entry::new(Kind::File(digest), metadata));
                (Ok(()), Ok(()))
            }
            Remove(at) => {
                fs::remove_file(self.real.join(at)).unwrap();
                ours.manifest.remove(&path(at));
                (Ok(()), Ok(()))
            }
        }
    }

    fn pkg(&self, command: &str, arguments: &[&str]) -> Result<(), String> {
        let mut pkg = Command::new(program());
        let done = pkg.arg("-R").arg(&self.real).arg(command).args(arguments).output().unwrap();
        match done.status.code() {
            Some(0 | 4) => Ok(()),
            _ => Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
        }
    }
}

fn program() -> std::ffi::OsString {
    std::env::var_os("RELENG_PKG").expect("RELENG_PKG is not set")
}

type Tree = BTreeMap<String, String>;

fn is_seen(path: &str) -> bool {
    path != "/" && path != "var" && !path.starts_with("var/pkg")
}

fn line(kind: &str, mode: u32, uid: u32, gid: u32, rest: &str) -> String {
    format!("{kind} {mode:o} {uid}:{gid} {rest}")
}

/// Passwords' dates are those of the day.
fn undated(path: &str, text: String) -> String {
    if path.ends_with("/pkginfo") {
        return text.lines().filter(|line| !line.starts_with("INSTDATE")).collect();
    }
    if path != "etc/shadow" {
        return text;
    }
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(':').collect();
        if let Some(date) = fields.get_mut(2) {
            *date = "";
        }
        fields.join(":")
    };
    text.lines().map(line).collect::<Vec<_>>().join("|")
}

fn ours(proto: &Proto) -> Tree {
    let mut tree = Tree::new();
    for (path, entry) in proto.manifest.iter() {
        let name = path.to_string();
        if !is_seen(&name) {
            continue;
        }
        let (file, real) = proto.manifest.resolve_hardlink(path).unwrap();
        let m = real.metadata;
        let text = match &entry.kind {
            Kind::Directory => line("dir", m.mode, m.uid, m.gid, ""),
            Kind::Symlink { target } => format!("link {}", String::from_utf8_lossy(target)),
            _ => {
                let bytes = proto.contents.read(file, real.content().unwrap()).unwrap();
                let text = undated(&name, String::from_utf8(bytes).unwrap());
                line("file", m.mode, m.uid, m.gid, &format!("{text:?}"))
            }
        };
        tree.insert(name, text);
    }
    tree
}

fn theirs(root: &Path, at: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(at).unwrap() {
        let at = entry.unwrap().path();
        let name = at.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let m = at.symlink_metadata().unwrap();
        let mode = m.mode() & 0o7777;
        if m.is_dir() {
            theirs(root, &at, tree);
        }
        if !is_seen(&name) {
            continue;
        }
        let text = if m.is_symlink() {
            format!("link {}", fs::read_link(&at).unwrap().display())
        } else if m.is_dir() {
            line("dir", mode, m.uid(), m.gid(), "")
        } else {
            let text = undated(&name, fs::read_to_string(&at).unwrap());
            line("file", mode, m.uid(), m.gid(), &format!("{text:?}"))
        };
        tree.insert(name, text);
    }
}

/// Takes both images through the steps; after each they must be equal.
fn run(steps: &[Step]) -> Vec<String> {
    let mut trial = Trial::new();
    let mut wrong = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let (real, done) = trial.step(step);
        if real.is_ok() != done.is_ok() {
            wrong.push(format!("step {number}: pkg {real:?}, ours {done:?}"));
        }
        let mut real = Tree::new();
        theirs(&trial.real, &trial.real, &mut real);
        let ours = ours(&trial.ours);
        let paths: std::collections::BTreeSet<&String> = real.keys().chain(ours.keys()).collect();
        for path in paths.into_iter().filter(|path| real.get(*path) != ours.get(*path)) {
            wrong.push(format!(
                "step {number}: {path}\n  pkg  {:?}\n  ours {:?}",
                real.get(path),
                ours.get(path)
            ));
        }
        if !wrong.is_empty() {
            break;
        }
    }
    wrong
}

/// What is tried, by name.
fn trials() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "preserve",
            vec![
                Publish(
                    "p@1",
                    "file one path=etc/true owner=root group=sys mode=0644 preserve=true\n\
                file one path=etc/old owner=root group=sys mode=0644 preserve=renameold\n\
                file one path=etc/new owner=root group=sys mode=0644 preserve=renamenew\n\
                file one path=etc/legacy owner=root group=sys mode=0644 preserve=legacy\n\
                file one path=etc/abandon owner=root group=sys mode=0644 preserve=abandon\n\
                file one path=etc/only owner=root group=sys mode=0644 preserve=install-only\n\
                file one path=etc/none owner=root group=sys mode=0644\n\
                file one path=etc/gone owner=root group=sys mode=0644 preserve=true\n\
                file one path=etc/same owner=root group=sys mode=0644 preserve=true\n",
                ),
                Install("base p"),
                Edit("etc/true", "mine\n"),
                Edit("etc/old", "mine\n"),
                Edit("etc/new", "mine\n"),
                Edit("etc/abandon", "mine\n"),
                Edit("etc/only", "mine\n"),
                Edit("etc/none", "mine\n"),
                Edit("etc/gone", "mine\n"),
                Publish(
                    "p@2",
                    "file two path=etc/true owner=root group=bin mode=0600 preserve=true\n\
                file two path=etc/old owner=root group=sys mode=0640 preserve=renameold\n\
                file two path=etc/new owner=root group=sys mode=0644 preserve=renamenew\n\
                file two path=etc/legacy owner=root group=sys mode=0644 preserve=legacy\n\
                file two path=etc/abandon owner=root group=sys mode=0644 preserve=abandon\n\
                file two path=etc/only owner=root group=sys mode=0644 preserve=install-only\n\
                file two path=etc/none owner=root group=sys mode=0644\n\
                file two path=etc/same owner=root group=sys mode=0644 preserve=true\n",
                ),
                Install("p@2"),
                Remove("etc/true"),
                Remove("etc/only"),
                Publish(
                    "p@3",
                    "file three path=etc/true owner=root group=bin mode=0600 preserve=true\n\
                file three path=etc/old owner=root group=sys mode=0640 preserve=true\n\
                file three path=etc/only owner=root group=sys mode=0644 preserve=install-only\n\
                file three path=etc/none owner=root group=sys mode=0644 preserve=true\n\
                file three path=etc/same owner=root group=sys mode=0644 preserve=legacy\n",
                ),
                Install("p@3"),
                Uninstall("p"),
            ],
        ),
        (
            "moves",
            vec![
                Publish(
                    "a@1",
                    "file one path=etc/a.conf owner=root group=sys mode=0644 preserve=true\n\
                file data path=etc/data owner=root group=sys mode=0644\n",
                ),
                Install("base a"),
                Edit("etc/a.conf", "mine\n"),
                Publish(
                    "b@1",
                    "dir path=etc/b owner=root group=sys mode=0755\n\
                file two path=etc/b/b.conf owner=root group=sys mode=0644 preserve=true original_name=a:etc/a.conf\n",
                ),
                Publish(
                    "a@2",
                    "depend type=require fmri=b\nfile data path=etc/data owner=root group=sys mode=0644\n",
                ),
                Install("a@2"),
                Publish(
                    "b@2",
                    "dir path=etc/b owner=root group=sys mode=0755\n\
                file three path=etc/b/c.conf owner=root group=sys mode=0644 preserve=renamenew original_name=b:etc/b/b.conf\n\
                link path=etc/b/b.conf target=c.conf\n",
                ),
                Install("b@2"),
                Uninstall("a"),
                Uninstall("b"),
            ],
        ),
        (
            "kinds",
            vec![
                Publish(
                    "k@1",
                    "dir path=opt/x owner=root group=bin mode=0755\n\
                file f path=opt/x/f owner=root group=bin mode=0444\n\
                link path=opt/x/l target=f\n\
                hardlink path=opt/x/h target=f\n\
                file g path=opt/y/deep/g owner=root group=staff mode=555\n",
                ),
                Install("base k"),
                Publish(
                    "k@2",
                    "dir path=opt/x owner=root group=sys mode=0750\n\
                dir path=opt/x/l owner=root group=bin mode=1777\n\
                file f path=opt/x/l/f owner=root group=bin mode=0444\n\
                link path=opt/x/f target=l/f\n\
                file h path=opt/x/h owner=root group=bin mode=0444\n\
                hardlink path=opt/x/hh target=/opt/x/l/f\n\
                hardlink path=opt/x/hhh target=../x/h\n",
                ),
                Install("k@2"),
                Edit("opt/x/h", "mine\n"),
                Publish("k@3", "file h path=opt/x owner=root group=bin mode=0444\n"),
                Install("k@3"),
                Uninstall("k"),
            ],
        ),
        (
            "mediators",
            vec![
                Publish(
                    "m9@1",
                    "link path=usr/bin/m target=m9 mediator=m mediator-version=9\n\
                link path=usr/bin/i target=i-gnu mediator=i mediator-implementation=gnu\n\
                file m9 path=usr/bin/m9 owner=root group=bin mode=0555\n\
                link path=usr/bin/j target=j1 mediator=j mediator-version=1 mediator-implementation=x@2\n",
                ),
                Publish(
                    "m10@1",
                    "link path=usr/bin/m target=m10 mediator=m mediator-version=10\n\
                link path=usr/bin/i target=i-sun mediator=i mediator-implementation=sun\n\
                file m10 path=usr/bin/m10 owner=root group=bin mode=0555\n\
                link path=usr/bin/j target=j2 mediator=j mediator-version=1 mediator-implementation=x@10\n",
                ),
                Publish(
                    "m1v@1",
                    "link path=usr/bin/m target=m1 mediator=m mediator-version=1 mediator-priority=vendor\n\
                link path=usr/bin/i target=i-ast mediator=i mediator-implementation=ast\n\
                hardlink path=usr/bin/n target=m1v mediator=n mediator-version=1\n\
                file m1v path=usr/bin/m1v owner=root group=bin mode=0555\n",
                ),
                Publish(
                    "m1s@1",
                    "link path=usr/bin/m target=m1s mediator=m mediator-version=1.0.1 mediator-priority=site\n\
                link path=usr/bin/i target=i-none mediator=i mediator-version=1\n",
                ),
                Install("base m9"),
                Install("m10"),
                Install("m1v"),
                Install("m1s"),
                Uninstall("m1s"),
                Uninstall("m1v"),
                Uninstall("m10"),
            ],
        ),
        (
            "facets",
            vec![
                Publish(
                    "f@1",
                    "file d path=usr/d owner=root group=bin mode=0444 facet.doc=true\n\
                file m path=usr/m owner=root group=bin mode=0444 facet.doc.man=true\n\
                file h path=usr/h owner=root group=bin mode=0444 facet.doc.html=all facet.locale.de=true\n\
                file l path=usr/l owner=root group=bin mode=0444 facet.locale.de_CH=true facet.locale.fr=true\n\
                file a path=usr/a owner=root group=bin mode=0444 facet.locale.de=all facet.locale.fr=all\n\
                file o path=usr/o owner=root group=bin mode=0444 facet.optional.x=true\n\
                file g path=usr/g owner=root group=bin mode=0444 facet.debug.x=true\n\
                file v path=usr/v owner=root group=bin mode=0444 variant.debug.x=true\n\
                file w path=usr/v owner=root group=bin mode=0444 variant.debug.x=false\n\
                file z path=usr/z owner=root group=bin mode=0444 variant.opensolaris.zone=nonglobal\n\
                file s path=usr/s owner=root group=bin mode=0444 variant.arch=sparc\n\
                link path=usr/link target=d facet.doc=true\n",
                ),
                Install("base f"),
                Facet("facet.doc.*", Some(false)),
                Facet("facet.locale.*", Some(false)),
                Facet("facet.locale.de*", Some(true)),
                Facet("facet.doc.html", Some(true)),
                Facet("facet.optional.x", Some(true)),
                Facet("facet.debug.*", Some(true)),
                Facet("facet.doc", Some(false)),
                Variant("variant.debug.x", "true"),
                Facet("facet.*", Some(false)),
                Facet("facet.doc.*", None),
                Variant("variant.opensolaris.zone", "nonglobal"),
                Facet("facet.*", None),
            ],
        ),
        (
            "accounts",
            vec![
                Publish(
                    "u@1",
                    "group groupname=web gid=80\n\
                group groupname=auto\n\
                user username=web uid=80 group=web gcos-field=\"Web server\" home-dir=/srv login-shell=/bin/sh password=NP ftpuser=false group-list=sys group-list=auto\n\
                user username=auto group=auto lastchg=100 min=1 max=2 warn=3 inactive=4 expire=5 flag=6\n\
                user username=lock uid=90 group=staff password=*LK* ftpuser=true\n\
                dir path=srv owner=web group=web mode=0750\n\
                file x path=srv/x owner=auto group=auto mode=0600\n",
                ),
                Install("base"),
                Install("u"),
                Publish(
                    "u@2",
                    "group groupname=web gid=81\n\
                user username=web uid=80 group=web gcos-field=\"The web\" home-dir=/home login-shell=/bin/sh password=NP group-list=sys\n\
                user username=lock uid=90 group=staff password=NP ftpuser=false\n\
                dir path=srv owner=web group=web mode=0750\n",
                ),
                Install("u@2"),
                Uninstall("u"),
            ],
        ),
        (
            "overlay",
            vec![
                Publish(
                    "o@1",
                    "file under path=etc/o owner=root group=sys mode=0644 preserve=true overlay=allow\n",
                ),
                Publish(
                    "p@1",
                    "file over path=etc/o owner=root group=sys mode=0644 preserve=true overlay=true\n",
                ),
                Publish("q@1", "file third path=etc/o owner=root group=sys mode=0644\n"),
                Publish("d@1", "dir path=opt/d owner=root group=sys mode=0755\n"),
                Publish("e@1", "dir path=opt/d owner=root group=bin mode=0755\n"),
                Publish("g@1", "link path=opt/l target=x\n"),
                Publish("h@1", "link path=opt/l target=y\n"),
                Publish("i@1", "link path=opt/l target=x\n"),
                Install("base o"),
                Edit("etc/o", "mine\n"),
                Install("p"),
                Install("q"),
                Uninstall("o"),
                Install("d"),
                Install("e"),
                Install("g"),
                Install("h"),
                Install("i"),
                Uninstall("g"),
            ],
        ),
        (
            "excluded",
            vec![
                Exclude("usr/"),
                Publish(
                    "x@1",
                    "dir path=usr owner=root group=sys mode=0755\n\
                file b path=usr/bin/b owner=root group=bin mode=0555\n\
                file c path=etc/c owner=root group=sys mode=0644\n\
                license cc license=lic\n\
                legacy pkg=SUNWx name=x version=1 arch=i386 category=system desc=d vendor=v hotline=h\n",
                ),
                Install("base x"),
                Uninstall("x"),
            ],
        ),
        (
            "adopt",
            vec![
                Publish("z@1", "dir path=etc/z owner=root group=sys mode=0755\n"),
                Install("base z"),
                Edit("etc/z/true", "mine\n"),
                Edit("etc/z/old", "mine\n"),
                Edit("etc/z/new", "mine\n"),
                Edit("etc/z/legacy", "mine\n"),
                Edit("etc/z/only", "mine\n"),
                Edit("etc/z/abandon", "mine\n"),
                Edit("etc/z/none", "mine\n"),
                Edit("etc/z/first", "mine\n"),
                Publish(
                    "z@2",
                    "file two path=etc/z/true owner=root group=sys mode=0644 preserve=true\n\
                     file two path=etc/z/old owner=root group=sys mode=0644 preserve=renameold\n\
                     file two path=etc/z/new owner=root group=sys mode=0640 preserve=renamenew\n\
                     file two path=etc/z/legacy owner=root group=sys mode=0644 preserve=legacy\n\
                     file two path=etc/z/only owner=root group=sys mode=0644 preserve=install-only\n\
                     file two path=etc/z/abandon owner=root group=sys mode=0600 preserve=abandon\n\
                     file two path=etc/z/none owner=root group=sys mode=0644\n",
                ),
                Publish(
                    "y@1",
                    "file y path=etc/z/first owner=root group=sys mode=0644 preserve=renamenew\n",
                ),
                Install("z"),
                Install("y"),
                Uninstall("z y"),
            ],
        ),
        (
            "salvage",
            vec![
                Publish(
                    "s@1",
                    "dir path=var/spool owner=root group=bin mode=0755\n\
                dir path=var/spool/a owner=root group=bin mode=0755\n\
                file c path=var/spool/a/c owner=root group=bin mode=0644 preserve=true\n",
                ),
                Install("base s"),
                Edit("var/spool/a/c", "mine\n"),
                Publish(
                    "s@2",
                    "dir path=var/spool owner=root group=bin mode=0755\n\
                dir path=var/spool/b owner=root group=bin mode=0755 salvage-from=var/spool/a\n",
                ),
                Install("s@2"),
                Uninstall("s"),
            ],
        ),
    ]
}

#[test]
#[ignore = "needs RELENG_PKG, as root"]
fn the_same_files_are_there() {
    let only = std::env::var("RELENG_TRIAL").unwrap_or_default();
    let mut wrong = String::new();
    for (name, steps) in trials().into_iter().filter(|(name, _)| name.contains(&only)) {
        for difference in run(&steps) {
            wrong += &format!("{name}: {difference}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
