//! What a zone has from the global zone and not from its baseline.

/// Whether a path is left out of the zone's image: it comes from the running global zone when a
/// zone is installed.
///
/// These are the three patterns of the zone's `exclude-patterns`: `usr/`, `sbin/` and
/// `lib/(?!svc/seed|svc/manifest)`. They are beginnings of the path's text, so that the
/// directories `usr`, `sbin` and `lib` themselves stay.
pub(crate) fn from_global_zone(path: &str) -> bool {
    path.starts_with("usr/")
        || path.starts_with("sbin/")
        || path
            .strip_prefix("lib/")
            .is_some_and(|rest| !rest.starts_with("svc/seed") && !rest.starts_with("svc/manifest"))
}

/// The same patterns, as the image property `exclude-patterns` holds them.
pub(crate) const PATTERNS: [&str; 3] = ["usr/", "sbin/", "lib/(?!svc/seed|svc/manifest)"];

/// Whether a path of the zone's image is pkg(7)'s own and stays out of the archive.
pub(crate) fn is_package_metadata(path: &proto::ProtoPath) -> bool {
    const OWN: [&str; 6] = [
        "var/cache/pkg",
        "var/pkg",
        "var/log/pkg",
        "var/sadm/pkg",
        "var/spool/pkg",
        "var/sadm/install/contents",
    ];
    OWN.iter().any(|own| {
        path.as_bytes()
            .strip_prefix(own.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_of_the_text_and_not_components() {
        for excluded in ["usr/bin", "sbin/init", "lib/libc.so.1", "lib/svc", "lib/svc/method/x"] {
            assert!(from_global_zone(excluded), "{excluded}");
        }
        for kept in [
            "usr",
            "sbin",
            "lib",
            "lib64/x",
            "lib/svc/seed",
            "lib/svc/seed/nonglobal.db",
            "lib/svc/seeds",
            "lib/svc/manifest/a.xml",
            "opt/usr/x",
            "etc",
        ] {
            assert!(!from_global_zone(kept), "{kept}");
        }
    }

    #[test]
    fn package_metadata_by_component() {
        let own = |path| is_package_metadata(&proto::ProtoPath::new(path).unwrap());
        assert!(own("var/pkg") && own("var/pkg/x") && own("var/sadm/install/contents"));
        assert!(!own("var/pkgs") && !own("var") && !own("var/sadm/install"));
    }
}
