//! Stand-ins for the artifacts of the older format.

use hubris::Fake;

use super::kind::{Make, PHASE_2, members};
use crate::fakes;

/// The parts of a stand-in for an artifact of a kind; a single one without a name is all of it.
pub(super) fn parts(
    kind: &str,
    make: Make,
    version: &str,
    size: u64,
) -> Result<Vec<(String, Vec<u8>)>, String> {
    match make {
        Make::Os | Make::Rot => members(make)
            .iter()
            .map(|name| Ok(((*name).to_owned(), part(kind, name, version, size)?)))
            .collect(),
        Make::ControlPlane => ["nexus", "ntp"]
            .iter()
            .map(|zone| Ok((format!("zones/{zone}.tar.gz"), fakes::zone(zone, version, size)?)))
            .collect(),
        Make::File | Make::Document => Ok(vec![(String::new(), part(kind, "", version, size)?)]),
    }
}

/// A stand-in for a part of an artifact, by the name of the part; or for all of it.
pub(super) fn part(kind: &str, name: &str, version: &str, size: u64) -> Result<Vec<u8>, String> {
    let what = format!("{kind} {name}");
    match name {
        PHASE_2 => {
            let image = if kind == "trampoline" { "recovery fake" } else { "fake" };
            fakes::phase_2(&what, image, size)
        }
        name if name.ends_with(".rom") => Ok(fakes::text(&what, size)),
        _ if kind == "measurement_corpus" => Ok(fakes::corim(4, version)),
        _ => Ok(firmware(kind, version)),
    }
}

fn firmware(kind: &str, version: &str) -> Vec<u8> {
    let (board, signer) = match kind.split('_').next() {
        Some("switch") => ("SimSidecarSp", "sign-switch"),
        Some("psc") => ("SimPscSp", "sign-psc"),
        _ => ("SimGimletSp", "sign-gimlet"),
    };
    match kind.ends_with("_sp") {
        true => Fake::new(board, version).archive(),
        false => Fake { signer: Some(signer), ..Fake::new("SimRot", version) }.archive(),
    }
}
