//! Repositories that are wrong in one way each: all are refused, and the refusal names the entry
//! and the reason.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod artifacts;
#[path = "../common/mod.rs"]
mod common;
mod containers;
mod judgement;
mod roles;

use std::path::PathBuf;

use common::forge::{Forge, RawEntry, RawZip, canonical, key_id, metadata, pair, public_key};
use common::{Sample, VERSION, boot_image, build_time, zone_image};
use serde_json::{Value, json};
use tuf::{Outcome, VerifyOptions, VerifyReport};

struct Ground {
    sample: Sample,
    zip: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let sample = Sample::new();
        let (zip, _) = sample.build();
        Self { sample, zip }
    }

    fn forge(&self) -> Forge {
        Forge::open(&self.zip)
    }

    /// As a directory with the same files, of which the container says nothing.
    fn verify_directory(&self, forge: &Forge) -> VerifyReport {
        let directory = tempfile::tempdir_in(self.sample.path()).unwrap();
        for (name, bytes) in &forge.files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        tuf::verify(directory.path(), &VerifyOptions::at(build_time())).unwrap()
    }

    fn verify_bytes(&self, bytes: &[u8]) -> VerifyReport {
        let path = self.sample.path().join("hostile.zip");
        std::fs::write(&path, bytes).unwrap();
        tuf::verify(&path, &VerifyOptions::at(build_time())).unwrap()
    }
}

/// The report must refuse, for this reason, about this entry.
fn refused(case: &str, report: &VerifyReport, id: &str, subject: &str) {
    assert_eq!(report.outcome(), Outcome::Refused, "{case}: {report}");
    assert!(
        report.problems.iter().any(|p| p.id.as_str() == id && p.subject.contains(subject)),
        "{case}: no {id} about {subject:?} in\n{report}"
    );
}

const NTP: &str = "repo/targets/zones/ntp.tar.gz";
const ROM: &str = "repo/targets/os-host/cosmo.rom";

#[test]
fn the_forge_itself_makes_sound_repositories() {
    let ground = Ground::new();
    let mut forge = ground.forge();
    assert!(ground.verify_bytes(&forge.zip().bytes()).outcome().is_ok());
    forge.root(|_| {});
    forge.artifacts(|_| {});
    let report = ground.verify_bytes(&forge.zip().bytes());
    assert!(report.outcome().is_ok(), "{report}");
}
