//! Zone images built of generated files.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use fetch::Fetcher;
use jobs::{Quiet, Stop};
use store::Store;
use zone_build::{ARTIFACTS, BLOBS, Programs, Request, Url};

use super::super::Plan;
use super::super::stage::{Done, TIME, one_processor};
use super::IMAGES;
use crate::failure::Failure;

/// Generates a source with as many packages as there are images. Each has one directory of every
/// twelve, so that all are about as large.
pub(super) fn prepare(directory: &Path, plan: Plan) -> Result<(), Failure> {
    let source = directory.join("input/zones");
    let mut manifest = String::new();
    let share = |sum: u64, number: u64| sum * (number + 1) / IMAGES - sum * number / IMAGES;
    for number in 0..IMAGES {
        let part = Plan { files: share(plan.files, number), bytes: share(plan.bytes, number) };
        part.write(&source.join(format!("part-{number}")))?;
        manifest.push_str(&format!(
            "[package.zone-{number}]\nservice_name = \"zone-{number}\"\n\
             source.type = \"local\"\n\
             source.paths = [{{ from = \"part-{number}\", to = \"/opt/oxide/part\" }}]\n\
             output.type = \"zone\"\n"
        ));
    }
    fs::write(source.join("package-manifest.toml"), manifest)?;
    Ok(())
}

pub(super) fn run_stage(name: &str, directory: &Path) -> Option<Result<Done, Failure>> {
    Some(match name {
        "zones-build" => build(directory),
        "zones-build-one-processor" => one_processor(|| build(directory)),
        _ => return None,
    })
}

fn build(directory: &Path) -> Result<Done, Failure> {
    let source = directory.join("input/zones");
    let scratch = directory.join("scratch");
    let fetcher = Fetcher::offline(Store::open(scratch.join("store"))?);
    let plan = zone_build::plan(request(&source, &scratch)?, &fetcher)?;
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let (graph, images) = plan.graph(&fetcher, &scratch.join("work"), processors)?;
    graph.run(processors.get(), &scratch.join("logs"), &Stop::new(), &Quiet)?;
    let written = images.take().iter().map(|image| image.size).sum();
    Ok(Done::now(super::super::size_of(&source), written))
}

/// A request with nothing out of the ordinary.
pub(crate) fn request(source: &Path, scratch: &Path) -> Result<Request, Failure> {
    Ok(Request {
        manifest: source.join("package-manifest.toml"),
        source: source.to_owned(),
        sysroot: None,
        preset: None,
        target: Vec::new(),
        names: Vec::new(),
        version: None,
        programs: Programs { directory: source.join("target"), triple: None, cargo: None },
        directories: Vec::new(),
        artifacts: Url::parse(ARTIFACTS)?,
        blobs: Url::parse(BLOBS)?,
        pins: BTreeMap::new(),
        tools: source.join("tools"),
        out: scratch.join("out"),
        mtime: TIME,
        fast: false,
    })
}
