//! Firmware by lists of hashes: a job that gets it, and looks whether it may be signed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use firmware::{Artifact, Environment, HashList, Kind, Library};
use jobs::Job;
use tuf::{Firmware, Input, Slot, V1Artifact, V1Part, V1Source};

use super::config;
use crate::failure::Failure;
use crate::network::{self, Network};

/// What one list gives to the repository.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// There when everything is.
    pub(crate) marker: PathBuf,
    artifacts: Arc<OnceLock<Vec<Artifact>>>,
}

impl Found {
    /// The inputs, once the job is done.
    pub(crate) fn inputs(&self) -> Vec<Input> {
        self.artifacts().flat_map(|artifact| input(artifact.kind.clone())).collect()
    }

    /// The same for the older format, in the order of the list, once the job is done.
    pub(crate) fn v1_artifacts(&self) -> Vec<V1Artifact> {
        let of = |Artifact { kind, word, name, version }: &Artifact| V1Artifact {
            kind: (*word).to_owned(),
            name: name.clone(),
            version: version.clone(),
            source: match kind.clone() {
                Kind::Rot([a, b]) => {
                    V1Source::Rot { archive_a: V1Part::File(a), archive_b: V1Part::File(b) }
                }
                Kind::RotBootloader(path) | Kind::Sp(path) | Kind::Corpus(path) => {
                    V1Source::File(path)
                }
            },
        };
        self.artifacts().map(of).collect()
    }

    fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        self.artifacts.get().into_iter().flatten()
    }
}

/// The job that gets what a list names into a folder of the result set.
pub(crate) fn job(
    config: &config::Firmware,
    network: &Network,
    set: &Path,
) -> Result<(Job, Found), Failure> {
    let environment: Environment = config.environment.parse().map_err(|problem: String| {
        Failure::usage(format!("`environment` in [[firmware]]: {problem}"))
    })?;
    if !config.list.is_file() {
        return Err(Failure::missing(format!("list {} is missing", config.list.display())));
    }
    let list = HashList::read(&config.list).map_err(Failure::usage)?;
    let bases = config.from.iter().map(|base| network::url(base)).collect::<Result<Vec<_>, _>>()?;
    let fetcher = if bases.is_empty() { None } else { Some(network.fetcher()?) };
    let library = Library { directories: config.directories.clone(), bases, fetcher };
    let directory = set.join(format!("hubris-{environment}"));
    let marker = directory.join("artifacts.txt");
    let found = Found { marker: marker.clone(), artifacts: Arc::default() };
    let artifacts = Arc::clone(&found.artifacts);
    let job = Job::new(format!("firmware/{environment}"), {
        let marker = marker.clone();
        move |job| {
            fs::create_dir_all(&directory)?;
            let collected = firmware::collect(&list, environment, &library, &directory)?;
            collected.check_order(environment)?;
            let mut text = String::new();
            for Artifact { word, name, version, .. } in &collected.artifacts {
                job.log(format_args!("{word} {name} {version}"));
                writeln!(text, "{word} {name} {version}")?;
            }
            // A job runs once.
            let _ = artifacts.set(collected.artifacts);
            fs::write(&marker, text)?;
            Ok(())
        }
    })
    .reads([&config.list])
    .makes([marker]);
    Ok((job, found))
}

fn input(kind: Kind) -> Vec<Input> {
    let of = |path, firmware| Input::Firmware { path, firmware: Some(firmware) };
    match kind {
        Kind::Rot([a, b]) => {
            vec![of(a, Firmware::Rot(Slot::A)), of(b, Firmware::Rot(Slot::B))]
        }
        Kind::RotBootloader(path) => vec![of(path, Firmware::RotBootloader)],
        Kind::Sp(path) => vec![of(path, Firmware::Sp)],
        Kind::Corpus(path) => vec![Input::MeasurementCorpus(path)],
    }
}
