//! Service FMRIs: `svc:/SERVICE[:INSTANCE]`.

use std::fmt;
use std::str::FromStr;

/// The name of a service or of one of its instances.
///
/// Printed in the long form, `svc:/network/ssh:default`. A scope (`svc://localhost/…`) is read
/// and dropped, for there is only one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceFmri {
    /// The service, without `svc:/`.
    pub service: String,
    /// The instance, if one is named.
    pub instance: Option<String>,
}

/// Why a text is no service FMRI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no service FMRI: {problem}")]
pub struct FmriError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The longest name of a service, instance, property group or property, in bytes.
const LONGEST_NAME: usize = 119;

impl ServiceFmri {
    /// A service by its name, e.g. `network/ssh`.
    pub fn service(name: impl Into<String>) -> Self {
        Self { service: name.into(), instance: None }
    }

    /// The named instance of this service.
    pub fn with_instance(&self, instance: impl Into<String>) -> Self {
        Self { service: self.service.clone(), instance: Some(instance.into()) }
    }
}

impl FromStr for ServiceFmri {
    type Err = FmriError;

    fn from_str(text: &str) -> Result<Self, FmriError> {
        let refuse = |problem| FmriError { text: text.to_owned(), problem };
        let rest = text.strip_prefix("svc:").ok_or_else(|| refuse("it does not start `svc:/`"))?;
        let rest = match rest.strip_prefix("//") {
            Some(scoped) => {
                let (scope, rest) =
                    scoped.split_once('/').ok_or_else(|| refuse("there is only a scope"))?;
                if scope != "localhost" {
                    return Err(refuse("the scope is not `localhost`"));
                }
                rest
            }
            None => rest.strip_prefix('/').ok_or_else(|| refuse("it does not start `svc:/`"))?,
        };
        let (service, instance) = match rest.split_once(':') {
            Some((service, instance)) => (service, Some(instance)),
            None => (rest, None),
        };
        check_service_name(service).map_err(refuse)?;
        if let Some(instance) = instance {
            if instance.contains(':') {
                return Err(refuse("only a service or an instance can be named here"));
            }
            check_name(instance).map_err(refuse)?;
        }
        Ok(Self { service: service.to_owned(), instance: instance.map(str::to_owned) })
    }
}

impl fmt::Display for ServiceFmri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "svc:/{}", self.service)?;
        match &self.instance {
            Some(instance) => write!(f, ":{instance}"),
            None => Ok(()),
        }
    }
}

/// A service's name: names joined by `/`.
pub(crate) fn check_service_name(name: &str) -> Result<(), &'static str> {
    if name.len() > LONGEST_NAME {
        return Err("is longer than 119 bytes");
    }
    name.split('/').try_for_each(check_name)
}

/// One name: a letter or digit, then letters, digits and `_ - . ,`.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    let mut bytes = name.bytes();
    match bytes.next() {
        None => return Err("is empty or has an empty part"),
        Some(first) if !(first.is_ascii_alphanumeric() || first == b'_') => {
            return Err("does not start with a letter or digit");
        }
        Some(_) => {}
    }
    if name.len() > LONGEST_NAME {
        return Err("is longer than 119 bytes");
    }
    if bytes.all(|b| b.is_ascii_alphanumeric() || b"_-.,".contains(&b)) {
        Ok(())
    } else {
        Err("has a character other than letters, digits and `_-.,`")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_services_and_instances() {
        let fmri: ServiceFmri = "svc:/network/ssh:default".parse().unwrap();
        assert_eq!(fmri, ServiceFmri::service("network/ssh").with_instance("default"));
        let fmri: ServiceFmri = "svc://localhost/system/zones".parse().unwrap();
        assert_eq!(fmri.to_string(), "svc:/system/zones");
        assert!("svc:/platform/sun4u/SUNW,Sun-Fire".parse::<ServiceFmri>().is_ok());
    }

    #[test]
    fn refuses_with_a_reason() {
        for (bad, reason) in [
            ("network/ssh", "it does not start `svc:/`"),
            ("svc:network", "it does not start `svc:/`"),
            ("svc:/", "is empty or has an empty part"),
            ("svc:/a//b", "is empty or has an empty part"),
            ("svc:/a:", "is empty or has an empty part"),
            ("svc:/a:b:c", "only a service or an instance can be named here"),
            ("svc:/a/:properties/x", "is empty or has an empty part"),
            ("svc:/a b", "has a character other than letters, digits and `_-.,`"),
            ("svc://other/a", "the scope is not `localhost`"),
            ("svc://localhost", "there is only a scope"),
        ] {
            assert_eq!(bad.parse::<ServiceFmri>().unwrap_err().problem, reason, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_printing(
            service in "[a-zA-Z0-9][a-z0-9_.,-]{0,9}(/[a-z0-9]{1,9}){0,3}",
            instance in proptest::option::of("[a-z][a-z0-9_-]{0,9}"),
        ) {
            let fmri = ServiceFmri { service, instance };
            prop_assert_eq!(fmri.to_string().parse::<ServiceFmri>().unwrap(), fmri);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<ServiceFmri>();
        }
    }
}
