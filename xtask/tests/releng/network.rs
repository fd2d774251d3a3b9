//! Packages from a depot, and builds without network.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Outcome, digest, key, packages, run, xtask};

/// `cargo xtask pkg serve`, until this is dropped.
struct Depot {
    child: Child,
    url: String,
}

impl Depot {
    fn start() -> Self {
        let mut command = xtask();
        command.args(["pkg", "serve", "--listen", "127.0.0.1:0"]).arg(packages());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds both images from the depot; `--offline` or not, with or without a network at all.
fn build(directory: &Path, store: &Path, url: &str, offline: bool, name: &str) -> Outcome {
    run(&mut build_command(directory, store, url, offline, name))
}

fn build_command(directory: &Path, store: &Path, url: &str, offline: bool, name: &str) -> Command {
    let config = format!(
        "[packages]\norigins = [{url:?}]\nbrand = false\n\
         [templates]\nboot-archive = {:?}\nfeatures = {:?}\n\
         [host]\nstand-in-roms = true\n[trampoline]\nstand-in-roms = true\n",
        sample::boot_archive_files(),
        sample::FEATURES,
    );
    let file = directory.join("releng.toml");
    fs::write(&file, config).unwrap();
    let mut command = if offline {
        let mut unshare = verifiers::require("unshare").unwrap();
        unshare.arg("-rn").arg(env!("CARGO_BIN_EXE_xtask"));
        unshare.env("SOURCE_DATE_EPOCH", crate::common::EPOCH).env("NO_COLOR", "1");
        unshare.env("CARGO_NET_OFFLINE", "true").env_remove("CI");
        unshare
    } else {
        xtask()
    };
    command.args(["releng", "--progress", "plain", "--version", "1.2.3", "--config"]).arg(file);
    command.arg("--out").arg(directory.join(name)).arg("--key").arg(key(directory, 3));
    if offline {
        command.arg("--offline");
    }
    without_proxies(&mut command).env("RELENG_CACHE", store);
    command
}

fn without_proxies(command: &mut Command) -> &mut Command {
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

#[test]
fn a_build_without_network() {
    let Some(mut probe) = verifiers::require("unshare") else { return };
    if !probe.args(["-rn", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED a_build_without_network: no user namespaces for ordinary users here");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let store = at.join("store");
    let depot = Depot::start();

    // Cold: within seconds, and it says what is missing and what to do.
    let begin = Instant::now();
    let cold = build(at, &at.join("cold"), &depot.url, true, "cold-out");
    cold.expect(5, &["is not in the store", &depot.url, "without --offline"]);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(!at.join("cold-out").exists());

    // Warm: the same bytes as with the network.
    build(at, &store, &depot.url, false, "online").expect(0, &["finished"]);
    build(at, &store, &depot.url, true, "offline").expect(0, &["finished"]);
    let repository = |name: &str| digest(&at.join(name).join("repo.zip"));
    assert_eq!(repository("online"), repository("offline"));

    let cache = |words: &[&str]| run(xtask().arg("cache").args(words).env("RELENG_CACHE", &store));
    let usage: serde_json::Value =
        serde_json::from_str(&cache(&["du", "--json"]).success()).unwrap();
    assert!(usage["kinds"]["payload"]["count"].as_u64().unwrap() > 50, "{usage}");
    assert_eq!(cache(&["verify"]).status, Some(0));

    // Payloads are gone: the list names them.
    fs::remove_dir_all(store.join("names/payload")).unwrap();
    let lacking = build(at, &store, &depot.url, true, "lacking");
    assert_eq!(lacking.status, Some(5), "{lacking}");
    assert!(lacking.err.contains("missing:\n") && lacking.err.contains(" of pkg://"), "{lacking}");
    assert!(!at.join("lacking").exists());

    // Nothing is left of a store that may hold nothing: after `gc`, or after a build.
    let is_empty = || cache(&["du"]).success().contains("0 B        0  in ");
    cache(&["gc", "--max-size", "0"]).expect(0, &["removed"]);
    assert!(is_empty());
    cache(&["gc"]).expect(2, &["--max-size"]);
    let mut limited = build_command(at, &store, &depot.url, false, "limited");
    let config = at.join("releng.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("[packages]\n", "[packages]\ncache-max-size = \"0\"\n");
    fs::write(&config, text).unwrap();
    run(&mut limited).expect(0, &["finished", "from the store", "(cache-max-size)"]);
    assert_eq!(repository("limited"), repository("online"));
    assert!(is_empty());
}

#[test]
fn one_interrupt_ends_a_transfer() {
    // A depot that takes the question and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let mut command = build_command(directory.path(), &store, &url, false, "out");
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (_connection, _) = silent.accept().unwrap();
    let begin = Instant::now();
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted; the previous results are untouched"), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(!directory.path().join("out").exists());
}

#[test]
fn serving_what_is_not_there() {
    run(xtask().args(["pkg", "serve", "/nonexistent"])).expect(5, &["/nonexistent is missing"]);
    let directory = tempfile::tempdir().unwrap();
    run(xtask().args(["pkg", "serve"]).arg(directory.path())).expect(1, &["pkg5.repository"]);
}

#[test]
fn origins_that_are_no_depot() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let said = build(directory.path(), &store, "http://", false, "out");
    said.expect(2, &["http:// is no address of a package depot", "http://HOST"]);
    let said = build(directory.path(), &store, "http://127.0.0.1:1/", false, "out");
    said.expect(3, &["http://127.0.0.1:1/", "cannot fetch versions/0 of the depot", "refused"]);
}
