//! Measurement corpora: CoRIM documents.

use std::io::Read as _;
use std::path::Path;

use hubris::Corim;
use proto::Digest;

use super::{PinnedFile, Planned, artifact};
use crate::artifact::Kind;
use crate::{Error, names};

/// A corpus is a list of hashes.
pub(crate) const LIMIT: u64 = 16 << 20;

/// Target name and version of a corpus.
pub(crate) fn describe(bytes: &[u8]) -> Result<(String, String), String> {
    let corim = Corim::parse(bytes).map_err(|error| error.to_string())?;
    let target_name = format!("measurements/{}-{}.cbor", corim.id, Digest::of(bytes));
    names::check_name(&target_name)?;
    Ok((target_name, corim.version))
}

pub(super) fn plan(path: &Path) -> Result<Planned, Error> {
    let mut pinned = PinnedFile::new(path)?;
    if pinned.length() > LIMIT {
        return Err(Error::input(path, format!("is no CoRIM: it is larger than {LIMIT} bytes")));
    }
    let mut bytes = Vec::new();
    pinned.open()?.read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    let (target_name, version) = describe(&bytes).map_err(|problem| Error::input(path, problem))?;
    pinned.digest = Some(Digest::of(&bytes));
    artifact(target_name, pinned, Kind::MeasurementCorpus, version)
}
