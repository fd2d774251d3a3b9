//! `cargo xtask lock`: which packages a build takes.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ips::{Change, Fmri, Lock, LockedPackage, PackageArchive, Publication, Repository, Timestamp};
use serde_json::{Value, json};

use crate::environment::BuildClock;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::releng::{Keep, Locker};

/// Write the lock file of a config: which packages its images get, and from where.
///
/// Packages are chosen for both images as the build would choose them. What is locked already stays
/// where it still fits; `lock update` takes newer packages. Commit the file beside the config:
/// builds take what it names, and nothing else.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_long_help = "Examples:
  cargo xtask lock --config releng.toml
  cargo xtask lock update --config releng.toml system/kernel 'driver/*'
  cargo xtask lock diff old.lock helios.lock
  cargo xtask releng --config releng.toml --locked"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    write: WriteArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Update(UpdateArguments),
    Diff(DiffArguments),
    ExportIncorporation(ExportArguments),
}

#[derive(Debug, Args)]
struct WriteArguments {
    /// The config whose packages are locked
    #[arg(long, value_name = "FILE", default_value = "releng.toml")]
    config: PathBuf,

    /// Write nothing: exit status 1 if the lock file would change
    #[arg(long)]
    check: bool,

    /// Print the changes as JSON
    #[arg(long)]
    json: bool,
}

/// Take newer packages into the lock file.
///
/// Without names all packages are chosen anew. With names only these are, and others where they
/// must; a name may have wildcards, as pkg(1) takes them.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask lock update
  cargo xtask lock update system/kernel 'driver/*'")]
struct UpdateArguments {
    /// Locked packages
    #[arg(value_name = "PKG")]
    packages: Vec<String>,

    #[command(flatten)]
    write: WriteArguments,
}

/// Say in words what is different in another lock file.
///
/// Exit status 0: they name the same packages; 1: they differ.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask lock diff old.lock helios.lock
  git show HEAD~1:helios.lock > /tmp/before.lock && cargo xtask lock diff /tmp/before.lock helios.lock")]
struct DiffArguments {
    /// The lock file before
    before: PathBuf,

    /// The lock file after
    after: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Write a lock file as an incorporation: a package that holds each locked package at its version.
///
/// It does for pkg(1), and so for helios-build on a Helios machine, what the lock file does here.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask lock export-incorporation --fmri pkg://on/consolidation/release@1.0 --p5m release.p5m
  cargo xtask lock export-incorporation --fmri pkg://on/consolidation/release@1.0 --repository repo

Environment:
  SOURCE_DATE_EPOCH  the time of the package's version (default: now)")]
#[group(id = "where", multiple = true, required = true, args = ["p5m", "repository", "archive"])]
struct ExportArguments {
    /// The lock file
    #[arg(long, value_name = "FILE", default_value = "helios.lock")]
    lock: PathBuf,

    /// Publisher, name and version of the package: pkg://PUBLISHER/NAME@VERSION
    #[arg(long, value_name = "FMRI")]
    fmri: String,

    /// Write the package's manifest in source form
    #[arg(long, value_name = "FILE")]
    p5m: Option<PathBuf>,

    /// Publish the package into a file repository, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,

    /// Write the package as a package archive
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            None => self.write.run(Keep::Everything, printer),
            Some(Command::Update(update)) => {
                let keep = match &update.packages[..] {
                    [] => Keep::Nothing,
                    packages => Keep::AllBut(packages),
                };
                update.write.run(keep, printer)
            }
            Some(Command::Diff(diff)) => diff.run(printer),
            Some(Command::ExportIncorporation(export)) => export.run(printer),
        }
    }
}

impl WriteArguments {
    fn run(&self, keep: Keep<'_>, printer: &Printer) -> Result<ExitStatus, Failure> {
        let locker = Locker::new(&self.config)?;
        let before = locker.read()?;
        if before.is_none() && keep != Keep::Everything {
            return Err(Failure::missing(format!("{} is missing", locker.path().display()))
                .hint("`cargo xtask lock` writes it"));
        }
        let after = locker.choose(before.as_ref(), keep)?;
        let path = locker.path().display();
        let same = before.as_ref() == Some(&after);
        if !same && !self.check {
            after.write(locker.path())?;
        }
        let changes = ips::diff(&before.unwrap_or_default(), &after);
        if self.json {
            printer.json(&changes.iter().map(machine).collect::<Vec<_>>())?;
        } else {
            changes.iter().for_each(|change| printer.result(change));
        }
        let packages = after.packages().len();
        match (same, self.check) {
            (true, _) => printer.say(format_args!("{path} is as it was: {packages} packages")),
            (false, true) => {
                printer.say(format_args!("{path} would change"));
                return Ok(ExitStatus::Findings);
            }
            (false, false) => printer.good("wrote", format_args!("{path}: {packages} packages")),
        }
        Ok(ExitStatus::Success)
    }
}

impl DiffArguments {
    fn run(&self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let changes = ips::diff(&read(&self.before)?, &read(&self.after)?);
        if self.json {
            printer.json(&changes.iter().map(machine).collect::<Vec<_>>())?;
        } else {
            changes.iter().for_each(|change| printer.result(change));
        }
        Ok(if changes.is_empty() { ExitStatus::Success } else { ExitStatus::Findings })
    }
}

fn read(path: &Path) -> Result<Lock, Failure> {
    if !path.exists() {
        return Err(Failure::missing(format!("{} is missing", path.display())));
    }
    Lock::read(path).map_err(Failure::usage)
}

/// A change for machines.
fn machine(change: &Change) -> Value {
    let package = |package: &Option<LockedPackage>| {
        package.as_ref().map(|LockedPackage { fmri, digest, origin }| {
            json!({ "fmri": fmri.long(), "manifest": digest, "origin": origin })
        })
    };
    json!({
        "package": change.stem(),
        "change": change.kind.word(),
        "before": package(&change.before),
        "after": package(&change.after),
        "text": change.to_string(),
    })
}

impl ExportArguments {
    fn run(&self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let fmri = Fmri::parse(&self.fmri).map_err(Failure::usage)?;
        let (Some(publisher), Some(_)) = (&fmri.publisher, &fmri.version) else {
            let problem = format!("--fmri {}: a publisher and a version were expected", self.fmri);
            return Err(Failure::usage(problem).hint("pkg://PUBLISHER/NAME@VERSION"));
        };
        let lock = read(&self.lock)?;
        let packages = lock.packages().len();
        let summary = format!("Holds {packages} packages at the versions of one build");
        let manifest = lock.incorporation(&fmri, &summary).map_err(Failure::usage)?;
        let clock = BuildClock::read()?;
        let timestamp = Timestamp::from_epoch(clock.seconds())
            .ok_or("the time is outside the years that packages can state")?;

        let work = tempfile::tempdir()?;
        let source = work.path().join("incorporation.p5m");
        let text = manifest.to_string();
        std::fs::write(&source, &text)?;
        let publication = Publication::new(publisher, timestamp);
        if let Some(path) = &self.repository {
            let mut repository = match path.exists() {
                true => Repository::open(path)?,
                false => Repository::create(path, publisher)?,
            };
            let published = ips::publish(&mut repository, &publication, &[&source])?;
            published.iter().for_each(|fmri| printer.result(fmri));
        }
        if let Some(path) = &self.archive {
            let mut repository = Repository::create(work.path().join("repo"), publisher)?;
            let published = ips::publish(&mut repository, &publication, &[&source])?;
            PackageArchive::write(path, &repository, &published, timestamp)?;
            printer.result(path.display());
        }
        if let Some(path) = &self.p5m {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let file = tempfile::Builder::new()
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
                .tempfile_in(parent.unwrap_or(Path::new(".")))
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            std::fs::write(file.path(), &text)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            file.persist(path)
                .map_err(|error| format!("cannot write {}: {}", path.display(), error.error))?;
            printer.result(path.display());
        }
        Ok(ExitStatus::Success)
    }
}
