//! `gzonly.txt`: what is taken out of a zone's copy of the global zone's trees.

use std::collections::BTreeSet;

use ips::{ActionKind, Facets, InstalledPackage, Variants};

/// The text of `gzonly.txt`: one path a line, in descending order of their bytes.
///
/// Listed is every file, link or hard link that some action gives to global zones only and no
/// other action delivers otherwise. Paths that begin with the text `dev` are left out, for the
/// zone framework looks after `/dev` and `/devices` itself.
pub(crate) fn text(packages: &[&InstalledPackage], facets: &Facets) -> String {
    let mut global = BTreeSet::new();
    let mut everywhere = BTreeSet::new();
    for action in packages.iter().flat_map(|package| package.manifest.actions()) {
        if !matches!(action.kind, ActionKind::File | ActionKind::Link | ActionKind::Hardlink)
            || !facets.allow(&action.attributes)
        {
            continue;
        }
        let Some(path) = action.path() else { continue };
        let path = path.trim_start_matches('/');
        match action.attributes.list(Variants::ZONE) {
            [zone] if zone == "global" => global.insert(path),
            _ => everywhere.insert(path),
        };
    }
    global
        .iter()
        .rev()
        .filter(|path| !everywhere.contains(*path) && !path.starts_with("dev"))
        .copied()
        .flat_map(|path| [path, "\n"])
        .collect()
}
