//! What zones need beyond the programs themselves.

use std::fmt;
use std::str::FromStr;

/// A thing that a minimal zone shall be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// `zlogin`: the brand calls getent(8), then login(1), which wants PAM and accounts.
    Zlogin,
    /// Host names by DNS.
    Dns,
    /// The service management facility.
    Smf,
}

/// All features.
pub const FEATURES: &[Feature] = &[Feature::Zlogin, Feature::Dns, Feature::Smf];

impl Feature {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zlogin => "zlogin",
            Self::Dns => "dns",
            Self::Smf => "smf",
        }
    }

    /// Paths that must be in the proto root.
    pub(crate) fn required(self) -> &'static [&'static str] {
        match self {
            Self::Zlogin => &["usr/bin/login", "usr/bin/getent", "sbin/sh", "etc/passwd"],
            Self::Dns => &["etc/nsswitch.conf"],
            Self::Smf => &[
                "sbin/init",
                "sbin/sh",
                "lib/svc/bin/svc.configd",
                "lib/svc/bin/svc.startd",
                "usr/sbin/svcadm",
                "usr/sbin/svccfg",
                "usr/bin/svcprop",
                "usr/bin/svcs",
            ],
        }
    }

    /// Paths that are taken if they are in the proto root; directories with all that is in them.
    pub(crate) fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Zlogin => &[
                "etc/default/login",
                "etc/group",
                "etc/project",
                "etc/shadow",
                "etc/user_attr",
                "usr/lib/libproject.so.1",
                "usr/lib/passwdutil.so.1",
            ],
            Self::Dns => &[
                "etc/hosts",
                "etc/inet/hosts",
                "etc/inet/services",
                "etc/netconfig",
                "etc/resolv.conf",
                "etc/services",
            ],
            Self::Smf => &[
                "etc/inittab",
                "etc/svc/profile",
                "lib/svc/bin/mfstscan",
                "lib/svc/seed",
                "lib/svc/share",
                "usr/share/lib/xml/dtd/service_bundle.dtd.1",
            ],
        }
    }

    /// PAM services that the feature uses.
    pub(crate) fn pam_services(self) -> &'static [&'static str] {
        match self {
            Self::Zlogin => &["login", "zlogin"],
            Self::Dns | Self::Smf => &[],
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Feature {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let named = FEATURES.iter().find(|feature| feature.name() == text);
        named.copied().ok_or_else(|| {
            let names: Vec<_> = FEATURES.iter().map(|feature| feature.name()).collect();
            format!("no feature `{text}`; there are {}", names.join(", "))
        })
    }
}
