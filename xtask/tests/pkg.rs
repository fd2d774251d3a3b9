//! The package commands as a program: what they print, how they end, what they say.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its packages shall fail")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ips::{Origin as _, PackageArchive, Publication, Repository, Timestamp};
use misbehaving_depot::{Authority, Certificate};

const HELLO: &str = "\
set name=pkg.fmri value=pkg:/app/hello@1.0-1
set name=pkg.summary value=\"Says hello\"
set name=pkg.description value=\"It says hello to whoever asks for it.\"
set name=info.classification value=org.opensolaris.category.2008:System/Core
dir path=usr owner=root group=sys mode=0755
dir path=usr/bin owner=root group=bin mode=0755
file path=usr/bin/hello owner=root group=bin mode=0555
depend fmri=shell/sh type=require
";
const SHELL: &str = "\
set name=pkg.fmri value=pkg:/shell/sh@2.0-1
set name=pkg.summary value=\"A shell\"
file path=usr/bin/sh owner=root group=bin mode=0555
";

/// A directory with a repository of two small packages, and everything they were made of.
struct Site {
    directory: tempfile::TempDir,
}

struct Outcome {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Outcome {
    /// Checks the status and that every text is printed, on standard output or error.
    #[track_caller]
    fn expect(&self, status: i32, texts: &[&str]) {
        let whole =
            format!("status {:?}\n--- out\n{}\n--- err\n{}", self.status, self.out, self.err);
        assert_eq!(self.status, Some(status), "{whole}");
        for text in texts {
            assert!(whole.contains(text), "`{text}` is not said: {whole}");
        }
    }
}

impl Site {
    fn new() -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap() };
        site.write("files/usr/bin/hello", "#!/usr/bin/sh\necho hello\n");
        site.write("files/usr/bin/sh", "a shell\n");
        site.write("hello.p5m", HELLO);
        site.write("sh.p5m", SHELL);
        site.publish("repo", "20260102T030405Z");
        site
    }

    fn publish(&self, repository: &str, time: &str) {
        let mut repository = Repository::create(self.path(repository), "test").unwrap();
        let time: Timestamp = time.parse().unwrap();
        let mut publication = Publication::new("test", time);
        publication.content = vec![self.path("files")];
        let manifests = ["hello.p5m", "sh.p5m"].map(|name| self.path(name));
        ips::publish(&mut repository, &publication, &manifests).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The program in this directory, with a store of its own and no proxy.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(words).current_dir(self.directory.path()).stdin(Stdio::null());
        command.env("RELENG_CACHE", self.path("store")).env("NO_COLOR", "1");
        for name in ["http_proxy", "https_proxy", "all_proxy", "SSL_CERT_FILE"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.env("SOURCE_DATE_EPOCH", "1790000000").env_remove("CI");
        command
    }

    fn run(&self, words: &[&str]) -> Outcome {
        outcome(&mut self.command(words))
    }
}

fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// `cargo xtask pkg serve`, until this is dropped.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(site: &Site, repository: &str) -> Self {
        let mut command = site.command(&["pkg", "serve", "--listen", "127.0.0.1:0", repository]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn packages_are_looked_at() {
    let site = Site::new();
    site.run(&["pkg", "list", "repo"]).expect(0, &["PUBLISHER", "app/hello", "shell/sh"]);
    let listed = site.run(&["pkg", "list", "-H", "repo", "hello@latest"]);
    listed.expect(0, &["app/hello"]);
    assert_eq!(listed.out.lines().count(), 1, "{}", listed.out);
    site.run(&["pkg", "list", "repo", "none"]).expect(2, &["`none` matches no package of repo"]);
    site.run(&["pkg", "list", "nowhere"]).expect(5, &["nowhere is missing"]);
    site.run(&["pkg", "list", "files"]).expect(1, &["neither an image", "nor a repository"]);

    let shown = site.run(&["pkg", "contents", "-H", "-t", "file", "-o", "path", "repo", "hello"]);
    shown.expect(0, &[]);
    assert_eq!(shown.out, "usr/bin/hello\n");
    let whole = site.run(&["pkg", "contents", "-m", "repo", "sh"]);
    whole.expect(0, &["set name=pkg.fmri value=pkg://test/shell/sh@2.0"]);
    site.run(&["pkg", "contents", "-t", "fiel", "repo"]).expect(2, &["expected one of", "file"]);

    site.run(&["pkg", "info", "repo", "hello"]).expect(0, &["Says hello", "System/Core"]);
    let json = site.run(&["pkg", "info", "--json", "repo"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2);
    site.run(&["pkg", "info", "repo", "none"]).expect(2, &["matches no package"]);

    site.run(&["pkg", "search", "repo", "/usr/bin/h*"]).expect(0, &["usr/bin/hello", "app/hello"]);
    let nothing = site.run(&["pkg", "search", "repo", "nothing"]);
    nothing.expect(1, &[]);
    assert_eq!(nothing.out, "");
    site.run(&["pkg", "search", "repo"]).expect(2, &["PATTERNS"]);
}

#[test]
fn packages_are_compared_and_linted() {
    let site = Site::new();
    site.run(&["pkg", "diff", "repo", "repo"]).expect(0, &[]);
    site.write("files/usr/bin/sh", "another shell\n");
    site.publish("newer", "20260103T030405Z");
    site.run(&["pkg", "diff", "repo", "newer"]).expect(1, &["shell/sh", "usr/bin/sh"]);
    site.run(&["pkg", "diff", "repo", "none"]).expect(5, &["none is missing"]);

    let clean = site.run(&["pkg", "lint", "hello.p5m", "--reference", "repo"]);
    clean.expect(0, &["1 packages, 0 findings"]);
    site.write("bad.p5m", "set name=pkg.fmri value=pkg:/bad@1\nfile path=a owner=root group=sys\n");
    site.run(&["pkg", "lint", "bad.p5m"]).expect(1, &["bad.p5m:2: error: ", "invalid-action"]);
    site.run(&["pkg", "lint", "bad.p5m", "--only", "no-rule"]).expect(2, &["no-rule"]);
    site.run(&["pkg", "lint", "--rules"]).expect(0, &["duplicate-path"]);
}

#[test]
fn manifests_are_transformed_and_completed() {
    let site = Site::new();
    site.write("change.mog", "<transform file -> set mode $(MODE)>\n");
    let done = site.run(&["pkg", "mogrify", "-D", "MODE=0444", "sh.p5m", "change.mog"]);
    done.expect(0, &["file NOHASH group=bin mode=0444 owner=root path=usr/bin/sh"]);
    let mogrify = |more: &[&str]| {
        let words = ["pkg", "mogrify", "sh.p5m", "change.mog"];
        site.run(&[&words[..], more].concat())
    };
    mogrify(&[]).expect(0, &["mode=\"$(MODE)\""]);
    mogrify(&["--strict"]).expect(1, &["change.mog:1", "the macro $(MODE) has no value"]);
    mogrify(&["-v", "-D", "MODE=0444"]).expect(
        0,
        &[
            "#  Action: file NOHASH group=bin mode=0555 owner=root path=usr/bin/sh\n",
            "# Applied: <transform file -> set mode 0444> (file change.mog line 1)\n",
            "#  Result: file NOHASH group=bin mode=0444 owner=root path=usr/bin/sh\nfile NOHASH",
        ],
    );
    site.write("wrong.mog", "\n<transform file -> turn mode 0444>\n");
    site.run(&["pkg", "mogrify", "sh.p5m", "wrong.mog"]).expect(1, &["wrong.mog:2", "turn"]);
    site.run(&["pkg", "mogrify", "none.p5m"]).expect(5, &["none.p5m"]);

    let found = site.run(&["pkg", "generate", "--whole", "-d", "files", "hello.p5m"]);
    found.expect(0, &["pkg.debug.depend.file=sh", "fmri=__TBD"]);
    site.write("hello.dep", &found.out);
    let resolved = site.run(&["pkg", "resolve", "--stdout", "--place", "repo", "hello.dep"]);
    resolved.expect(0, &["depend fmri=pkg:/shell/sh@2.0-1 type=require"]);
    let alone = site.run(&["pkg", "resolve", "hello.dep"]);
    alone.expect(1, &["hello.dep", "usr/bin/sh"]);
    assert!(!site.path("hello.dep.res").exists());
    site.run(&["pkg", "generate", "-d", "none", "hello.p5m"]).expect(1, &["usr/bin/hello"]);
}

#[test]
fn packages_go_from_repository_to_repository() {
    let site = Site::new();
    site.write("drop.mog", "<transform set name=pkg.description -> drop>\n");
    let done = site.run(&[
        "pkg",
        "republish",
        "--from",
        "repo",
        "--to",
        "other",
        "--transform",
        "drop.mog",
    ]);
    done.expect(0, &["2 packages in other", "pkg://test/app/hello@1.0"]);
    site.run(&["pkg", "search", "other", "whoever"]).expect(1, &[]);
    site.run(&["pkg", "republish", "--from", "none", "--to", "x"]).expect(5, &["none is missing"]);
    assert!(!site.path("x").exists());

    // A signature, even one that nobody can check, is not taken away silently.
    let repository = Repository::open(site.path("repo")).unwrap();
    let hello = repository.packages().iter().find(|fmri| fmri.stem == "app/hello").unwrap();
    let (stem, version) = hello.quoted().unwrap();
    let manifest = site.path("repo/publisher/test/pkg").join(stem).join(version);
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text + "signature algorithm=sha256 value=00 version=0\n").unwrap();
    fs::remove_dir_all(site.path("repo/publisher/test/catalog")).unwrap();
    let repository = Repository::open(site.path("repo")).unwrap();
    repository.write_catalogs("20260102T030405Z".parse().unwrap()).unwrap();
    let republish = |to: &str, more: &[&str]| {
        // Another time would be another package.
        let words = [&["pkg", "republish", "--from", "repo", "--to", to], more].concat();
        outcome(site.command(&words).env_remove("SOURCE_DATE_EPOCH"))
    };
    let kept = republish("kept", &[]);
    kept.expect(0, &["2 packages in kept"]);
    assert!(!kept.err.contains("signature"), "{}", kept.err);
    site.run(&["pkg", "info", "kept", "hello"]).expect(0, &["sha256"]);
    let lost = republish("lost", &["--transform", "drop.mog"]);
    lost.expect(0, &["pkg://test/app/hello@1.0", "is no longer signed"]);
    let contents = site.run(&["pkg", "contents", "-m", "lost", "hello"]);
    assert!(!contents.out.contains("signature"), "{}", contents.out);
}

#[test]
fn a_depot_is_looked_at_and_kept() {
    let site = Site::new();
    let served = Served::start(&site, "repo");
    site.run(&["pkg", "list", &served.url]).expect(0, &["app/hello", "shell/sh"]);
    site.run(&["pkg", "info", &served.url, "hello"]).expect(0, &["Says hello"]);
    site.run(&["pkg", "search", &served.url, "sh"]).expect(0, &["usr/bin/sh"]);
    site.run(&["pkg", "diff", "repo", &served.url]).expect(0, &[]);
    let shown = site.run(&["pkg", "contents", "-H", "-t", "file", "-o", "path", &served.url]);
    assert_eq!(shown.out, "usr/bin/hello\nusr/bin/sh\n");
    site.run(&["pkg", "list", "http://127.0.0.1:1/"]).expect(3, &["cannot fetch", "127.0.0.1:1"]);
    site.run(&["pkg", "list", "https:///"]).expect(2, &["no address of a package depot"]);
    let port = served.url.trim_end_matches('/').trim_start_matches("http://");
    site.run(&["pkg", "serve", "repo", "--listen", port]).expect(3, &["cannot listen on"]);
    site.run(&["pkg", "serve", "none"]).expect(5, &["none is missing"]);

    let kept: serde_json::Value =
        serde_json::from_str(&site.run(&["cache", "du", "--json"]).out).unwrap();
    assert!(kept.to_string().len() > 10, "{kept}");
    site.run(&["cache", "verify"]).expect(0, &["read"]);
    let blobs = site.path("store/blobs");
    let first = walk(&blobs).into_iter().next().unwrap();
    fs::write(&first, "damaged").unwrap();
    site.run(&["cache", "verify"]).expect(1, &["damaged"]);
    site.run(&["cache", "gc"]).expect(2, &["--max-size"]);
    site.run(&["cache", "gc", "--max-size", "many"]).expect(2, &["many"]);
    site.run(&["cache", "gc", "--max-size", "0"]).expect(0, &["removed"]);
    assert!(walk(&blobs).is_empty());
    site.run(&["cache", "verify", "--directory", "none"]).expect(5, &["none is missing"]);
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn https_needs_an_authority_that_is_known() {
    let site = Site::new();
    let served = Served::start(&site, "repo");
    let authority = Authority::new().unwrap();
    site.write("ca.pem", authority.pem());
    let list = |certificate: Certificate, trusted: bool| {
        let secured = authority.secure(&served.url, certificate).unwrap();
        let mut command = site.command(&["pkg", "list", &secured.url()]);
        if trusted {
            command.env("SSL_CERT_FILE", site.path("ca.pem"));
        }
        outcome(&mut command)
    };
    list(Certificate::Good, true).expect(0, &["app/hello"]);
    let unknown = list(Certificate::Good, false);
    unknown.expect(3, &["certificate is not accepted", "no authority", "SSL_CERT_FILE"]);
    list(Certificate::OtherHost, true).expect(3, &["it is for other.example.com"]);
    list(Certificate::Expired, true).expect(3, &["it has expired"]);
    let mut command = site.command(&["pkg", "list", "https://127.0.0.1:1/"]);
    let outcome = outcome(command.env("SSL_CERT_FILE", site.path("hello.p5m")));
    outcome.expect(3, &["cannot use", "hello.p5m"]);

    // The same for a build: its config names the authority.
    let secured = authority.secure(&served.url, Certificate::Good).unwrap();
    let config = |more: &str| {
        let text = format!(
            "[packages]\norigins = [{:?}]\ninstall = [\"app/hello\"]\n{more}[templates]\n\
             boot-archive = \"list.txt\"\n[host]\nstand-in-roms = true\n",
            secured.url()
        );
        site.write("releng.toml", &text);
    };
    site.write("list.txt", "usr/bin/hello\n");
    config("");
    let lock = |more: &[&str]| site.run(&[&["lock", "--config", "releng.toml"], more].concat());
    lock(&[]).expect(3, &["no authority that is trusted here vouches for it"]);
    config("authorities = [\"ca.pem\"]\n");
    lock(&[]).expect(0, &["app/hello", "shell/sh"]);
    lock(&["--check"]).expect(0, &["is as it was"]);

    // What is in the store now is enough for a check.
    drop(secured);
    let check = |more: &[&str]| site.run(&[&["check", "--config", "releng.toml"], more].concat());
    check(&["--offline"]).expect(1, &["6 packages", "the kernel", "is missing"]);
    fs::remove_dir_all(site.path("store")).unwrap();
    check(&["--offline"]).expect(5, &["is not in the store", "without --offline"]);
}

#[test]
fn locks_are_compared_and_exported() {
    let site = Site::new();
    let lock = |version: &str| {
        format!(
            "version = 1\n\n[[origin]]\nlocation = \"repo\"\npublishers = [\"test\"]\n\n\
             [[package]]\nfmri = \"pkg:/shell/sh@{version},5.11-1:20260102T030405Z\"\n\
             publisher = \"test\"\ndigest = \"sha256:{}\"\norigin = \"repo\"\n",
            "0".repeat(64)
        )
    };
    site.write("one.lock", &lock("2.0"));
    site.write("two.lock", &lock("2.1"));
    site.run(&["lock", "diff", "one.lock", "one.lock"]).expect(0, &[]);
    site.run(&["lock", "diff", "one.lock", "two.lock"]).expect(1, &["upgraded shell/sh from 2.0"]);
    site.run(&["lock", "diff", "one.lock", "none.lock"]).expect(5, &["none.lock is missing"]);
    site.write("bad.lock", "version = 9\n");
    site.run(&["lock", "diff", "bad.lock", "one.lock"]).expect(2, &["bad.lock:1: version 9"]);

    let export = |fmri: &str| {
        let words = ["lock", "export-incorporation", "--lock", "one.lock", "--p5m", "hold.p5m"];
        site.run(&[&words[..], &["--fmri", fmri]].concat())
    };
    export("hold").expect(2, &["a publisher and a version were expected"]);
    assert!(!site.path("hold.p5m").exists());
    export("pkg://test/hold@1").expect(0, &["hold.p5m"]);
    let text = fs::read_to_string(site.path("hold.p5m")).unwrap();
    assert!(
        text.contains("fmri=pkg:/shell/sh@2.0,5.11-1:20260102T030405Z type=incorporate"),
        "{text}"
    );
    site.run(&["pkg", "lint", "hold.p5m", "--reference", "repo"]).expect(0, &[]);
}

#[test]
fn inputs_that_are_not_what_they_should_be() {
    let site = Site::new();
    site.run(&["record", "show", "none"]).expect(5, &["none"]);
    site.run(&["record", "show", "hello.p5m"]).expect(3, &["hello.p5m"]);
    site.run(&["check", "--config", "none.toml"]).expect(5, &["none.toml"]);
    site.write("bad.toml", "[packages]\norigin = []\n");
    site.run(&["check", "--config", "bad.toml"]).expect(2, &["bad.toml", "origin"]);
    site.write("x.p5p", "no archive");
    site.run(&["pkg", "list", "x.p5p"]).expect(1, &["x.p5p", "neither a repository"]);
    let repository = Repository::open(site.path("repo")).unwrap();
    let packages = repository.packages().to_vec();
    let time = "20260102T030405Z".parse().unwrap();
    PackageArchive::write(site.path("good.p5p"), &repository, &packages, time).unwrap();
    site.run(&["pkg", "list", "good.p5p"]).expect(0, &["app/hello"]);
    let bytes = fs::read(site.path("good.p5p")).unwrap();
    fs::write(site.path("cut.p5p"), &bytes[..bytes.len() / 2]).unwrap();
    site.run(&["pkg", "contents", "-m", "cut.p5p"]).expect(1, &["cut.p5p"]);
}
