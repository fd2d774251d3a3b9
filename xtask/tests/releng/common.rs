//! The program, a key, and the runs of the sample that several tests look at.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

/// The build clock of every run: 2026-09-21T14:13:20Z.
pub(crate) const EPOCH: &str = "1790000000";
/// The same, and a moment after the metadata expired, as flags take them.
pub(crate) const BUILD_TIME: &str = "2026-09-21T14:13:20Z";
pub(crate) const LATER: &str = "2026-10-01T00:00:00Z";

/// How the program ended and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    /// Checks the status, and that every text is in what was said on standard error.
    #[track_caller]
    pub(crate) fn expect(&self, status: i32, texts: &[&str]) {
        assert_eq!(self.status, Some(status), "{self}");
        for text in texts {
            assert!(self.err.contains(text), "`{text}` is not said: {self}");
        }
    }

    /// Standard output of a command that must succeed.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.status, Some(0), "{self}");
        self.out
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {:?}\n--- out\n{}\n--- err\n{}", self.status, self.out, self.err)
    }
}

/// The program in a fixed environment.
pub(crate) fn xtask() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_xtask")))
}

/// The program behind a shell that first sets the umask.
pub(crate) fn xtask_with_umask(umask: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
    shell.arg(env!("CARGO_BIN_EXE_xtask"));
    clean(shell)
}

fn clean(mut command: Command) -> Command {
    command
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("CARGO_NET_OFFLINE", "true")
        .env("NO_COLOR", "1")
        .env_remove("CI")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        status: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A key for tests: Ed25519 in PKCS#8, made from a number.
pub(crate) fn key(directory: &Path, number: u8) -> PathBuf {
    let path = directory.join(format!("key-{number}.der"));
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
    der.extend([number; 32]);
    fs::write(&path, der).unwrap();
    path
}

/// A finished run of the sample.
pub(crate) struct Run {
    pub(crate) out: PathBuf,
    pub(crate) said: String,
}

/// A directory that outlives the tests, so that nothing piles up when they run again.
pub(crate) fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("releng").join(name);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// The sample, built once with two jobs and umask 077.
pub(crate) fn sample() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let directory = directory("sample");
        let out = directory.join("out");
        let mut command = xtask_with_umask("077");
        command.arg("releng").arg("--out").arg(&out).arg("--key").arg(key(&directory, 7));
        command.args(["--jobs", "2", "--progress", "plain"]).env("TZ", "UTC");
        let outcome = run(&mut command);
        outcome.expect(0, &["finished"]);
        assert_eq!(outcome.out, format!("{}\n", out.join("repo.zip").display()));
        Run { out, said: outcome.err }
    })
}

impl Run {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    pub(crate) fn summary(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.path("summary.json")).unwrap()).unwrap()
    }

    /// The pool of an image without its phase-2 header, decompressed.
    pub(crate) fn pool(&self, image: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let pool = directory.path().join("pool.img");
        boot_image::phase2::extract(&self.path(image).join("zfs.img"), &pool).unwrap();
        (directory, pool)
    }

    /// A zone image out of the repository, taken out by unzip.
    pub(crate) fn zone(&self, directory: &Path, package: &str) -> Option<PathBuf> {
        let mut unzip = verifiers::require("unzip")?;
        let member = format!("repo/targets/zones/{package}.tar.gz");
        let output = unzip.arg("-p").arg(self.path("repo.zip")).arg(member).output().unwrap();
        assert!(output.status.success());
        let path = directory.join(format!("{package}.tar.gz"));
        fs::write(&path, output.stdout).unwrap();
        Some(path)
    }
}

/// Every file below a directory with its digest, by name.
pub(crate) fn digests(root: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.unwrap();
        if entry.file_type().is_dir() {
            continue;
        }
        let name = entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        files.insert(name, digest(entry.path()));
    }
    files
}

/// The SHA-256 of a file in hexadecimal.
pub(crate) fn digest(path: &Path) -> String {
    let mut file = fs::File::open(path).unwrap();
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return hex::encode(hasher.finalize()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// The names in a directory, hidden ones too.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A copy of a file with one byte changed.
pub(crate) fn damaged(file: &Path, to: &Path, offset: u64) {
    let mut bytes = fs::read(file).unwrap();
    let place = usize::try_from(offset).unwrap();
    bytes[place] ^= 0x55;
    fs::write(to, bytes).unwrap();
}

/// The sample's packages, published to a repository by this process.
pub(crate) fn packages() -> &'static Path {
    static REPOSITORY: OnceLock<PathBuf> = OnceLock::new();
    REPOSITORY.get_or_init(|| {
        let directory = directory("packages");
        let path = directory.join("repo");
        let _ = fs::remove_dir_all(&path);
        publish(&directory, &path, 1_790_000_000);
        path
    })
}

/// Publishes the sample's packages to a repository, which is made if it is not there.
pub(crate) fn publish(work: &Path, repository: &Path, time: i64) {
    let files = work.join("files");
    let _ = fs::remove_dir_all(&files);
    sample::generate(&files).unwrap();
    let timestamp = ips::Timestamp::from_epoch(time).unwrap();
    let mut publication = ips::Publication::new(sample::PUBLISHER, timestamp);
    publication.content = vec![files, sample::package_files()];
    for (name, value) in sample::MACROS {
        publication.mogrify.macros.insert(name.to_owned(), value.to_owned());
    }
    let mut repository = match repository.exists() {
        true => ips::Repository::open(repository).unwrap(),
        false => ips::Repository::create(repository, sample::PUBLISHER).unwrap(),
    };
    let manifests = sample::package_manifests().unwrap();
    ips::publish(&mut repository, &publication, &manifests).unwrap();
}
