//! What the document type cannot say: names, FMRIs, methods, values.

use std::collections::BTreeMap;

use crate::bundle::{Bundle, Common, Dependency, Method, Property};
use crate::finding::Problem;
use crate::fmri::{check_name, check_service_name};
use crate::{BundleKind, ServiceFmri};

/// Reports what is wrong with a bundle's services.
pub(crate) fn check(bundle: &Bundle, report: &mut impl FnMut(usize, Problem)) {
    if !matches!(bundle.kind, BundleKind::Manifest | BundleKind::Profile | BundleKind::Archive) {
        report(
            1,
            Problem::BadValue {
                element: "service_bundle".to_owned(),
                attribute: "type",
                value: bundle.kind.word().to_owned(),
                expected: &["manifest", "profile", "archive"],
            },
        );
    }
    let mut services = Names::new("service");
    for service in &bundle.services {
        // Profiles may come back to a service; a manifest defines it once.
        if bundle.kind == BundleKind::Manifest {
            services.add(&service.name, service.line, report);
        }
        if let Err(problem) = check_service_name(&service.name) {
            name(report, service.line, "service", &service.name, problem);
        }
        let mut instances = Names::new("instance");
        for instance in &service.instances {
            instances.add(&instance.name, instance.line, report);
            if let Err(problem) = check_name(&instance.name) {
                name(report, instance.line, "instance", &instance.name, problem);
            }
        }
        scope(&service.common, service.line, report);
        for instance in &service.instances {
            scope(&instance.common, instance.line, report);
        }
    }
}

/// What stands directly in a service or instance. Dependencies, methods and property groups are
/// all property groups in the repository, so they share their names.
fn scope(scope: &Common, line: usize, report: &mut impl FnMut(usize, Problem)) {
    if let Some(restarter) = &scope.restarter {
        fmri(restarter, line, report);
    }
    let mut groups = Names::new("property group");
    for dependency in &scope.dependencies {
        groups.add(&dependency.name, dependency.line, report);
        entities(dependency, report);
    }
    for method in &scope.methods {
        groups.add(&method.name, method.line, report);
        exec(method, report);
    }
    for group in &scope.property_groups {
        groups.add(&group.name, group.line, report);
        let mut properties = Names::new("property");
        for property in &group.properties {
            properties.add(&property.name, property.line, report);
            values(property, report);
        }
    }
    let mut dependents = Names::new("dependent");
    for dependent in &scope.dependents {
        dependents.add(&dependent.name, dependent.line, report);
        // A missing target was reported as a missing element.
        if !dependent.target.is_empty() {
            fmri(&dependent.target, dependent.line, report);
        }
    }
}

fn entities(dependency: &Dependency, report: &mut impl FnMut(usize, Problem)) {
    for entity in &dependency.entities {
        match dependency.kind.as_str() {
            "service" => fmri(entity, dependency.line, report),
            "path" => {
                let path = entity.strip_prefix("file:").map(|rest| {
                    rest.strip_prefix("//localhost").or(rest.strip_prefix("//")).unwrap_or(rest)
                });
                if !path.is_some_and(|path| path.starts_with('/')) {
                    name(report, dependency.line, "path", entity, "is no `file:` URI");
                }
            }
            _ => {}
        }
    }
    if !matches!(dependency.kind.as_str(), "service" | "path" | "") {
        report(
            dependency.line,
            Problem::BadValue {
                element: "dependency".to_owned(),
                attribute: "type",
                value: dependency.kind.clone(),
                expected: &["service", "path"],
            },
        );
    }
}

fn exec(method: &Method, report: &mut impl FnMut(usize, Problem)) {
    let mut complain = |problem: String| {
        report(method.line, Problem::Method { method: method.name.clone(), problem });
    };
    // startd runs anything else through a shell, so little more can be said from here.
    let exec = method.exec.trim();
    if exec.is_empty() && !method.delete {
        complain("the command is empty".to_owned());
    }
    if let Some(builtin) = exec.strip_prefix(':') {
        let mut words = builtin.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("true"), None, None) => {}
            (Some("kill" | "kill_process"), None, None) => {}
            (Some("kill" | "kill_process"), Some(signal), None) if signal.starts_with('-') => {}
            _ => complain(format!("`{exec}` is none of `:true`, `:kill [-SIGNAL]`")),
        }
    }
    if exec.starts_with("./") || exec.starts_with("../") {
        complain(format!("`{exec}` is a relative path"));
    }
    let timeout = &method.timeout_seconds;
    if timeout != "-1" && !timeout.is_empty() && timeout.parse::<u64>().is_err() {
        complain(format!("the timeout \"{timeout}\" is no number of seconds"));
    }
}

fn values(property: &Property, report: &mut impl FnMut(usize, Problem)) {
    let Some(kind) = property.kind.as_deref() else { return };
    for value in &property.values {
        let good = match kind {
            "boolean" => matches!(value.as_str(), "true" | "false" | "0" | "1"),
            "count" => value == "-1" || unsigned(value),
            "integer" => unsigned(value.strip_prefix('-').unwrap_or(value)),
            _ => true,
        };
        if !good {
            report(
                property.line,
                Problem::PropertyValue {
                    property: property.name.clone(),
                    value: value.clone(),
                    type_name: kind.to_owned(),
                },
            );
        }
    }
}

/// Decimal, octal with a leading `0`, or hexadecimal, as strtoull(3C) reads it.
fn unsigned(text: &str) -> bool {
    match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).is_ok(),
        None => text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u64>().is_ok(),
    }
}

fn fmri(text: &str, line: usize, report: &mut impl FnMut(usize, Problem)) {
    if let Err(error) = text.parse::<ServiceFmri>() {
        report(line, Problem::Fmri(error));
    }
}

fn name(
    report: &mut impl FnMut(usize, Problem),
    line: usize,
    what: &'static str,
    name: &str,
    problem: &'static str,
) {
    report(line, Problem::Name { what, name: name.to_owned(), problem });
}

/// The names seen in one scope.
struct Names<'a> {
    what: &'static str,
    seen: BTreeMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn new(what: &'static str) -> Self {
        Self { what, seen: BTreeMap::new() }
    }

    fn add(&mut self, name: &'a str, line: usize, report: &mut impl FnMut(usize, Problem)) {
        if name.is_empty() {
            return;
        }
        if let Some(&first) = self.seen.get(name) {
            let name = name.to_owned();
            report(line, Problem::Duplicate { what: self.what, name, first });
        } else {
            self.seen.insert(name, line);
        }
    }
}
