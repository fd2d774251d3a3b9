//! The element rules of `service_bundle.dtd.1`, as data.
//!
//! The document type has two variants of `property`, `propval` and `property_group`: in a profile
//! their `type` may be missing. [`Need::RequiredInManifest`] says so.

/// What one element may hold.
pub(crate) struct ElementRule {
    pub(crate) name: &'static str,
    pub(crate) attributes: &'static [AttributeRule],
    pub(crate) content: Content,
}

pub(crate) struct AttributeRule {
    pub(crate) name: &'static str,
    pub(crate) need: Need,
    /// The values allowed; none means any text.
    pub(crate) one_of: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    RequiredInManifest,
    Optional,
}

pub(crate) enum Content {
    /// Nothing at all.
    Empty,
    /// Text without elements.
    Text,
    /// Not looked at (fallbacks of inclusions).
    Anything,
    /// Elements in the order of the slots.
    Elements(&'static [Slot]),
}

/// One place in a sequence of elements.
pub(crate) struct Slot {
    pub(crate) any_of: &'static [&'static str],
    pub(crate) occurs: Occurs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occurs {
    One,
    AtMostOne,
    AtLeastOne,
    Any,
}

impl Occurs {
    pub(crate) fn needs_one(self) -> bool {
        matches!(self, Occurs::One | Occurs::AtLeastOne)
    }

    pub(crate) fn repeats(self) -> bool {
        matches!(self, Occurs::AtLeastOne | Occurs::Any)
    }
}

/// The rule for an element of that name.
pub(crate) fn rule(name: &str) -> Option<&'static ElementRule> {
    ELEMENTS.iter().find(|rule| rule.name == name)
}

/// The property types of the repository.
pub(crate) const PROPERTY_TYPES: &[&str] = &[
    "count",
    "integer",
    "opaque",
    "host",
    "hostname",
    "net_address",
    "net_address_v4",
    "net_address_v6",
    "time",
    "astring",
    "ustring",
    "boolean",
    "fmri",
    "uri",
];

const TYPE_LISTS: &[&str] = &[
    "count_list",
    "integer_list",
    "opaque_list",
    "host_list",
    "hostname_list",
    "net_address_list",
    "net_address_v4_list",
    "net_address_v6_list",
    "time_list",
    "astring_list",
    "ustring_list",
    "boolean_list",
    "fmri_list",
    "uri_list",
];

const BOOLEAN: &[&str] = &["true", "false"];
const GROUPINGS: &[&str] = &["require_all", "require_any", "exclude_all", "optional_all"];
const RESTART_ON: &[&str] = &["error", "restart", "refresh", "none"];

const fn required(name: &'static str) -> AttributeRule {
    AttributeRule { name, need: Need::Required, one_of: &[] }
}

const fn optional(name: &'static str) -> AttributeRule {
    AttributeRule { name, need: Need::Optional, one_of: &[] }
}

const fn required_of(name: &'static str, one_of: &'static [&'static str]) -> AttributeRule {
    AttributeRule { name, need: Need::Required, one_of }
}

const fn optional_of(name: &'static str, one_of: &'static [&'static str]) -> AttributeRule {
    AttributeRule { name, need: Need::Optional, one_of }
}

const fn in_manifest(name: &'static str, one_of: &'static [&'static str]) -> AttributeRule {
    AttributeRule { name, need: Need::RequiredInManifest, one_of }
}

const fn one(any_of: &'static [&'static str]) -> Slot {
    Slot { any_of, occurs: Occurs::One }
}

const fn at_most_one(any_of: &'static [&'static str]) -> Slot {
    Slot { any_of, occurs: Occurs::AtMostOne }
}

const fn some(any_of: &'static [&'static str]) -> Slot {
    Slot { any_of, occurs: Occurs::AtLeastOne }
}

const fn any(any_of: &'static [&'static str]) -> Slot {
    Slot { any_of, occurs: Occurs::Any }
}

const fn element(
    name: &'static str,
    attributes: &'static [AttributeRule],
    content: Content,
) -> ElementRule {
    ElementRule { name, attributes, content }
}

const VALUE_NODES: &[Slot] = &[some(&["value_node"])];

const fn type_list(name: &'static str) -> ElementRule {
    element(name, &[], Content::Elements(VALUE_NODES))
}

use Content::{Anything, Elements, Empty, Text};

const ELEMENTS: &[ElementRule] = &[
    element(
        "service_bundle",
        &[required("type"), required("name")],
        // The document type wants one kind of child only; bundles with inclusions beside services
        // are usual, for the inclusion is resolved before the bundle is validated.
        Elements(&[any(&["service_bundle", "service", "xi:include"])]),
    ),
    element(
        "xi:include",
        &[
            required("href"),
            optional_of("parse", &["xml", "text"]),
            optional("encoding"),
            optional("xmlns:xi"),
        ],
        Elements(&[at_most_one(&["xi:fallback"])]),
    ),
    element("xi:fallback", &[optional("xmlns:xi")], Anything),
    element(
        "service",
        &[
            required("name"),
            required("version"),
            required_of("type", &["service", "restarter", "milestone"]),
        ],
        Elements(&[
            at_most_one(&["create_default_instance"]),
            at_most_one(&["single_instance"]),
            at_most_one(&["restarter"]),
            any(&["dependency"]),
            any(&["dependent"]),
            at_most_one(&["method_context"]),
            any(&["exec_method"]),
            any(&["notification_parameters"]),
            any(&["property_group"]),
            any(&["instance"]),
            at_most_one(&["stability"]),
            at_most_one(&["template"]),
        ]),
    ),
    element(
        "instance",
        &[required("name"), required_of("enabled", BOOLEAN)],
        Elements(&[
            at_most_one(&["restarter"]),
            any(&["dependency"]),
            any(&["dependent"]),
            at_most_one(&["method_context"]),
            any(&["exec_method"]),
            any(&["notification_parameters"]),
            any(&["property_group"]),
            at_most_one(&["template"]),
        ]),
    ),
    element("create_default_instance", &[required_of("enabled", BOOLEAN)], Empty),
    element("single_instance", &[], Empty),
    element("restarter", &[], Elements(&[one(&["service_fmri"])])),
    element("service_fmri", &[required("value")], Empty),
    element(
        "dependency",
        &[
            required("name"),
            required_of("grouping", GROUPINGS),
            required_of("restart_on", RESTART_ON),
            required("type"),
            optional_of("delete", BOOLEAN),
        ],
        Elements(&[
            any(&["service_fmri"]),
            at_most_one(&["stability"]),
            any(&["propval", "property"]),
        ]),
    ),
    element(
        "dependent",
        &[
            required("name"),
            required_of("grouping", GROUPINGS),
            required_of("restart_on", RESTART_ON),
            optional_of("delete", BOOLEAN),
            optional_of("override", BOOLEAN),
        ],
        Elements(&[
            one(&["service_fmri"]),
            at_most_one(&["stability"]),
            any(&["propval", "property"]),
        ]),
    ),
    element(
        "exec_method",
        &[
            required_of("type", &["method", "monitor"]),
            required("name"),
            required("exec"),
            required("timeout_seconds"),
            optional_of("delete", BOOLEAN),
        ],
        Elements(&[
            at_most_one(&["method_context"]),
            at_most_one(&["stability"]),
            any(&["propval", "property"]),
        ]),
    ),
    element(
        "method_context",
        &[
            optional("security_flags"),
            optional("working_directory"),
            optional("project"),
            optional("resource_pool"),
        ],
        Elements(&[
            at_most_one(&["method_profile", "method_credential"]),
            at_most_one(&["method_environment"]),
        ]),
    ),
    element(
        "method_credential",
        &[
            required("user"),
            optional("group"),
            optional("supp_groups"),
            optional("privileges"),
            optional("limit_privileges"),
        ],
        Empty,
    ),
    element("method_profile", &[required("name")], Empty),
    element("method_environment", &[], Elements(&[some(&["envvar"])])),
    element("envvar", &[required("name"), required("value")], Empty),
    element(
        "property_group",
        &[required("name"), in_manifest("type", &[]), optional_of("delete", BOOLEAN)],
        Elements(&[at_most_one(&["stability"]), any(&["propval", "property"])]),
    ),
    element(
        "propval",
        &[
            required("name"),
            in_manifest("type", PROPERTY_TYPES),
            required("value"),
            optional_of("override", BOOLEAN),
        ],
        Empty,
    ),
    element(
        "property",
        &[required("name"), in_manifest("type", PROPERTY_TYPES), optional_of("override", BOOLEAN)],
        Elements(&[at_most_one(TYPE_LISTS)]),
    ),
    type_list("count_list"),
    type_list("integer_list"),
    type_list("opaque_list"),
    type_list("host_list"),
    type_list("hostname_list"),
    type_list("net_address_list"),
    type_list("net_address_v4_list"),
    type_list("net_address_v6_list"),
    type_list("time_list"),
    type_list("astring_list"),
    type_list("ustring_list"),
    type_list("boolean_list"),
    type_list("fmri_list"),
    type_list("uri_list"),
    element("value_node", &[required("value")], Empty),
    element(
        "stability",
        &[required_of(
            "value",
            &["Standard", "Stable", "Evolving", "Unstable", "External", "Obsolete"],
        )],
        Empty,
    ),
    element("notification_parameters", &[], Elements(&[one(&["event"]), some(&["type"])])),
    element("event", &[required("value")], Empty),
    element(
        "type",
        &[required("name"), optional_of("active", BOOLEAN)],
        Elements(&[any(&["parameter", "paramval"])]),
    ),
    element("parameter", &[required("name")], Elements(&[any(&["value_node"])])),
    element("paramval", &[required("name"), required("value")], Empty),
    element(
        "template",
        &[],
        Elements(&[
            one(&["common_name"]),
            at_most_one(&["description"]),
            at_most_one(&["documentation"]),
            any(&["pg_pattern"]),
        ]),
    ),
    element("common_name", &[], Elements(&[some(&["loctext"])])),
    element("description", &[], Elements(&[some(&["loctext"])])),
    element("units", &[], Elements(&[some(&["loctext"])])),
    element("loctext", &[required("xml:lang")], Text),
    element("documentation", &[], Elements(&[any(&["doc_link", "manpage"])])),
    element("doc_link", &[required("name"), required("uri")], Empty),
    element("manpage", &[required("title"), required("section"), optional("manpath")], Empty),
    element(
        "pg_pattern",
        &[
            optional("name"),
            optional("type"),
            optional_of("required", BOOLEAN),
            optional_of("target", &["this", "instance", "delegate", "all"]),
        ],
        Elements(&[
            at_most_one(&["common_name"]),
            at_most_one(&["description"]),
            any(&["prop_pattern"]),
        ]),
    ),
    element(
        "prop_pattern",
        &[required("name"), optional_of("type", PROPERTY_TYPES), optional_of("required", BOOLEAN)],
        Elements(&[
            at_most_one(&["common_name"]),
            at_most_one(&["description"]),
            at_most_one(&["units"]),
            at_most_one(&["visibility"]),
            at_most_one(&["cardinality"]),
            at_most_one(&["internal_separators"]),
            at_most_one(&["values"]),
            at_most_one(&["constraints"]),
            at_most_one(&["choices"]),
        ]),
    ),
    element("visibility", &[required_of("value", &["hidden", "readonly", "readwrite"])], Empty),
    element("cardinality", &[optional("min"), optional("max")], Empty),
    element("internal_separators", &[], Text),
    element("values", &[], Elements(&[some(&["value"])])),
    element(
        "value",
        &[required("name")],
        Elements(&[at_most_one(&["common_name"]), at_most_one(&["description"])]),
    ),
    element("constraints", &[], Elements(&[any(&["value"]), any(&["range"])])),
    element(
        "choices",
        &[],
        Elements(&[any(&["value"]), any(&["range"]), any(&["include_values"])]),
    ),
    element("range", &[required("min"), required("max")], Empty),
    element("include_values", &[required_of("type", &["constraints", "values"])], Empty),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_that_a_rule_allows_has_a_rule_itself() {
        for parent in ELEMENTS {
            let Elements(slots) = &parent.content else { continue };
            for child in slots.iter().flat_map(|slot| slot.any_of) {
                assert!(rule(child).is_some(), "{child} in {}", parent.name);
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ELEMENTS.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ELEMENTS.len());
        assert_eq!(TYPE_LISTS.len(), PROPERTY_TYPES.len());
    }
}
