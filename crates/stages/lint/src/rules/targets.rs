//! Where links lead.

use std::collections::{BTreeMap, BTreeSet};

use ips::ActionKind;

use crate::context::Context;

/// What is delivered.
#[derive(Default)]
pub(super) struct Known<'a> {
    /// Every path, and the directories above.
    pub(super) paths: BTreeSet<&'a str>,
    /// Files, under each of their names.
    pub(super) files: BTreeSet<&'a str>,
    /// Symbolic links and their targets.
    pub(super) links: BTreeMap<&'a str, Vec<&'a str>>,
}

/// What all packages deliver.
pub(super) fn known_paths(context: &Context) -> Known<'_> {
    let mut known = Known::default();
    for placed in context.all() {
        let action = placed.action();
        let Some(path) = action.path() else { continue };
        known.paths.insert(path);
        known.paths.extend(path.match_indices('/').map(|(end, _)| &path[..end]));
        match action.kind {
            ActionKind::File | ActionKind::Hardlink => {
                known.files.insert(path);
            }
            ActionKind::Link => {
                known.links.entry(path).or_default().extend(action.get("target"));
            }
            _ => {}
        }
    }
    known
}
