//! Whether programs for illumos can be built here.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use brand::packaging::{ILLUMOS, PROFILE};

use crate::environment;

/// What there is for building them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Illumos {
    /// The directory of the target's standard library.
    pub(crate) library: Option<PathBuf>,
    /// Whether a program can be linked, which takes a linker and the system's own libraries. Only
    /// tried with a standard library.
    pub(crate) links: bool,
    /// Whether C can be compiled, by the compiler that the build scripts of crates are told to use.
    /// Only tried if a program can be linked.
    pub(crate) compiles_c: bool,
}

/// The variable that names that compiler, which may have options.
pub(crate) const C_COMPILER: &str = "CC_x86_64_unknown_illumos";

impl Illumos {
    /// Asks rustc, and has cargo build the smallest program there is, with all its configuration.
    pub(crate) fn look() -> Self {
        let directory = duct::cmd!("rustc", "--print", "target-libdir", "--target", ILLUMOS)
            .dir(environment::workspace())
            .stderr_null()
            .read();
        let library = directory.ok().map(PathBuf::from).filter(|directory| directory.is_dir());
        let links = library.is_some() && links().unwrap_or_default();
        let compiler = std::env::var(C_COMPILER).ok();
        let compiles_c =
            links && compiler.is_some_and(|compiler| compiles_c(&compiler).unwrap_or_default());
        Self { library, links, compiles_c }
    }

    /// Whether programs of nothing but Rust can be built.
    pub(crate) fn is_possible(&self) -> bool {
        self.library.is_some() && self.links
    }

    /// Whether programs with parts in C can be built.
    pub(crate) fn is_possible_with_c(&self) -> bool {
        self.is_possible() && self.compiles_c
    }
}

/// Compiles a file that wants the system's headers, and these to be of illumos.
fn compiles_c(compiler: &str) -> std::io::Result<bool> {
    let mut words = compiler.split_whitespace();
    let Some(program) = words.next() else { return Ok(false) };
    let directory = tempfile::tempdir()?;
    let source = directory.path().join("probe.c");
    fs::write(&source, PROBE_OF_C)?;
    let arguments = words.map(Into::into).chain([
        "-c".into(),
        source.into_os_string(),
        "-o".into(),
        directory.path().join("probe.o").into_os_string(),
    ]);
    let compiled = duct::cmd(program, arguments.collect::<Vec<OsString>>())
        .stdout_null()
        .stderr_null()
        .unchecked()
        .run()?;
    Ok(compiled.status.success())
}

const PROBE_OF_C: &str = "#ifndef __sun\n#error not for illumos\n#endif\n\
    #include <pthread.h>\npthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;\n";

fn links() -> std::io::Result<bool> {
    let directory = tempfile::tempdir()?;
    write_probe(directory.path())?;
    let manifest = directory.path().join("Cargo.toml");
    let target = directory.path().join("target");
    let mut arguments: Vec<OsString> =
        ["build", "--quiet", "--offline", "--release", "--target", ILLUMOS]
            .map(OsString::from)
            .into();
    arguments.extend(["--manifest-path".into(), manifest.into_os_string()]);
    arguments.extend(["--target-dir".into(), target.into_os_string()]);
    // As in the build, for some of these settings are for the linker.
    for setting in PROFILE {
        arguments.extend(["--config".into(), format!("profile.release.{setting}").into()]);
    }
    // In the workspace's directory, for that is where configuration is looked for.
    let built = duct::cmd(environment::cargo(), arguments)
        .dir(environment::workspace())
        // Flags of the caller do not count in the build either.
        .env("CARGO_ENCODED_RUSTFLAGS", "")
        .stdout_null()
        .stderr_null()
        .unchecked()
        .run()?;
    Ok(built.status.success())
}

fn write_probe(directory: &Path) -> std::io::Result<()> {
    fs::create_dir(directory.join("src"))?;
    fs::write(directory.join("src/main.rs"), "fn main() {}\n")?;
    let manifest = "[package]\nname = \"probe\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(directory.join("Cargo.toml"), manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The probe itself is sound: for this machine it can be built.
    #[test]
    fn the_probe_is_a_package() {
        let directory = tempfile::tempdir().unwrap();
        write_probe(directory.path()).unwrap();
        let built = duct::cmd!(environment::cargo(), "check", "--quiet", "--offline")
            .dir(directory.path())
            .env("CARGO_TARGET_DIR", directory.path().join("target"))
            .stderr_capture()
            .unchecked()
            .run()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }

    #[test]
    fn without_a_standard_library_nothing_is_possible() {
        let illumos = |library: Option<&str>, links, compiles_c| {
            let looked = Illumos { library: library.map(Into::into), links, compiles_c };
            (looked.is_possible(), looked.is_possible_with_c())
        };
        assert_eq!(illumos(None, true, true), (false, false));
        assert_eq!(illumos(Some("/l"), false, true), (false, false));
        assert_eq!(illumos(Some("/l"), true, false), (true, false));
        assert_eq!(illumos(Some("/l"), true, true), (true, true));
    }

    /// A compiler for this machine is none for illumos, unless it is told to pass for one.
    #[test]
    fn compilers_of_c_are_tried() {
        assert!(!compiles_c("").unwrap());
        assert!(compiles_c("/nonexistent/cc").is_err());
        assert!(!compiles_c("cc").unwrap());
        assert!(compiles_c("cc -D__sun=1 -D_GNU_SOURCE").unwrap());
    }
}
