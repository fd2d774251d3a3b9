//! Fetching packages from a depot on this machine, against curl fetching the same files.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use depot::Depot;
use fetch::{Client, Fetcher};
use ips::{Fmri, Manifest, Origin as _, Wanted};

use super::super::stage::{Done, Stage, own, shell};
use crate::failure::Failure;
use crate::network;

/// The name of the group.
pub(super) const NAME: &str = "fetch";

/// Where the depot is, below the directory of the measurements.
const URL: &str = "input/depot-url";
/// What curl reads: every file and where it goes.
const LIST: &str = "input/curl.txt";
/// A store that has everything.
const WARM: &str = "input/warm-store";

/// Into an empty store; what curl does, with as many transfers at once; and again, with nothing to
/// be fetched but the catalogue's description.
pub(super) const STAGES: [Stage; 3] = [
    own("fetch-cold", None),
    shell(
        "curl",
        WARM,
        "curl --no-progress-meter --fail --parallel --parallel-max 8 --create-dirs -K input/curl.txt",
    ),
    own("fetch-warm", None),
];

/// A depot in a process of its own, until this is dropped.
pub(super) struct Served(Child);

impl Served {
    /// Serves a repository, says where, and fills the store that has everything.
    pub(super) fn start(directory: &Path, repository: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["pkg", "serve", "--listen", "127.0.0.1:0"])
            .arg(repository)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = child.stdout.take();
        let served = Self(child);
        let mut url = String::new();
        if let Some(output) = output {
            BufReader::new(output).read_line(&mut url)?;
        }
        fs::write(directory.join(URL), url.trim())?;
        let (_, files) = fetch(directory, &directory.join(WARM))?;
        let mut list = String::new();
        for (number, file) in files.iter().enumerate() {
            let _ = writeln!(list, "url = \"{}{file}\"", url.trim());
            let _ = writeln!(list, "output = \"scratch/fetched/{:02x}/{number}\"", number % 256);
        }
        fs::write(directory.join(LIST), list)?;
        Ok(served)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs one of our own stages, if there is one of this name.
pub(super) fn run_stage(name: &str, directory: &Path) -> Option<Result<Done, Failure>> {
    let store = match name {
        "fetch-cold" => directory.join("scratch/store"),
        "fetch-warm" => directory.join(WARM),
        _ => return None,
    };
    Some(fetch(directory, &store).map(|(done, _)| done))
}

/// Sees that the newest versions of all packages are in a store, with everything that they deliver.
/// Says which files of the depot these are.
fn fetch(directory: &Path, store: &Path) -> Result<(Done, Vec<String>), Failure> {
    let runtime = network::runtime()?;
    let client = Client::new(runtime.handle().clone(), fetch::Options::default())?;
    let fetcher = Fetcher::online(store::Store::open(store)?, client);
    let url = network::url(&fs::read_to_string(directory.join(URL))?)?;
    let depot = Depot::open(&url, fetcher.clone(), &depot::Options::default())?;
    let newest = ips::newest(depot.packages());
    depot.prefetch_manifests(&newest.iter().map(|fmri| (fmri, None)).collect::<Vec<_>>())?;
    let manifests: Vec<(&Fmri, Manifest)> = newest
        .iter()
        .map(|fmri| Ok((fmri, depot.manifest(fmri)?)))
        .collect::<Result<_, ips::Error>>()?;
    let wanted: Vec<Wanted<'_>> = manifests
        .iter()
        .flat_map(|(fmri, manifest)| manifest.actions().map(|action| Wanted { fmri, action }))
        .filter(|wanted| wanted.action.payload.is_some())
        .collect();
    depot.prefetch(&wanted);

    let mut payloads: Vec<&str> =
        wanted.iter().filter_map(|wanted| wanted.action.payload.as_deref()).collect();
    payloads.sort_unstable();
    payloads.dedup();
    let mut bytes = 0;
    for payload in &payloads {
        let name = store::Name::new("payload", *payload);
        let record = fetcher.store().find(&name)?;
        bytes += record.ok_or_else(|| format!("the payload {payload} was not fetched"))?.size;
    }
    let manifests = newest.iter().filter_map(|fmri| {
        let (stem, version) = fmri.quoted()?;
        Some(format!("{}/manifest/0/{stem}@{version}", fmri.publisher.as_deref()?))
    });
    let files = payloads.iter().map(|payload| format!("file/0/{payload}"));
    let files = manifests.chain(files).collect();
    Ok((Done::now(bytes, bytes), files))
}
