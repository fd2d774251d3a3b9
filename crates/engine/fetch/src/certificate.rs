//! What is wrong with a server's certificate.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// Says what is wrong with the certificate of a server, if it is that what made a request fail.
pub(crate) fn refused(error: &reqwest::Error) -> Option<String> {
    let mut cause: &(dyn Error + 'static) = error;
    loop {
        if let Some(rustls::Error::InvalidCertificate(problem)) = cause.downcast_ref() {
            return Some(meaning(problem));
        }
        cause = match cause.downcast_ref::<io::Error>() {
            // An error of input and output holds its cause otherwise than `source` tells.
            Some(outer) => outer.get_ref()?,
            None => cause.source()?,
        };
    }
}

/// The names of a certificate, each of which is told as `KIND("NAME")`.
fn hosts(presented: &[String]) -> String {
    let names: Vec<&str> =
        presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name)).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

fn meaning(problem: &CertificateError) -> String {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        NotValidYet, NotValidYetContext, Revoked, UnknownIssuer,
    };
    match problem {
        // The second is of one that only has the name of a trusted one.
        UnknownIssuer | BadSignature => {
            "no authority that is trusted here vouches for it".to_owned()
        }
        Expired | ExpiredContext { .. } => "it has expired".to_owned(),
        NotValidYet | NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        Revoked => "it was revoked".to_owned(),
        NotValidForNameContext { expected, presented } => {
            format!("it is for {}, not for {}", hosts(presented), expected.to_str())
        }
        NotValidForName => "it is for another host".to_owned(),
        other => other.to_string(),
    }
}
