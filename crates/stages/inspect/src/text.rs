//! Package manifests.

use std::fs::File;
use std::io::{self, Read};

use crate::Damage;
use crate::inspection::{Inspection, Item};

/// Longer texts are not taken for manifests.
const LONGEST: u64 = 64 << 20;

/// Whether the first lines are actions.
pub(crate) fn is_manifest(start: &[u8]) -> bool {
    // The last line may be cut off, and a character with it.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default(),
    };
    if text.len() + 4 < start.len() || text.contains('\0') {
        return false;
    }
    let first = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#'));
    const ACTIONS: [&str; 12] = [
        "set",
        "file",
        "dir",
        "link",
        "hardlink",
        "user",
        "group",
        "driver",
        "license",
        "legacy",
        "depend",
        "signature",
    ];
    first
        .and_then(|line| line.split_once(' '))
        .is_some_and(|(word, rest)| ACTIONS.contains(&word) && rest.contains('='))
}

pub(crate) fn look(inspection: &mut Inspection, file: File) -> io::Result<()> {
    let mut text = String::new();
    match file.take(LONGEST).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            inspection.damage.push(Damage::new("it is not UTF-8"));
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    match ips::Manifest::parse(&inspection.path, &text) {
        Ok(manifest) => {
            if let Ok(fmri) = manifest.fmri() {
                inspection.fact("package", fmri);
            }
            if let Some(summary) = manifest.value("pkg.summary") {
                inspection.fact("summary", summary);
            }
            let mut counts = indexmap::IndexMap::<String, u64>::new();
            for action in manifest.actions() {
                *counts.entry(action.kind.name().to_owned()).or_default() += 1;
            }
            for (kind, count) in counts {
                inspection.fact(&format!("{kind} actions"), count);
            }
            for action in manifest.actions() {
                if let Some(path) = action.path() {
                    inspection.entries.push(Item {
                        name: path.to_owned(),
                        item_type: action.kind.name().to_owned(),
                        mode: action.get("mode").map(str::to_owned),
                        target: action.get("target").map(str::to_owned),
                        ..Item::default()
                    });
                }
            }
        }
        Err(error) => inspection.damage.push(Damage::new(error.to_string())),
    }
    Ok(())
}
