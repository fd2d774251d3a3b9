//! Applying a plan to a proto.

mod archive;
mod context;
mod devices;
mod files;
mod image;
mod rehearse;
mod smf;

use std::collections::BTreeMap;

use proto::{Proto, ProtoPath};
use tempfile::NamedTempFile;

pub use context::{Applied, Context, Note, SmfSeed};
use image::Image;
pub use rehearse::{Missing, Rehearsed, rehearse};

use crate::accounts::Accounts;
use crate::packages::Optional;
use crate::step::{PackageStep, Removal};
use crate::{Error, Plan, PlannedStep, PoolDescription, Section, Step};

/// Why a step failed; the step's name and place are added by [`apply`].
#[derive(Debug)]
pub(crate) struct Failure {
    reason: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// The path of the image that was expected and is not there.
    missing: Option<ProtoPath>,
}

impl Failure {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), source: None, missing: None }
    }

    /// A path that should be there, and what is said of it.
    pub(crate) fn missing(path: &ProtoPath, reason: impl Into<String>) -> Self {
        Self { missing: Some(path.clone()), ..Self::new(reason) }
    }

    pub(crate) fn because(
        reason: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(reason) }
    }
}

impl From<proto::Error> for Failure {
    fn from(error: proto::Error) -> Self {
        use std::error::Error as _;
        let reason = error.to_string();
        match error.source() {
            Some(_) => Self::because(reason, error),
            None => Self::new(reason),
        }
    }
}

impl From<proto::PathError> for Failure {
    fn from(error: proto::PathError) -> Self {
        Self::new(error.to_string())
    }
}

/// Everything that the steps of one plan work on.
struct Run<'p, 'c, 'a> {
    plan: &'p Plan,
    context: &'c mut Context<'a>,
    image: Image,
    /// Archives of this run by name, not yet in the output directory.
    outputs: BTreeMap<String, NamedTempFile>,
    /// What `into_tmp` unpacked.
    scratch: Option<Proto>,
    pool: Option<PoolDescription>,
    notes: Vec<Note>,
    /// Nothing is read or written that only the contents of files need: see [`rehearse`].
    rehearsal: bool,
}

/// Applies a plan. On success the proto is the result, archives are in the output directory and
/// the plan's output snapshot is in the context. On failure nothing has changed.
///
/// A template with an input snapshot starts from the context's snapshot of that name. If there is
/// none, a proto that is not empty is taken to be that state.
pub fn apply(plan: &Plan, proto: &mut Proto, context: &mut Context<'_>) -> Result<Applied, Error> {
    let begin = |reason: String| Error::Begin { template: plan.template.to_path_buf(), reason };
    let mut run = Run::begin(plan, proto, context, false)?;
    run.check_owners()?;
    for (number, planned) in (1..).zip(&plan.steps) {
        tracing::debug!(step = planned.step.word(), origin = %planned.origin, "step {number}");
        run.step(planned).map_err(|failure| step_error(number, planned, failure))?;
    }
    run.image
        .proto
        .manifest
        .check()
        .map_err(|error| begin(format!("its result is no image: {error}")))?;
    let Run { image, outputs, pool, notes, context, .. } = run;
    let mut written = Vec::new();
    for (name, file) in outputs {
        let path = context.output.join(name);
        file.persist(&path).map_err(|error| Error::Io {
            doing: "write",
            path: path.clone(),
            source: error.error,
        })?;
        written.push(path);
    }
    if let Some(Section::Dataset(dataset)) = &plan.section
        && let Some(snapshot) = &dataset.output_snapshot
    {
        context.snapshot(&dataset.name, snapshot, image.proto.clone());
    }
    *proto = image.proto;
    Ok(Applied { pool, notes, written, steps: plan.steps.len() })
}

fn step_error(number: usize, planned: &PlannedStep, failure: Failure) -> Error {
    Error::Step {
        origin: planned.origin.clone(),
        number,
        step: planned.step.word(),
        reason: failure.reason,
        source: failure.source,
    }
}

impl<'p, 'c, 'a> Run<'p, 'c, 'a> {
    /// Everything before the first step.
    fn begin(
        plan: &'p Plan,
        proto: &Proto,
        context: &'c mut Context<'a>,
        rehearsal: bool,
    ) -> Result<Self, Error> {
        let begin = |reason: String| Error::Begin { template: plan.template.to_path_buf(), reason };
        let mut start = proto.clone();
        if let Some(Section::Dataset(dataset)) = &plan.section
            && let Some(snapshot) = &dataset.input_snapshot
        {
            start = context.state(&dataset.name, snapshot, &start).map_err(|f| begin(f.reason))?;
        }
        let pool = match &plan.section {
            Some(Section::Pool(pool)) => Some(pool.clone()),
            Some(Section::Dataset(_)) | None => None,
            Some(Section::Ufs { .. } | Section::Pcfs { .. } | Section::Iso { .. }) => {
                return Err(begin("only `pool` and `dataset` images can be made here".into()));
            }
        };
        let mtime = context.mtime;
        let mut run = Run {
            plan,
            context,
            image: Image { proto: start, mtime },
            outputs: BTreeMap::new(),
            scratch: None,
            pool,
            notes: Vec::new(),
            rehearsal,
        };
        run.image.ensure_root();
        Ok(run)
    }

    /// Checks the owners of all steps that come before anything that may bring new accounts.
    fn check_owners(&self) -> Result<(), Error> {
        for (number, planned) in (1..).zip(&self.plan.steps) {
            let names = match &planned.step {
                Step::CloneSnapshot { .. }
                | Step::UnpackTar { into_tmp: false, .. }
                | Step::Onu { .. }
                | Step::Packages(PackageStep::Install { .. }) => return Ok(()),
                Step::Gzip { permissions, .. }
                | Step::Digest { permissions, .. }
                | Step::EnsurePerms { permissions, .. }
                | Step::EnsureDirectory { permissions, .. }
                | Step::EnsureFile { permissions, .. } => {
                    Some((&permissions.owner, &permissions.group))
                }
                Step::EnsureSymlink { owner, group, .. } => Some((owner, group)),
                _ => None,
            };
            let Some((owner, group)) = names else { continue };
            let accounts = Accounts::of(&self.image.proto)
                .map_err(|error| step_error(number, planned, error.into()))?;
            accounts
                .user(owner)
                .and_then(|_| accounts.group(group))
                .map_err(|reason| step_error(number, planned, Failure::new(reason)))?;
        }
        Ok(())
    }

    fn note(&mut self, planned: &PlannedStep, text: impl Into<String>) {
        self.notes.push(Note { origin: planned.origin.clone(), text: text.into() });
    }

    fn pool(&mut self) -> Result<&mut PoolDescription, Failure> {
        self.pool.as_mut().ok_or_else(|| Failure::new("only a template with `pool` has this step"))
    }

    fn step(&mut self, planned: &PlannedStep) -> Result<(), Failure> {
        match &planned.step {
            Step::CreateBe => {
                let pool = self.pool()?;
                if pool.bename.is_none() {
                    return Err(Failure::new(
                        "the pool has no `bename`; a random one would make every build differ",
                    ));
                }
                pool.boot_environment = true;
            }
            Step::CreateDataset { name, mountpoint } => {
                self.pool()?.datasets.push((name.clone(), mountpoint.clone()));
            }
            Step::MakeBootable => {
                self.pool()?.bootable = true;
                self.note(
                    planned,
                    "the pool is described as bootable; no boot loader is installed",
                );
            }
            Step::CloneSnapshot { name, snapshot } => {
                self.image.proto = self.context.state(name, snapshot, &self.image.proto)?;
                self.image.ensure_root();
            }
            Step::RemoveFiles { what, optional } => self.remove_files(planned, what, *optional)?,
            Step::UnpackTar { name, into_tmp } => self.unpack_tar(name, *into_tmp)?,
            Step::PackTar { name, include } => self.pack_tar(name, include)?,
            Step::Onu { .. } => {
                return Err(Failure::new(
                    "moving an image to another build needs illumos; install from the other \
                     build's repository instead",
                ));
            }
            Step::Devfsadm => {
                devices::populate(&mut self.image)?;
                self.note(planned, "/dev has the fixed device skeleton; no kernel was asked");
            }
            Step::AssembleFiles { dir, output, prefix } => {
                self.assemble_files(dir, output, prefix.as_deref())?;
            }
            Step::Shadow { username, password } => self.shadow(username, password.as_deref())?,
            Step::Gzip { src, target, permissions } => self.gzip(src, target, permissions)?,
            Step::Digest { algorithm, src, target, permissions } => {
                self.digest(*algorithm, src, target, permissions)?;
            }
            Step::EnsureSymlink { link, target, owner, group } => {
                self.ensure_symlink(link, target, owner, group)?;
            }
            Step::EnsurePerms { path, permissions } => {
                let metadata = self.image.metadata(permissions)?;
                let place = self.image.follow(path)?;
                if self.image.get(&place).is_none() {
                    return Err(Failure::missing(path, format!("/{path} is missing")));
                }
                self.image.set_metadata(&place, metadata);
            }
            Step::EnsureDirectory { dir, permissions } => {
                self.ensure_directory(dir, permissions)?
            }
            Step::EnsureFile { file, source, permissions } => {
                self.ensure_file(file, source, permissions)?;
            }
            Step::Packages(step) => self.package_step(step)?,
            Step::SeedSmf { debug, profiles, seed, optional } => {
                self.seed_smf(planned, *debug, profiles, seed.as_deref(), *optional)?;
            }
        }
        Ok(())
    }

    fn remove_files(
        &mut self,
        planned: &PlannedStep,
        what: &Removal,
        optional: bool,
    ) -> Result<(), Failure> {
        let (path, is_directory) = match what {
            Removal::Pattern(pattern) => return self.remove_pattern(pattern),
            Removal::File(path) => (path, false),
            Removal::Directory(path) => (path, true),
        };
        let place = self.image.walk(path)?;
        match self.image.get(&place) {
            None if optional => self.note(planned, format!("/{path} was not there")),
            None => {
                let reason = format!("/{path} is missing; if it may be, say `\"optional\": true`");
                return Err(Failure::missing(path, reason));
            }
            Some(entry) if entry.is_directory() != is_directory => {
                let (word, key) = (entry.kind.word(), if is_directory { "file" } else { "dir" });
                return Err(Failure::new(format!("/{path} is a {word}; remove it with `{key}`")));
            }
            Some(_) if is_directory => self.image.remove_tree(&place),
            Some(_) => {
                self.image.unlink(&place);
            }
        }
        Ok(())
    }

    fn package_step(&mut self, step: &PackageStep) -> Result<(), Failure> {
        let Some(packages) = self.context.packages.as_deref_mut() else {
            return Err(Failure::new("no package system was given to this run"));
        };
        let proto = &mut self.image.proto;
        let outcome = match step {
            PackageStep::ImageCreate { publisher } => {
                let publisher = publisher.as_ref().map(|(name, uri)| (&**name, &**uri));
                packages.image_create(proto, publisher)
            }
            PackageStep::SetPublisher { publisher, uris, mirror_uri } => {
                packages.set_publisher(proto, publisher, uris, mirror_uri.as_deref())
            }
            PackageStep::ApproveCaCert { publisher, certfile } => {
                packages.approve_ca_cert(proto, publisher, certfile)
            }
            PackageStep::SetProperty { name, value } => packages.set_property(proto, name, value),
            PackageStep::Install { pkgs, .. } | PackageStep::Uninstall { pkgs }
                if pkgs.is_empty() =>
            {
                Ok(())
            }
            PackageStep::Install { pkgs, include_optional, strip_optional_publishers } => {
                let optional = Optional {
                    include: *include_optional,
                    any_publisher: *strip_optional_publishers,
                };
                packages.install(proto, pkgs, optional)
            }
            PackageStep::Uninstall { pkgs } => packages.uninstall(proto, pkgs),
            PackageStep::ChangeVariant { variant, value } => {
                packages.change_variant(proto, variant, value)
            }
            PackageStep::ChangeFacet { facet, value } => packages.change_facet(proto, facet, value),
            PackageStep::PurgeHistory => packages.purge_history(proto),
        };
        outcome.map_err(|error| Failure::because("the package system refused", error))
    }
}
