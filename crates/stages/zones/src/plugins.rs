//! Plug-ins that configuration files declare and no ELF file names.

use std::collections::BTreeSet;

/// Where locales and time zones are.
pub(crate) const LOCALES: &str = "usr/lib/locale";
pub(crate) const TIME_ZONES: &str = "usr/share/lib/zoneinfo";
/// What init gives to everything it starts.
pub(crate) const ENVIRONMENT: &str = "etc/default/init";

/// A module that a PAM configuration names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PamModule {
    /// The path as written, perhaps with `$ISA`.
    pub(crate) path: String,
    /// Whether the service works without it.
    pub(crate) optional: bool,
}

/// The modules of some services in `pam.conf`: SERVICE TYPE CONTROL MODULE OPTIONS.
pub(crate) fn pam_conf(text: &str, services: &BTreeSet<String>) -> BTreeSet<PamModule> {
    let lines = lines(text).filter_map(|line| {
        let mut words = line.split_whitespace();
        let service = words.next()?.to_ascii_lowercase();
        services.contains(&service).then(|| pam_line(words)).flatten()
    });
    lines.collect()
}

/// The modules in a file of `pam.d`: TYPE CONTROL MODULE OPTIONS.
pub(crate) fn pam_d(text: &str) -> BTreeSet<PamModule> {
    lines(text).filter_map(|line| pam_line(line.split_whitespace())).collect()
}

fn pam_line<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<PamModule> {
    words.next()?;
    let control = words.next()?;
    let path = words.next()?.to_owned();
    // `include` names a further configuration file, not a module.
    (control != "include").then(|| PamModule { path, optional: control == "optional" })
}

/// Where a module is for a process of one width: names without a directory are below
/// `usr/lib/security`, and `$ISA` stands for `64` or nothing.
pub(crate) fn pam_path(module: &str, wide: bool) -> String {
    let isa = if wide { "64" } else { "" };
    if module.starts_with('/') {
        module.replace("$ISA", isa)
    } else if module.contains("$ISA") {
        format!("/usr/lib/security/{}", module.replace("$ISA", isa))
    } else {
        format!("/usr/lib/security/{isa}/{module}")
    }
}

/// The sources that `nsswitch.conf` names, without repetition; each is a library
/// `nss_SOURCE.so.1`.
pub(crate) fn nss_sources(text: &str) -> BTreeSet<String> {
    let mut sources = BTreeSet::new();
    for line in lines(text) {
        let Some((_, mut rest)) = line.split_once(':') else { continue };
        // Criteria such as `[NOTFOUND=return TRYAGAIN=0]` are no sources.
        while let Some((before, behind)) = rest.split_once('[') {
            sources.extend(before.split_whitespace().map(str::to_owned));
            rest = behind.split_once(']').map_or("", |(_, after)| after);
        }
        sources.extend(rest.split_whitespace().map(str::to_owned));
    }
    sources
}

/// The libraries that `netconfig` names: NAME SEMANTICS FLAGS FAMILY PROTOCOL DEVICE LIBRARIES,
/// the last separated by commas, `-` for none.
pub(crate) fn netconfig_libraries(text: &str) -> BTreeSet<String> {
    let libraries = lines(text).filter_map(|line| line.split_whitespace().nth(6));
    libraries
        .flat_map(|list| list.split(','))
        .filter(|name| *name != "-")
        .map(str::to_owned)
        .collect()
}

/// Locales and time zones that `default/init` sets, each with the directory where it is.
pub(crate) fn environment(text: &str) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    for line in lines(text) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        let plain =
            !value.is_empty() && value.split('/').all(|part| !["", ".", ".."].contains(&part));
        match name.trim() {
            _ if !plain => {}
            // these are in the C library
            _ if matches!(value, "C" | "POSIX") => {}
            name if name == "LANG" || name.starts_with("LC_") => {
                found.insert((LOCALES, value.to_owned()));
            }
            "TZ" => {
                found.insert((TIME_ZONES, value.to_owned()));
            }
            _ => {}
        }
    }
    found
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split_once('#').map_or(line, |(before, _)| before).trim())
        .filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nsswitch_sources_without_criteria() {
        let text = "# hosts: ldap\npasswd: files\nhosts:  files [NOTFOUND=continue X=1] dns#x\n";
        assert_eq!(nss_sources(text).into_iter().collect::<Vec<_>>(), ["dns", "files"]);
    }

    #[test]
    fn only_modules_of_the_services() {
        let text = "login auth requisite pam_authtok_get.so.1 debug\n\
                    krlogin auth required pam_krb5.so.1\n\
                    other account optional /usr/lib/security/$ISA/pam_x.so.1\n\
                    login auth include common\n";
        let services = ["login", "other"].map(str::to_owned).into();
        let found: Vec<_> = pam_conf(text, &services).into_iter().collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].path.as_str(), found[1].optional), ("pam_authtok_get.so.1", false));
        assert!(found[0].optional);
        assert_eq!(pam_d("auth required pam_unix_auth.so.1\n").len(), 1);
    }

    #[test]
    fn what_init_sets_is_found() {
        let text = "#\nTZ=US/Pacific\nCMASK=022\nLANG=de_DE.UTF-8\nLC_TIME=\"sv_SE.UTF-8\"\nLC_ALL=C\nX=../y\n";
        let found: Vec<String> = environment(text)
            .into_iter()
            .map(|(directory, name)| format!("{directory}/{name}"))
            .collect();
        assert_eq!(
            found,
            [
                "usr/lib/locale/de_DE.UTF-8",
                "usr/lib/locale/sv_SE.UTF-8",
                "usr/share/lib/zoneinfo/US/Pacific"
            ]
        );
        assert_eq!(environment("TZ=../../etc\nLANG=\nTZ=/etc/localtime"), BTreeSet::new());
    }

    #[test]
    fn libraries_of_transports() {
        let text = "udp tpi_clts v inet udp /dev/udp -\nticots tpi_cots v loopback - /dev/ticots straddr.so\n";
        assert_eq!(netconfig_libraries(text).into_iter().collect::<Vec<_>>(), ["straddr.so"]);
    }

    #[test]
    fn modules_of_both_widths() {
        assert_eq!(pam_path("pam_x.so.1", true), "/usr/lib/security/64/pam_x.so.1");
        assert_eq!(pam_path("/a/$ISA/pam_x.so.1", true), "/a/64/pam_x.so.1");
        assert_eq!(pam_path("/a/$ISA/pam_x.so.1", false), "/a//pam_x.so.1");
    }
}
