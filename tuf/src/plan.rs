//! All targets of a repository that is to be written, and what must hold for them together.

use std::collections::btree_map::{BTreeMap, Entry};

use crate::artifact::{Artifact, Kind, tags_text};
use crate::documents::{self, ARTIFACTS, InstallinatorDocument};
use crate::inputs::Planned;
use crate::{Error, names};

/// Targets by name, each with further sources that claim to be the same.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) targets: BTreeMap<String, (Planned, Vec<Planned>)>,
}

impl Plan {
    /// Adds a target. A second one of its name must have the same tags and version; that it has the
    /// same contents is seen when it is written.
    pub(crate) fn add(&mut self, planned: Planned) -> Result<(), Error> {
        match self.targets.entry(planned.target_name.clone()) {
            Entry::Vacant(place) => {
                place.insert((planned, Vec::new()));
            }
            Entry::Occupied(mut place) => {
                let (first, more) = place.get_mut();
                if first.artifact != planned.artifact {
                    return Err(collision(first, &planned, "with other tags or versions"));
                }
                more.push(planned);
            }
        }
        Ok(())
    }

    /// Checks what holds for all targets together, for a system version.
    pub(crate) fn check(&self, system_version: &str) -> Result<(), Error> {
        names::check_system_version(system_version).map_err(|problem| Error::Version {
            what: "the system version".to_owned(),
            version: system_version.to_owned(),
            problem,
        })?;
        self.check_tags()?;
        self.check_reserved(system_version)
    }

    /// The artifacts, sorted by target name.
    pub(crate) fn artifacts(&self) -> Vec<Artifact> {
        let of = |(planned, _): &(Planned, Vec<Planned>)| {
            planned.artifact.as_ref().map(|(kind, version)| Artifact {
                target_name: planned.target_name.clone(),
                version: version.clone(),
                tags: kind.tags(),
            })
        };
        self.targets.values().filter_map(of).collect()
    }

    /// No two artifacts may have the same tags.
    fn check_tags(&self) -> Result<(), Error> {
        let mut seen: BTreeMap<&Kind, &str> = BTreeMap::new();
        for (planned, _) in self.targets.values() {
            let Some((kind, _)) = &planned.artifact else { continue };
            if kind.may_repeat() {
                continue;
            }
            if let Some(first) = seen.insert(kind, &planned.target_name) {
                return Err(Error::SameTags {
                    first: first.to_owned(),
                    second: planned.target_name.clone(),
                    tags: tags_text(&kind.tags()),
                });
            }
        }
        Ok(())
    }

    /// Nobody else may have the names of the documents, and no two names may differ in case only.
    fn check_reserved(&self, system_version: &str) -> Result<(), Error> {
        let reserved = [
            ARTIFACTS,
            documents::ARTIFACTS_V1,
            &InstallinatorDocument::target_name(system_version),
        ];
        let mut folded: BTreeMap<String, &Planned> = BTreeMap::new();
        for (name, (planned, _)) in &self.targets {
            if reserved.contains(&name.as_str()) {
                let problem = format!("would become the target {name}, which is made by the build");
                return Err(Error::input(planned.source.path(), problem));
            }
            if let Some(other) = folded.insert(name.to_ascii_lowercase(), planned) {
                return Err(collision(other, planned, "in names that differ in case only"));
            }
        }
        Ok(())
    }
}

/// Two sources that ask for one name.
pub(crate) fn collision(first: &Planned, second: &Planned, problem: &str) -> Error {
    Error::Collision {
        target: second.target_name.clone(),
        first: first.source.path().to_owned(),
        second: second.source.path().to_owned(),
        problem: problem.to_owned(),
    }
}
