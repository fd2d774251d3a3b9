//! How the brand becomes packages: how its programs are built, and which file goes where.
//!
//! Nothing is run here. The caller builds with [`build`], lays out the files of [`packages`] with
//! [`lay_out`], publishes their manifests with [`macros`], and says what [`Built`] says.
//!
//! The same sources give the same program, whatever the clone, the home directory, the umask or
//! the number of jobs: paths that the compiler writes into panic messages are mapped to fixed
//! ones, everything that has no business in a shipped program (symbols, line tables) is left out,
//! and settings that could come in from the environment are overridden.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Error;

/// The target that the brand is meant for.
pub const ILLUMOS: &str = "x86_64-unknown-illumos";

/// What a build of the brand's programs is made from.
#[derive(Debug, Clone)]
pub struct Build<'a> {
    /// The workspace's root directory.
    pub workspace: &'a Path,
    /// Cargo's home: `CARGO_HOME`, else `.cargo` in the home directory.
    pub cargo_home: &'a Path,
    /// Where cargo works and leaves the programs.
    pub target_directory: &'a Path,
    /// What the programs are built for.
    pub targets: &'a Targets,
}

/// The target triples of the brand's programs: [`ILLUMOS`] for those that can be built for it,
/// else the host's. The hook program takes the standard library and a sysroot, the baseline
/// generator a C compiler too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// That of the hook program.
    pub hook: String,
    /// That of the baseline generator.
    pub baseline: String,
}

impl Targets {
    /// What the summary of a run has to say; nothing where all is for illumos.
    pub fn notice(&self) -> Option<String> {
        let [hook, baseline] =
            [&self.hook, &self.baseline].map(|target| Built::for_target(target).notice());
        match (hook, baseline) {
            (Some(notice), _) => Some(format!("the brand's programs are {notice}")),
            (None, Some(notice)) => Some(format!("the brand's baseline generator is {notice}")),
            (None, None) => None,
        }
    }
}

/// How the brand's programs are built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builds {
    /// What is to be run, in any order.
    pub commands: Vec<CommandLine>,
    /// The programs that are there when it is done.
    pub programs: Programs,
}

/// A cargo command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Arguments for `cargo`.
    pub arguments: Vec<OsString>,
    /// Environment variables to set, or to remove where the value is `None`.
    pub environment: Vec<(&'static str, Option<OsString>)>,
    /// The directory to run in.
    pub directory: PathBuf,
}

/// The brand's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The hook program, `brand`.
    pub hook: PathBuf,
    /// The baseline generator, `baseline`.
    pub baseline: PathBuf,
}

/// Settings of the profile `release` for a shipped program. They are given on the command line
/// because there they win over configuration files and the environment.
pub const PROFILE: &[&str] = &[
    "opt-level=3",
    "debug=false",
    "strip='symbols'",
    "lto='off'",
    "codegen-units=1",
    "incremental=false",
    "overflow-checks=true",
    "debug-assertions=false",
    "panic='unwind'",
];

/// Variables of the caller's environment that would change the programs.
const REMOVED: &[&str] =
    &["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTC"];

/// The cargo command lines that build [`Programs`]: one, or one for each target.
///
/// # Errors
///
/// [`Error::Io`] when the registry in Cargo's home cannot be listed.
pub fn build(options: &Build<'_>) -> Result<Builds, Error> {
    let Targets { hook, baseline } = options.targets;
    let commands = if hook == baseline {
        vec![command(options, &["brand", "baseline"], hook)?]
    } else {
        vec![command(options, &["brand"], hook)?, command(options, &["baseline"], baseline)?]
    };
    let built =
        |target: &str, program| options.target_directory.join(target).join("release").join(program);
    let programs = Programs { hook: built(hook, "brand"), baseline: built(baseline, "baseline") };
    Ok(Builds { commands, programs })
}

fn command(options: &Build<'_>, programs: &[&str], target: &str) -> Result<CommandLine, Error> {
    let mut arguments: Vec<OsString> = Vec::new();
    for argument in ["build", "--locked", "--release"] {
        arguments.push(argument.into());
    }
    for program in programs {
        for argument in ["--package", program, "--bin", program] {
            arguments.push(argument.into());
        }
    }
    if target != ILLUMOS {
        // Such programs are only looked at, and what speaks HTTP takes minutes to compile.
        arguments.push("--no-default-features".into());
    }
    arguments.extend(["--target".into(), target.into()]);
    arguments.extend(["--target-dir".into(), options.target_directory.into()]);
    for setting in PROFILE {
        arguments.extend(["--config".into(), format!("profile.release.{setting}").into()]);
    }

    // the last prefix that fits wins, so the general ones come first
    let mut flags = OsString::new();
    let mut remap = |from: &Path, to: &str| {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    };
    remap(options.workspace, "/releng");
    remap(options.target_directory, "/target");
    remap(options.cargo_home, "/cargo");
    for registry in registries(options.cargo_home)? {
        remap(&registry, "/cargo/registry");
    }

    let mut environment = vec![
        ("CARGO_ENCODED_RUSTFLAGS", Some(flags)),
        ("CARGO_HOME", Some(options.cargo_home.into())),
        ("CARGO_INCREMENTAL", Some("0".into())),
    ];
    environment.extend(REMOVED.iter().map(|name| (*name, None)));
    Ok(CommandLine { arguments, environment, directory: options.workspace.into() })
}

/// Directories of unpacked crates. Their names hold a hash of the registry's address, which
/// differs where crates come through a mirror.
fn registries(cargo_home: &Path) -> Result<Vec<PathBuf>, Error> {
    let sources = cargo_home.join("registry/src");
    let mut found = Vec::new();
    match std::fs::read_dir(&sources) {
        Ok(entries) => {
            for entry in entries {
                found.push(entry.map_err(Error::io("list", &sources))?.path());
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("list", &sources)(error)),
    }
    found.sort();
    Ok(found)
}

/// What a program was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Built {
    /// illumos: it runs where it is installed.
    ForIllumos,
    /// The machine that built it, by its target triple: it cannot run where its package is
    /// installed, and everything that mentions the package has to say so.
    ForHost(String),
}

impl Built {
    /// From the target triple that was given to [`build`].
    pub fn for_target(target: &str) -> Built {
        if target.ends_with("-illumos") { Built::ForIllumos } else { Built::ForHost(target.into()) }
    }

    /// What package summary and run summary have to say; nothing for illumos.
    pub fn notice(&self) -> Option<String> {
        match self {
            Built::ForIllumos => None,
            Built::ForHost(triple) => Some(format!("built for HOST, not illumos ({triple})")),
        }
    }
}

/// Values of the macros that the package manifests use: `VERSION`, the component version and
/// branch of all three packages, and the ends of their summaries, `HOST_NOTICE` and, for the
/// package of the baseline generator, `TOOLS_NOTICE`.
pub fn macros(version: &str, targets: &Targets) -> BTreeMap<String, String> {
    let notice = |target: &str| {
        let notice = Built::for_target(target).notice();
        notice.map_or_else(String::new, |notice| format!("; {notice}"))
    };
    BTreeMap::from([
        ("VERSION".into(), version.into()),
        ("HOST_NOTICE".into(), notice(&targets.hook)),
        ("TOOLS_NOTICE".into(), notice(&targets.baseline)),
    ])
}

/// A package to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name, the stem of its FMRI.
    pub name: &'static str,
    /// Its manifest, in which [`macros`] are still to be replaced.
    pub manifest: PathBuf,
    /// Where the contents of each `file` action come from: installed path, source.
    pub files: Vec<(&'static str, PathBuf)>,
}

/// The packages of the brand, in the order in which they need each other.
///
/// `room` is this crate's directory in the workspace, `brand`.
pub fn packages(room: &Path, programs: &Programs) -> Vec<Package> {
    let package = |name, manifest, files| Package { name, manifest: room.join(manifest), files };
    vec![
        package(
            "consolidation/oxide/omicron1-brand-incorporation",
            "packages/incorporation.p5m",
            vec![],
        ),
        package(
            "system/zones/brand/omicron1",
            "packages/brand.p5m",
            vec![
                ("etc/default/helios-omicron1", room.join("files/helios-omicron1")),
                ("usr/lib/brand/omicron1/brand", programs.hook.clone()),
                ("usr/lib/brand/omicron1/config.xml", room.join("files/config.xml")),
                ("usr/lib/brand/omicron1/platform.xml", room.join("files/platform.xml")),
                ("usr/share/man/man7/omicron1.7", room.join("man/omicron1.7")),
            ],
        ),
        package(
            "system/zones/brand/omicron1/tools",
            "packages/tools.p5m",
            vec![
                ("lib/svc/manifest/system/omicron/baseline.xml", room.join("files/baseline.xml")),
                ("usr/lib/brand/omicron1/baseline", programs.baseline.clone()),
            ],
        ),
    ]
}

/// Copies the files of packages below a directory, under their installed paths, as publishing
/// wants them. Owner and mode are for the manifests to say.
///
/// # Errors
///
/// [`Error::Io`] for the first file that cannot be copied, for instance because a program has not
/// been built.
pub fn lay_out(packages: &[Package], directory: &Path) -> Result<(), Error> {
    for (path, source) in packages.iter().flat_map(|package| &package.files) {
        let target = directory.join(path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("make directory", parent))?;
        }
        std::fs::copy(source, &target).map_err(Error::io("lay out", source))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(hook: &str, baseline: &str) -> Targets {
        Targets { hook: hook.into(), baseline: baseline.into() }
    }

    #[test]
    fn each_file_action_has_a_source_and_each_source_an_action() {
        let room = Path::new(env!("CARGO_MANIFEST_DIR"));
        let programs = Programs { hook: "/b/brand".into(), baseline: "/b/baseline".into() };
        for package in packages(room, &programs) {
            let manifest = std::fs::read_to_string(&package.manifest)
                .unwrap_or_else(|error| panic!("{}: {error}", package.name));
            assert!(
                manifest.contains(&format!("value=pkg:/{}@$(VERSION)\n", package.name)),
                "{manifest}"
            );
            let mut delivered: Vec<&str> = manifest
                .lines()
                .filter_map(|line| line.strip_prefix("file path="))
                .filter_map(|rest| rest.split(' ').next())
                .collect();
            delivered.sort_unstable();
            let described: Vec<&str> = package.files.iter().map(|(path, _)| *path).collect();
            assert_eq!(delivered, described);
            for (_, source) in package.files {
                assert!(source.starts_with("/b") || source.is_file(), "{}", source.display());
            }
        }
    }

    #[test]
    fn every_macro_of_the_manifests_has_a_value() {
        let values =
            macros("1.0.42", &targets("x86_64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"));
        let programs = Programs { hook: "h".into(), baseline: "b".into() };
        for package in packages(Path::new(env!("CARGO_MANIFEST_DIR")), &programs) {
            let manifest = std::fs::read_to_string(&package.manifest)
                .unwrap_or_else(|error| panic!("{}: {error}", package.name));
            let resolved = values
                .iter()
                .fold(manifest, |text, (name, value)| text.replace(&format!("$({name})"), value));
            assert!(!resolved.contains("$("), "{resolved}");
            assert!(
                resolved.contains("; built for HOST, not illumos (x86_64-unknown-linux-gnu)\"\n"),
                "{resolved}"
            );
        }
    }

    #[test]
    fn no_path_of_this_machine_gets_into_the_programs() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        for registry in ["mirror-0123", "index-4567"] {
            std::fs::create_dir_all(home.path().join("registry/src").join(registry))?;
        }
        let targets = targets(ILLUMOS, ILLUMOS);
        let built = build(&Build {
            workspace: Path::new("/w s"),
            cargo_home: home.path(),
            target_directory: Path::new("/w s/target/brand"),
            targets: &targets,
        })?;
        let [line] = &built.commands[..] else { return Err("two commands".into()) };
        let home = home.path().display();
        let flags: Vec<_> = line
            .environment
            .iter()
            .filter(|(name, _)| *name == "CARGO_ENCODED_RUSTFLAGS")
            .filter_map(|(_, value)| value.as_ref()?.to_str())
            .flat_map(|flags| flags.split('\u{1f}'))
            .map(|flag| flag.replace(&home.to_string(), "HOME"))
            .collect();
        assert_eq!(
            flags,
            [
                "--remap-path-prefix=/w s=/releng",
                "--remap-path-prefix=/w s/target/brand=/target",
                "--remap-path-prefix=HOME=/cargo",
                "--remap-path-prefix=HOME/registry/src/index-4567=/cargo/registry",
                "--remap-path-prefix=HOME/registry/src/mirror-0123=/cargo/registry",
            ]
        );
        assert_eq!(
            built.programs.hook,
            Path::new("/w s/target/brand/x86_64-unknown-illumos/release/brand")
        );
        assert!(line.environment.contains(&("RUSTFLAGS", None)));
        Ok(())
    }

    #[test]
    fn a_build_for_illumos_says_nothing() {
        assert_eq!(Built::for_target(ILLUMOS), Built::ForIllumos);
        assert_eq!(macros("1", &targets(ILLUMOS, ILLUMOS))["HOST_NOTICE"], "");
        assert_eq!(targets(ILLUMOS, ILLUMOS).notice(), None);
    }

    /// There is a linker for illumos, but no C compiler.
    #[test]
    fn the_programs_may_have_different_targets() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        let targets = targets(ILLUMOS, "x86_64-unknown-linux-gnu");
        let built = build(&Build {
            workspace: Path::new("/w"),
            cargo_home: home.path(),
            target_directory: Path::new("/t"),
            targets: &targets,
        })?;
        let lines: Vec<String> = built
            .commands
            .iter()
            .map(|line| line.arguments.join(" ".as_ref()).to_string_lossy().into_owned())
            .collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains(" brand ") && !lines[0].contains("baseline"), "{lines:?}");
        assert!(lines[0].contains(&format!("--target {ILLUMOS}")), "{lines:?}");
        assert!(lines[1].contains(" baseline ") && !lines[1].contains("brand"), "{lines:?}");
        assert!(lines[1].contains("--no-default-features"), "{lines:?}");
        let hook = Path::new("/t/x86_64-unknown-illumos/release/brand");
        let baseline = Path::new("/t/x86_64-unknown-linux-gnu/release/baseline");
        assert_eq!(built.programs, Programs { hook: hook.into(), baseline: baseline.into() });
        let macros = macros("1", &targets);
        assert_eq!(macros["HOST_NOTICE"], "");
        assert_eq!(
            macros["TOOLS_NOTICE"],
            "; built for HOST, not illumos (x86_64-unknown-linux-gnu)"
        );
        let notice = targets.notice().ok_or("no notice")?;
        assert!(notice.starts_with("the brand's baseline generator is built for HOST"), "{notice}");
        Ok(())
    }
}
