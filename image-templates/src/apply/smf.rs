//! The `seed_smf` step.
//!
//! svccfg(8) and svc.configd(8) run only on illumos, so no service repository is made here. The
//! step sees to it that the first boot can make one: it checks that the named profiles are there
//! and are profiles, and sets the links by which the system finds them. The first boot then
//! imports every manifest. A repository that was made elsewhere is passed through.

use std::fs::File;

use proto::{Entry, Kind, Metadata, ProtoPath};
use smf::{Bundle, BundleKind};

use super::{Failure, Run, SmfSeed};
use crate::{Error, PlannedStep};

/// A profile: its name, the path it is applied from, and what a link there may lead to, best
/// first.
const PROFILES: [(&str, &str, &[&str]); 3] = [
    ("generic", "etc/svc/profile/generic.xml", &["generic_limited_net.xml", "generic_open.xml"]),
    ("platform", "etc/svc/profile/platform.xml", &["platform_oxide.xml", "platform_none.xml"]),
    ("site", "var/svc/profile/site.xml", &[]),
];

/// Where the manifests are.
const MANIFESTS: [&str; 2] = ["lib/svc/manifest", "var/svc/manifest"];

impl Run<'_, '_, '_> {
    pub(super) fn seed_smf(
        &mut self,
        planned: &PlannedStep,
        debug: bool,
        profiles: &[String],
        seed: Option<&str>,
        optional: bool,
    ) -> Result<(), Failure> {
        for name in profiles {
            let Some((_, path, choices)) = PROFILES.iter().find(|(known, ..)| known == name) else {
                return Err(Failure::new(format!("unknown profile `{name}`")));
            };
            let path = ProtoPath::new(path)?;
            if self.image.get(&self.image.walk(&path)?).is_none() && !self.link(&path, choices)? {
                if optional {
                    self.note(planned, format!("no {name} profile: /{path} is not there"));
                    continue;
                }
                let reason = format!("the {name} profile /{path} is missing");
                return Err(Failure::missing(&path, reason));
            }
            if self.rehearsal {
                self.image.file(&path)?;
            } else {
                self.check_profile(planned, name, &path)?;
            }
        }
        match self.context.smf_seed.clone() {
            SmfSeed::None => {
                if let Some(seed) = seed {
                    let path = ProtoPath::new(format!("lib/svc/seed/{seed}.db"))?;
                    self.image.file(&path)?;
                }
                let mut text =
                    "services were not seeded: the first boot imports all manifests".to_owned();
                if debug {
                    text.push_str(", and the restarter's debug logging is not set");
                }
                self.note(planned, text);
            }
            SmfSeed::File(seed) => {
                let file = File::open(&seed).map_err(|error| {
                    let error = Error::io("open", &seed)(error);
                    Failure::because(error.to_string(), error)
                })?;
                let path = ProtoPath::new("etc/svc/repository.db")?;
                let metadata = Metadata::root(0o600).at(self.image.mtime);
                self.image.put_file(&path, file, metadata)?;
                self.note(planned, "the service repository was made elsewhere and passed through");
            }
        }
        Ok(())
    }

    /// Refuses what is not a profile; what is odd about one becomes a note.
    fn check_profile(
        &mut self,
        planned: &PlannedStep,
        name: &str,
        path: &ProtoPath,
    ) -> Result<(), Failure> {
        let profile =
            Bundle::parse(&self.image.read(path)?, &path.to_string()).map_err(|error| {
                Failure::because(format!("the {name} profile cannot be read"), error)
            })?;
        if profile.kind != BundleKind::Profile {
            let kind = profile.kind.word();
            return Err(Failure::new(format!("the {name} profile /{path} is a {kind}")));
        }
        let mut manifests = Vec::new();
        for directory in MANIFESTS {
            let directory = ProtoPath::new(directory)?;
            for (path, entry) in self.image.proto.manifest.subtree(&directory) {
                if entry.content().is_none() || !path.as_bytes().ends_with(b".xml") {
                    continue;
                }
                // A manifest that cannot be read defines nothing; the profile's lines show it.
                manifests.extend(Bundle::parse(&self.image.read(path)?, &path.to_string()));
            }
        }
        let findings = smf::check_profile(&profile, &manifests);
        for finding in profile.findings.iter().chain(&findings) {
            self.note(planned, format!("/{finding}"));
        }
        Ok(())
    }

    /// Links a profile to the first of the files beside it that is there.
    fn link(&mut self, path: &ProtoPath, choices: &[&str]) -> Result<bool, Failure> {
        let Some(directory) = path.parent() else { return Ok(false) };
        for choice in choices {
            let beside = directory.join(choice)?;
            if matches!(self.image.get(&beside), Some(Entry { kind: Kind::File(_), .. })) {
                let metadata = Metadata::root(0o777).at(self.image.mtime);
                let place = self.image.place(path)?;
                self.image.put(&place, Entry::symlink(choice, metadata))?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
