//! Making an image and changing its settings.

use proto::{Kind, Proto};
use sha1::{Digest as _, Sha1};

use super::fetch::Origins;
use super::metadata::{write_config, write_packages};
use super::stage::Stage;
use super::{Change, InstallOptions, Report};
use crate::image::{ImageConfig, Publisher};
use crate::{Error, Image, Origin, Timestamp, Variants, solve};

/// Makes a proto an image: a new, full one without publishers and packages. One that is an image
/// already is an error.
///
/// `Variants::for_zone("global")` or `("nonglobal")` are the usual variants.
pub fn create_image(proto: &mut Proto, variants: Variants, date: Timestamp) -> Result<(), Error> {
    if Image::is_one(proto) {
        return Err(Error::damaged(crate::image::CONFIG, "is there: this is an image already"));
    }
    let config = ImageConfig::new(variants);
    let image = Image::new(config.clone());
    let mut stage = Stage::new(proto, date);
    let origins = Origins { all: &[], chosen: Default::default() };
    write_packages(&mut stage, &image, &[], &origins)?;
    write_config(&mut stage, &config)?;
    let manifest = stage.manifest;
    proto.manifest = manifest;
    Ok(())
}

/// Changes settings that do not change what is installed.
fn configure(
    proto: &mut Proto,
    date: Timestamp,
    edit: impl FnOnce(&mut ImageConfig),
) -> Result<(), Error> {
    let image = Image::read_changeable(proto)?;
    let mut config = image.config;
    edit(&mut config);
    let mut stage = Stage::new(proto, date);
    write_config(&mut stage, &config)?;
    let manifest = stage.manifest;
    proto.manifest = manifest;
    Ok(())
}

/// Adds a publisher at the end of the search order, or changes its origins and mirrors.
pub fn set_publisher(
    proto: &mut Proto,
    publisher: Publisher,
    date: Timestamp,
) -> Result<(), Error> {
    crate::fmri::check_publisher(&publisher.name)
        .map_err(|problem| Error::Pattern { pattern: publisher.name.clone(), problem })?;
    configure(proto, date, |config| config.set_publisher(publisher))
}

/// Sets properties by name. A property that is a list takes a single value, or several written
/// `['a', 'b']`.
pub fn set_properties(
    proto: &mut Proto,
    properties: &[(String, String)],
    date: Timestamp,
) -> Result<(), Error> {
    configure(proto, date, |config| {
        for (name, value) in properties {
            config.set_property(name, value);
        }
    })
}

/// Approves a certificate (PEM) of an authority for a publisher.
pub fn approve_ca_certificate(
    proto: &mut Proto,
    publisher: &str,
    certificate: &[u8],
    date: Timestamp,
) -> Result<(), Error> {
    let image = Image::read_changeable(proto)?;
    let mut config = image.config;
    if config.publisher(publisher).is_none() {
        return Err(Error::Pattern {
            pattern: publisher.to_owned(),
            problem: "is no publisher of the image".to_owned(),
        });
    }
    let digest = hex::encode(Sha1::digest(certificate));
    config.approve_certificate(publisher, &digest);
    let mut stage = Stage::new(proto, date);
    write_config(&mut stage, &config)?;
    let path = format!("var/pkg/publisher/{publisher}/certs/{digest}");
    stage.write(&path, certificate, 0o644)?;
    let manifest = stage.manifest;
    proto.manifest = manifest;
    Ok(())
}

/// Empties `var/pkg/history`.
pub fn purge_history(proto: &mut Proto) -> Result<(), Error> {
    let history = proto::ProtoPath::new("var/pkg/history").map_err(proto::Error::from)?;
    let directory = proto.manifest.get(&history).cloned();
    proto.manifest.remove_tree(&history);
    if let Some(directory) = directory.filter(|entry| matches!(entry.kind, Kind::Directory)) {
        proto.manifest.replace(history, directory);
    }
    Ok(())
}

/// Sets variants by their names (with or without `variant.`) and installs and removes what
/// follows from that.
pub fn change_variants(
    proto: &mut Proto,
    variants: &[(String, String)],
    origins: &[&dyn Origin],
    options: &InstallOptions,
) -> Result<Report, Error> {
    set_variants(proto, variants, origins, options, true)
}

/// Does what [`change_variants`] does without payloads, as [`foresee`](super::foresee()) does.
pub fn foresee_variants(
    proto: &mut Proto,
    variants: &[(String, String)],
    origins: &[&dyn Origin],
    options: &InstallOptions,
) -> Result<Report, Error> {
    set_variants(proto, variants, origins, options, false)
}

fn set_variants(
    proto: &mut Proto,
    variants: &[(String, String)],
    origins: &[&dyn Origin],
    options: &InstallOptions,
    fetch: bool,
) -> Result<Report, Error> {
    reconfigure(proto, origins, options, fetch, |config| {
        for (name, value) in variants {
            config.set_variant(name, value);
        }
    })
}

/// Sets facets by their names (with or without `facet.`; patterns like `locale.*` too), or with
/// no value takes the setting away, and installs and removes what follows from that.
pub fn change_facets(
    proto: &mut Proto,
    facets: &[(String, Option<bool>)],
    origins: &[&dyn Origin],
    options: &InstallOptions,
) -> Result<Report, Error> {
    set_facets(proto, facets, origins, options, true)
}

/// Does what [`change_facets`] does without payloads, as [`foresee`](super::foresee()) does.
pub fn foresee_facets(
    proto: &mut Proto,
    facets: &[(String, Option<bool>)],
    origins: &[&dyn Origin],
    options: &InstallOptions,
) -> Result<Report, Error> {
    set_facets(proto, facets, origins, options, false)
}

fn set_facets(
    proto: &mut Proto,
    facets: &[(String, Option<bool>)],
    origins: &[&dyn Origin],
    options: &InstallOptions,
    fetch: bool,
) -> Result<Report, Error> {
    reconfigure(proto, origins, options, fetch, |config| {
        for (name, value) in facets {
            config.set_facet(name, *value);
        }
    })
}

fn reconfigure(
    proto: &mut Proto,
    origins: &[&dyn Origin],
    options: &InstallOptions,
    fetch: bool,
    edit: impl FnOnce(&mut ImageConfig),
) -> Result<Report, Error> {
    let image = Image::read_changeable(proto)?;
    let mut config = image.config.clone();
    edit(&mut config);
    if config == image.config {
        return Ok(Report::default());
    }
    let wanted = Image { config: config.clone(), ..image.clone() };
    let chosen = solve(&wanted, origins, &[])?;
    Change { proto, image: &image, config, chosen }.carry_out(origins, options, fetch)
}

/// The packages that the installed packages named by `patterns` depend on with `optional`, and
/// that are not installed.
pub fn optional_dependencies(proto: &Proto, patterns: &[String]) -> Result<Vec<String>, Error> {
    Image::read(proto)?.optional_dependencies(patterns)
}
