//! What a file needs.

use std::collections::BTreeSet;

use fancy_regex::Regex;
use ips::{Action, ActionKind, Attributes, normal_path};

/// How needs are written in manifests.
pub(crate) const PREFIX: &str = "pkg.debug.depend";
/// What stands for a package that is not known yet.
pub(crate) const UNKNOWN: &str = "__TBD";
/// The attribute with files that are not to be needed.
pub(crate) const BYPASS: &str = "pkg.depend.bypass-generate";

/// A need: one of these paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    /// `elf`, `script`, `smf_manifest` or `hardlink`.
    pub(crate) kind: &'static str,
    pub(crate) wanted: Wanted,
}

/// The paths that would do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    /// A file in one of these directories.
    In { file: String, directories: BTreeSet<String> },
    /// One of these files.
    Paths(BTreeSet<String>),
}

impl Need {
    /// A need of one path.
    pub(crate) fn of_path(kind: &'static str, path: &str) -> Self {
        let path = path.trim_start_matches('/');
        let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
        let directories = BTreeSet::from([directory.to_owned()]);
        Self { kind, wanted: Wanted::In { file: file.to_owned(), directories } }
    }

    /// Every path that would do, without links followed.
    pub(crate) fn paths(&self) -> BTreeSet<String> {
        match &self.wanted {
            Wanted::In { file, directories } => {
                let path = |directory: &String| match &directory[..] {
                    "" => file.clone(),
                    directory => format!("{directory}/{file}"),
                };
                directories.iter().map(path).collect()
            }
            Wanted::Paths(paths) => paths.clone(),
        }
    }

    /// The same as an action of the file at `reason`.
    pub(crate) fn action(&self, reason: &str) -> Action {
        let mut attributes = Attributes::new();
        attributes.set("fmri", UNKNOWN);
        attributes.set("type", "require");
        attributes.set(format!("{PREFIX}.reason"), reason);
        attributes.set(format!("{PREFIX}.type"), self.kind);
        let list = |values: &BTreeSet<String>| values.iter().cloned().collect();
        match &self.wanted {
            Wanted::In { file, directories } => {
                attributes.set(format!("{PREFIX}.file"), file);
                attributes.set_list(format!("{PREFIX}.path"), list(directories));
            }
            Wanted::Paths(paths) => {
                attributes.set_list(format!("{PREFIX}.fullpath"), list(paths));
            }
        }
        Action::new(ActionKind::Depend, attributes)
    }
}

/// Whether an action is a need that is not resolved.
pub(crate) fn is_need(action: &Action) -> bool {
    action.kind == ActionKind::Depend
        && action.get("fmri") == Some(UNKNOWN)
        && (action.attributes.contains(&format!("{PREFIX}.file"))
            || action.attributes.contains(&format!("{PREFIX}.fullpath")))
}

/// The paths that a written need names.
pub(crate) fn paths(action: &Action) -> BTreeSet<String> {
    let full = action.attributes.list(&format!("{PREFIX}.fullpath"));
    if !full.is_empty() {
        return full.iter().map(|path| normal_path(path)).collect();
    }
    let files = action.attributes.list(&format!("{PREFIX}.file"));
    let none = [String::new()];
    let directories = match action.attributes.list(&format!("{PREFIX}.path")) {
        [] => &none[..],
        directories => directories,
    };
    let join = |directory: &String| {
        let directory = directory.clone();
        files.iter().map(move |file| normal_path(&format!("{directory}/{file}")))
    };
    directories.iter().flat_map(join).collect()
}

/// Takes the paths away that match; what they were. A pattern that has neither `/`, `*` nor `?` is
/// the name of a file in any directory.
pub(crate) fn bypass(need: &mut Need, patterns: &[String]) -> Result<BTreeSet<String>, String> {
    let mut compiled = Vec::new();
    for pattern in patterns.iter().filter(|pattern| !pattern.is_empty()) {
        let is_name = !pattern.contains(['/', '*', '?']);
        let text = pattern.trim_start_matches('^').trim_end_matches('$');
        let text = if is_name { format!("(?:.*/)?{text}") } else { text.to_owned() };
        let regex = Regex::new(&format!(r"\A(?:{text})\z"))
            .map_err(|error| format!("{BYPASS}={pattern} is no regular expression: {error}"))?;
        compiled.push(regex);
    }
    let paths = need.paths();
    let mut gone = BTreeSet::new();
    for path in &paths {
        for regex in &compiled {
            if regex.is_match(path).map_err(|error| format!("{BYPASS}: {path}: {error}"))? {
                gone.insert(path.clone());
            }
        }
    }
    if !gone.is_empty() {
        need.wanted = Wanted::Paths(paths.difference(&gone).cloned().collect());
    }
    Ok(gone)
}
