//! What ties an archive to the proto it was made from.

use std::collections::BTreeMap;
use std::path::Path;

use ips::Image;
use oxide_archive::{ArchiveType, Metadata};
use proto::{Digest, Proto, ProtoPath};
use sha2::Digest as _;

use crate::Error;

/// Information keys of `oxide.json` in a sealed baseline.
const TOOL: &str = "generator";
const PACKAGES: &str = "packages-sha256";
const GZONLY: &str = "gzonly-sha256";

/// The digest over a proto's package list: one line for each installed package, in the order of
/// their names, holding the FMRI in its long form and the SHA-256 of its manifest's bytes.
pub(crate) fn package_digest(proto: &Proto) -> Result<Digest, Error> {
    digest_of(proto, &crate::generate::read_image(proto)?)
}

pub(crate) fn digest_of(proto: &Proto, image: &Image) -> Result<Digest, Error> {
    let mut lines = BTreeMap::new();
    for package in &image.packages {
        let path = ProtoPath::new(package.manifest.source.to_string_lossy().as_bytes())
            .map_err(proto::Error::from)?;
        let entry = proto.manifest.resolve_hardlink(&path);
        let Some((path, content)) = entry.and_then(|(p, entry)| Some((p, entry.content()?))) else {
            return Err(proto::Error::NoContent { path, digest: None }.into());
        };
        let text = proto.contents.read(path, content)?;
        lines.insert(package.fmri.long(), Digest::of(&text));
    }
    let mut hasher = sha2::Sha256::new();
    for (fmri, manifest) in lines {
        hasher.update(format!("{fmri} {manifest}\n"));
    }
    Ok(Digest(hasher.finalize().into()))
}

/// The metadata of a sealed archive.
pub(crate) fn metadata(packages: Digest, gzonly: Digest) -> Result<Metadata, Error> {
    let tool = format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let metadata = Metadata::new(ArchiveType::Baseline)
        .with_info(TOOL, tool)
        .and_then(|metadata| metadata.with_info(PACKAGES, packages.to_string()))
        .and_then(|metadata| metadata.with_info(GZONLY, gzonly.to_string()));
    Ok(metadata.map_err(oxide_archive::Error::from)?)
}

/// What the seal of an archive says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The program that made it.
    pub tool: Option<String>,
    /// The digest in the archive.
    pub sealed: Digest,
    /// The digest of the proto's package list.
    pub proto: Digest,
    /// Whether `gzonly.txt` beside the archive is the one it was made with; none if there is no
    /// such file or the archive does not say.
    pub gzonly_matches: Option<bool>,
}

impl Verified {
    /// Whether the archive still belongs to the proto.
    pub fn belongs(&self) -> bool {
        self.sealed == self.proto && self.gzonly_matches != Some(false)
    }
}

/// Says whether a baseline archive was made from a proto with the same packages. That it does not
/// belong is an answer, not an error.
pub fn verify(archive: &Path, proto: &Proto) -> Result<Verified, Error> {
    let metadata = oxide_archive::read_metadata(archive)?;
    let not_sealed = |problem: String| Error::NotSealed { path: archive.to_owned(), problem };
    if metadata.archive_type != ArchiveType::Baseline {
        return Err(not_sealed(format!("this is a {} archive", metadata.archive_type)));
    }
    let digest = |key: &str| {
        let text = metadata.info.get(key)?;
        Some(text.parse().map_err(|_| not_sealed(format!("{key} is no digest: {text}"))))
    };
    let sealed = digest(PACKAGES).transpose()?.ok_or_else(|| {
        not_sealed(format!("this baseline is not sealed: its oxide.json has no {PACKAGES}"))
    })?;
    let gzonly: Option<Digest> = digest(GZONLY).transpose()?;
    let beside = archive.with_file_name(crate::GZONLY);
    let gzonly_matches = match (gzonly, std::fs::read(&beside)) {
        (Some(gzonly), Ok(text)) => Some(Digest::of(&text) == gzonly),
        (None, _) => None,
        (_, Err(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
        (_, Err(error)) => return Err(Error::io("read", &beside)(error)),
    };
    Ok(Verified {
        tool: metadata.info.get(TOOL).cloned(),
        sealed,
        proto: package_digest(proto)?,
        gzonly_matches,
    })
}
