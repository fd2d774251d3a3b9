//! Who delivers which path, and where links lead.

use std::collections::{BTreeSet, HashMap};

use ips::{ActionKind, Attributes, Manifest, link_target, normal_path};

use crate::combinations::{Combination, Variants};

/// The most links on one way, and the most ways to one path.
const MOST_LINKS: usize = 20;
const MOST_ROUTES: usize = 64;

/// Files and links of some packages.
#[derive(Default)]
pub(crate) struct Delivered {
    files: HashMap<String, Vec<(usize, Attributes)>>,
    links: HashMap<String, Vec<(usize, Attributes, String)>>,
    variants: Vec<Variants>,
}

/// A way to a path: the package with the file, and those whose links lead there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) package: usize,
    pub(crate) links: BTreeSet<usize>,
}

impl Delivered {
    /// Adds a package; it gets the next number, from 0.
    pub(crate) fn add(&mut self, manifest: &Manifest) {
        let number = self.variants.len();
        self.variants.push(Variants::declared(manifest));
        for action in manifest.actions() {
            let Some(path) = action.path().map(|path| path.trim_start_matches('/').to_owned())
            else {
                continue;
            };
            let variants: Attributes = action
                .attributes
                .with_prefix("variant.")
                .flat_map(|(name, values)| values.iter().map(move |value| (name, value.as_str())))
                .collect();
            match action.kind {
                ActionKind::File => self.files.entry(path).or_default().push((number, variants)),
                ActionKind::Link | ActionKind::Hardlink => {
                    let target = action.get("target").unwrap_or_default().to_owned();
                    self.links.entry(path).or_default().push((number, variants, target));
                }
                _ => {}
            }
        }
    }

    /// All ways to a path in an image of a combination.
    pub(crate) fn routes(&self, path: &str, combination: &Combination) -> BTreeSet<Route> {
        let mut routes = BTreeSet::new();
        self.follow(&normal_path(path), combination, &BTreeSet::new(), 0, &mut routes);
        routes
    }

    fn follow(
        &self,
        path: &str,
        combination: &Combination,
        passed: &BTreeSet<usize>,
        depth: usize,
        routes: &mut BTreeSet<Route>,
    ) {
        let there = |package: usize, attributes: &Attributes| {
            self.variants[package].cover(attributes, combination)
        };
        let mut found = false;
        for (package, attributes) in self.files.get(path).into_iter().flatten() {
            if there(*package, attributes) {
                found = true;
                routes.insert(Route { package: *package, links: passed.clone() });
            }
        }
        if found || depth == MOST_LINKS {
            return;
        }
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends {
            let Some(links) = self.links.get(&path[..end]) else { continue };
            for (package, attributes, target) in links {
                if routes.len() < MOST_ROUTES && there(*package, attributes) {
                    let next = link_target(&path[..end], target) + &path[end..];
                    let mut passed = passed.clone();
                    passed.insert(*package);
                    self.follow(&normal_path(&next), combination, &passed, depth + 1, routes);
                }
            }
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed() {
        let mut delivered = Delivered::default();
        for text in [
            "file path=usr/lib/amd64/libc.so.1\nlink path=round target=round\n",
            "link path=lib target=./usr/lib\nlink path=usr/lib/64 target=amd64\n",
            "link path=a/b target=../usr/lib/../lib/64/libc.so.1\nlink path=c target=/a/b\n",
        ] {
            delivered.add(&Manifest::parse("x", text).unwrap());
        }
        let routes = |path: &str| -> Vec<(usize, Vec<usize>)> {
            let routes = delivered.routes(path, &Combination::new());
            routes.into_iter().map(|r| (r.package, r.links.into_iter().collect())).collect()
        };
        assert_eq!(routes("usr/lib/amd64/libc.so.1"), [(0, vec![])]);
        assert_eq!(routes("/lib/64/libc.so.1"), [(0, vec![1])]);
        assert_eq!(routes("c"), [(0, vec![1, 2])]);
        assert_eq!(routes("round"), []);
        assert_eq!(routes("usr/lib"), []);
    }
}
