//! The lock file: written, honoured, changed on purpose only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ips::Lock;

use crate::common::{Outcome, key, publish, run, sample, xtask};

/// When the packages are published first, and again.
const FIRST: i64 = 1_790_000_000;
const AGAIN: i64 = FIRST + 3600;

/// A config beside a repository of its own, which locks may see change.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        publish(place.directory.path(), &place.path("repo"), FIRST);
        place.install(&["shell/bash"]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a config that installs these packages, and what every image needs.
    fn install(&self, packages: &[&str]) {
        let base = ["SUNWcs", "SUNWcsd", "system/kernel", "system/kernel/platform", "system/zones"];
        let packages: Vec<&str> = base.into_iter().chain(packages.iter().copied()).collect();
        fs::write(self.path("list.txt"), "kernel/amd64/genunix\n").unwrap();
        let config = format!(
            "[packages]\norigins = [\"repo\"]\ninstall = {packages:?}\n\
             [templates]\nboot-archive = \"list.txt\"\n\
             [host]\nimage = {:?}\n[trampoline]\nstand-in-roms = true\n",
            sample().path("host"),
        );
        fs::write(self.path("releng.toml"), config).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = xtask();
        command.args(words).arg("--config").arg(self.path("releng.toml"));
        command
    }

    fn build(&self, more: &[&str]) -> Outcome {
        let mut command = self.command(&["releng", "--progress", "plain"]);
        command.arg("--out").arg(self.path("out")).args(more);
        run(command.arg("--key").arg(key(self.directory.path(), 5)))
    }

    fn lock(&self) -> Lock {
        Lock::read(self.path("helios.lock")).unwrap()
    }

    fn versions(&self, package: &str) -> Vec<String> {
        let lock = self.lock();
        let ours = lock.packages().iter().filter(|locked| locked.fmri.stem == package);
        ours.map(|locked| locked.fmri.short()).collect()
    }
}

/// The packages of the trampoline image, as its record has them.
fn installed(out: &Path) -> String {
    let mut reader = oxide_archive::open(out.join("trampoline/os.tar.gz")).unwrap();
    while let Some(member) = reader.next_member().unwrap() {
        if member.display_name() == "image/pkg-list.txt" {
            let mut text = Vec::new();
            reader.read_all(&mut text).unwrap();
            return String::from_utf8(text).unwrap();
        }
    }
    String::new()
}

#[test]
fn a_lock_settles_what_is_built() {
    let place = Place::new();
    place
        .build(&["--locked"])
        .expect(5, &["helios.lock is missing, and --locked", "cargo xtask lock"]);
    let said = run(&mut place.command(&["lock"])).success();
    assert!(said.contains("added shell/bash 5.2"), "{said}");
    let lock = place.lock();
    assert_eq!(lock.origins()[0].location, "repo", "as the config has it");
    assert!(lock.packages().len() > 6);
    let first = fs::read_to_string(place.path("helios.lock")).unwrap();

    // Newer packages change nothing until somebody asks for them.
    publish(place.directory.path(), &place.path("repo"), AGAIN);
    run(&mut place.command(&["lock", "--check"])).expect(0, &["is as it was"]);
    place.build(&["--frozen"]).expect(0, &["finished"]);
    let record = fs::read_to_string(place.path("out/trampoline/record.json")).unwrap();
    assert!(record.contains(&format!("\"lock\": \"{}\"", lock.digest())), "{record}");
    let list = installed(&place.path("out"));
    assert!(list.contains("20260921T141320Z") && !list.contains("20260921T151320Z"), "{list}");

    let mut update = place.command(&["lock", "update", "bash"]);
    let said = run(&mut update).success();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("upgraded shell/bash from "), "{said}");
    assert!(place.versions("shell/bash")[0].ends_with(":20260921T151320Z"));
    assert!(place.versions("SUNWcs")[0].ends_with(":20260921T141320Z"));
    fs::write(place.path("first.lock"), first).unwrap();
    let mut diff = xtask();
    diff.args(["lock", "diff", "--json"]).arg(place.path("first.lock"));
    let outcome = run(diff.arg(place.path("helios.lock")));
    assert_eq!(outcome.status, Some(1), "{outcome}");
    let changes: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(changes[0]["change"], "upgraded");
    assert_eq!(changes[0]["package"], "shell/bash");
    run(&mut place.command(&["lock", "update"])).success();
    assert!(place.versions("SUNWcs")[0].ends_with(":20260921T151320Z"));
}

#[test]
fn a_lock_that_does_not_fit_is_not_changed_behind_ones_back() {
    let place = Place::new();
    run(&mut place.command(&["lock"])).success();
    let before = fs::read_to_string(place.path("helios.lock")).unwrap();
    publish(place.directory.path(), &place.path("repo"), AGAIN);

    place.install(&["shell/bash", "text/less"]);
    for flag in ["--locked", "--frozen"] {
        place.build(&[flag]).expect(2, &["would have to change", "text/less", "cargo xtask lock"]);
    }
    run(&mut place.command(&["lock", "--check"])).expect(1, &["would change"]);
    assert_eq!(fs::read_to_string(place.path("helios.lock")).unwrap(), before);
    // What is locked stays; only the new package is new.
    place.build(&[]).expect(0, &["did not fit any more", "added text/less", "finished"]);
    assert!(place.versions("text/less")[0].ends_with(":20260921T151320Z"));
    assert!(place.versions("shell/bash")[0].ends_with(":20260921T141320Z"));

    place.install(&["text/less"]);
    place.build(&["--locked"]).expect(2, &["nothing takes pkg://", "shell/bash"]);
    let mut update = place.command(&["lock", "update", "nothing"]);
    run(&mut update).expect(2, &["package `nothing` matches no package", "only locked"]);

    // Another origin is another config.
    let config = fs::read_to_string(place.path("releng.toml")).unwrap();
    fs::rename(place.path("repo"), place.path("other")).unwrap();
    fs::write(place.path("releng.toml"), config.replace("[\"repo\"]", "[\"other\"]")).unwrap();
    place.build(&["--locked"]).expect(2, &["the config's origins are other, the lock's repo"]);
}

#[test]
fn locks_and_origins_that_were_tampered_with_are_refused() {
    let place = Place::new();
    run(&mut place.command(&["lock"])).success();
    let path = place.path("helios.lock");
    let good = fs::read_to_string(&path).unwrap();
    let at = good.find("digest = \"sha256:").unwrap() + 17;
    let digit = if good.as_bytes()[at] == b'0' { "1" } else { "0" };
    fs::write(&path, format!("{}{digit}{}", &good[..at], &good[at + 1..])).unwrap();
    place.build(&[]).expect(3, &["published this version again", "cargo xtask lock update"]);
    fs::write(&path, good.replace("version = 1", "version = 9")).unwrap();
    place.build(&[]).expect(2, &["helios.lock:4: version 9 of lock files is not known"]);
    fs::write(&path, "<<<<<<< ours\n").unwrap();
    place.build(&[]).expect(2, &["helios.lock:1: ", "a merge that was not finished"]);
    assert!(!place.path("out").exists());

    let mut export = xtask();
    export.args(["lock", "export-incorporation", "--lock"]).arg(place.path("none.lock"));
    export.args(["--fmri", "pkg://on/release@1", "--p5m"]).arg(place.path("x.p5m"));
    run(&mut export).expect(5, &["none.lock is missing"]);
}

#[test]
fn an_incorporation_holds_what_is_locked() {
    let place = Place::new();
    run(&mut place.command(&["lock"])).success();
    publish(place.directory.path(), &place.path("repo"), AGAIN);
    let export = |fmri: &str| {
        let mut export = xtask();
        export.args(["lock", "export-incorporation", "--fmri", fmri, "--lock"]);
        export.arg(place.path("helios.lock")).arg("--p5m").arg(place.path("release.p5m"));
        export.arg("--repository").arg(place.path("repo"));
        run(export.arg("--archive").arg(place.path("release.p5p")))
    };
    export("release@1").expect(2, &["a publisher and a version were expected"]);
    assert!(!place.path("release.p5m").exists());
    let publisher = sample::PUBLISHER;
    let said = export(&format!("pkg://{publisher}/consolidation/release@1.0")).success();
    assert!(said.contains("consolidation/release@1.0"), "{said}");

    let text = fs::read_to_string(place.path("release.p5m")).unwrap();
    let held = text.lines().filter(|line| line.contains("type=incorporate")).count();
    assert_eq!(held, place.lock().packages().len());
    let archive = ips::open_origin(place.path("release.p5p")).unwrap();
    assert_eq!(archive.packages().len(), 1);

    // Whoever installs it beside the packages gets what is locked, not what is newest.
    let origin = ips::open_origin(place.path("repo")).unwrap();
    let mut config = ips::ImageConfig::new(ips::Variants::for_zone("global"));
    config.set_publisher(ips::Publisher::new(publisher, "file:///"));
    let image = ips::Image::new(config);
    let version = |request: &[&str]| {
        let request: Vec<String> = request.iter().map(|name| (*name).to_owned()).collect();
        let chosen = ips::solve(&image, &[&*origin], &request).unwrap();
        let bash = chosen.iter().find(|chosen| chosen.fmri.stem == "shell/bash").unwrap();
        bash.fmri.short()
    };
    assert_eq!(version(&["shell/bash", "consolidation/release"]), place.versions("shell/bash")[0]);
    assert!(version(&["shell/bash"]).ends_with(":20260921T151320Z"));
}
