//! What cannot be built is refused with a clear word and its own status; what was there stays.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::{Outcome, key, names, packages, run, sample, xtask};

/// A directory with an earlier result set, which every failure must leave alone.
struct Place {
    directory: tempfile::TempDir,
}

const PREVIOUS: &str = "{\"sample\": false}\n";

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("out")).unwrap();
        fs::write(directory.path().join("out/summary.json"), PREVIOUS).unwrap();
        fs::create_dir(directory.path().join("input")).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = xtask();
        command.args(["releng", "--progress", "plain", "--out"]).arg(self.path("out"));
        command
    }

    fn config(&self, text: &str) -> Command {
        let config = self.path("input/releng.toml");
        fs::write(&config, text).unwrap();
        let mut command = self.command();
        command.arg("--config").arg(config);
        command
    }

    /// What a failed run may leave: the earlier set, its lock, and logs.
    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(fs::read_to_string(self.path("out/summary.json")).unwrap(), PREVIOUS);
        assert_eq!(names(&self.path("out")), ["summary.json"]);
        let mut left = names(self.directory.path());
        left.retain(|name| ![".out.lock", "input", "out", "out.failed"].contains(&name.as_str()));
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Runs with a config; the result must have this status and say these texts.
#[track_caller]
fn refused(config: &str, status: i32, texts: &[&str]) -> Outcome {
    let place = Place::new();
    let outcome = run(&mut place.config(config));
    outcome.expect(status, texts);
    place.is_untouched();
    if status == 2 || status == 5 {
        assert!(!outcome.err.contains("[ 1/"), "a job ran: {outcome}");
    }
    outcome
}

/// A config that could be built but for what is given: a line of `[packages]` and one of
/// `[templates]`, and further sections.
fn config_with(package: &str, template: &str, more: &str) -> String {
    let origin = packages();
    let list = match template.starts_with("boot-archive") {
        true => String::new(),
        false => format!("boot-archive = {:?}\n", sample::boot_archive_files()),
    };
    format!(
        "[packages]\norigins = [{origin:?}]\n{package}\n[templates]\n{list}{template}\n{more}\n"
    )
}

fn config(more: &str) -> String {
    config_with("", "", more)
}

const STAND_INS: &str = "[host]\nstand-in-roms = true\n[trampoline]\nstand-in-roms = true\n";

#[test]
fn a_config_that_cannot_be_read() {
    refused(
        "[packages]\norigin = []\n",
        2,
        &["line 2", "unknown field", "did you mean `origins`?"],
    );
    refused("[host]\nsize = \"big\"\n", 2, &["line 2", "\"auto\""]);
    refused("[host\n", 2, &["line 1"]);
    refused("[host.overlay]\nx = \"instal\"\n", 2, &["did you mean `install`?"]);
    let place = Place::new();
    run(place.command().args(["--config", "nowhere.toml"])).expect(5, &["nowhere.toml"]);
    place.is_untouched();
}

#[test]
fn inputs_that_are_missing() {
    let origin = "[packages]\norigins = [\"nowhere.repo\"]\n";
    refused(origin, 5, &["package origin", "input/nowhere.repo is missing"]);
    refused(&config(""), 5, &["the host image has no ROM for gimlet and cosmo", "stand-in-roms"]);
    refused(
        &config("[host]\nstand-in-roms = true\n[trampoline.roms]\ngimlet = \"x.rom\"\n"),
        5,
        &["the trampoline image has no ROM for cosmo"],
    );
    refused(&config(&format!("{STAND_INS}[host.roms]\ngimlet = \"x.rom\"\n")), 5, &["input/x.rom"]);
    refused(
        &config(&format!("{STAND_INS}[repository]\nzone-files = [\"z.tar.gz\"]\n")),
        5,
        &["zone image", "input/z.tar.gz is missing"],
    );
    refused(
        &config(&format!(
            "{STAND_INS}[omicron]\npackage-manifest = \"p.toml\"\nartifacts = \".\"\n"
        )),
        5,
        &["input/p.toml"],
    );
    refused("[host]\nimage = \"finished\"\n", 5, &["input/finished is no finished image: zfs.img"]);
}

#[test]
fn origins_and_templates_that_are_none() {
    let place = Place::new();
    fs::create_dir(place.path("input/empty")).unwrap();
    let mut command = place.config("[packages]\norigins = [\"empty\"]\n");
    run(&mut command).expect(2, &["input/empty"]);
    let cases = [
        ("directory = \"empty\"", ["input/empty", "ramdisk-01-os"]),
        ("boot-archive = \"list.txt\"", ["input/list.txt", "boot archive"]),
        ("features = [\"\"]", ["features of host", "feature"]),
    ];
    for (line, texts) in cases {
        run(&mut place.config(&config_with("", line, STAND_INS))).expect(2, &texts);
    }
    place.is_untouched();
}

#[test]
fn omicron_packages_that_nobody_knows() {
    let place = Place::new();
    let omicron = format!(
        "[omicron]\npackage-manifest = {:?}\nartifacts = \".\"\n",
        sample::package_manifest()
    );
    let text = config(&format!("{STAND_INS}{omicron}[host.overlay]\nsample-agen = \"install\"\n"));
    run(&mut place.config(&text))
        .expect(2, &["has no package `sample-agen`", "the nearest name there is `sample-agent`"]);
    let text = text.replace("sample-agen ", "sample-agent ");
    run(&mut place.config(&text)).expect(5, &["sample-agent.tar is missing"]);
    place.is_untouched();
}

#[test]
fn flags_that_are_wrong() {
    let place = Place::new();
    run(place.command().args(["--version", "20"])).expect(2, &["version `20`"]);
    let long = format!("1.0.0+{}", "a".repeat(60));
    run(place.command().args(["--version", &long])).expect(2, &["at most 63"]);
    run(place.command().args(["--jobs", "0"])).expect(2, &["--jobs"]);
    run(place.command().arg("--ot")).expect(2, &["--ot"]);
    run(place.command().env("SOURCE_DATE_EPOCH", "yesterday"))
        .expect(2, &["SOURCE_DATE_EPOCH=yesterday", "seconds since 1970"]);
    let bad = place.path("input/bad.pem");
    fs::write(&bad, "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n")
        .unwrap();
    run(place.command().arg("--key").arg(&bad)).expect(2, &["input/bad.pem"]);
    let gone = place.path("input/gone.pem");
    run(place.command().arg("--key").arg(&gone)).expect(5, &["input/gone.pem"]);
    run(place.command().arg("--print-helios-build")).expect(2, &["the sample cannot be built"]);
    place.is_untouched();
}

#[test]
fn somebody_elses_directory_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.tex"), "").unwrap();
    let mut command = xtask();
    run(command.args(["releng", "--out"]).arg(directory.path()))
        .expect(2, &["is not the result of an earlier run"]);
    assert_eq!(names(directory.path()), ["thesis.tex"]);
}

#[test]
fn an_output_that_another_run_holds() {
    let place = Place::new();
    let lock = fs::File::create(place.path(".out.lock")).unwrap();
    lock.try_lock().unwrap();
    run(&mut place.command()).expect(6, &["another run", "give another directory"]);
    place.is_untouched();
    drop(lock);
}

#[test]
fn a_job_that_fails_is_told_with_its_log() {
    let place = Place::new();
    // Something a killed run left, which is cleared away.
    fs::create_dir_all(place.path(".out.abc.partial/set")).unwrap();
    let text = config_with("install = [\"no/such/package\"]", "", STAND_INS);
    let outcome = run(&mut place.config(&text));
    outcome
        .expect(3, &["/os` failed", "no/such/package", "last lines of its log", "are untouched"]);
    place.is_untouched();
    let log = outcome.err.lines().find_map(|line| line.strip_prefix("log: ")).unwrap();
    let log = PathBuf::from(log);
    assert!(log.starts_with(place.path("out.failed/logs")), "{}", log.display());
    assert!(fs::read_to_string(&log).unwrap().contains("no/such/package"));
    // The next failure replaces the logs.
    run(&mut place.config(&text)).expect(3, &[]);
    assert!(log.is_file());
}

#[test]
fn an_image_in_the_place_of_the_other() {
    let place = Place::new();
    let text = format!("[host]\nimage = {:?}\n", sample().path("trampoline"));
    let text = config(&format!("{text}[trampoline]\nstand-in-roms = true\n"));
    run(&mut place.config(&text)).expect(3, &["`host/take` failed", "recovery"]);
    place.is_untouched();
}

#[test]
fn an_interrupted_run_changes_nothing() {
    for (signal, name) in
        [(rustix::process::Signal::INT, "INT"), (rustix::process::Signal::TERM, "TERM")]
    {
        let place = Place::new();
        let mut command = xtask();
        command.args(["releng", "--progress", "json", "--jobs", "1", "--out"]);
        command.arg(place.path("out")).arg("--key").arg(key(&place.path("input"), 1));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains("\"started\""), "{line}");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{name}: {line}{rest}");
        assert!(rest.contains("interrupted; the previous results are untouched"), "{rest}");
        place.is_untouched();
    }
}
