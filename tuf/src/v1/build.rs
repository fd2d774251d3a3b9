//! Builds a repository of the older format.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proto::Digest;

use super::composite::{self, Body, Member};
use super::document::{Artifacts, Installed, Installinator, Listed};
use super::kind::{self, Make};
use super::manifest::{V1Artifact, V1Manifest, V1Part, V1Source};
use super::stand_in;
use crate::artifact::Artifact;
use crate::assemble::{BuildReport, Repository};
use crate::documents::{self, ARTIFACTS_V1};
use crate::inputs::{PinnedFile, Planned, Source};
use crate::output::Output;
use crate::signing::{Lease, Signing};
use crate::zip::Streamed;
use crate::{Error, Key, fakes, names};

/// What to build.
#[derive(Debug)]
pub struct V1BuildOptions {
    /// What goes in.
    pub manifest: V1Manifest,
    /// The keys that sign; with none, a throwaway key is made.
    pub keys: Vec<Key>,
    /// The roots to sign under, `1.root.json` to the last; with none, a root is made of the keys.
    pub roots: Vec<PathBuf>,
    /// Days from the build time until the metadata expires.
    pub expires_days: u32,
    /// When the repository is built; whole seconds count.
    pub build_time: Timestamp,
    /// The zip to write. It appears when it is complete.
    pub out: PathBuf,
    /// Whether every kind that a rack needs must be there.
    pub complete: bool,
}

/// Builds, signs and writes a repository of the older format.
///
/// Composite archives are made as they are written. Images of firmware and corpora must have the
/// version that the manifest gives them.
///
/// # Errors
///
/// As for [`build`](crate::build()); and when two artifacts would be one thing to a rack, or a kind
/// is missing from a complete repository. Nothing is left behind then.
pub fn build_v1(options: &V1BuildOptions) -> Result<BuildReport, Error> {
    let manifest = &options.manifest;
    let version = &manifest.system_version;
    let lease = Lease::new(options.build_time, options.expires_days)?;
    let signing = Signing::given(&options.keys, &options.roots, &options.out)?.consistent_if_new();
    signing.check(lease)?;
    check_names(manifest, options.complete, &options.out)?;

    let output = Output::create(&options.out, lease.build_time)?;
    let mut zip = Repository::new(output, signing.consistent());
    let mut units = Units::default();
    let mut listed = Vec::new();
    let mut installed = Vec::new();
    for artifact in &manifest.artifacts {
        let target = kind::target_name(&artifact.kind, &artifact.name, &artifact.version);
        let written = write(&mut zip, artifact, &target, lease.build_time)?;
        for (member, hash) in &written.members {
            units.add(&artifact.kind, member, *hash, &target, &options.out)?;
            installed.extend(Installinator::installed(
                &artifact.kind,
                &artifact.name,
                Some(member),
                *hash,
            ));
        }
        if written.members.is_empty() {
            units.add(&artifact.kind, "", written.whole.sha256, &target, &options.out)?;
        }
        installed.extend(Installinator::installed(
            &artifact.kind,
            &artifact.name,
            None,
            written.whole.sha256,
        ));
        listed.push(Listed {
            name: artifact.name.clone(),
            version: artifact.version.clone(),
            kind: artifact.kind.clone(),
            target,
        });
    }
    listed.push(installinator(&mut zip, version, installed)?);
    // The order is the manifest's: old readers take the first of a kind for what it is not the only
    // one of.
    let document = Artifacts { system_version: version.clone(), artifacts: listed.clone() };
    zip.document(ARTIFACTS_V1, &document)?;
    let artifacts = listed.into_iter().map(|listed| Artifact {
        tags: listed.tags(),
        target_name: listed.target,
        version: listed.version,
    });
    let mut artifacts: Vec<Artifact> = artifacts.collect();
    artifacts.sort();
    zip.sign(version, artifacts, &signing, lease, true)
}

/// Everything that can be said before anything is read.
fn check_names(manifest: &V1Manifest, complete: bool, out: &Path) -> Result<(), Error> {
    let refuse = |problem: String| Error::Edit { path: out.to_owned(), problem };
    let semantic = |what: String, version: &str| {
        names::check_system_version(version).map_err(|problem| Error::Version {
            what,
            version: version.to_owned(),
            problem,
        })
    };
    semantic("the system version".to_owned(), &manifest.system_version)?;
    let mut targets = BTreeSet::new();
    for artifact in &manifest.artifacts {
        artifact.check().map_err(refuse)?;
        semantic(format!("the version of {}", artifact.name), &artifact.version)?;
        let target = kind::target_name(&artifact.kind, &artifact.name, &artifact.version);
        names::check_name(&target)
            .map_err(|problem| refuse(format!("{target:?} cannot be a target: {problem}")))?;
        if artifact.name.contains('/') {
            return Err(refuse(format!("the name {:?} has a folder in it", artifact.name)));
        }
        if !targets.insert(target.to_ascii_lowercase()) {
            return Err(refuse(format!("two artifacts become the target {target}")));
        }
    }
    let missing = manifest.missing();
    if missing.is_empty() || !complete {
        return Ok(());
    }
    Err(refuse(format!("a complete repository also has: {}", missing.join(", "))))
}

/// What was written of an artifact, and the parts that a rack sees.
struct Written {
    whole: Streamed,
    members: Vec<(String, Digest)>,
}

fn write(
    zip: &mut Repository,
    artifact: &V1Artifact,
    target: &str,
    time: Timestamp,
) -> Result<Written, Error> {
    let make = kind::make(&artifact.kind).unwrap_or(Make::File);
    let fake = |problem: String| Error::input(target, problem);
    let bodies: Vec<(String, Body)> = match &artifact.source {
        V1Source::File(path) => return take(zip, artifact, make, path, target),
        V1Source::Fake { size, data_version } => {
            let version = data_version.as_deref().unwrap_or(&artifact.version);
            let made = stand_in::parts(&artifact.kind, make, version, *size).map_err(fake)?;
            if let [(name, bytes)] = &made[..]
                && name.is_empty()
            {
                let (bytes, path) = (bytes.clone(), PathBuf::from(target));
                let source = Source::Memory(bytes, path);
                let target_name = target.to_owned();
                let whole = zip.planned(&Planned { target_name, source, artifact: None })?;
                return Ok(Written { whole, members: Vec::new() });
            }
            made.into_iter().map(|(name, bytes)| (name, Body::Memory(bytes))).collect()
        }
        V1Source::Host { gimlet_phase_1, cosmo_phase_1, phase_2 } => {
            let parts = [cosmo_phase_1, gimlet_phase_1, phase_2];
            parts_of(artifact, make, parts)?
        }
        V1Source::Rot { archive_a, archive_b } => {
            for part in [archive_a, archive_b] {
                if let V1Part::File(path) = part {
                    check_firmware(path, &artifact.version)?;
                }
            }
            parts_of(artifact, make, [archive_a, archive_b])?
        }
        V1Source::ControlPlane(zones) => {
            let mut bodies = Vec::new();
            for zone in zones {
                let name = zone.artifact_name.as_deref().unwrap_or(&zone.file_name);
                let body = body(&zone.part, |size| fakes::zone(name, &artifact.version, size))?;
                bodies.push((format!("zones/{}", zone.file_name), body));
            }
            bodies
        }
    };
    let mut members: Vec<Member> = Vec::new();
    for (name, body) in bodies {
        let bad = names::check_name(&name).err();
        let folder = name.matches('/').count() > 1;
        let again = members.iter().any(|member| member.name == name);
        let member = Member { name, body };
        if let Some(problem) = bad.or(folder.then(|| "the name has a folder in it".to_owned())) {
            let problem = format!("cannot become {:?}: {problem}", member.name);
            return Err(Error::input(member.path(), problem));
        }
        if again {
            return Err(Error::input(member.path(), format!("{} is there already", member.name)));
        }
        members.push(member);
    }
    let (whole, digests) = zip.composite(target, |out| {
        composite::write(kind::archive_type(make), &members, time.as_second(), out)
    })?;
    let members = members.into_iter().map(|member| member.name).zip(digests).collect();
    Ok(Written { whole, members })
}

/// The parts of an artifact under the names that its kind gives them.
fn parts_of<const N: usize>(
    artifact: &V1Artifact,
    make: Make,
    parts: [&V1Part; N],
) -> Result<Vec<(String, Body)>, Error> {
    let mut bodies = Vec::new();
    for (name, part) in kind::members(make).iter().zip(parts) {
        let body =
            body(part, |size| stand_in::part(&artifact.kind, name, &artifact.version, size))?;
        bodies.push(((*name).to_owned(), body));
    }
    Ok(bodies)
}

fn body(part: &V1Part, fake: impl Fn(u64) -> Result<Vec<u8>, String>) -> Result<Body, Error> {
    match part {
        V1Part::File(path) => Ok(Body::File(PinnedFile::new(path)?)),
        V1Part::Fake { size } => {
            fake(*size).map(Body::Memory).map_err(|problem| Error::input("a stand-in", problem))
        }
    }
}

/// Takes one file as it is, after a look at what a rack will find in it.
fn take(
    zip: &mut Repository,
    artifact: &V1Artifact,
    make: Make,
    path: &Path,
    target: &str,
) -> Result<Written, Error> {
    let file = PinnedFile::new(path)?;
    let mut members = Vec::new();
    match make {
        Make::Os | Make::Rot | Make::ControlPlane => {
            members = open(path, make).map_err(|problem| Error::input(path, problem))?;
        }
        Make::File if artifact.kind == "measurement_corpus" => {
            let mut bytes = Vec::new();
            file.open()?.take(16 << 20).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
            let corim = hubris::Corim::parse(&bytes)
                .map_err(|error| Error::input(path, error.to_string()))?;
            check_version(path, &corim.version, &artifact.version)?;
        }
        Make::File => check_firmware(path, &artifact.version)?,
        Make::Document => {}
    }
    let planned =
        Planned { target_name: target.to_owned(), source: Source::File(file), artifact: None };
    Ok(Written { whole: zip.planned(&planned)?, members })
}

/// The members of a composite archive that is there, all of which it must have.
fn open(path: &Path, make: Make) -> Result<Vec<(String, Digest)>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let (members, image) = super::check::members(std::io::BufReader::new(file), make)?;
    image.map(|image| image.judged).transpose()?;
    Ok(members)
}

fn check_firmware(path: &Path, wanted: &str) -> Result<(), Error> {
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let archive =
        hubris::Archive::read(file).map_err(|error| Error::input(path, error.to_string()))?;
    let version =
        archive.caboose.version().map_err(|error| Error::input(path, error.to_string()))?;
    check_version(path, version, wanted)
}

fn check_version(path: &Path, version: &str, wanted: &str) -> Result<(), Error> {
    if version == wanted {
        return Ok(());
    }
    let problem = format!("its version is {version}, the manifest gives it {wanted}");
    Err(Error::input(path, problem))
}

/// What a rack would take for one thing.
#[derive(Default)]
struct Units {
    seen: BTreeMap<(String, Digest), String>,
}

impl Units {
    fn add(
        &mut self,
        kind: &str,
        member: &str,
        hash: Digest,
        target: &str,
        out: &Path,
    ) -> Result<(), Error> {
        let unit = kind::unit(kind, member);
        match self.seen.insert((unit.clone(), hash), target.to_owned()) {
            None => Ok(()),
            Some(other) => Err(Error::Edit {
                path: out.to_owned(),
                problem: format!("{other} and {target} hold the same {unit}, sha256 {hash}"),
            }),
        }
    }
}

/// Writes the installinator document, which in this format ends without a newline.
fn installinator(
    zip: &mut Repository,
    system_version: &str,
    installed: Vec<Installed>,
) -> Result<Listed, Error> {
    const KIND: &str = "installinator_document";
    let target = kind::target_name(KIND, KIND, system_version);
    let document = Installinator::new(system_version, installed);
    let mut text = documents::text(&document)
        .map_err(|error| Error::Sign { role: target.clone(), problem: error.to_string() })?;
    text.pop();
    zip.bytes(&target, &text)?;
    Ok(Listed {
        name: KIND.to_owned(),
        version: system_version.to_owned(),
        kind: KIND.to_owned(),
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_one_hash_are_told_apart_by_kind() {
        let mut units = Units::default();
        let hash = Digest([1; 32]);
        let out = Path::new("repo.zip");
        units.add("gimlet_rot", "archive-a.zip", hash, "a", out).unwrap();
        units.add("gimlet_rot", "archive-b.zip", hash, "a", out).unwrap();
        let error = units.add("gimlet_rot", "archive-a.zip", hash, "b", out).unwrap_err();
        assert!(error.to_string().contains("the same gimlet_rot_image_a"), "{error}");
    }
}
