//! The command lines that make the same images on a Helios machine.

use std::path::Path;

use super::image::Which;
use super::overlay::{self, Packages};
use super::packages::Origins;
use super::settings::{Request, Settings};
use crate::failure::Failure;

/// Lays out the extra proto directories beside the output directory and returns the exact
/// `helios-build experiment-image` lines, to be run in a helios checkout.
pub(crate) fn lines(request: &Request) -> Result<Vec<String>, Failure> {
    if request.config.is_none() {
        return Err(Failure::usage("the sample cannot be built by helios-build")
            .hint("give --config with real package origins"));
    }
    let scratch = tempfile::tempdir()?;
    let settings = Settings::resolve(request.clone(), scratch.path())?;
    let origins = Origins::open(&settings.config, None, &settings.network)?;
    let omicron = settings.config.omicron.as_ref().map(Packages::read).transpose()?;
    let out = std::path::absolute(&settings.request.out)?;
    let place = out.with_file_name(format!(
        "{}-helios-build",
        out.file_name().unwrap_or_default().to_string_lossy()
    ));
    let mut lines = Vec::new();
    for which in Which::ALL {
        let proto = place.join(which.name()).join("proto/root");
        lay_out(&settings, which, omicron.as_ref(), &proto)?;
        lines.push(line(&settings, which, &origins, &proto, &place.join(which.name()).join("out")));
    }
    Ok(lines)
}

/// One directory for helios-build, which takes only one: the overlay, and the extra directories
/// over it.
fn lay_out(
    settings: &Settings,
    which: Which,
    omicron: Option<&Packages>,
    proto: &Path,
) -> Result<(), Failure> {
    if proto.exists() {
        std::fs::remove_dir_all(proto)
            .map_err(|error| format!("cannot remove {}: {error}", proto.display()))?;
    }
    overlay::make_tree(&settings.pieces(which, omicron)?, proto)?;
    for directory in &settings.image_config(which).proto {
        for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
            let entry = entry?;
            let to = proto.join(entry.path().strip_prefix(directory)?);
            if entry.file_type().is_dir() {
                std::fs::create_dir_all(&to)?;
            } else if entry.file_type().is_symlink() {
                let _ = std::fs::remove_file(&to);
                std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &to)?;
            } else {
                std::fs::copy(entry.path(), &to)?;
            }
        }
    }
    Ok(())
}

fn line(settings: &Settings, which: Which, origins: &Origins, proto: &Path, out: &Path) -> String {
    let mut words = vec!["./helios-build".to_owned(), "experiment-image".to_owned()];
    let mut option = |flag: &str, value: String| {
        words.push(flag.to_owned());
        words.push(value);
    };
    option("-o", out.display().to_string());
    for package in &settings.config.packages.install {
        option("-F", format!("extra_packages+={package}"));
    }
    for package in &settings.image_config(which).packages {
        option("-F", format!("extra_packages+={package}"));
    }
    let features = settings.config.templates.features.iter();
    for feature in features.chain(&settings.image_config(which).features) {
        option("-F", feature.clone());
    }
    option("-P", proto.display().to_string());
    option("-N", settings.image_name(which));
    option("-s", if which == Which::Host { "host" } else { "recovery" }.to_owned());
    if let Some(size) = settings.image_config(which).target_size {
        option("-S", size.div_ceil(1024).to_string());
    }
    for (publisher, uris) in origins.publishers() {
        for uri in uris {
            option("-p", format!("{publisher}={uri}"));
        }
    }
    match which {
        Which::Host if settings.has_brand() => words.push("-B".to_owned()),
        Which::Host => {}
        Which::Trampoline => words.push("-R".to_owned()),
    }
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
