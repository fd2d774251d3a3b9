//! The signatures of one package.

use std::io::Read as _;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaParameters, UnparsedPublicKey,
};
use ips::{Action, ActionKind, Error, Fmri, Origin, PayloadReader};
use serde::Serialize;

use crate::chain::follow;
use crate::text::signed_text;
use crate::trust::{Certificate, TrustAnchors};

/// The largest certificate.
const LIMIT: u64 = 1 << 20;

/// What came out of the check of one signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `algorithm`, as it is written.
    pub algorithm: String,
    /// Who is named in the certificates, from the signer up to who is trusted. Empty for a digest.
    pub names: Vec<String>,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// Whether a signature holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "verdict", content = "why")]
pub enum Verdict {
    /// It does, and who made it is trusted.
    Valid,
    /// It is only a digest, which fits: nothing was damaged, but anybody could have made it.
    Digest,
    /// It is of a kind that is not known here, for this reason.
    Unknown(String),
    /// It does not, for this reason.
    Bad(String),
}

/// Checks every signature of a package. A package without signatures has none.
pub fn check(
    origin: &dyn Origin,
    fmri: &Fmri,
    anchors: &TrustAnchors,
) -> Result<Vec<Check>, Error> {
    let manifest = origin.manifest(fmri)?;
    let publisher = fmri.publisher.as_deref().unwrap_or_default();
    let one = |signature: &Action| {
        let algorithm = signature.get("algorithm").unwrap_or_default().to_owned();
        let mut names = Vec::new();
        let text = || signed_text(&manifest, signature);
        let verdict = verify(origin, publisher, signature, text, anchors, &mut names);
        Check { algorithm, names, verdict: verdict.unwrap_or_else(|verdict| verdict) }
    };
    Ok(manifest.of_kind(ActionKind::Signature).map(one).collect())
}

fn verify(
    origin: &dyn Origin,
    publisher: &str,
    signature: &Action,
    text: impl Fn() -> String,
    anchors: &TrustAnchors,
    names: &mut Vec<String>,
) -> Result<Verdict, Verdict> {
    let unknown = |what: String| Verdict::Unknown(what);
    match signature.get("version") {
        Some("0") => {}
        other => return Err(unknown(format!("version {}", other.unwrap_or("none")))),
    }
    if signature.attributes.with_prefix("variant.").next().is_some() {
        return Err(unknown("it is for one variant".to_owned()));
    }
    let value = signature.get("value").unwrap_or_default();
    let value = hex::decode(value).map_err(|error| Verdict::Bad(format!("its value: {error}")))?;
    let algorithm = signature.get("algorithm").unwrap_or_default();
    let (key, hash) = match algorithm.split_once('-') {
        Some((key, hash)) => (Some(key), hash),
        None => (None, algorithm),
    };
    let (of_rsa, hash): (&'static RsaParameters, _) = match hash {
        "sha256" => (&RSA_PKCS1_2048_8192_SHA256, &digest::SHA256),
        "sha384" => (&RSA_PKCS1_2048_8192_SHA384, &digest::SHA384),
        "sha512" => (&RSA_PKCS1_2048_8192_SHA512, &digest::SHA512),
        _ => return Err(unknown(format!("the algorithm {algorithm}"))),
    };
    if signature.payload.is_none() && key.is_none() {
        return match digest::digest(hash, text().as_bytes()).as_ref() == value {
            true => Ok(Verdict::Digest),
            false => Err(Verdict::Bad("the package is not the one it was made for".to_owned())),
        };
    }
    if key != Some("rsa") || signature.payload.is_none() {
        return Err(unknown(format!("the algorithm {algorithm}")));
    }
    let mut certificates = Vec::new();
    for sha1 in signature.stored() {
        certificates.extend(certificate(origin, publisher, sha1).map_err(Verdict::Bad)?);
    }
    let Some((signer, between)) = certificates.split_first() else {
        return Err(Verdict::Bad("its certificate is missing".to_owned()));
    };
    let parsed = signer.parsed().map_err(Verdict::Bad)?;
    let key = UnparsedPublicKey::new(of_rsa, &parsed.public_key().subject_public_key.data);
    if key.verify(text().as_bytes(), &value).is_err() {
        return Err(Verdict::Bad("the package is not the one that was signed".to_owned()));
    }
    *names = follow(signer, between, &anchors.0).map_err(Verdict::Bad)?;
    Ok(Verdict::Valid)
}

/// The certificates of a payload, which must be what its name says.
fn certificate(
    origin: &dyn Origin,
    publisher: &str,
    sha1: &str,
) -> Result<Vec<Certificate>, String> {
    let refuse = |error: &dyn std::error::Error| format!("its certificate {sha1}: {error}");
    let stored = origin.stored_payload(publisher, sha1).map_err(|error| refuse(&error))?;
    let named = Action {
        kind: ActionKind::File,
        payload: Some(sha1.to_owned()),
        attributes: ips::Attributes::new(),
    };
    let reader = PayloadReader::new(stored.reader, &named).map_err(|error| refuse(&error))?;
    let mut bytes = Vec::new();
    reader.take(LIMIT).read_to_end(&mut bytes).map_err(|error| refuse(&error))?;
    Certificate::read(&bytes).map_err(|problem| format!("its certificate {sha1}: {problem}"))
}
