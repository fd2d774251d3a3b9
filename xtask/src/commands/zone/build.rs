//! `cargo xtask zone build`: zone images from omicron's package manifest.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use jobs::Stop;
use proto::Digest;
use semver::Version;
use serde::Serialize;
use tempfile::TempDir;
use zone_build::{Image, Package, Plan, Problem, Programs, Request, Source, State, Url};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::{Printer, bytes};
use crate::releng::config::Packages;
use crate::releng::{Mode, Progress, lock_output, stop_on_signals};

/// Build zone images and global-zone tarballs from omicron's package manifest.
///
/// Without names, everything that the target has and that is not only a part of others. What is
/// prebuilt is looked for in the store, in the directories given, then fetched; it must have the
/// digest that the manifest, omicron's tools/NAME_checksums or --pin says. The bytes of an image
/// depend on what goes into it alone.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask zone build --manifest omicron/package-manifest.toml --preset host --plan
  cargo xtask zone build nexus ntp --manifest omicron/package-manifest.toml --preset host
  cargo xtask zone build --preset host --version 20.0.0 --prebuilt downloads --keep-going \\
      --out out/zones
  # releng takes them from there: [omicron] artifacts = \"out/zones\"")]
pub(super) struct Arguments {
    /// The packages (default: all that are deployed)
    names: Vec<String>,

    /// The package manifest
    #[arg(long, value_name = "FILE", default_value = "package-manifest.toml")]
    manifest: PathBuf,

    /// A target preset of the manifest
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,

    /// A key of the target, over that of the preset (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,

    /// Only say what would be done, and what is in the way
    #[arg(long)]
    plan: bool,

    /// Build what can be built, and say what cannot
    #[arg(long)]
    keep_going: bool,

    /// The directory of the images
    #[arg(long, value_name = "DIR", default_value = "out/zones")]
    out: PathBuf,

    /// The version to stamp everything with (default: 0.0.0, and what is prebuilt as it is)
    #[arg(long)]
    version: Option<Version>,

    /// The source tree (default: where the manifest is)
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,

    /// Where absolute paths of the manifest begin, in place of /
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,

    /// The target directory of cargo that programs are taken from (default: SOURCE/target)
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,

    /// The target triple that programs are built for (default: that of this machine)
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,

    /// Have cargo build the programs first
    #[arg(long)]
    cargo: bool,

    /// A directory with prebuilt and manual archives and blobs (repeatable)
    #[arg(long, value_name = "DIR")]
    prebuilt: Vec<PathBuf>,

    /// The digest of a prebuilt package, over that of the manifest, or of a blob (repeatable)
    #[arg(long, value_name = "NAME=SHA256", value_parser = pin)]
    pin: Vec<(String, Digest)>,

    /// The directory of NAME_version and NAME_checksums (default: SOURCE/tools)
    #[arg(long, value_name = "DIR")]
    tools: Option<PathBuf>,

    /// Where prebuilt archives are published
    #[arg(long, value_name = "URL", default_value = zone_build::ARTIFACTS, value_parser = address)]
    artifacts: Url,

    /// Where blobs without a commit are published
    #[arg(long, value_name = "URL", default_value = zone_build::BLOBS, value_parser = address)]
    blobs: Url,

    /// Use only what is on this machine
    #[arg(long)]
    offline: bool,

    /// Least time for compression instead of least space
    #[arg(long)]
    fast: bool,

    /// Jobs at once (default: one for each processor)
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// The time of everything in the images, seconds since 1970
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "SECONDS", default_value_t = 0)]
    source_date_epoch: u32,

    /// How progress is shown
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Mode::Auto)]
    progress: Mode,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn pin(text: &str) -> Result<(String, Digest), String> {
    let (name, digest) = text.rsplit_once('=').ok_or("expected NAME=SHA256")?;
    let digest = digest.parse().map_err(|_| "a SHA-256 has 64 hexadecimal digits".to_owned())?;
    Ok((name.to_owned(), digest))
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match fetch::Client::supports(&url) {
        true => Ok(url),
        false => Err("http or https was expected; give directories with --prebuilt".to_owned()),
    }
}

impl Arguments {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        if !self.manifest.is_file() {
            let failure = Failure::missing(format!("{} is missing", self.manifest.display()));
            return Err(failure.hint("give omicron's package manifest with --manifest"));
        }
        // The runtime that drives the network ends with this.
        let network = Network::new(self.offline, &Packages::default())?;
        let fetcher = network.fetcher()?;
        let Self { plan: only_plan, keep_going, progress, jobs, json, .. } = self;
        let request = self.request()?;
        let out = request.out.clone();
        let mut plan = zone_build::plan(request, &fetcher).map_err(|error| match error {
            zone_build::Error::Io { .. } => Failure::missing(error),
            _ => Failure::usage(error),
        })?;
        plan.warnings.iter().for_each(|warning| printer.warn(warning));
        if only_plan {
            return show(&plan, json, printer);
        }
        let blocked = match keep_going {
            true => plan.leave_out_blocked(),
            false => BTreeMap::new(),
        };
        for warning in plan.warnings_of_wanted() {
            printer.warn(warning);
        }
        let processors = jobs.or_else(|| std::thread::available_parallelism().ok());
        let processors = processors.unwrap_or(NonZeroUsize::MIN);
        let stop = Stop::new();
        stop_on_signals(&stop)?;
        let (work, _lock) = begin(&out)?;
        let (graph, images) = plan.graph(&fetcher, work.path(), processors).map_err(explain)?;
        let progress = Progress::new(progress, printer);
        let logs = out.join("logs");
        graph.run(processors.get(), &logs, &stop, &progress).map_err(|error| match error {
            jobs::Error::Stopped => {
                Failure::new("interrupted").with_status(ExitStatus::Interrupted)
            }
            jobs::Error::Failed { ref job, ref log, ref tail, .. } => {
                let fetching = job == zone_build::FETCH;
                let log = Some((tail.clone(), log.clone()));
                let failure = Failure { log, ..Failure::new(error) };
                match fetching {
                    true => failure.hint(
                        "files that were brought here otherwise are taken with --prebuilt DIR",
                    ),
                    false => failure,
                }
            }
            other => Failure::new(other),
        })?;
        let status = match blocked.is_empty() {
            true => ExitStatus::Success,
            false => ExitStatus::Findings,
        };
        tell(&images.take(), &blocked, json, printer)?;
        Ok(status)
    }

    fn request(self) -> Result<Request, Failure> {
        let beside = || match self.manifest.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let source = self.source.unwrap_or_else(beside);
        Ok(Request {
            programs: Programs {
                directory: std::path::absolute(
                    self.binaries.unwrap_or_else(|| source.join("target")),
                )?,
                triple: self.target,
                // Not the one that runs this program: the source may want another toolchain.
                cargo: self.cargo.then(|| "cargo".into()),
            },
            artifacts: self.artifacts,
            blobs: self.blobs,
            tools: self.tools.unwrap_or_else(|| source.join("tools")),
            source,
            manifest: self.manifest,
            sysroot: self.sysroot,
            preset: self.preset,
            target: self.set,
            names: self.names,
            version: self.version,
            directories: self.prebuilt,
            pins: self.pin.into_iter().collect(),
            out: self.out,
            mtime: self.source_date_epoch.into(),
            fast: self.fast,
        })
    }
}

/// Names of what is in the output directory only while a run lasts: its work, and files that are
/// being written.
const WORK: &str = ".zone-build.";
const PARTIAL: &str = ".partial-";

/// Takes the output directory for this run, and makes a place in it for what is needed meanwhile.
/// What runs left that were killed is removed.
fn begin(out: &Path) -> Result<(TempDir, File), Failure> {
    fs::create_dir_all(out).map_err(|error| format!("cannot create {}: {error}", out.display()))?;
    let lock = lock_output(&out.join(format!("{WORK}lock")), out)?;
    for entry in fs::read_dir(out).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // What cannot be removed is in nobody's way.
        let _ = match path.is_dir() {
            true if name.starts_with(WORK) => fs::remove_dir_all(path),
            false if name.starts_with(PARTIAL) => fs::remove_file(path),
            _ => Ok(()),
        };
    }
    let work = tempfile::Builder::new()
        .prefix(WORK)
        .tempdir_in(out)
        .map_err(|error| format!("cannot work in {}: {error}", out.display()))?;
    Ok((work, lock))
}

fn explain(error: zone_build::Error) -> Failure {
    match error {
        zone_build::Error::Blocked { .. } => Failure::missing(error)
            .hint("--plan shows everything, --keep-going builds what can be built"),
        other => Failure::new(other),
    }
}

#[derive(Serialize)]
struct PlannedPackage<'a> {
    name: &'a str,
    state: State,
    #[serde(flatten)]
    package: &'a Package,
}

fn show(plan: &Plan, json: bool, printer: &Printer) -> Result<ExitStatus, Failure> {
    let blocked = plan.wanted().any(|name| plan.state(name) == State::Blocked);
    let status = if blocked { ExitStatus::Findings } else { ExitStatus::Success };
    if json {
        let packages = plan.packages.iter();
        let packages: Vec<_> = packages
            .map(|(name, package)| PlannedPackage { name, state: plan.state(name), package })
            .collect();
        printer.json(&serde_json::json!({
            "v": 1,
            "target": plan.target,
            "packages": packages,
            "warnings": plan.warnings,
        }))?;
        return Ok(status);
    }
    let target: Vec<_> = plan.target.iter().map(|(key, value)| format!("{key}={value}")).collect();
    printer.result(format_args!("target: {}", target.join(" ")));
    let width = plan.packages.keys().map(String::len).max().unwrap_or(0);
    for state in [State::Ready, State::Blocked, State::Excluded] {
        let of_state = || plan.packages.iter().filter(|(name, _)| plan.state(name) == state);
        let word = match state {
            State::Ready => "can be built",
            State::Blocked => "cannot be built here",
            State::Excluded => "not in the target",
        };
        if of_state().count() == 0 {
            continue;
        }
        printer.result(format_args!("\n{} {word}:", of_state().count()));
        for (name, package) in of_state() {
            let mark = if package.wanted { '*' } else { ' ' };
            printer.result(format_args!("{mark} {name:<width$}  {}", describe(package)));
            let blocked: Vec<_> = package
                .components
                .iter()
                .filter(|component| plan.state(component) == State::Blocked)
                .map(String::as_str)
                .collect();
            if state == State::Blocked && !blocked.is_empty() {
                printer.result(format_args!("    for lack of {}", blocked.join(", ")));
            }
            for problem in &package.problems {
                let Problem { what, remedy, .. } = problem;
                printer.result(format_args!("    {what}"));
                for line in remedy.iter().flat_map(|remedy| remedy.trim().lines()) {
                    printer.result(format_args!("      {line}"));
                }
            }
            package.warnings.iter().for_each(|line| printer.result(format_args!("    {line}")));
        }
    }
    printer.result("\n* is asked for; the others are parts of those or of nothing");
    Ok(status)
}

fn describe(package: &Package) -> String {
    if let Some(reason) = &package.excluded {
        return reason.clone();
    }
    let file = &package.file;
    match package.source {
        Source::Composite => format!("{file} of {}", package.components.join(", ")),
        Source::Local if package.parts.is_empty() => file.clone(),
        Source::Local => format!("{file} of {}", parts(package)),
        Source::Prebuilt | Source::Manual if package.parts.is_empty() => file.clone(),
        Source::Prebuilt | Source::Manual => format!("{file}, {}", parts(package)),
    }
}

/// What goes into a package, in a few words.
fn parts(package: &Package) -> String {
    use zone_build::{Part, Place};
    let place = |artifact: &zone_build::Artifact| match &artifact.place {
        Place::Store => "from the store".to_owned(),
        Place::Disk(path) => format!("from {}", path.display()),
        Place::Network(url) => format!("to be fetched from {url}"),
    };
    let words: Vec<_> = package
        .parts
        .iter()
        .map(|part| match part {
            Part::Path { from, files: 1, .. } => format!("{}", from.display()),
            Part::Path { from, files, .. } => format!("{} ({files} files)", from.display()),
            Part::Program { from, build: true, .. } => format!("{} to be built", from.display()),
            Part::Program { from, .. } => format!("{}", from.display()),
            Part::Blob { artifact, .. } => format!("{} {}", artifact.file, place(artifact)),
            Part::Archive { artifact: Some(artifact), .. } => place(artifact),
            Part::Archive { artifact: None, .. } => "put into place".to_owned(),
        })
        .collect();
    words.join(", ")
}

fn tell(
    images: &[Image],
    blocked: &BTreeMap<String, Vec<Problem>>,
    json: bool,
    printer: &Printer,
) -> Result<(), Failure> {
    if json {
        return printer.json(&serde_json::json!({ "v": 1, "images": images, "blocked": blocked }));
    }
    for image in images {
        for line in &image.replaced {
            printer.warn(format_args!("{}: {line}", image.package));
        }
        let paths = image.paths.map(|paths| format!(", {paths} paths")).unwrap_or_default();
        let size = bytes(image.size);
        printer.good("built", format_args!("{}: {size}{paths}", image.package));
        printer.result(image.path.display());
    }
    let problems: std::collections::BTreeSet<_> = blocked.values().flatten().collect();
    for problem in problems {
        printer.warn(problem);
    }
    if !blocked.is_empty() {
        let names: Vec<_> = blocked.keys().map(String::as_str).collect();
        printer.warn(format_args!("not built: {}", names.join(", ")));
    }
    Ok(())
}
