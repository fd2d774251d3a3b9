//! Firmware by lists of hashes: a job that gets it, and looks whether it may be signed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use firmware::{Artifact, Environment, HashList, Kind, Library};
use jobs::Job;
use tuf::{Firmware, Input, Slot};

use super::config;
use crate::failure::Failure;
use crate::network::{self, Network};

/// What one list gives to the repository.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// There when everything is.
    pub(crate) marker: PathBuf,
    inputs: Arc<OnceLock<Vec<Input>>>,
}

impl Found {
    /// The inputs, once the job is done.
    pub(crate) fn inputs(&self) -> Vec<Input> {
        self.inputs.get().cloned().unwrap_or_default()
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
    let found = Found { marker: marker.clone(), inputs: Arc::default() };
    let inputs = Arc::clone(&found.inputs);
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
            let found = collected.artifacts.into_iter().flat_map(|artifact| input(artifact.kind));
            // A job runs once.
            let _ = inputs.set(found.collect());
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
