//! Holds the proto against the packages the zone gets.

use std::collections::BTreeSet;

use ips::{ActionKind, Fmri, Image};
use proto::{Kind, Proto, ProtoPath};

use crate::Error;
use crate::error::{Mismatch, PackagedPath};
use crate::finish::is_made_here;
use crate::plan::{Plan, is_overlay};

/// Every path that the zone and the proto both should have is in the proto, with the right type.
pub(crate) fn check(proto: &Proto, image: &Image, plan: &Plan) -> Result<(), Error> {
    let overlaid = plan.overlaid();
    let mut problems = Vec::new();
    let installed: BTreeSet<&Fmri> = image.packages.iter().map(|package| &package.fmri).collect();
    for (package, action) in plan.actions() {
        // A zone of a development system may get what the system itself does not have.
        if !installed.contains(&package.fmri) {
            continue;
        }
        let Some(text) = action.path() else { continue };
        let covered = overlaid.contains(text) && !is_overlay(action);
        // Of mediated links, only the chosen one is there; what is only delivered in the place of
        // an older file need not be.
        let optional =
            action.attributes.contains("mediator") || action.get("preserve") == Some("legacy");
        if !image.allows(action) || covered || optional || is_made_here(text) {
            continue;
        }
        let mut complain = |problem: String| {
            let at = PackagedPath { path: text.to_owned(), package: package.fmri.short() };
            problems.push(Mismatch { at, problem });
        };
        let path = match ProtoPath::new(text) {
            Ok(path) => path,
            Err(error) => {
                complain(error.to_string());
                continue;
            }
        };
        match (action.kind, proto.manifest.get(&path).map(|entry| &entry.kind)) {
            (kind, None) => complain(format!("this {} is missing", word(kind))),
            (ActionKind::Dir, Some(Kind::Directory))
            | (ActionKind::Link, Some(Kind::Symlink { .. }))
            | (
                ActionKind::File | ActionKind::Hardlink,
                Some(Kind::File(_) | Kind::Hardlink { .. }),
            ) => {}
            (kind, Some(found)) => {
                complain(format!("is packaged as a {} and is a {}", word(kind), found.word()));
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Mismatch { problems }) }
}

fn word(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Dir => "directory",
        ActionKind::Link => "symlink",
        ActionKind::Hardlink => "hard link",
        _ => "file",
    }
}
