//! What all roles of the metadata have in common.

use jiff::Timestamp;
use serde_json::Value;

use crate::problem::{Findings, ProblemId};

/// What all roles have.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) version: u64,
    pub(super) expires: Timestamp,
}

/// Reads what all roles have in common.
pub(super) fn head(
    file: &str,
    role: &str,
    signed: &Value,
    findings: &mut Findings,
) -> Option<Head> {
    let text = |member: &str| signed.get(member).and_then(Value::as_str);
    let mut refuse = |reason: String| {
        findings.problem(ProblemId::TufForm, file, reason);
        None
    };
    if text("_type") != Some(role) {
        return refuse(format!(
            "its _type is {:?} and should be {role:?}",
            text("_type").unwrap_or("")
        ));
    }
    match text("spec_version") {
        Some(version) if version.starts_with("1.") => {}
        other => {
            return refuse(format!("its spec_version is {:?}; 1.0 is known", other.unwrap_or("")));
        }
    }
    let Some(version) = signed.get("version").and_then(Value::as_u64).filter(|v| *v > 0) else {
        return refuse("has no version of 1 or more".to_owned());
    };
    if version > LARGEST_VERSION {
        return refuse(format!(
            "has the version {version}; beyond {LARGEST_VERSION} not every reader of JSON sees the \
             same number, and nothing could follow it"
        ));
    }
    let Some(expires) = text("expires") else { return refuse("has no expires".to_owned()) };
    match parse_expires(expires) {
        Some((time, fraction)) => {
            if fraction {
                let reason = format!(
                    "expires at {expires}: TUF wants whole seconds, other clients refuse this"
                );
                findings.warning(ProblemId::TufExpiresForm, file, reason);
            }
            Some(Head { version, expires: time })
        }
        None => {
            findings.problem(
                ProblemId::TufExpiresForm,
                file,
                format!("expires at {expires:?}, which is not of the form YYYY-MM-DDTHH:MM:SSZ"),
            );
            None
        }
    }
}

/// The largest whole number that a floating-point number of eight bytes tells from its neighbours.
const LARGEST_VERSION: u64 = (1 << 53) - 1;

/// Reads `YYYY-MM-DDTHH:MM:SSZ`, with 3, 6 or 9 digits of a fraction tolerated; says if there were.
fn parse_expires(text: &str) -> Option<(Timestamp, bool)> {
    let (seconds, fraction) = match text.strip_suffix('Z')?.split_once('.') {
        Some((seconds, fraction)) => (seconds, Some(fraction)),
        None => (text.strip_suffix('Z')?, None),
    };
    let shape = "dddd-dd-ddTdd:dd:dd";
    let fits = seconds.len() == shape.len()
        && seconds
            .bytes()
            .zip(shape.bytes())
            .all(|(b, s)| if s == b'd' { b.is_ascii_digit() } else { b == s });
    let fraction_fits = fraction.is_none_or(|digits| {
        [3, 6, 9].contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    });
    // A second that is put in once in years is no time to other clients.
    if !fits || !fraction_fits || seconds.ends_with("60") {
        return None;
    }
    Some((text.parse().ok()?, fraction.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expires() {
        let whole = parse_expires("2026-11-27T15:13:08Z").unwrap();
        assert!(!whole.1);
        assert!(parse_expires("2026-11-27T15:13:08.999999999Z").unwrap().1);
        for bad in [
            "2026-11-27T15:13:08",
            "2026-11-27T15:13:08+00:00",
            "2026-11-27 15:13:08Z",
            "2026-11-27T15:13:08.Z",
            "2026-11-27T15:13:08.1Z",
            "2026-13-27T15:13:08Z",
            "2026-12-31T23:59:60Z",
            "",
            "Z",
            "2026-11-27T15:13:08.999999999+00:00Z",
        ] {
            assert_eq!(parse_expires(bad), None, "{bad}");
        }
    }
}
