//! `cargo xtask tuf` and `upload` as programs: a good case and a bad one of each command, with exit
//! status and message.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its inputs shall fail")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use oxide_archive::{ArchiveType, Metadata};
use proto::Digest;
use serde_json::Value;

/// 2026-11-20T15:13:08Z, when everything is built; a day later; and after it expired.
const EPOCH: &str = "1795187588";
const NEXT_DAY: &str = "2026-11-21T15:13:08Z";
const EXPIRED: &str = "2026-11-28T00:00:00Z";
const VERSION: &str = "20.0.0-0.test";

/// How the program ended and what it said.
#[derive(Debug)]
struct Outcome {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Outcome {
    /// Checks status and texts, which may be on either stream.
    #[track_caller]
    fn expect(self, status: i32, texts: &[&str]) -> Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        for text in texts {
            assert!(self.out.contains(text) || self.err.contains(text), "{text}: {self:#?}");
        }
        self
    }
}

/// Inputs, and a repository of them.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        for (folder, name) in [("host", "ci host"), ("trampoline", "recovery")] {
            let folder = place.path(folder);
            fs::create_dir(&folder).unwrap();
            for board in ["gimlet", "cosmo"] {
                fs::write(folder.join(format!("{board}.rom")), format!("{board} {name}")).unwrap();
            }
            fs::write(folder.join("zfs.img"), ramdisk(name)).unwrap();
        }
        for zone in ["ntp", "nexus"] {
            place.zone(&format!("{zone}.tar.gz"), zone, "first");
        }
        for (number, name) in [(7, "key"), (8, "stranger")] {
            let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
            der.extend([number; 32]);
            fs::write(place.path(name), der).unwrap();
        }
        place
    }

    /// The same with `repo.zip` and its root.
    fn built() -> Self {
        let place = Self::new();
        place.run("build --version V --key key --out repo.zip host trampoline ntp.tar.gz nexus.tar.gz")
            .expect(0, &["built", "10 targets"]);
        let root = place.run("show --metadata repo.zip 1.root.json").expect(0, &["\"root\""]).out;
        fs::write(place.path("root.json"), root).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn zone(&self, file: &str, name: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let output = gzip::GzipWriter::new(Vec::new(), gzip::Level::Best);
        let metadata = Metadata::new(ArchiveType::Layer).with_package(name, "1.0.0");
        let mut writer = oxide_archive::Writer::new(output, &path, &metadata, 0).unwrap();
        let entry = proto::Metadata::root(0o644);
        writer.file("root/file", entry, text.len() as u64, text.as_bytes()).unwrap();
        fs::write(&path, writer.finish().unwrap().finish().unwrap()).unwrap();
    }

    /// Runs `tuf` with words; `V` is the version.
    fn run(&self, words: &str) -> Outcome {
        self.xtask(&format!("tuf {words}"))
    }

    fn xtask(&self, words: &str) -> Outcome {
        let words = words.split_whitespace().map(|word| if word == "V" { VERSION } else { word });
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(words)
            .current_dir(self.directory.path())
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Outcome {
            status: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.run(words).expect(0, &[]).out).unwrap()
    }

    fn digest(&self, name: &str) -> Digest {
        Digest::of(&fs::read(self.path(name)).unwrap())
    }

    /// Flips a bit in the data of an entry that is stored as it is.
    fn damage(&self, name: &str, near: &[u8]) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        let at = bytes.windows(near.len()).position(|window| window == near).unwrap();
        bytes[at] ^= 1;
        fs::write(self.path(name), bytes).unwrap();
    }
}

/// A phase-2 image.
fn ramdisk(name: &str) -> Vec<u8> {
    let data = name.repeat(1000).into_bytes();
    let mut image = vec![0; 4096];
    image[..4].copy_from_slice(&0x1DEB_0075_u32.to_le_bytes());
    image[4] = 2;
    image[16..24].copy_from_slice(&(data.len() as u64).to_le_bytes());
    image[24..32].copy_from_slice(&(data.len() as u64).to_le_bytes());
    image[32..40].copy_from_slice(&(4_u64 << 30).to_le_bytes());
    image[40..72].copy_from_slice(&Digest::of(&data).0);
    image[72..90].copy_from_slice(b"rpool/ROOT/ramdisk");
    image[200..200 + name.len()].copy_from_slice(name.as_bytes());
    image.extend(data);
    image
}

#[test]
fn build() {
    let place = Place::built();
    let first = place.digest("repo.zip");
    place.run("build --version V --key key --root root.json --out repo.zip nexus.tar.gz ntp.tar.gz host trampoline")
        .expect(0, &[]);
    assert_eq!(place.digest("repo.zip"), first, "under its own root it is the same");
    place
        .run("build --version V --partial --out part.zip ntp.tar.gz")
        .expect(0, &["throwaway key"]);

    for (words, status, texts) in [
        ("build --version V --key key --out x.zip ntp.tar.gz", 1, &["--partial", "os_phase2"][..]),
        ("build --version twenty --out x.zip ntp.tar.gz", 2, &["semantic version"]),
        ("build --version V --out x.zip ghost", 5, &["ghost is missing"]),
        ("build --version V --key ghost --out x.zip ntp.tar.gz", 5, &["ghost is missing"]),
        ("build --version V --key root.json --out x.zip ntp.tar.gz", 2, &["signing key is"]),
        ("build --version V --out x.zip key", 3, &["none of the known artifacts"]),
        (
            "build --version V --key stranger --root root.json --out x.zip ntp.tar.gz",
            2,
            &["does not know the key"],
        ),
        ("build --version V --root root.json --out x.zip ntp.tar.gz", 2, &["--key"]),
    ] {
        place.run(words).expect(status, texts);
        assert!(!place.path("x.zip").exists(), "{words}");
    }
}

#[test]
fn verify() {
    let place = Place::built();
    let at = format!("--at {NEXT_DAY}");
    place.run(&format!("verify {at} repo.zip")).expect(0, &["OK, 10 targets", "taken on trust"]);
    place.run(&format!("verify {at} --trust-root root.json repo.zip")).expect(0, &["OK"]);
    let report = place.json(&format!("verify {at} --json repo.zip"));
    assert_eq!(report["system_version"], VERSION);
    assert_eq!(report["problems"], serde_json::json!([]));
    place.run(&format!("verify --at {EXPIRED} repo.zip")).expect(4, &["expired"]);
    // A directory is judged as its zip.
    if let Some(mut unzip) = verifiers::require("unzip") {
        let status =
            unzip.arg("-q").arg(place.path("repo.zip")).arg("-d").arg(place.path("d")).status();
        assert!(status.unwrap().success());
        place.run(&format!("verify {at} d")).expect(0, &["d: OK, 10 targets"]);
        fs::write(place.path("d/repo/targets/extra"), "x").unwrap();
        place.run(&format!("verify {at} d")).expect(1, &["[zip-unsigned]"]);
    }

    place.damage("repo.zip", &fs::read(place.path("ntp.tar.gz")).unwrap());
    place
        .run(&format!("verify {at} repo.zip"))
        .expect(1, &["zones/ntp.tar.gz", "refused, 1 problems"]);
    place.run("verify ghost.zip").expect(5, &["ghost.zip is missing"]);
    place.run(&format!("verify {at} key")).expect(1, &["[zip-end]"]);
    place
        .run(&format!("verify {at} --trust-root key repo.zip"))
        .expect(3, &["is no root to trust"]);
}

#[test]
fn list_show_and_extract() {
    let place = Place::built();
    place.run("list repo.zip").expect(0, &["zones/ntp.tar.gz", "kind=zone,zone_name=ntp", VERSION]);
    assert_eq!(place.json("list --json repo.zip")["targets"].as_array().unwrap().len(), 10);
    let text = place.run("show repo.zip artifacts-v2.json").expect(0, &[]).out;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["system_version"], VERSION);
    place
        .run("extract repo.zip --out zones zones/ntp.tar.gz")
        .expect(0, &["zones/zones/ntp.tar.gz"]);
    assert_eq!(place.digest("zones/zones/ntp.tar.gz"), place.digest("ntp.tar.gz"));

    place.run("show repo.zip ghost").expect(2, &["no such target", "tuf list"]);
    place.run("show --metadata repo.zip ghost.json").expect(2, &["no such metadata"]);
    place.run("extract repo.zip --out zones").expect(3, &["is not empty"]);
    place.run("list key").expect(1, &["[zip-end]"]);
    place.damage("repo.zip", &fs::read(place.path("ntp.tar.gz")).unwrap());
    place.run("show repo.zip zones/ntp.tar.gz").expect(1, &["zones/ntp.tar.gz"]);
    place.run("extract repo.zip --out more").expect(1, &["zones/ntp.tar.gz"]);
    assert!(!place.path("more").exists());
}

#[test]
fn check_and_refresh() {
    let place = Place::built();
    place.run(&format!("check --at {NEXT_DAY} repo.zip")).expect(0, &["6 days from now"]);
    place.run(&format!("check --at {NEXT_DAY} --expiring-within 30d repo.zip")).expect(7, &[]);
    place.run(&format!("check --at {EXPIRED} repo.zip")).expect(4, &["expired"]);
    place.run("check --expiring-within soon repo.zip").expect(2, &["no time such as 30d"]);
    place.run("check root.json").expect(1, &["[zip-end]"]);

    let before = place.digest("repo.zip");
    place
        .run("refresh --key stranger repo.zip")
        .expect(2, &["does not know the key", "--new-root"]);
    place.run("refresh repo.zip").expect(2, &["--key"]);
    assert_eq!(place.digest("repo.zip"), before);
    place.run("refresh --key key --expires 30 repo.zip").expect(0, &["refreshed", "2026-12-20"]);
    place.run(&format!("verify --at {EXPIRED} --trust-root root.json repo.zip")).expect(0, &["OK"]);
}

#[test]
fn edit() {
    let place = Place::built();
    let before = place.digest("repo.zip");
    place.zone("new/ntp.tar.gz", "ntp", "second");
    place.zone("new/probe.tar.gz", "probe", "third");
    for (words, status, texts) in [
        ("edit --key key repo.zip", 2, &["nothing to change"][..]),
        ("edit --key key --add new/ntp.tar.gz repo.zip", 2, &["different contents", "--replace"]),
        ("edit --key key --replace new/probe.tar.gz repo.zip", 2, &["nothing that"]),
        ("edit --key key --remove zones/ghost.tar.gz repo.zip", 2, &["no such target", "tuf list"]),
        ("edit --key key --remove artifacts-v2.json repo.zip", 2, &["made anew"]),
        ("edit --key stranger --add new/probe.tar.gz repo.zip", 2, &["does not know the key"]),
        ("edit --add new/probe.tar.gz repo.zip", 2, &["no key was given"]),
        ("edit --key key --add ghost repo.zip", 5, &["ghost is missing"]),
        ("edit --key key --add new/probe.tar.gz key", 1, &["[zip-end]"]),
    ] {
        place.run(words).expect(status, texts);
        assert_eq!(place.digest("repo.zip"), before, "{words}");
    }
    let words = "--replace new/ntp.tar.gz --add new/probe.tar.gz --remove zones/nexus.tar.gz";
    place.run(&format!("edit --key key {words} --out edited.zip repo.zip")).expect(0, &["edited"]);
    assert_eq!(place.digest("repo.zip"), before);
    place
        .run(&format!("verify --at {NEXT_DAY} --trust-root root.json edited.zip"))
        .expect(0, &["OK"]);
    place.run("diff repo.zip edited.zip").expect(
        1,
        &["+ kind=zone,zone_name=probe", "- kind=zone,zone_name=nexus", "~ root/file contents"],
    );
    place
        .run("edit --new-root --remove os-host/zfs.img edited.zip")
        .expect(2, &["without kind=os_phase2,os_variant=host", "--partial"]);
    let words = "edit --partial --new-root --version 21.0.0 --remove os-host/zfs.img edited.zip";
    place.run(words).expect(
        0,
        &["throwaway key", "a complete repository also has: kind=os_phase2,os_variant=host"],
    );
    place.run(&format!("verify --at {NEXT_DAY} edited.zip")).expect(1, &["[artifact-missing]"]);
    place.run(&format!("verify --at {NEXT_DAY} --partial edited.zip")).expect(0, &["OK"]);
}

#[test]
fn stand_ins_make_a_whole_repository() {
    let place = Place::new();
    place
        .run("build --version 1.0.0 --fake --key key --out fake.zip")
        .expect(0, &["stand-ins", "built"]);
    let list = place.run("list fake.zip").expect(0, &["kind=sp,sp_board=SimPscSp"]).out;
    assert_eq!(list.matches("kind=zone,").count(), 11, "{list}");
    place.run("build --version 1.0.0 --key key --out none.zip").expect(2, &["ARTIFACT"]);
    place
        .run("build --manifest m --fake --key key --out none.zip")
        .expect(2, &["cannot be used with"]);
    assert!(!place.path("none.zip").exists());
}

#[test]
fn merge_and_diff() {
    let place = Place::built();
    place.run("build --version V --partial --key key --out os.zip host trampoline").expect(0, &[]);
    place
        .run("build --version V --partial --key key --out zones.zip ntp.tar.gz nexus.tar.gz")
        .expect(0, &[]);
    place.run("merge --key key --out whole.zip os.zip zones.zip").expect(0, &["merged"]);
    place.run(&format!("verify --at {NEXT_DAY} whole.zip")).expect(0, &["OK"]);
    let same = place.run("diff repo.zip whole.zip").expect(0, &[]);
    assert_eq!(same.out, "");

    place.zone("new/ntp.tar.gz", "ntp", "second");
    place
        .run("build --version V --partial --key key --out other.zip new/ntp.tar.gz")
        .expect(0, &[]);
    place.run("merge --key key --out x.zip zones.zip other.zip").expect(2, &["different contents"]);
    place.run("build --version 1.0.0 --partial --key key --out old.zip ntp.tar.gz").expect(0, &[]);
    place.run("merge --key key --out x.zip zones.zip old.zip").expect(2, &["system version"]);
    place.run("merge --key key --out x.zip zones.zip").expect(2, &["2 values"]);
    place.run("diff repo.zip key").expect(1, &["[zip-end]"]);
    assert!(!place.path("x.zip").exists());
}

/// Takes one request and answers it. Gives the address and, later, the body.
fn serve(answer: &'static str) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut body = Vec::new();
        // The second request asks what is there now.
        for (number, answer) in
            [answer, "200 OK\r\nContent-Length: 34\r\n\r\n{\"system_version\":\"20.0.0-0.test\"}"]
                .iter()
                .enumerate()
        {
            let Ok((mut stream, _)) = listener.accept() else { break };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut bytes = Vec::new();
            reader.take(length).read_to_end(&mut bytes).unwrap();
            stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).unwrap();
            if number == 0 {
                body = bytes;
                if !answer.starts_with("204") {
                    break;
                }
            }
        }
        body
    });
    (url, thread)
}

#[test]
fn upload() {
    let place = Place::new();
    // Good today: the verification before an upload asks the clock.
    place
        .run(
            "build --version V --key key --expires 36500 --out repo.zip host trampoline ntp.tar.gz",
        )
        .expect(0, &[]);
    let (url, far) = serve("204 No Content\r\nConnection: close\r\n\r\n");
    place.xtask(&format!("upload repo.zip --to {url}")).expect(0, &["delivered", "/repository"]);
    assert!(far.join().unwrap() == fs::read(place.path("repo.zip")).unwrap());

    let (url, far) = serve(
        "400 Bad Request\r\nContent-Length: 45\r\nConnection: close\r\n\r\n{\"request_id\":\"r\",\"message\":\"update running\"}",
    );
    place
        .xtask(&format!("upload repo.zip --to {url}"))
        .expect(3, &["refused the repository (400 Bad Request): update running"]);
    far.join().unwrap();

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (words, status, texts) in [
        (format!("repo.zip --attempts 1 --to http://{nobody}"), 3, &["cannot connect"][..]),
        (format!("ghost.zip --to http://{nobody}"), 5, &["ghost.zip is missing"]),
        ("repo.zip --to ftp://x".to_owned(), 2, &["is no destination"]),
        ("repo.zip --to ssh://user:secret@x".to_owned(), 2, &["passwords"]),
        (format!("key --to http://{nobody}"), 1, &["nothing was sent", "[zip-end]"]),
        (format!("repo.zip --token-file key --to http://{nobody}"), 2, &["key"]),
    ] {
        place.xtask(&format!("upload {words}")).expect(status, texts);
    }
    fs::File::create(place.path("huge.zip")).unwrap().set_len((4 << 30) + 1).unwrap();
    place
        .xtask(&format!("upload huge.zip --to http://{nobody}"))
        .expect(3, &["at most 4294967296"]);
    // Nobody knows the key of a host that nobody answers for, and nobody is asked.
    let port = nobody.port();
    place
        .xtask(&format!("upload repo.zip --attempts 1 --batch --to ssh://127.0.0.1:{port}"))
        .expect(3, &["cannot connect to ssh://127.0.0.1"]);
}

#[test]
fn releases_are_told_from_the_rest() {
    let place = Place::new();
    place
        .xtask("releng --release --out out")
        .expect(2, &["cannot be a release", "it is the sample", "throwaway key"]);
    assert!(!place.path("out").exists());
    place.xtask("releng --key key --root key --out out").expect(2, &["no root to sign under"]);
}

#[test]
fn the_older_format() {
    let place = Place::new();
    let part = |name: &str, file: &str| {
        format!("{name} = {{ kind = \"file\", path = \"{}\" }}", place.path(file).display())
    };
    let host = format!(
        "system_version = \"{VERSION}\"\n[[artifact.host]]\nname = \"host\"\nversion = \"{VERSION}\"\n\
         source = {{ kind = \"composite-host\", {}, {}, {} }}\n",
        part("gimlet_phase_1", "host/gimlet.rom"),
        part("cosmo_phase_1", "host/cosmo.rom"),
        part("phase_2", "host/zfs.img")
    );
    fs::write(place.path("manifest.toml"), &host).unwrap();
    let build = "build --format v1 --manifest manifest.toml --key key --out v1.zip";
    place.run(build).expect(2, &["also has", "control_plane"]);
    place.run(&format!("{build} --partial")).expect(0, &["built", "3 targets"]);
    place.run(&format!("verify --partial --at {NEXT_DAY} v1.zip")).expect(0, &["OK, 3 targets"]);
    place.run(&format!("verify --at {NEXT_DAY} v1.zip")).expect(1, &["[artifact-missing]"]);
    place.run("edit --key key --version 1.0.0 v1.zip").expect(2, &["format v1"]);
    place.run("build --manifest manifest.toml --out x.zip").expect(2, &["--format v1 belong"]);
    fs::write(place.path("manifest.toml"), host.replace("host]]", "toaster]]")).unwrap();
    place.run(&format!("{build} --partial")).expect(3, &["\"toaster\" of host is not known"]);
}
