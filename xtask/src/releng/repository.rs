//! The update repository: built, signed, and verified as of the build clock.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jobs::Job;
use tuf::{BuildOptions, Input, Key, Variant, VerifyOptions};

use super::firmware::Found;
use super::image::Which;
use super::overlay::Zone;
use super::roms::BOARDS;
use crate::failure::Failure;

/// What goes into the repository.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    /// The output folders of the images.
    pub(crate) images: Vec<(Which, PathBuf)>,
    pub(crate) zones: Vec<Zone>,
    pub(crate) firmware: Vec<Found>,
    pub(crate) keys: Vec<PathBuf>,
    pub(crate) roots: Vec<PathBuf>,
    pub(crate) version: String,
    pub(crate) expires: u32,
    pub(crate) build_time: Timestamp,
}

impl Contents {
    /// The files that a repository is built from.
    pub(crate) fn reads(&self) -> Vec<PathBuf> {
        let mut reads: Vec<PathBuf> = self.zones.iter().map(|z| z.archive.clone()).collect();
        for (_, directory) in &self.images {
            for name in ["zfs.img", "unix.z", "cpio.z", "os.tar.gz"] {
                reads.push(directory.join(name));
            }
            reads.extend(BOARDS.map(|board| directory.join(format!("{board}.rom"))));
        }
        reads.extend(self.firmware.iter().map(|found| found.marker.clone()));
        reads
    }
}

/// Reads keys and roots once before anything runs, so that a bad one does not fail the last job.
pub(crate) fn check_keys(keys: &[PathBuf], roots: &[PathBuf]) -> Result<(), Failure> {
    for (what, path) in keys.iter().map(|k| ("key", k)).chain(roots.iter().map(|r| ("root", r))) {
        if !path.exists() {
            return Err(Failure::missing(format!("{what} {} is missing", path.display())));
        }
    }
    let keys: Vec<Key> =
        keys.iter().map(Key::from_file).collect::<Result<_, _>>().map_err(Failure::usage)?;
    tuf::check_signers(&keys, roots).map_err(Failure::usage)
}

/// The jobs that make and judge `repo.zip` in a directory.
pub(crate) fn jobs(contents: Contents, set: &Path) -> Vec<Job> {
    let zip = set.join("repo.zip");
    let root = set.join("root.json");
    let sum = set.join("repo.zip.sha256.txt");
    let reads = contents.reads();
    let build_time = contents.build_time;
    let build = Job::new("repository", {
        let (zip, root, sum) = (zip.clone(), root.clone(), sum.clone());
        move |job| {
            let mut inputs: Vec<Input> = Vec::new();
            for (which, directory) in contents.images {
                let variant = match which {
                    Which::Host => Variant::Host,
                    Which::Trampoline => Variant::Recovery,
                };
                inputs.push(Input::OsImages { directory, variant });
            }
            for zone in contents.zones {
                inputs.push(Input::Zone { path: zone.archive, file_name: Some(zone.file_name) });
            }
            inputs.extend(contents.firmware.iter().flat_map(Found::inputs));
            let keys = contents.keys.iter().map(Key::from_file).collect::<Result<Vec<Key>, _>>()?;
            let report = tuf::build(&BuildOptions {
                system_version: contents.version,
                inputs,
                keys,
                roots: contents.roots,
                expires_days: contents.expires,
                build_time,
                out: zip,
                installinator_document: true,
            })?;
            for target in &report.targets {
                job.log(format_args!("{} {} {}", target.sha256, target.length, target.name));
            }
            job.log(format_args!("expires {}", report.expires));
            fs::write(&root, &report.root_json)?;
            let sha256 = report.sha256.ok_or("the repository was written and not hashed")?;
            fs::write(&sum, format!("{sha256}\n"))?;
            Ok(())
        }
    })
    .reads(reads)
    .makes([&zip, &root, &sum]);
    let options = VerifyOptions { trust_root: Some(root), ..VerifyOptions::at(build_time) };
    vec![build, verify("verify", zip, options)]
}

/// The job that judges a repository.
pub(crate) fn verify(name: &str, zip: PathBuf, options: VerifyOptions) -> Job {
    let reads: Vec<PathBuf> = options.trust_root.iter().chain([&zip]).cloned().collect();
    Job::new(name, move |job| {
        let report = tuf::verify(&zip, &options)?;
        job.log(&report);
        if report.outcome().is_ok() {
            Ok(())
        } else {
            Err("the repository that was just made is refused by its own check".into())
        }
    })
    .reads(reads)
}
