//! From a document to a bundle.

use crate::bundle::{
    Bundle, BundleKind, Common, Dependency, Dependent, Include, Instance, Method, MethodContext,
    Property, PropertyGroup, Service,
};
use crate::document::{self, Element};
use crate::{Error, Finding, check, validate};

impl Bundle {
    /// Reads a service bundle. What is wrong with it but can be read is in
    /// [`Bundle::findings`]; `name` is the file's name for messages.
    ///
    /// Inclusions are listed, not followed.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, Error> {
        let root = document::parse(bytes, name)?;
        if root.name != "service_bundle" {
            return Err(Error::NotABundle {
                name: name.to_owned(),
                line: root.line,
                problem: format!("the root element is `{}`", root.name),
            });
        }
        let kind = match root.attribute("type").unwrap_or_default() {
            "manifest" => BundleKind::Manifest,
            "profile" => BundleKind::Profile,
            "archive" => BundleKind::Archive,
            other => BundleKind::Other(other.to_owned()),
        };
        let mut bundle = Self {
            file: name.to_owned(),
            kind,
            name: root.text_of("name"),
            services: Vec::new(),
            includes: Vec::new(),
            findings: Vec::new(),
        };
        bundle.take(&root);
        let mut findings = Vec::new();
        let mut report =
            |line, problem| findings.push(Finding { file: name.to_owned(), line, problem });
        validate::validate(&root, bundle.kind == BundleKind::Profile, &mut report);
        check::check(&bundle, &mut report);
        findings.sort_by_key(|finding| finding.line);
        bundle.findings = findings;
        Ok(bundle)
    }

    fn take(&mut self, element: &Element) {
        for child in &element.children {
            match child.name.as_str() {
                "service_bundle" => self.take(child),
                "service" => self.services.push(service(child)),
                "xi:include" => {
                    self.includes.push(Include { href: child.text_of("href"), line: child.line })
                }
                _ => {}
            }
        }
    }
}

fn service(element: &Element) -> Service {
    let default = element.child("create_default_instance").map(|default| Instance {
        name: "default".to_owned(),
        enabled: boolean(default, "enabled"),
        common: Common::default(),
        line: default.line,
    });
    let named = element.children("instance").map(|instance| Instance {
        name: instance.text_of("name"),
        enabled: boolean(instance, "enabled"),
        common: common(instance),
        line: instance.line,
    });
    Service {
        name: element.text_of("name"),
        kind: element.text_of("type"),
        version: element.text_of("version"),
        single_instance: element.child("single_instance").is_some(),
        common: common(element),
        instances: default.into_iter().chain(named).collect(),
        stability: element.child("stability").map(|s| s.text_of("value")),
        line: element.line,
    }
}

fn common(element: &Element) -> Common {
    Common {
        restarter: element
            .child("restarter")
            .and_then(|restarter| restarter.child("service_fmri"))
            .map(|fmri| fmri.text_of("value")),
        dependencies: element.children("dependency").map(dependency).collect(),
        dependents: element.children("dependent").map(dependent).collect(),
        methods: element.children("exec_method").map(method).collect(),
        context: element.child("method_context").map(context),
        property_groups: element.children("property_group").map(property_group).collect(),
        common_name: element
            .child("template")
            .and_then(|template| template.child("common_name"))
            .and_then(|name| {
                name.children("loctext").find(|text| text.attribute("xml:lang") == Some("C"))
            })
            .map(|text| text.text.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

fn dependency(element: &Element) -> Dependency {
    Dependency {
        name: element.text_of("name"),
        grouping: element.text_of("grouping"),
        restart_on: element.text_of("restart_on"),
        kind: element.text_of("type"),
        entities: element.children("service_fmri").map(|fmri| fmri.text_of("value")).collect(),
        delete: element.is_true("delete"),
        line: element.line,
    }
}

fn dependent(element: &Element) -> Dependent {
    Dependent {
        name: element.text_of("name"),
        grouping: element.text_of("grouping"),
        restart_on: element.text_of("restart_on"),
        target: element.child("service_fmri").map(|f| f.text_of("value")).unwrap_or_default(),
        delete: element.is_true("delete"),
        line: element.line,
    }
}

fn method(element: &Element) -> Method {
    Method {
        name: element.text_of("name"),
        kind: element.text_of("type"),
        exec: element.text_of("exec"),
        timeout_seconds: element.text_of("timeout_seconds"),
        context: element.child("method_context").map(context),
        delete: element.is_true("delete"),
        line: element.line,
    }
}

fn context(element: &Element) -> MethodContext {
    let credential = element.child("method_credential");
    let of_credential = |name| credential.and_then(|c| c.attribute(name)).map(str::to_owned);
    MethodContext {
        working_directory: element.attribute("working_directory").map(str::to_owned),
        user: of_credential("user"),
        group: of_credential("group"),
        privileges: of_credential("privileges"),
        profile: element.child("method_profile").map(|profile| profile.text_of("name")),
        environment: element
            .child("method_environment")
            .iter()
            .flat_map(|environment| environment.children("envvar"))
            .map(|variable| (variable.text_of("name"), variable.text_of("value")))
            .collect(),
    }
}

fn property_group(element: &Element) -> PropertyGroup {
    PropertyGroup {
        name: element.text_of("name"),
        kind: element.attribute("type").map(str::to_owned),
        properties: element
            .children
            .iter()
            .filter(|child| child.name == "propval" || child.name == "property")
            .map(property)
            .collect(),
        delete: element.is_true("delete"),
        line: element.line,
    }
}

fn property(element: &Element) -> Property {
    let values = match element.attribute("value") {
        Some(value) => vec![value.to_owned()],
        None => element
            .children
            .iter()
            .flat_map(|list| list.children("value_node"))
            .map(|node| node.text_of("value"))
            .collect(),
    };
    Property {
        name: element.text_of("name"),
        kind: element.attribute("type").map(str::to_owned),
        values,
        line: element.line,
    }
}

fn boolean(element: &Element, attribute: &str) -> Option<bool> {
    match element.attribute(attribute)? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}
