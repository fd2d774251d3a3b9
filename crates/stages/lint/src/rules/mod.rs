//! The rules, one file each.

mod account_name;
mod classification;
mod dangling_hardlink;
mod dangling_link;
mod dead_package;
mod description;
mod directory_attributes;
mod duplicate_account;
mod duplicate_dependency;
mod duplicate_driver;
mod duplicate_path;
mod duplicate_set;
mod facet_value;
mod invalid_action;
mod license_path;
mod mediator;
mod obsolete_dependency;
mod overlay;
mod package_name;
mod parent_directory;
mod path_kind;
mod service_manifest;
mod targets;
mod undeclared_variant;
mod unknown_dependency;
mod unknown_owner;
mod unresolved_dependency;
mod unusual_mode;

use ips::Action;

use crate::Rule;

/// Every rule, by id.
pub const RULES: &[Rule] = &[
    account_name::RULE,
    classification::RULE,
    dangling_hardlink::RULE,
    dangling_link::RULE,
    dead_package::RULE,
    description::RULE,
    directory_attributes::RULE,
    duplicate_account::RULE,
    duplicate_dependency::RULE,
    duplicate_driver::RULE,
    duplicate_path::RULE,
    duplicate_set::RULE,
    facet_value::RULE,
    invalid_action::RULE,
    license_path::RULE,
    mediator::RULE,
    obsolete_dependency::RULE,
    overlay::RULE,
    package_name::RULE,
    parent_directory::RULE,
    path_kind::RULE,
    service_manifest::RULE,
    undeclared_variant::RULE,
    unknown_dependency::RULE,
    unknown_owner::RULE,
    unresolved_dependency::RULE,
    unusual_mode::RULE,
];

/// Whether an action is a dependency of which the package is not known yet.
fn is_unresolved(action: &Action) -> bool {
    action.kind == ips::ActionKind::Depend && action.get("fmri") == Some("__TBD")
}
