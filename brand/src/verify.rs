//! `verify_cfg` and `verify_adm`: may a zone with this configuration be made?

use std::ffi::OsString;
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::operands::Operands;
use crate::{Error, names};

/// The name of this brand.
pub const BRAND: &str = "omicron1";

/// Places on which the platform itself mounts something, or which hold the replicated trees:
/// another mount there, or on a directory above, would hide them.
const TAKEN: &[&str] = &["/usr", "/lib", "/sbin", "/etc/mnttab", "/etc/dfs/sharetab"];

/// File systems of the platform. No other can be mounted inside them either.
const WHOLE: &[&str] = &["/system", "/dev", "/proc", "/etc/svc/volatile"];

/// Something in a zone configuration that this brand cannot work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong, and where.
    pub what: String,
    /// What to change, in words of zonecfg.
    pub fix: String,
}

/// Checks the zone configuration in a file, as zonecfg writes it for `verify_cfg`.
///
/// # Errors
///
/// [`Error::Io`] when it cannot be read, [`Error::Configuration`] when it is not a zone
/// configuration at all.
pub fn verify_configuration(path: &Path) -> Result<Vec<Finding>, Error> {
    let text = std::fs::read(path).map_err(Error::io("read", path))?;
    let text = String::from_utf8(text).map_err(|_| Error::Configuration {
        path: path.into(),
        message: "it is not UTF-8".into(),
    })?;
    check(&text).map_err(|message| Error::Configuration { path: path.into(), message })
}

/// Checks what zoneadm is about to do.
///
/// Only an installation is looked at: nothing else of what zoneadm does depends on the brand, and
/// a zone with a bad name must still be removable.
///
/// # Errors
///
/// [`Error::UnsafeName`] and [`Error::BadName`] for the zone, its zonepath or a layer,
/// [`Error::Usage`] for options that an installation does not know.
pub fn verify_administration(
    name: &str,
    zonepath: &Path,
    subcommand: &str,
    arguments: &[OsString],
) -> Result<(), Error> {
    if subcommand == "install" {
        names::check_zone_name(name)?;
        names::check_zonepath(zonepath)?;
        for layer in Operands::parse_of_zoneadm(arguments)?.layers {
            names::check_layer(&layer.path)?;
        }
    }
    Ok(())
}

/// Attributes of an element, by name.
struct Attributes(Vec<(String, String)>);

impl Attributes {
    fn of(element: &BytesStart<'_>) -> Result<Attributes, String> {
        let mut found = Vec::new();
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let key = attribute.key.as_ref().to_owned();
            let value =
                quick_xml::escape::unescape(&attribute.value).map_err(|error| error.to_string())?;
            found.push((key, value.into_owned()));
        }
        Ok(Attributes(found))
    }

    /// The value, empty when it is absent: the DTD's default for all optional ones.
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

fn check(text: &str) -> Result<Vec<Finding>, String> {
    let mut reader = Reader::from_str(text);
    let mut zone = None;
    let mut mounts: Vec<Attributes> = Vec::new();
    let mut datasets: Vec<String> = Vec::new();
    let mut networks: Vec<Attributes> = Vec::new();
    let mut depth = 0usize;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let element = match &event {
            Event::Start(element) | Event::Empty(element) => element,
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        match (depth, element.name().as_ref()) {
            (0, "zone") if zone.is_none() => zone = Some(Attributes::of(element)?),
            (0, other) => {
                return Err(format!("the outermost element is <{}>, not one <zone>", other));
            }
            (1, "filesystem" | "inherited-pkg-dir") => mounts.push(Attributes::of(element)?),
            (1, "dataset") => datasets.push(Attributes::of(element)?.get("name").into()),
            (1, "network") => networks.push(Attributes::of(element)?),
            _ => {}
        }
        if let Event::Start(_) = event {
            depth += 1;
        }
    }
    if depth != 0 {
        return Err("it ends in the middle".into());
    }
    let zone = zone.ok_or("it has no <zone> element")?;

    let mut findings = Vec::new();
    check_zone(&zone, &mut findings);
    check_mounts(&mounts, &datasets, &mut findings);
    check_datasets(&datasets, &mut findings);
    for network in networks {
        if !network.get("address").is_empty() {
            findings.push(Finding {
                what: format!(
                    "network {}: address {} is given, but the zone has its own IP stack",
                    network.get("physical"),
                    network.get("address")
                ),
                fix: "clear address (an allowed-address may be set)".into(),
            });
        }
    }
    Ok(findings)
}

fn check_zone(zone: &Attributes, findings: &mut Vec<Finding>) {
    if zone.get("brand") != BRAND {
        findings.push(Finding {
            what: format!("brand is {:?}, not {BRAND}", zone.get("brand")),
            fix: format!("set brand={BRAND}"),
        });
    }
    if zone.get("ip-type") != "exclusive" {
        let found = match zone.get("ip-type") {
            "" => "not set, which means shared".into(),
            other => format!("{other:?}"),
        };
        findings.push(Finding {
            what: format!("ip-type is {found}"),
            fix: "set ip-type=exclusive".into(),
        });
    }
    if let Err(error) = names::check_zone_name(zone.get("name")) {
        findings.push(Finding { what: error.to_string(), fix: "set zonename=...".into() });
    }
    if let Err(error) = names::check_zonepath(Path::new(zone.get("zonepath"))) {
        findings.push(Finding { what: error.to_string(), fix: "set zonepath=...".into() });
    }
}

/// A directory without doubled or trailing slashes.
fn normal(directory: &str) -> String {
    let mut normal = String::new();
    for component in directory.split('/').filter(|component| !component.is_empty()) {
        normal.push('/');
        normal.push_str(component);
    }
    if normal.is_empty() { "/".into() } else { normal }
}

fn is_within(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The place above or below which a mount cannot be.
fn conflicting(directory: &str) -> Option<&'static str> {
    let hides = |place: &&&str| is_within(place, directory);
    let hidden = |place: &&&str| is_within(directory, place);
    let found = TAKEN.iter().chain(WHOLE).find(hides);
    found.or_else(|| WHOLE.iter().find(hidden)).copied()
}

fn check_mounts(mounts: &[Attributes], datasets: &[String], findings: &mut Vec<Finding>) {
    let mut seen: Vec<String> = Vec::new();
    for mount in mounts {
        let directory = normal(mount.get("directory"));
        let remove = format!("remove fs dir={}", mount.get("directory"));
        let mut find = |what: String| findings.push(Finding { what, fix: remove.clone() });
        if directory.split('/').any(|component| component == "." || component == "..") {
            find(format!("file system at {directory}: . and .. are not possible in a mount point"));
        }
        if TAKEN.iter().chain(WHOLE).any(|place| *place == directory) || directory == "/" {
            find(format!("file system at {directory}: the {BRAND} brand needs that place itself"));
        } else if let Some(place) = conflicting(&directory) {
            find(format!(
                "file system at {directory}: {place}, which the {BRAND} brand needs, would hide it \
                 or be hidden"
            ));
        }
        if seen.contains(&directory) {
            find(format!("file system at {directory}: that mount point is named twice"));
        }
        let special = mount.get("special");
        if mount.get("type") == "zfs" && datasets.iter().any(|name| is_within(special, name)) {
            find(format!(
                "file system at {directory}: dataset {special} is delegated to the zone, which \
                 mounts it itself"
            ));
        }
        seen.push(directory);
    }
}

fn check_datasets(datasets: &[String], findings: &mut Vec<Finding>) {
    for (index, dataset) in datasets.iter().enumerate() {
        let others = || datasets.iter().enumerate().filter(|(other, _)| *other != index);
        if datasets[..index].contains(dataset) {
            findings.push(Finding {
                what: format!("dataset {dataset} is named twice"),
                fix: format!("remove dataset name={dataset}"),
            });
        }
        if let Some((_, outer)) =
            others().find(|(_, other)| *other != dataset && is_within(dataset, other))
        {
            findings.push(Finding {
                what: format!("dataset {dataset} lies below {outer}, which is delegated too"),
                fix: format!("remove dataset name={dataset}"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(attributes: &str, children: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE zone PUBLIC \"-//Sun \
             Microsystems Inc//DTD Zones//EN\" \"file:///usr/share/lib/xml/dtd/zonecfg.dtd.1\">\n\
             <!--\n    DO NOT EDIT THIS FILE.  Use zonecfg(8) instead.\n-->\n\
             <zone name=\"ntp\" zonepath=\"/zone/ntp\" autoboot=\"false\" {attributes}>{children}\
             </zone>\n"
        )
    }

    const GOOD: &str = "brand=\"omicron1\" ip-type=\"exclusive\"";

    fn findings(attributes: &str, children: &str) -> Vec<String> {
        match check(&zone(attributes, children)) {
            Ok(findings) => findings.into_iter().map(|f| f.what).collect(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_zone_of_the_field_passes() {
        let children = r#"
            <filesystem special="/opt/oxide/x" directory="/opt/oxide/x" type="lofs">
                <fsoption name="ro"/>
            </filesystem>
            <filesystem special="/var/tmp/site.xml" directory="/var/svc/profile/site.xml" type="lofs"/>
            <filesystem special="/x" directory="/usr/local" type="lofs"/>
            <network physical="oxControlService0" allowed-address="fd00::1/64"/>
            <device match="zvol/*"/>
            <dataset name="tank/ntp"/>
            <dataset name="tank/ntp2"/>
            <rctl name="zone.max-lwps"><rctl-value priv="privileged" limit="1" action="deny"/></rctl>
        "#;
        assert_eq!(findings(GOOD, children), [""; 0]);
    }

    #[test]
    fn each_conflict_is_found() {
        let shared = findings("brand=\"ipkg\"", "");
        assert_eq!(
            shared,
            ["brand is \"ipkg\", not omicron1", "ip-type is not set, which means shared"]
        );
        let mount = |directory: &str| {
            format!("<filesystem special=\"/x\" directory=\"{directory}\" type=\"lofs\"/>")
        };
        let others =
            ["/", "/usr/", "//lib", "/system/usr/x", "/a/../usr", "/etc", "/etc/svc", "/dev/x"];
        for taken in TAKEN.iter().chain(WHOLE).chain(&others) {
            assert_eq!(findings(GOOD, &mount(taken)).len(), 1, "{taken}");
        }
        for free in ["/usr/local", "/etc/svc/profile", "/systems", "/opt/dev", "/var"] {
            assert_eq!(findings(GOOD, &mount(free)), [""; 0], "{free}");
        }
        assert_eq!(findings(GOOD, &(mount("/opt/x") + &mount("/opt/x/"))).len(), 1);
        for (children, expected) in [
            ("<dataset name=\"a/b\"/><dataset name=\"a/b\"/>", "dataset a/b is named twice"),
            (
                "<dataset name=\"a/b\"/><dataset name=\"a\"/>",
                "dataset a/b lies below a, which is delegated too",
            ),
            (
                "<dataset name=\"a\"/><filesystem special=\"a\" directory=\"/x\" type=\"zfs\"/>",
                "file system at /x: dataset a is delegated to the zone, which mounts it itself",
            ),
            (
                "<dataset name=\"a\"/><filesystem special=\"a/b\" directory=\"/x\" type=\"zfs\"/>",
                "file system at /x: dataset a/b is delegated to the zone, which mounts it itself",
            ),
            (
                "<network physical=\"e0\" address=\"10.0.0.1/8\"/>",
                "network e0: address 10.0.0.1/8 is given, but the zone has its own IP stack",
            ),
        ] {
            assert_eq!(findings(GOOD, children), [expected]);
        }
    }

    #[test]
    fn a_zonepath_is_read_as_the_shell_would_not() {
        let text = zone(GOOD, "").replace("/zone/ntp", "/zone/&quot;x y&quot;");
        match check(&text).as_deref() {
            Ok([finding]) => {
                assert!(finding.what.contains("has the character '\"'"), "{finding:?}")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_zone_configuration_is_an_error() {
        let cut = zone(GOOD, "").replace("</zone>\n", "");
        for text in ["", "zone", "<brand name=\"x\"/>", "<zone", "<zone><a></zone>", &cut] {
            assert!(check(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_an_installation_is_looked_at() {
        let verify = |subcommand: &str, argument: &str| {
            verify_administration("ntp", Path::new("/zone/a b"), subcommand, &[argument.into()])
        };
        assert!(verify("halt", "$x").is_ok());
        assert!(verify("install", "x").is_err());
    }

    proptest! {
        #[test]
        fn any_text_gives_findings_or_an_error(text in "\\PC*|<zone[ a-z=\"/<>]*") {
            let _ = check(&text);
        }
    }
}
