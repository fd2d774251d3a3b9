//! Holds a document against the element rules.

use crate::document::Element;
use crate::finding::Problem;
use crate::schema::{Content, ElementRule, Need, Slot, rule};

/// Reports what is wrong with an element and everything below it.
pub(crate) fn validate(
    element: &Element,
    in_profile: bool,
    report: &mut impl FnMut(usize, Problem),
) {
    // An element without a rule was reported where it stands, with its parent's name.
    let Some(rule) = rule(&element.name) else { return };
    attributes(element, rule, in_profile, report);
    match &rule.content {
        Content::Anything => return,
        Content::Text => {}
        Content::Empty | Content::Elements(_) => stray_text(element, report),
    }
    match &rule.content {
        Content::Elements(slots) => order(element, slots, report),
        _ => order(element, &[], report),
    }
    for child in &element.children {
        validate(child, in_profile, report);
    }
}

fn attributes(
    element: &Element,
    rule: &ElementRule,
    in_profile: bool,
    report: &mut impl FnMut(usize, Problem),
) {
    for (name, value) in &element.attributes {
        match rule.attributes.iter().find(|known| known.name == name) {
            Some(known) if !known.one_of.is_empty() && !known.one_of.contains(&value.as_str()) => {
                report(
                    element.line,
                    Problem::BadValue {
                        element: element.name.clone(),
                        attribute: known.name,
                        value: value.clone(),
                        expected: known.one_of,
                    },
                );
            }
            Some(_) => {}
            // Namespace declarations and XInclude's base are not the document type's business.
            None if name.starts_with("xmlns") || name == "xml:base" => {}
            None => report(
                element.line,
                Problem::UnknownAttribute {
                    element: element.name.clone(),
                    attribute: name.clone(),
                },
            ),
        }
    }
    for known in rule.attributes {
        let needed = match known.need {
            Need::Required => true,
            Need::RequiredInManifest => !in_profile,
            Need::Optional => false,
        };
        if needed && element.attribute(known.name).is_none() {
            report(
                element.line,
                Problem::MissingAttribute { element: element.name.clone(), attribute: known.name },
            );
        }
    }
}

fn stray_text(element: &Element, report: &mut impl FnMut(usize, Problem)) {
    let text = element.text.trim();
    if !text.is_empty() {
        let text = text.chars().take(40).collect();
        report(element.line, Problem::StrayText { element: element.name.clone(), text });
    }
}

/// Walks the slots and the children in step.
fn order(element: &Element, slots: &[Slot], report: &mut impl FnMut(usize, Problem)) {
    let mut current = 0;
    let mut filled = vec![false; slots.len()];
    for child in &element.children {
        let Some(slot) = slots.iter().position(|s| s.any_of.contains(&child.name.as_str())) else {
            report(
                child.line,
                Problem::UnknownElement {
                    element: child.name.clone(),
                    parent: element.name.clone(),
                },
            );
            continue;
        };
        let before = (slot < current)
            .then(|| element.children.iter().find_map(|c| first_after(slots, slot, &c.name)))
            .flatten();
        if slot < current || (filled[slot] && !slots[slot].occurs.repeats()) {
            report(
                child.line,
                Problem::Misplaced {
                    element: child.name.clone(),
                    parent: element.name.clone(),
                    before,
                },
            );
        }
        filled[slot] = true;
        current = current.max(slot);
    }
    for (slot, filled) in slots.iter().zip(filled) {
        if slot.occurs.needs_one() && !filled {
            report(
                element.line,
                Problem::MissingElement { parent: element.name.clone(), any_of: slot.any_of },
            );
        }
    }
}

/// The rule's own spelling of `name`, if it belongs behind the slot.
fn first_after(slots: &[Slot], slot: usize, name: &str) -> Option<&'static str> {
    slots[slot + 1..].iter().flat_map(|s| s.any_of).copied().find(|known| *known == name)
}
