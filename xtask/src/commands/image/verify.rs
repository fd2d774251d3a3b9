//! `cargo xtask image verify`: whether an image is sound.

use std::path::PathBuf;

use boot_image::phase2;
use clap::Args;
use serde_json::json;
use zpool_image::reader::Counts;

use super::{Place, container_failure, failure, open};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Read every block of an image and compare checksums; follow every name to its file.
///
/// Of a phase-2 image the digest in its header is compared, too. Exit status 0: sound; 1: damaged,
/// with every place.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask image verify out/releng/host/zfs.img")]
pub(super) struct Verify {
    /// The image
    image: PathBuf,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let (image, place) = open(&self.image)?;
        if place == Place::Raw {
            // The decompressed one was compared when it was decompressed.
            phase2::verify(&self.image).map_err(container_failure)?;
        }
        let verification = image.verify().map_err(failure)?;
        if self.json {
            let counts: Vec<_> = verification.counts.iter().map(counts_json).collect();
            let findings: Vec<_> = verification.findings.iter().map(ToString::to_string).collect();
            printer.json(&json!({
                "sound": verification.is_sound(),
                "pool": image.name(),
                "guid": image.guid().to_string(),
                "counts": counts,
                "space": {
                    "metaslabs": verification.space.metaslabs,
                    "allocated": verification.space.allocated,
                    "not_compared": verification.space.not_compared,
                },
                "findings": findings,
            }))?;
        } else {
            for finding in &verification.findings {
                printer.result(format_args!("{}: {finding}", self.image.display()));
            }
            for counts in &verification.counts {
                printer.result(counts_line(counts));
            }
        }
        if let Some(reason) = &verification.space.not_compared {
            printer.warn(format_args!("the space maps were not compared: {reason}"));
        }
        if verification.is_sound() {
            printer.good("sound", self.image.display());
            return Ok(ExitStatus::Success);
        }
        printer.warn(format_args!("{} is damaged", self.image.display()));
        Ok(ExitStatus::Findings)
    }
}

fn counts_line(counts: &Counts) -> String {
    let name = counts.dataset.as_deref().unwrap_or("(the pool's own objects)");
    format!(
        "{name}: {} objects, {} blocks, {} bytes stored, {} bytes uncompressed; {} files with {} \
         bytes, {} directories, {} others",
        counts.objects,
        counts.blocks,
        counts.stored,
        counts.logical,
        counts.files,
        counts.content,
        counts.directories,
        counts.others
    )
}

fn counts_json(counts: &Counts) -> serde_json::Value {
    json!({
        "dataset": counts.dataset,
        "objects": counts.objects,
        "blocks": counts.blocks,
        "stored_bytes": counts.stored,
        "logical_bytes": counts.logical,
        "files": counts.files,
        "content_bytes": counts.content,
        "directories": counts.directories,
        "others": counts.others,
    })
}
