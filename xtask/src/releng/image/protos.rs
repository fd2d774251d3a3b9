//! The jobs of an image that make its protos: packages installed, trimmed, and what lies in the
//! pool.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use image_templates::{Context, ImagePackages, Modes, Plan, PoolDescription, genproto};
use jobs::{Job, JobError};
use proto::{ExtendedAttributes, Mtime, Proto};

use super::{DATASET, Image, Places};
use crate::failure::Failure;
use crate::releng::overlay;
use crate::releng::packages::{self, Origins};

impl Image {
    fn context<'a>(&self, places: &Places) -> Result<Context<'a>, JobError> {
        let output = places.work.join("output");
        fs::create_dir_all(&output)?;
        Ok(Context { mtime: Mtime::from_seconds(self.build_time), ..Context::new(output) })
    }

    pub(super) fn os_job(
        self: &Arc<Self>,
        places: &Places,
        plan: Plan,
        origins: Origins,
        reads: Option<PathBuf>,
    ) -> Job {
        let at = places.clone();
        self.job("os", move |image, job| {
            let mut proto = at.new_proto()?;
            let opened = origins.reopen()?;
            let origins = packages::borrowed(&opened);
            let mut packages = ImagePackages::new(&origins, packages::date(image.build_time)?);
            let mut context = image.context(&at)?;
            context.packages = Some(&mut packages);
            apply(&plan, &mut proto, &mut context, job)?;
            for note in &packages.notes {
                job.log(note);
            }
            proto.save(&at.os())?;
            Ok(())
        })
        .reads(reads)
        .makes([places.os()])
    }

    pub(super) fn trim_job(
        self: &Arc<Self>,
        places: &Places,
        plans: Vec<Plan>,
        reads: Vec<PathBuf>,
    ) -> Job {
        let at = places.clone();
        self.job("trim", move |image, job| {
            let mut proto = at.load(&at.os())?;
            for plan in &plans {
                apply(plan, &mut proto, &mut image.context(&at)?, job)?;
            }
            proto.save(&at.trim())?;
            Ok(())
        })
        .reads(reads)
        .reads([places.os()])
        .makes([places.trim()])
    }

    pub(super) fn final_job(
        self: &Arc<Self>,
        places: &Places,
        plan: Plan,
        directories: Vec<Plan>,
        pool: &Arc<OnceLock<PoolDescription>>,
        from_jobs: Vec<PathBuf>,
    ) -> Job {
        let (at, pool) = (places.clone(), Arc::clone(pool));
        self.job("final", move |image, job| {
            let mut context = image.context(&at)?;
            // Templates find what other jobs made as `extsrc` or as `outputsrc`.
            for file in &from_jobs {
                let name = file.file_name().ok_or("a job's output has no name")?;
                fs::copy(file, context.output.join(name))?;
            }
            let trimmed = at.load(&at.trim())?;
            for snapshot in ["trim", "recovery-trim"] {
                context.snapshot(DATASET, snapshot, trimmed.clone());
            }
            let mut proto = at.new_proto()?;
            let applied = apply(&plan, &mut proto, &mut context, job)?;
            let description = applied
                .pool
                .ok_or_else(|| format!("{}: makes no pool", plan.template.display()))?;
            if !image.pieces.is_empty() {
                let tree = at.work.join("overlay");
                overlay::make_tree(&image.pieces, &tree).map_err(|failure| failure.error)?;
                let plan = genproto(&tree, Modes::AsOnDisk)?;
                apply(&plan, &mut proto, &mut context, job)?;
            }
            for plan in &directories {
                apply(plan, &mut proto, &mut context, job)?;
            }
            proto.save(&at.last())?;
            pool.set(description).map_err(|_| "the pool was described twice")?;
            Ok(())
        })
        .reads(self.archives())
        .reads([places.trim()])
        .makes([places.last()])
    }
}

/// A directory that is laid over an image must not lose anything on the way.
pub(super) fn refuse_extended_attributes(directory: &Path) -> Result<(), Failure> {
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
        // What cannot be read is named when the directory is.
        let Ok(entry) = entry else { return Ok(()) };
        ExtendedAttributes::Refuse.check(entry.path()).map_err(Failure::usage)?;
    }
    Ok(())
}

/// Applies a plan and tells the job's log what it said.
fn apply(
    plan: &Plan,
    proto: &mut Proto,
    context: &mut Context<'_>,
    job: &jobs::Context,
) -> Result<image_templates::Applied, JobError> {
    job.check_stop()?;
    job.log(format_args!("applying {}", plan.template.display()));
    let applied = image_templates::apply(plan, proto, context)?;
    for note in &applied.notes {
        job.log(note);
    }
    job.log(format_args!("{} steps, {} paths", applied.steps, proto.manifest.len()));
    Ok(applied)
}
