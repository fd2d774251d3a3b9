//! What an image is made from, written down among its results.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_templates::Plan;
use jobs::Job;

use super::{Image, Places, Plans};
use crate::record::{self, OverlayRecord, Record};

impl Image {
    /// Writes down what the image is made from.
    pub(super) fn record_job(
        self: &Arc<Self>,
        places: &Places,
        templates: BTreeMap<String, PathBuf>,
    ) -> Job {
        let at = places.clone();
        self.job("record", move |image, _| {
            let digest = |path: &Path| record::digest(path).map_err(|failure| failure.error);
            let mut overlays = Vec::new();
            for piece in &image.pieces {
                overlays.push(OverlayRecord {
                    name: piece.package.clone(),
                    kind: "package".to_owned(),
                    sha256: digest(&piece.archive)?,
                });
            }
            for directory in &image.directories {
                let name = directory.file_name().unwrap_or_default().to_string_lossy();
                overlays.push(OverlayRecord {
                    name: name.into_owned(),
                    kind: "directory".to_owned(),
                    sha256: record::tree_digest(directory).map_err(|failure| failure.error)?,
                });
            }
            let mut digests = BTreeMap::new();
            for (name, path) in templates {
                digests.insert(name, digest(&path)?);
            }
            let proto = at.load(&at.os())?;
            let record = Record {
                v: 1,
                image: image.which.name().to_owned(),
                name: image.name.clone(),
                build_time: image.build_time,
                tool: image.tool.clone(),
                lock: image.lock,
                packages: Record::packages(&proto).map_err(|failure| failure.error)?,
                features: image.recorded_features().cloned().collect(),
                templates: digests,
                overlays,
            };
            let text = record.text().map_err(|failure| failure.error)?;
            fs::write(at.record(), text)?;
            Ok(())
        })
        .reads(self.archives())
        .reads([places.os()])
        .makes([places.record()])
    }

    /// The files that come into the image through its templates, by name.
    pub(super) fn templates(&self, plans: &Plans) -> BTreeMap<String, PathBuf> {
        let all = [&plans.os, &plans.last].into_iter().chain(&plans.trim);
        let mut files: BTreeMap<String, PathBuf> = all.flat_map(Plan::files).collect();
        files.insert("boot archive list".to_owned(), self.boot_archive.clone());
        files
    }

    /// The features but for those that say where this machine keeps packages.
    pub(super) fn recorded_features(&self) -> impl Iterator<Item = &String> {
        self.features.iter().filter(|feature| !feature.contains("_url"))
    }

    /// What the image was made from, for `image-args.txt`.
    pub(super) fn arguments_text(&self) -> String {
        let mut text = format!("image {}\nname {}\n", self.which.name(), self.name);
        for feature in self.recorded_features() {
            text.push_str(&format!("feature {feature}\n"));
        }
        for piece in &self.pieces {
            text.push_str(&format!("overlay {} as {}\n", piece.package, piece.service));
        }
        text
    }
}
