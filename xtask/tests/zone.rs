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
fn what_is_not_published_is_said_with_another_way() {
    let directory = source();
    let manifest = directory.path().join("package-manifest.toml");
    let prebuilt = format!(
        "[package.theirs]\nservice_name = \"theirs\"\nsource.type = \"prebuilt\"\n\
         source.repo = \"r\"\nsource.commit = \"c\"\nsource.sha256 = \"{}\"\n\
         output.type = \"zone\"\n",
        "0".repeat(64)
    );
    fs::write(&manifest, prebuilt).unwrap();
    // A server that has nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["zone", "build", "--progress", "none", "--artifacts", &address, "--manifest"])
        .arg(&manifest)
        .arg("--out")
        .arg(directory.path().join("out"))
        .env("RELENG_CACHE", directory.path().join("cache"))
        .env("no_proxy", "127.0.0.1")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    server.join().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.contains("404 (it does not have it)"), "{err}");
    assert!(err.contains("oxidecomputer/r/image/c/theirs.tar.gz"), "{err}");
    assert!(err.contains("taken with --prebuilt DIR"), "{err}");
    assert!(!directory.path().join("out/theirs.tar.gz").exists());
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

/// A command that needs no source: status, standard output, standard error.
fn xtask(words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(words)
        .env("SOURCE_DATE_EPOCH", "1790000000")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn layers_are_packed_and_unpacked_if_they_are_the_pinned_ones() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    fs::create_dir_all(at("image/opt")).unwrap();
    fs::write(at("image/opt/x"), "program").unwrap();
    let (status, _, told) = xtask(&["layer", "pack", &at("image"), "--out", &at("x.tar.gz")]);
    assert_eq!(status, 0, "{told}");
    let right = proto::Digest::of(&fs::read(at("x.tar.gz")).unwrap()).to_string();
    let unpack = |pin: &str, root: &str| {
        xtask(&["layer", "unpack", &at("x.tar.gz"), "--root", &at(root), "--sha256", pin, "--json"])
    };
    let (status, _, told) = unpack(&"0".repeat(64), "wrong");
    assert_eq!(status, 3, "{told}");
    assert!(told.contains(&format!("sha256 {right} instead of the pinned 0000")), "{told}");
    assert!(!Path::new(&at("wrong")).exists());
    let (status, _, told) = unpack("12", "wrong");
    assert_eq!(status, 2, "{told}");
    let (status, printed, told) = unpack(&right, "right");
    assert_eq!(status, 0, "{told}");
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&printed["paths"], &printed["bytes"]), (&3.into(), &7.into()));
    assert_eq!(fs::read(at("right/opt/x")).unwrap(), b"program");
    // Damage leaves nothing either.
    let mut bytes = fs::read(at("x.tar.gz")).unwrap();
    bytes.push(0);
    fs::write(at("x.tar.gz"), bytes).unwrap();
    let (status, _, told) = xtask(&["layer", "unpack", &at("x.tar.gz"), "--root", &at("damaged")]);
    assert_eq!(status, 3, "{told}");
    assert!(told.contains("bytes that do not belong to the gzip stream"), "{told}");
    assert!(!Path::new(&at("damaged")).exists());
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 3);
}

#[test]
fn minimal_zones_that_start_are_made_and_compared_with_lists() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    for (path, text) in [
        ("root/sbin/sh", "stands for the shell"),
        ("root/sbin/init", "#!/sbin/sh\n"),
        ("root/opt/server", "#!/sbin/sh\n"),
        ("net.sh", "#!/sbin/sh\n"),
        ("list", "# by hand\nsbin/init\nusr/bin/getent # for zlogin\n"),
    ] {
        fs::create_dir_all(Path::new(&at(path)).parent().unwrap()).unwrap();
        fs::write(at(path), text).unwrap();
    }
    let minimal = |words: &[&str]| {
        xtask(&[&["zone", "minimal", "--proto", &at("root"), "--boot", "inittab"], words].concat())
    };
    let (status, printed, told) =
        minimal(&["--run", "/opt/server", "--script", &at("net.sh"), "--against", &at("list")]);
    assert_eq!(status, 0, "{told}");
    assert!(printed.contains("| sbin/init | yes | yes | to start |"), "{printed}");
    assert!(printed.contains("| usr/bin/getent | yes | no |  |"), "{printed}");
    assert!(printed.ends_with("2 paths in the list: 1 are here, 1 are not; 2 more are here\n"));

    let out = at("root.tar.gz");
    let words = ["--program", "opt/server", "--script", &at("net.sh"), "--out", &out, "--json"];
    let (status, printed, told) = minimal(&words);
    assert_eq!(status, 0, "{told}");
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["members"][0]["path"], "opt/server");
    let sha256 = proto::Digest::of(&fs::read(&out).unwrap()).to_string();
    assert_eq!(printed["written"]["sha256"], sha256);
    let (status, _, told) = minimal(&["--explain"]);
    assert_eq!(status, 2, "{told}");
    assert!(told.contains("nothing to run"), "{told}");
    let (status, _, told) = minimal(&["--run", "/opt/other", "--explain"]);
    assert_eq!(status, 5, "{told}");
    assert!(told.contains("/opt/other (to start) is not in the proto root"), "{told}");
}
