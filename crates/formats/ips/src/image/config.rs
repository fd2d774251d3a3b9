//! The settings of an image: `var/pkg/pkg5.image`.

use std::collections::BTreeMap;

use super::ini::{Ini, parse_bool, parse_list, print_bool, print_list, quote as quote_literal};
use crate::{Facets, Variants, quote, unquote};

/// The settings of an image.
///
/// Sections and keys that are not spelled out here are kept and written back as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// Publishers in the order in which they are searched for packages.
    pub publishers: Vec<Publisher>,
    /// The flavours the image takes.
    pub variants: Variants,
    /// The optional parts the image takes.
    pub facets: Facets,
    /// What was chosen for mediated links, by mediator.
    pub mediators: BTreeMap<String, Mediation>,
    rest: Ini,
}

/// A publisher that an image knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publisher {
    /// Its name.
    pub name: String,
    /// Where its packages come from, as URIs.
    pub origins: Vec<String>,
    /// Where its payloads may come from as well.
    pub mirrors: Vec<String>,
    /// Whether its packages stay with it when another publisher has newer ones.
    pub not_sticky: bool,
    /// Whether it is passed over.
    pub disabled: bool,
}

/// What a mediator is set to, and by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mediation {
    /// The version, if one was chosen.
    pub version: Option<String>,
    /// The implementation, if one was chosen; `NAME` or `NAME@VERSION`.
    pub implementation: Option<String>,
    /// Whether the administrator chose the version (rather than the packages).
    pub version_is_local: bool,
    /// Whether the administrator chose the implementation.
    pub implementation_is_local: bool,
    /// Who chose: `system`, `vendor` or `site`; what is written for what is not local.
    pub source: String,
}

const DEFAULT_PROPERTIES: [(&str, &str); 18] = [
    ("preferred-authority", ""),
    ("publisher-search-order", "[]"),
    ("be-policy", "default"),
    ("content-update-policy", "default"),
    ("flush-content-cache-on-success", "True"),
    ("mirror-discovery", "False"),
    ("send-uuid", "True"),
    ("use-system-repo", "False"),
    ("ca-path", "/etc/ssl/certs"),
    ("signature-required-names", "[]"),
    ("check-certificate-revocation", "False"),
    ("dehydrated", "[]"),
    ("exclude-patterns", "[]"),
    ("exclude-policy", "warn"),
    ("key-files", "[]"),
    ("default-recurse", "False"),
    ("recursion-concurrency", "1"),
    ("temp-be-activation", "False"),
];

/// Properties whose value is a list.
const LIST_PROPERTIES: [&str; 5] = [
    "publisher-search-order",
    "signature-required-names",
    "dehydrated",
    "exclude-patterns",
    "key-files",
];

impl ImageConfig {
    /// The settings of a new, full image without publishers.
    pub fn new(variants: Variants) -> Self {
        let mut rest = Ini::default();
        rest.section_mut("image").set("version", "4");
        let properties = rest.section_mut("property");
        for (name, value) in DEFAULT_PROPERTIES {
            properties.set(name, value);
        }
        Self {
            publishers: Vec::new(),
            variants,
            facets: Facets::new(),
            mediators: BTreeMap::new(),
            rest,
        }
    }

    /// Reads `pkg5.image`; an error is the line (0 where none is to blame) and what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, (usize, String)> {
        let ini = Ini::parse(text)?;
        let in_section =
            |name: &str, key: &str, problem: String| (0, format!("[{name}] {key}: {problem}"));
        let mut publishers = Vec::new();
        for section in &ini.sections {
            let Some(name) = section.name.strip_prefix("authority_") else { continue };
            crate::fmri::check_publisher(name)
                .map_err(|problem| in_section(&section.name, "prefix", problem))?;
            let list = |key: &str| {
                parse_list(section.get(key).unwrap_or_default())
                    .map_err(|problem| in_section(&section.name, key, problem))
            };
            let flag = |key: &str, default: bool| match section.get(key) {
                None | Some("") => Ok(default),
                Some(value) => {
                    parse_bool(value).map_err(|problem| in_section(&section.name, key, problem))
                }
            };
            publishers.push(Publisher {
                name: name.to_owned(),
                origins: list("origins")?,
                mirrors: list("mirrors")?,
                not_sticky: !flag("sticky", true)?,
                disabled: flag("disabled", false)?,
            });
        }
        let order = ini.get("property").and_then(|p| p.get("publisher-search-order"));
        let order = parse_list(order.unwrap_or_default())
            .map_err(|problem| in_section("property", "publisher-search-order", problem))?;
        let rank = |name: &str| order.iter().position(|n| n == name).unwrap_or(order.len());
        publishers.sort_by_key(|publisher| rank(&publisher.name));

        let mut variants = Variants::default();
        for (key, value) in ini.get("variant").map_or(&[][..], |section| &section.values) {
            variants.set(unquoted(key), value);
        }
        if variants.get(Variants::IMAGE_TYPE).is_none() {
            variants.set(Variants::IMAGE_TYPE, "full");
        }
        let mut facets = Facets::new();
        for (section, inherited) in [("facet", false), ("inherited_facet", true)] {
            for (key, value) in ini.get(section).map_or(&[][..], |section| &section.values) {
                let value = parse_bool(value).map_err(|p| in_section(section, key, p))?;
                match inherited {
                    false => facets.set(unquoted(key), value),
                    true => facets.set_inherited(unquoted(key), value),
                }
            }
        }
        let mut mediators: BTreeMap<String, Mediation> = BTreeMap::new();
        for (key, value) in ini.get("mediators").map_or(&[][..], |section| &section.values) {
            let Some((mediator, what)) = key.rsplit_once('.') else { continue };
            let mediation = mediators.entry(mediator.to_owned()).or_default();
            let value_text = || Some(value.clone()).filter(|v| !v.is_empty() && v != "None");
            match what {
                "version" => mediation.version = value_text(),
                "implementation" => mediation.implementation = value_text(),
                "version-source" => mediation.version_is_local = value == "local",
                "implementation-source" => mediation.implementation_is_local = value == "local",
                _ => {}
            }
            if what.ends_with("-source") && value != "local" {
                mediation.source = value.clone();
            }
        }
        Ok(Self { publishers, variants, facets, mediators, rest: ini })
    }

    /// The text of `pkg5.image`.
    pub(crate) fn print(&self) -> String {
        let mut ini = self.rest.clone();
        let names: Vec<&str> = self.publishers.iter().map(|p| p.name.as_str()).collect();
        ini.section_mut("property").set("publisher-search-order", print_list(&names));
        ini.sections.retain(|section| {
            section.name.strip_prefix("authority_").is_none_or(|name| names.contains(&name))
        });
        for publisher in &self.publishers {
            publisher.print(&mut ini);
        }
        let section = ini.section_mut("variant");
        section.values =
            self.variants.iter().map(|(name, value)| (quote(name), value.to_owned())).collect();
        let own: Vec<_> = self.facets.iter().collect();
        let inherited: Vec<_> = self.facets.iter_inherited().collect();
        for (name, facets) in [("facet", own), ("inherited_facet", inherited)] {
            if facets.is_empty() {
                ini.sections.retain(|section| section.name != name);
            } else {
                ini.section_mut(name).values = facets
                    .into_iter()
                    .map(|(facet, value)| (quote(facet), print_bool(value).to_owned()))
                    .collect();
            }
        }
        if self.mediators.is_empty() {
            ini.sections.retain(|section| section.name != "mediators");
        } else {
            ini.section_mut("mediators").values =
                self.mediators.iter().flat_map(|(name, mediation)| mediation.print(name)).collect();
        }
        ini.section_mut("CONFIGURATION").set("version", "3");
        // Always last, as pkg writes it.
        if let Some(at) = ini.sections.iter().position(|s| s.name == "CONFIGURATION") {
            let section = ini.sections.remove(at);
            ini.sections.push(section);
        }
        ini.print()
    }

    /// The version of the image's format.
    pub(crate) fn format(&self) -> &str {
        self.rest.get("image").and_then(|section| section.get("version")).unwrap_or_default()
    }

    /// The publisher of this name.
    pub fn publisher(&self, name: &str) -> Option<&Publisher> {
        self.publishers.iter().find(|publisher| publisher.name == name)
    }

    /// Adds a publisher at the end of the search order, or changes what is known of it.
    pub fn set_publisher(&mut self, publisher: Publisher) {
        match self.publishers.iter_mut().find(|there| there.name == publisher.name) {
            Some(there) => *there = publisher,
            None => self.publishers.push(publisher),
        }
    }

    /// Sets a variant by its name, with or without `variant.`.
    pub fn set_variant(&mut self, name: &str, value: &str) {
        self.variants.set(full_name("variant.", name), value);
    }

    /// Sets a facet by its name (with or without `facet.`; a pattern like `locale.*` too), or with
    /// no value takes the setting away.
    pub fn set_facet(&mut self, name: &str, value: Option<bool>) {
        let name = full_name("facet.", name);
        match value {
            Some(value) => self.facets.set(name, value),
            None => {
                let mut rest = Facets::new();
                for (there, value) in self.facets.iter().filter(|(n, _)| *n != name) {
                    rest.set(there, value);
                }
                for (there, value) in self.facets.iter_inherited() {
                    rest.set_inherited(there, value);
                }
                self.facets = rest;
            }
        }
    }

    /// The text of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.rest.get("property").and_then(|section| section.get(name))
    }

    /// The values of a property that is a list; one that is not is a list of one.
    pub fn property_list(&self, name: &str) -> Vec<String> {
        let text = self.property(name).unwrap_or_default();
        parse_list(text).unwrap_or_else(|_| vec![text.to_owned()])
    }

    /// Sets a property. A property that is a list takes the value as its only one, or a list
    /// written `['a', 'b']`.
    pub fn set_property(&mut self, name: &str, value: &str) {
        if LIST_PROPERTIES.contains(&name) && parse_list(value).is_err() {
            self.set_property_list(name, &[value.to_owned()]);
        } else {
            self.rest.section_mut("property").set(name, value);
        }
    }

    /// Sets a property to a list.
    fn set_property_list(&mut self, name: &str, values: &[String]) {
        self.rest.section_mut("property").set(name, print_list(values));
    }

    /// Keeps note of a certificate (by its SHA-1 digest) that may sign for a publisher.
    pub(crate) fn approve_certificate(&mut self, publisher: &str, digest: &str) {
        let section = self.rest.section_mut(&format!("authority_{publisher}"));
        let mut approved =
            parse_list(section.get("approved_ca_certs").unwrap_or_default()).unwrap_or_default();
        if !approved.iter().any(|there| there == digest) {
            approved.push(digest.to_owned());
        }
        section.set("approved_ca_certs", print_list(&approved));
    }
}

fn full_name(prefix: &str, name: &str) -> String {
    match name.starts_with(prefix) {
        true => name.to_owned(),
        false => format!("{prefix}{name}"),
    }
}

impl Publisher {
    /// A publisher with one origin.
    pub fn new(name: impl Into<String>, origin: impl Into<String>) -> Self {
        Self { name: name.into(), origins: vec![origin.into()], ..Self::default() }
    }

    fn print(&self, ini: &mut Ini) {
        let section = ini.section_mut(&format!("authority_{}", self.name));
        let info = |uris: &[String]| {
            let items: Vec<String> = uris
                .iter()
                .map(|uri| {
                    format!("{{'uri': {}, 'proxy': '', 'disabled': 'false'}}", quote_literal(uri))
                })
                .collect();
            format!("[{}]", items.join(", "))
        };
        for (key, value) in [
            ("alias", ""),
            ("prefix", self.name.as_str()),
            ("disabled", print_bool(self.disabled)),
            ("sticky", print_bool(!self.not_sticky)),
        ] {
            section.set(key, value);
        }
        section.set("mirrors", print_list(&self.mirrors));
        section.set("mirror_info", info(&self.mirrors));
        section.set("origins", print_list(&self.origins));
        section.set("origin_info", info(&self.origins));
        for (key, value) in [
            ("ssl_cert", ""),
            ("ssl_key", ""),
            ("property.signature-required-names", "[]"),
            ("intermediate_certs", "[]"),
            ("approved_ca_certs", "[]"),
            ("revoked_ca_certs", "[]"),
            ("signing_ca_certs", "[]"),
        ] {
            if section.get(key).is_none() {
                section.set(key, value);
            }
        }
    }
}

impl Mediation {
    fn print(&self, name: &str) -> Vec<(String, String)> {
        let source = |local: bool| match local {
            true => "local".to_owned(),
            false if self.source.is_empty() => "system".to_owned(),
            false => self.source.clone(),
        };
        let mut lines = Vec::new();
        if let Some(version) = &self.version {
            lines.push((format!("{name}.version"), version.clone()));
        }
        lines.push((format!("{name}.version-source"), source(self.version_is_local)));
        if let Some(implementation) = &self.implementation {
            lines.push((format!("{name}.implementation"), implementation.clone()));
        }
        let local = self.implementation_is_local;
        lines.push((format!("{name}.implementation-source"), source(local)));
        lines
    }
}

fn unquoted(key: &str) -> String {
    unquote(key).unwrap_or_else(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_as_written() {
        let mut config = ImageConfig::new(Variants::for_zone("global"));
        config.set_publisher(Publisher::new("second", "file:///b/"));
        config.publishers.insert(0, Publisher::new("first", "file:///it's/"));
        config.facets.set("facet.locale.*", false);
        config.facets.set_inherited("facet.doc", true);
        config.set_property("exclude-patterns", "usr/");
        config.set_property("signature-policy", "ignore");
        config.mediators.insert(
            "openssl".into(),
            Mediation {
                version: Some("3".into()),
                source: "vendor".into(),
                ..Mediation::default()
            },
        );
        let text = config.print();
        assert!(text.contains("publisher-search-order = ['first', 'second']\n"), "{text}");
        assert!(text.contains("facet.locale.%2A = False\n"), "{text}");
        assert!(text.contains("openssl.version-source = vendor\n"), "{text}");
        let read = ImageConfig::parse(&text).unwrap();
        assert_eq!(read.print(), text);
        assert_eq!(read.publishers, config.publishers);
        assert_eq!((&read.facets, &read.variants), (&config.facets, &config.variants));
        assert_eq!(read.mediators, config.mediators);
        assert_eq!(read.property_list("exclude-patterns"), ["usr/"]);
        assert_eq!(read.property("signature-policy"), Some("ignore"));
    }

    #[test]
    fn a_publisher_that_is_dropped_leaves_no_section() {
        let mut config = ImageConfig::new(Variants::for_zone("global"));
        config.set_publisher(Publisher::new("one", "file:///a/"));
        let mut config = ImageConfig::parse(&config.print()).unwrap();
        config.publishers.clear();
        assert!(!config.print().contains("authority_"));
    }

    #[test]
    fn a_bad_setting_names_its_section_and_key() {
        let (_, problem) = ImageConfig::parse("[facet]\nfacet.doc = maybe\n").unwrap_err();
        assert_eq!(problem, "[facet] facet.doc: `maybe` is neither True nor False");
        assert!(ImageConfig::parse("[authority_../x]\n").is_err());
    }
}
