//! The program and a tree to put into images.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The main dataset of a pool that nothing else is said about.
pub(crate) const DATASET: &str = "rpool/ROOT/ramdisk";

/// A directory with a tree in `root`.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

/// How the program ended and what it said.
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        for (name, bytes) in [
            ("etc/motd", &b"hello\n"[..]),
            ("usr/bin/tool", &[7; 300_000]),
            ("opt/oxide/ntp.tar.gz", &noise(200_000)),
        ] {
            let file = place.path("root").join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        std::os::unix::fs::symlink("usr/bin", place.path("root/bin")).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs `image` with these words, in the directory.
    pub(crate) fn image(&self, words: &[&str]) -> Outcome {
        self.image_fed(words, b"")
    }

    /// The same with something on standard input.
    pub(crate) fn image_fed(&self, words: &[&str], input: &[u8]) -> Outcome {
        let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("image")
            .args(words)
            .current_dir(self.directory.path())
            .env("SOURCE_DATE_EPOCH", "1790000000")
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses its flags does not read on.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        Outcome {
            status: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Builds an image that must come out sound.
    #[track_caller]
    pub(crate) fn build(&self, words: &[&str]) -> PathBuf {
        self.image(&[&["build", "--out", "zfs.img"], words].concat()).expect(0, "");
        self.image(&["verify", "zfs.img"]).expect(0, "sound");
        self.path("zfs.img")
    }

    /// What the image's dataset has, in mtree form.
    #[track_caller]
    pub(crate) fn mtree(&self, dataset: &str) -> String {
        self.image(&["ls", "--mtree", "zfs.img", dataset]).expect(0, "").out
    }

    /// The names in the directory.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.directory.path())
    }
}

impl Outcome {
    #[track_caller]
    pub(crate) fn expect(self, status: i32, said: &str) -> Self {
        let all = format!("status {:?}\n{}\n{}", self.status, self.out, self.err);
        assert_eq!(self.status, Some(status), "{all}");
        assert!(self.err.contains(said), "`{said}` is not said: {all}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(name).collect();
    names.sort();
    names
}

/// Bytes that do not compress.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state = 1u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(size)
    .collect()
}
