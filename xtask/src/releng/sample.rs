//! The embedded sample, laid out as any user's inputs: a package repository, omicron's artifacts,
//! ROM stand-ins, and a `releng.toml` that names them.

use std::fs;
use std::path::{Path, PathBuf};

use ips::{Mogrify, Publication, Repository};

use super::packages;
use crate::failure::Failure;

/// What anybody who holds the results must know.
pub(crate) const NOTICE: &str = "this is the SAMPLE: its kernel is a text, its boot ROMs are \
                                 stand-ins, and nothing of it boots";

/// Writes everything below a directory that is not there yet and returns the config's path.
pub(crate) fn lay_out(
    directory: &Path,
    version: &str,
    build_time: i64,
) -> Result<PathBuf, Failure> {
    let files = directory.join("files");
    let artifacts = directory.join("artifacts");
    for directory in [&files, &artifacts] {
        fs::create_dir_all(directory)
            .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
    }
    sample::generate(&files)?;
    sample::build_omicron(&artifacts, version, build_time)?;

    let repository_path = directory.join("repo");
    let mut repository = Repository::create(&repository_path, sample::PUBLISHER)?;
    let timestamp = packages::date(build_time).map_err(Failure::new)?;
    let macros = sample::MACROS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let publication = Publication {
        content: vec![files, sample::package_files()],
        mogrify: Mogrify { macros: macros.into(), ..Mogrify::default() },
        ..Publication::new(sample::PUBLISHER, timestamp)
    };
    ips::publish(&mut repository, &publication, &sample::package_manifests()?)?;

    let config = directory.join("releng.toml");
    fs::write(&config, config_text(&repository_path, &artifacts))
        .map_err(|error| format!("cannot write {}: {error}", config.display()))?;
    Ok(config)
}

fn config_text(repository: &Path, artifacts: &Path) -> String {
    let path = |path: &Path| toml::Value::from(path.to_string_lossy().into_owned());
    let features = toml::Value::from(sample::FEATURES.to_vec());
    let zones = toml::Value::from(sample::ZONES.to_vec());
    let roms: String = sample::BOARDS
        .iter()
        .map(|board| format!("{board} = {}\n", path(&sample::rom(board))))
        .collect();
    format!(
        "[packages]\norigins = [{}]\n\
         [templates]\nboot-archive = {}\nfeatures = {features}\n\
         [host.roms]\n{roms}\
         [host.overlay]\n{} = \"install\"\n{} = \"bundle\"\n\
         [trampoline.roms]\n{roms}\
         [trampoline.overlay]\n{} = \"install\"\n\
         [omicron]\npackage-manifest = {}\nartifacts = {}\n\
         [repository]\nzones = {zones}\n",
        path(repository),
        path(&sample::boot_archive_files()),
        sample::HOST_PACKAGE,
        sample::BUNDLED_ZONE,
        sample::TRAMPOLINE_PACKAGE,
        path(&sample::package_manifest()),
        path(artifacts),
    )
}
