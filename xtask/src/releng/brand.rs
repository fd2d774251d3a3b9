//! The brand job: its programs, its packages, their repository and archive.

use std::fs;
use std::path::{Path, PathBuf};

use brand::packaging::{self, Build, Programs, Targets};
use ips::{Fmri, Mogrify, PackageArchive, Publication, Repository, Timestamp};
use jobs::{Context, Job, JobError};

use super::packages;
use crate::environment;
use crate::failure::Failure;
use crate::illumos::Illumos;

/// The publisher of the brand's packages, as in the field.
pub(crate) const PUBLISHER: &str = "helios-dev";

/// The component version and branch of the brand's packages: above those deployed, which are 1.x.
const VERSION: &str = "2.0.0";

/// The brand job and what it makes.
#[derive(Debug, Clone)]
pub(crate) struct Brand {
    /// The repository.
    pub(crate) repository: PathBuf,
    /// What summaries must say of the programs.
    pub(crate) notice: Option<String>,
    targets: Targets,
    cargo_home: PathBuf,
    archive: PathBuf,
    staging: PathBuf,
    build_time: i64,
    offline: bool,
}

impl Brand {
    /// Finds out what the brand can be built for.
    pub(crate) fn new(
        set: &Path,
        work: &Path,
        build_time: i64,
        offline: bool,
    ) -> Result<Self, Failure> {
        let illumos = Illumos::look();
        let host = || {
            let version = duct::cmd!("rustc", "-vV")
                .dir(environment::workspace())
                .read()
                .map_err(|error| Failure::missing(format!("cannot ask rustc: {error}")))?;
            version
                .lines()
                .find_map(|line| line.strip_prefix("host: "))
                .ok_or_else(|| Failure::new("`rustc -vV` does not name its host"))
                .map(str::to_owned)
        };
        let target = |possible| match possible {
            true => Ok(packaging::ILLUMOS.to_owned()),
            false => host(),
        };
        let targets = Targets {
            hook: target(illumos.is_possible())?,
            baseline: target(illumos.is_possible_with_c())?,
        };
        Ok(Self {
            repository: set.join("brand/repo"),
            notice: targets.notice(),
            targets,
            cargo_home: environment::cargo_home(),
            archive: set.join("brand/omicron1-brand.p5p"),
            staging: work.join("brand"),
            build_time,
            offline,
        })
    }

    /// The file that is there when the repository is.
    pub(crate) fn marker(&self) -> PathBuf {
        self.repository.join("pkg5.repository")
    }

    /// The job.
    pub(crate) fn job(&self) -> Job {
        let made = [self.marker(), self.archive.clone()];
        let brand = self.clone();
        Job::new("brand", move |job| brand.run(job)).makes(made)
    }

    fn run(&self, job: &Context) -> Result<(), JobError> {
        let workspace = environment::workspace();
        let built = packaging::build(&Build {
            workspace: &workspace,
            cargo_home: &self.cargo_home,
            target_directory: &environment::target_directory().join("brand"),
            targets: &self.targets,
        })?;
        for line in &built.commands {
            let mut command = job
                .command(environment::cargo())
                .arguments(&line.arguments)
                .directory(&line.directory);
            for (name, value) in &line.environment {
                command = command.environment(name, value.as_deref());
            }
            if self.offline {
                command = command.environment("CARGO_NET_OFFLINE", Some("true".as_ref()));
            }
            command.run()?;
        }

        let timestamp = packages::date(self.build_time)?;
        let sources = packaging::packages(&workspace.join("brand"), &built.programs);
        let mut repository = Repository::create(&self.repository, PUBLISHER)?;
        let published =
            publish(&mut repository, &sources, &self.staging, &self.targets, timestamp)?;
        for fmri in &published {
            job.log(format_args!("published {fmri}"));
        }
        PackageArchive::write(&self.archive, &repository, &published, timestamp)?;
        if let Some(notice) = &self.notice {
            job.log(notice);
        }
        Ok(())
    }

    /// Publishes the brand's packages without building its programs: everything that is not there
    /// is an empty file. For checks, which look at paths.
    pub(crate) fn foresee(repository: &Path, build_time: i64) -> Result<(), Failure> {
        let published = || -> Result<(), JobError> {
            let staging = tempfile::tempdir()?;
            let absent = Programs { hook: PathBuf::new(), baseline: PathBuf::new() };
            let sources = packaging::packages(&environment::workspace().join("brand"), &absent);
            let mut repository = Repository::create(repository, PUBLISHER)?;
            let illumos = packaging::ILLUMOS.to_owned();
            let targets = Targets { hook: illumos.clone(), baseline: illumos };
            let timestamp = packages::date(build_time)?;
            publish(&mut repository, &sources, staging.path(), &targets, timestamp)?;
            Ok(())
        };
        Ok(published().map_err(|error| format!("the brand's packages: {error}"))?)
    }
}

/// Lays the files of packages out and publishes them. A program without a path becomes an empty
/// file.
fn publish(
    repository: &mut Repository,
    sources: &[packaging::Package],
    staging: &Path,
    targets: &Targets,
    timestamp: Timestamp,
) -> Result<Vec<Fmri>, JobError> {
    for package in sources {
        for (path, source) in &package.files {
            let to = staging.join(path);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            let copied = match source.as_os_str().is_empty() {
                true => fs::write(&to, ""),
                false => fs::copy(source, &to).map(drop),
            };
            copied.map_err(|error| format!("cannot copy {}: {error}", source.display()))?;
        }
    }
    let publication = Publication {
        content: vec![staging.to_owned()],
        mogrify: Mogrify { macros: packaging::macros(VERSION, targets), ..Mogrify::default() },
        ..Publication::new(PUBLISHER, timestamp)
    };
    let manifests: Vec<&PathBuf> = sources.iter().map(|package| &package.manifest).collect();
    Ok(ips::publish(repository, &publication, &manifests)?)
}
