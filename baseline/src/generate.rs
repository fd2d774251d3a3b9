//! The run itself.

use std::io::Write as _;

use ips::{Facets, Image, Timestamp};
use oxide_archive::OutputFile;
use proto::{Digest, Proto, Store};

use crate::finish::Finish;
use crate::output::Staging;
use crate::payload::Finder;
use crate::plan::Plan;
use crate::zone::{ProtoOrigin, Tolerance};
use crate::{ARCHIVE, Error, GZONLY, Options, Report, archive, check, gzonly, seal, select};

/// Makes a baseline. Both files appear in the output directory, or neither.
pub fn generate(options: &Options<'_>) -> Result<Report, Error> {
    let proto = options.proto;
    let image = read_image(proto)?;
    let variants = Plan::variants_of_zone(&image.config.variants);
    let selected = select::select(&image, &variants, options.packages, options.origins)?;
    let plan =
        Plan { packages: selected.packages.iter().collect(), variants, facets: Facets::new() };
    check::check(proto, &image, &plan)?;
    let epoch = options.epoch.unwrap_or_else(|| newest(&plan));
    let date = Timestamp::from_epoch(epoch).ok_or(Error::Epoch { seconds: epoch })?;
    let seal = seal::digest_of(proto, &image)?;

    let finder = Finder::new(proto, &image, options.origins)?;
    let tolerance =
        Tolerance { strict: options.strict, allow_missing: options.allow_missing, epoch };
    let origin = ProtoOrigin::new(&plan, &finder, &tolerance)?;
    let staging = Staging::create(options.output)?;
    let mut zone = Proto::new(Store::create(staging.path("store"))?);
    crate::zone::install(&mut zone, &plan, &origin, date)?;
    Finish { zone: &mut zone, plan: &plan, epoch }.run(options.seed)?;

    let text = gzonly::text(&plan.packages, &plan.facets);
    let metadata = seal::metadata(seal, Digest::of(text.as_bytes()))?;
    let mut archive = archive::write(&zone, &metadata, epoch, &staging.path(ARCHIVE))?;
    let mut gzonly = write_text(&staging.path(GZONLY), &text)?;
    std::fs::remove_dir_all(staging.path("store"))
        .map_err(Error::io("remove", staging.path("store")))?;
    staging.commit()?;
    archive.path = options.output.join(ARCHIVE);
    gzonly.path = options.output.join(GZONLY);
    Ok(Report {
        archive,
        gzonly,
        packages: plan.packages.iter().map(|package| package.fmri.clone()).collect(),
        global_only: selected.global_only,
        entries: archive::members(&zone).count(),
        gzonly_paths: text.lines().count(),
        seal,
        warnings: origin.warnings,
    })
}

/// The package metadata of a proto.
pub(crate) fn read_image(proto: &Proto) -> Result<Image, Error> {
    if !Image::is_one(proto) {
        return Err(Error::NoPackageMetadata { missing: "var/pkg/pkg5.image" });
    }
    Ok(Image::read(proto)?)
}

/// When the newest package of the zone was published.
fn newest(plan: &Plan<'_>) -> i64 {
    let versions = plan.packages.iter().filter_map(|package| package.fmri.version.as_ref());
    let times = versions.filter_map(|version| version.timestamp);
    times.map(Timestamp::epoch).max().unwrap_or_default()
}

fn write_text(path: &std::path::Path, text: &str) -> Result<oxide_archive::Written, Error> {
    let mut file = OutputFile::create(path)?;
    file.write_all(text.as_bytes()).map_err(Error::io("write", path))?;
    Ok(file.commit()?)
}
