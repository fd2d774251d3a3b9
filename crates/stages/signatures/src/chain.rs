//! From a certificate to one that is trusted.

use x509_parser::prelude::X509Certificate;

use crate::trust::Certificate;

/// The names (CN) from a signer's certificate up to the trusted one, or why it is not believed.
pub(crate) fn follow(
    signer: &Certificate,
    between: &[Certificate],
    anchors: &[Certificate],
) -> Result<Vec<String>, String> {
    let parse = |all: &'_ [Certificate]| -> Result<Vec<_>, String> {
        all.iter().map(|one| one.parsed().map(|_| one.clone())).collect()
    };
    let (between, anchors) = (parse(between)?, parse(anchors)?);
    let mut current = signer.parsed()?;
    if current
        .key_usage()
        .is_ok_and(|usage| usage.is_some_and(|usage| !usage.value.digital_signature()))
    {
        return Err(format!("the certificate of {} is not for signatures", name(&current)));
    }
    let mut names = vec![name(&current)];
    // Each certificate can be passed once.
    for below in 0..=between.len() {
        critical(&current)?;
        for anchor in &anchors {
            let anchor = anchor.parsed()?;
            if issued(&anchor, &current) {
                if anchor.subject() != current.subject() {
                    names.push(name(&anchor));
                }
                return Ok(names);
            }
        }
        if current.subject() == current.issuer() {
            return Err(format!("{} vouches only for itself, and is not trusted", name(&current)));
        }
        let next = between.iter().find(|one| {
            one.parsed().is_ok_and(|one| is_authority(&one, below) && issued(&one, &current))
        });
        let Some(next) = next else { break };
        current = next.parsed()?;
        names.push(name(&current));
    }
    Err(format!(
        "nobody who is trusted vouches for {}: its issuer is {}",
        name(&current),
        current.issuer()
    ))
}

/// Whether one certificate's key signed another.
fn issued(issuer: &X509Certificate<'_>, certificate: &X509Certificate<'_>) -> bool {
    issuer.subject().as_raw() == certificate.issuer().as_raw()
        && certificate.verify_signature(Some(issuer.public_key())).is_ok()
}

/// Whether a certificate may vouch for others, with so many between it and the signer.
fn is_authority(certificate: &X509Certificate<'_>, below: usize) -> bool {
    let Ok(Some(constraints)) = certificate.basic_constraints() else { return false };
    let short = |limit: u32| usize::try_from(limit).is_ok_and(|limit| below > limit);
    let may_sign = certificate
        .key_usage()
        .is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
    constraints.value.ca
        && may_sign
        && !constraints.value.path_len_constraint.is_some_and(short)
        && critical(certificate).is_ok()
}

/// Refuses what a certificate says must be understood and is not here.
fn critical(certificate: &X509Certificate<'_>) -> Result<(), String> {
    use x509_parser::extensions::ParsedExtension::{BasicConstraints, KeyUsage};
    for extension in certificate.extensions().iter().filter(|extension| extension.critical) {
        if !matches!(extension.parsed_extension(), BasicConstraints(_) | KeyUsage(_)) {
            let name = name(certificate);
            return Err(format!(
                "the certificate of {name} demands {}, which is not known",
                extension.oid
            ));
        }
    }
    Ok(())
}

fn name(certificate: &X509Certificate<'_>) -> String {
    let common = certificate.subject().iter_common_name().next();
    let common = common.and_then(|name| name.as_str().ok()).map(str::to_owned);
    common.unwrap_or_else(|| certificate.subject().to_string())
}
