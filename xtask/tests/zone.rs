//! `cargo xtask zone build` as a program.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its source shall fail")]

use std::fs;
use std::path::Path;
use std::process::Command;

const MANIFEST: &str = r#"
[package.service]
service_name = "service"
source.type = "composite"
source.packages = ["files.tar.gz"]
output.type = "zone"
[package.files]
service_name = "files"
source.type = "local"
source.paths = [{ from = "{{kind}}", to = "/opt/files" }]
output.type = "zone"
output.intermediate_only = true
[package.program]
service_name = "program"
only_for_targets.image = "standard"
source.type = "local"
source.rust = { binary_names = ["program"], release = true }
output.type = "tarball"
setup_hint = "build it"
[target.preset.host]
image = "standard"
kind = "text"
[target.preset.recovery]
image = "trampoline"
kind = "text"
"#;

/// Status, standard output, standard error.
fn run(directory: &Path, words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["zone", "build", "--offline", "--progress", "plain", "--manifest"])
        .arg(directory.join("package-manifest.toml"))
        .arg("--out")
        .arg(directory.join("out"))
        .args(words)
        .env("SOURCE_DATE_EPOCH", "1790000000")
        .env("RELENG_CACHE", directory.join("cache"))
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn source() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("package-manifest.toml"), MANIFEST).unwrap();
    fs::create_dir(directory.path().join("text")).unwrap();
    fs::write(directory.path().join("text/readme"), "read me\n").unwrap();
    directory
}

#[test]
fn a_plan_lists_everything_and_its_status_says_whether_all_can_be_built() {
    let directory = source();
    let (status, out, err) = run(directory.path(), &["--plan", "--preset", "host"]);
    assert_eq!(status, 1, "{out}{err}");
    for line in [
        "target: image=standard kind=text",
        "2 can be built:",
        "* service  service.tar.gz of files",
        "1 cannot be built here:",
        "* program  program.tar\n",
        "target/release/program: not built",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    assert!(!directory.path().join("out").exists());

    let (status, out, _) = run(directory.path(), &["--plan", "--json", "--preset", "recovery"]);
    assert_eq!(status, 0, "{out}");
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["v"], 1);
    let states: Vec<_> = plan["packages"].as_array().unwrap().iter().collect();
    let state = |name: &str| &states.iter().find(|p| p["name"] == name).unwrap()["state"];
    assert_eq!(state("service"), "ready");
    assert_eq!(state("program"), "excluded");
}

#[test]
fn images_are_built_and_what_cannot_be_is_said() {
    let directory = source();
    let dir = directory.path();
    let (status, out, err) = run(dir, &["--preset", "host"]);
    assert_eq!(status, 5, "{out}{err}");
    assert!(err.contains("program cannot be built here"), "{err}");
    assert!(err.contains("target/release/program: not built"), "{err}");
    assert!(!dir.join("out/service.tar.gz").exists());

    let (status, out, err) = run(dir, &["--preset", "host", "--keep-going"]);
    assert_eq!(status, 1, "{out}{err}");
    assert_eq!(out.trim_end(), dir.join("out/service.tar.gz").to_str().unwrap());
    assert!(err.contains("not built: program"), "{err}");
    let metadata = oxide_archive::read_metadata(dir.join("out/service.tar.gz")).unwrap();
    assert_eq!(metadata.version.as_deref(), Some("0.0.0"));

    // What a killed run left is removed.
    fs::create_dir_all(dir.join("out/.zone-build.x1/kept")).unwrap();
    fs::write(dir.join("out/.partial-x1"), "half").unwrap();
    let words = ["service", "--preset", "host", "--version", "1.2.3", "--json"];
    let (status, out, err) = run(dir, &words);
    assert_eq!(status, 0, "{out}{err}");
    let result: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["images"][0]["package"], "service");
    assert_eq!(result["images"][0]["version"], "1.2.3");
    let mut left: Vec<_> = fs::read_dir(dir.join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".zone-build.lock", "logs", "service.tar.gz"]);

    // Nobody else builds there meanwhile.
    let lock = fs::File::options().write(true).open(dir.join("out/.zone-build.lock")).unwrap();
    lock.try_lock().unwrap();
    let (status, _, err) = run(dir, &["service", "--preset", "host"]);
    assert_eq!(status, 6, "{err}");
    assert!(err.contains("another run"), "{err}");
}

#[test]
fn mistakes_of_the_command_line_and_the_manifest_have_their_status() {
    let directory = source();
    for (words, status, text) in [
        (&["--preset", "hosts"][..], 2, "there is no preset `hosts`, only host, recovery"),
        (&["servise", "--preset", "host"], 2, "did you mean `service`?"),
        (&["--pin", "x=12"], 2, "a SHA-256 has 64 hexadecimal digits"),
        (&["--artifacts", "file:///x"], 2, "give directories with --prebuilt"),
    ] {
        let (found, out, err) = run(directory.path(), words);
        assert_eq!(found, status, "{out}{err}");
        assert!(err.contains(text), "{text}: {err}");
    }
    fs::remove_file(directory.path().join("package-manifest.toml")).unwrap();
    let (status, _, err) = run(directory.path(), &[]);
    assert_eq!(status, 5, "{err}");
    assert!(err.contains("give omicron's package manifest with --manifest"), "{err}");
}
