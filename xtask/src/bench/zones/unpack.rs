//! Unpacking a layer, against tar.

use std::fs;
use std::path::Path;

use oxide_archive::{ArchiveType, Options};

use super::super::Plan;
use super::super::stage::{Done, TIME};
use crate::failure::Failure;

/// The usual way.
pub(super) const BY_TAR: &str =
    "mkdir scratch/root && tar -C scratch/root -xzf input/layer/layer.tar.gz";

/// Packs generated files as a layer.
pub(super) fn prepare(directory: &Path, plan: Plan) -> Result<(), Failure> {
    let input = directory.join("input/layer");
    let tree = directory.join("input/layer-tree");
    fs::create_dir_all(&input)?;
    plan.write(&tree)?;
    let options = zones::PackOptions { package: None, mtime: TIME };
    zones::pack(&tree, &input.join("layer.tar.gz"), &options)?;
    fs::remove_dir_all(&tree)?;
    Ok(())
}

pub(super) fn run_stage(name: &str, directory: &Path) -> Option<Result<Done, Failure>> {
    (name == "layer-unpack").then(|| unpack(directory))
}

fn unpack(directory: &Path) -> Result<Done, Failure> {
    let archive = directory.join("input/layer/layer.tar.gz");
    let root = directory.join("scratch/root");
    fs::create_dir(&root)?;
    let unpacked = oxide_archive::unpack(&archive, &root, &Options::for_type(ArchiveType::Layer))?;
    Ok(Done::now(fs::metadata(&archive)?.len(), unpacked.bytes))
}
