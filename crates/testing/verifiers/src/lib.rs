//! Finds the independent programs that judge what this workspace writes.
//!
//! A test asks for one with [`require`] and returns early when it is not here. That is *skipped*,
//! not passed: the skip is said on standard error and written to the file that
//! `RELENG_SKIP_REPORT` names, so that `cargo xtask test` can list it with the command that
//! installs the program. With `RELENG_REQUIRE_VERIFIERS=1` a missing program is a failure.
//!
//! Programs are looked for in `$RELENG_VERIFIERS/bin` (default: `target/verifiers/bin` of this
//! workspace, which `scripts/install-verifiers` fills without root), then on `PATH`.

mod namespace;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use namespace::{first_process, in_user_namespace, mapped};

/// An independent program and what it is trusted to judge.
#[derive(Debug, Clone, Copy)]
pub struct Verifier {
    /// The program's name.
    pub name: &'static str,
    /// What it judges.
    pub judges: &'static str,
    /// The Debian package, or `PyPI NAME`.
    pub package: &'static str,
}

/// Every program that tests ask for.
pub const VERIFIERS: &[Verifier] = &[
    Verifier {
        name: "zdb",
        judges: "ZFS pools: labels, checksums, leaks",
        package: "zfsutils-linux",
    },
    Verifier {
        name: "grub-fstest",
        judges: "ZFS pools: listings and contents",
        package: "grub-common",
    },
    Verifier {
        name: "python-tuf",
        judges: "update repositories as a TUF client",
        package: "PyPI tuf",
    },
    Verifier { name: "gzip", judges: "gzip members", package: "gzip" },
    Verifier { name: "tar", judges: "tar archives", package: "tar" },
    Verifier {
        name: "bsdtar",
        judges: "mtree manifests and tar archives",
        package: "libarchive-tools",
    },
    Verifier { name: "cpio", judges: "boot archives", package: "cpio" },
    Verifier { name: "unzip", judges: "zip containers", package: "unzip" },
    Verifier { name: "openssl", judges: "keys and signatures", package: "openssl" },
    Verifier { name: "xmllint", judges: "XML against its DTD", package: "libxml2-utils" },
    Verifier { name: "mandoc", judges: "manual pages", package: "mandoc" },
    Verifier { name: "readelf", judges: "ELF files", package: "binutils" },
    Verifier { name: "as", judges: "the reader of ELF files, with ld", package: "binutils" },
    Verifier {
        name: "ld",
        judges: "the reader of ELF files, by linking some",
        package: "binutils",
    },
    Verifier { name: "curl", judges: "package depots as an HTTP client", package: "curl" },
    Verifier { name: "sshd", judges: "uploads to Wicket", package: "openssh-server" },
    Verifier { name: "sysvinit", judges: "roots of zones as their init", package: "sysvinit-core" },
    Verifier { name: "unshare", judges: "builds without network", package: "util-linux" },
];

/// The command that installs every verifier.
pub const INSTALL: &str = "scripts/install-verifiers";

/// Where `scripts/install-verifiers` puts programs.
pub fn directory() -> PathBuf {
    match std::env::var_os("RELENG_VERIFIERS") {
        Some(directory) => directory.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(3)
            .unwrap_or(Path::new("."))
            .join("target/verifiers"),
    }
}

/// The path of a verifier, if it is here.
pub fn find(name: &str) -> Option<PathBuf> {
    let ours = directory().join("bin").join(name);
    if ours.is_file() {
        return Some(ours);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|p| p.is_file())
}

/// A command for a verifier, or `None` after reporting that the caller's check is skipped.
///
/// # Panics
///
/// With `RELENG_REQUIRE_VERIFIERS=1`, when the program is missing; and for a name that is not in
/// [`VERIFIERS`].
pub fn require(name: &str) -> Option<Command> {
    assert!(VERIFIERS.iter().any(|v| v.name == name), "{name} is not in the table of verifiers");
    if let Some(path) = find(name) {
        let mut command = Command::new(path);
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        return Some(command);
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    skipped(name, test, "it is not here");
    None
}

/// Reports that a test, or a part of it, is skipped for want of a program.
#[expect(clippy::print_stderr, reason = "a skip must be loud, and tests have no printer")]
fn skipped(name: &str, test: &str, why: &str) {
    assert!(
        std::env::var_os("RELENG_REQUIRE_VERIFIERS").is_none_or(|v| v != "1"),
        "{name} is required, and {why}: run {INSTALL}"
    );
    eprintln!("SKIPPED {test}: {name} is needed, and {why}; {INSTALL} installs it");
    if let Some(report) = std::env::var_os("RELENG_SKIP_REPORT")
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(report)
    {
        let _ = writeln!(file, "{name}\t{test}");
    }
}
