//! The update repository in the older format, of the same inputs.

use std::fs;
use std::path::Path;

use jobs::Job;
use tuf::{Key, V1Artifact, V1BuildOptions, V1Manifest, V1Part, V1Source, V1Zone, VerifyOptions};

use super::firmware::Found;
use super::image::Which;
use super::overlay::Zone;
use super::repository::{self, Contents};

/// The name of the zip.
pub(crate) const ZIP: &str = "repo-v1.zip";

/// The jobs that make and judge `repo-v1.zip` in a directory.
///
/// Only of one that is `complete` all kinds are wanted that a rack needs.
pub(crate) fn jobs(contents: Contents, complete: bool, set: &Path) -> Vec<Job> {
    let zip = set.join(ZIP);
    let root = set.join("root-v1.json");
    let sum = set.join(format!("{ZIP}.sha256.txt"));
    let reads = contents.reads();
    let build_time = contents.build_time;
    let build = Job::new("repository-v1", {
        let (zip, root, sum) = (zip.clone(), root.clone(), sum.clone());
        move |job| {
            let manifest = manifest(&contents);
            for kind in manifest.missing() {
                job.log(format_args!("no artifact of the kind {kind}, which a rack wants"));
            }
            let keys = contents.keys.iter().map(Key::from_file).collect::<Result<Vec<Key>, _>>()?;
            let report = tuf::build_v1(&V1BuildOptions {
                manifest,
                keys,
                roots: contents.roots,
                expires_days: contents.expires,
                build_time,
                out: zip,
                complete,
            })?;
            for target in &report.targets {
                job.log(format_args!("{} {} {}", target.sha256, target.length, target.name));
            }
            job.log(format_args!("expires {}", report.expires));
            let sha256 = report.sha256.ok_or("the repository was written and not hashed")?;
            fs::write(&root, &report.root_json)?;
            fs::write(&sum, format!("{sha256}\n"))?;
            Ok(())
        }
    })
    .reads(reads)
    .makes([&zip, &root, &sum]);
    let options =
        VerifyOptions { trust_root: Some(root), complete, ..VerifyOptions::at(build_time) };
    vec![build, repository::verify("verify-v1", zip, options)]
}

/// Firmware first, then the images and all zones in one.
fn manifest(contents: &Contents) -> V1Manifest {
    let version = &contents.version;
    let mut artifacts: Vec<V1Artifact> =
        contents.firmware.iter().flat_map(Found::v1_artifacts).collect();
    for (which, directory) in &contents.images {
        let kind = match which {
            Which::Host => "host",
            Which::Trampoline => "trampoline",
        };
        artifacts.push(V1Artifact {
            kind: kind.to_owned(),
            name: kind.to_owned(),
            version: version.clone(),
            source: V1Source::File(directory.join("os.tar.gz")),
        });
    }
    let zone = |zone: &Zone| V1Zone {
        part: V1Part::File(zone.archive.clone()),
        file_name: zone.file_name.clone(),
        artifact_name: None,
    };
    artifacts.push(V1Artifact {
        kind: "control_plane".to_owned(),
        name: "control-plane".to_owned(),
        version: version.clone(),
        source: V1Source::ControlPlane(contents.zones.iter().map(zone).collect()),
    });
    V1Manifest { system_version: version.clone(), artifacts }
}
