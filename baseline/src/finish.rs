//! From the installed zone image to what goes into the archive.

use std::collections::BTreeMap;
use std::io::Read;

use ips::{Action, ActionKind, InstalledPackage, Owners, Timestamp};
use proto::{Entry, Kind, Metadata, Mtime, Proto, ProtoPath};

use crate::accounts::{SHADOW, read, without_root_password};
use crate::error::{Mismatch, PackagedPath};
use crate::exclude::is_package_metadata;
use crate::plan::{Plan, is_overlay};
use crate::{Error, Seed};

/// The profile that tells which services run in zones of this brand.
pub(crate) const PROFILE: &str = include_str!("platform_omicron1.xml");

const PROFILES: &str = "etc/svc/profile";
const PROFILE_NAME: &str = "platform_omicron1.xml";
const REPOSITORY: &str = "etc/svc/repository.db";
pub(crate) const PACKAGED_SEED: &str = "lib/svc/seed/nonglobal.db";

/// Which profiles are in force: name, what it stands for.
const LINKS: [(&str, &str); 4] = [
    ("name_service.xml", "ns_dns.xml"),
    ("platform.xml", PROFILE_NAME),
    ("inetd_services.xml", "inetd_generic.xml"),
    ("generic.xml", "generic_limited_net.xml"),
];

/// Whether a path of the zone is made here, whatever packages deliver there.
pub(crate) fn is_made_here(path: &str) -> bool {
    path == REPOSITORY
        || path
            .strip_prefix(PROFILES)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|name| name == PROFILE_NAME || LINKS.iter().any(|(link, _)| *link == name))
}

/// The group `sys`, to which what no package delivers belongs.
const SYS: u32 = 3;

/// Makes an installed zone image what the archive holds.
pub(crate) struct Finish<'a> {
    pub(crate) zone: &'a mut Proto,
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) epoch: i64,
}

impl Finish<'_> {
    pub(crate) fn run(&mut self, seed: &Seed) -> Result<(), Error> {
        let own: Vec<ProtoPath> = self.zone.manifest.iter().map(|(path, _)| path.clone()).collect();
        for path in own.iter().filter(|path| is_package_metadata(path)) {
            self.zone.manifest.remove(path);
        }
        self.metadata_from_packages()?;
        self.seed(seed)?;
        self.profiles()?;
        self.shadow()?;
        Ok(self.zone.manifest.check()?)
    }

    /// Owners, groups, modes and times come from the packages' actions, with names as the zone's
    /// own account files know them.
    fn metadata_from_packages(&mut self) -> Result<(), Error> {
        let mut delivered: BTreeMap<&str, (&InstalledPackage, &Action)> = BTreeMap::new();
        for (package, action) in self.plan.all_actions() {
            if let Some(path) = action.path()
                && matches!(action.kind, ActionKind::Dir | ActionKind::File)
                && (is_overlay(action) || !delivered.contains_key(path))
            {
                delivered.insert(path, (package, action));
            }
        }
        let owners = Owners::read(self.zone)?;
        let mut problems = Vec::new();
        for (path, entry) in self.zone.manifest.iter_mut() {
            entry.metadata.mtime = Mtime::from_seconds(self.epoch);
            let text = path.as_str().unwrap_or_default();
            let Some((package, action)) = delivered.get(text) else { continue };
            let package = package.fmri.short();
            if let Some(text) = action.get("timestamp") {
                let time: Timestamp = text.parse().map_err(|_| Error::Timestamp {
                    path: path.clone(),
                    package: package.clone(),
                    text: text.to_owned(),
                })?;
                entry.metadata.mtime = Mtime::from_seconds(time.epoch());
            }
            if !matches!(entry.kind, Kind::Directory | Kind::File(_)) {
                continue;
            }
            let mut complain = |problem: String| {
                let at = PackagedPath { path: path.to_string(), package: package.clone() };
                problems.push(Mismatch { at, problem });
            };
            match action.get("mode").and_then(|mode| u32::from_str_radix(mode, 8).ok()) {
                Some(mode) => entry.metadata.mode = mode & 0o7777,
                None => complain("its action has no octal mode".to_owned()),
            }
            let owner = action.get("owner").unwrap_or_default();
            match owners.uid(owner) {
                Some(uid) => entry.metadata.uid = uid,
                None => complain(format!("its owner {owner} is not in the zone's etc/passwd")),
            }
            let group = action.get("group").unwrap_or_default();
            match owners.gid(group) {
                Some(gid) => entry.metadata.gid = gid,
                None => complain(format!("its group {group} is not in the zone's etc/group")),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Mismatch { problems }) }
    }

    /// `etc/svc/repository.db`.
    fn seed(&mut self, seed: &Seed) -> Result<(), Error> {
        let repository = ProtoPath::new(REPOSITORY).map_err(proto::Error::from)?;
        self.zone.manifest.remove(&repository);
        let content = match seed {
            Seed::None => return Ok(()),
            Seed::Nonglobal => {
                let packaged = ProtoPath::new(PACKAGED_SEED).map_err(proto::Error::from)?;
                let (_, entry) = self
                    .zone
                    .manifest
                    .resolve_hardlink(&packaged)
                    .ok_or(Error::NoSeed { path: PACKAGED_SEED })?;
                entry.content().cloned().ok_or(Error::NoSeed { path: PACKAGED_SEED })?
            }
            Seed::File(file) => self.zone.contents.store.add_file(file)?,
        };
        self.put(REPOSITORY, Kind::File(content), 0o600)
    }

    /// The brand's profile and the links that put profiles in force.
    fn profiles(&mut self) -> Result<(), Error> {
        self.put_bytes(&format!("{PROFILES}/{PROFILE_NAME}"), PROFILE.as_bytes())?;
        for (name, target) in LINKS {
            let kind = Kind::Symlink { target: target.as_bytes().into() };
            self.put(&format!("{PROFILES}/{name}"), kind, 0o777)?;
        }
        Ok(())
    }

    /// Nobody logs in as root with a password.
    fn shadow(&mut self) -> Result<(), Error> {
        let missing = || Error::Accounts {
            path: SHADOW,
            line: None,
            problem: "no package of the zone delivers it".to_owned(),
        };
        let bytes = read(self.zone, SHADOW)?.ok_or_else(missing)?;
        let text = without_root_password(&String::from_utf8_lossy(&bytes))?;
        let content = self.store(text.as_bytes())?;
        let path = ProtoPath::new(SHADOW).map_err(proto::Error::from)?;
        if let Some(entry) = self.zone.manifest.get_mut(&path) {
            entry.kind = Kind::File(content);
        }
        Ok(())
    }

    fn put_bytes(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let content = self.store(bytes)?;
        self.put(path, Kind::File(content), 0o644)
    }

    fn store(&self, bytes: impl Read) -> Result<proto::FileContent, Error> {
        let store = &self.zone.contents.store;
        store.add(bytes).map_err(Error::io("write to", store.directory()))
    }

    /// Puts something no package delivers in the place of what may be there: files belong to
    /// root:sys, links to root:root.
    fn put(&mut self, path: &str, kind: Kind, mode: u32) -> Result<(), Error> {
        let path = ProtoPath::new(path).map_err(proto::Error::from)?;
        let time = Mtime::from_seconds(self.epoch);
        let gid = if matches!(kind, Kind::Symlink { .. }) { 0 } else { SYS };
        let new = kind.word();
        let entry = Entry::new(kind, Metadata::owned(mode, 0, gid).at(time));
        let directory = Metadata::owned(0o755, 0, SYS).at(time);
        self.zone.manifest.ensure_parents(&path, directory);
        if self.zone.manifest.get(&path).is_some_and(Entry::is_directory) {
            return Err(proto::Error::Duplicate { path, there: "directory", new }.into());
        }
        self.zone.manifest.replace(path, entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_made_here() {
        for path in [REPOSITORY, "etc/svc/profile/generic.xml", "etc/svc/profile/platform.xml"] {
            assert!(is_made_here(path), "{path}");
        }
        for path in ["etc/svc/profile", "etc/svc/profile/ns_dns.xml", "etc/svc/profiles/x"] {
            assert!(!is_made_here(path), "{path}");
        }
    }

    #[test]
    fn the_profile_says_what_runs() {
        let profile = smf::Bundle::parse(PROFILE.as_bytes(), "platform_omicron1.xml").unwrap();
        assert_eq!(profile.findings, []);
        assert_eq!(profile.kind, smf::BundleKind::Profile);
        let enabled: BTreeMap<&str, Option<bool>> = profile
            .services
            .iter()
            .map(|service| (service.name.as_str(), service.instances[0].enabled))
            .collect();
        assert_eq!(
            enabled,
            BTreeMap::from([
                ("network/dns/client", Some(false)),
                ("network/inetd", Some(false)),
                ("network/ipmp", Some(false)),
                ("network/routing-setup", Some(true)),
                ("network/routing/route", Some(false)),
                ("network/rpc/bind", Some(false)),
                ("network/rpc/gss", Some(false)),
                ("network/security/ktkt_warn", Some(false)),
                ("system/sac", Some(false)),
            ])
        );
        let setup = profile.service("network/routing-setup").unwrap();
        let property = &setup.instances[0].common.property_groups[0].properties[0];
        assert_eq!(
            (property.name.as_str(), &property.values[..]),
            ("ipv4-routing-set", &["true".to_owned()][..])
        );
    }
}
