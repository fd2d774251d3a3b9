//! A plan as people and programs read it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use serde::Serialize;

use crate::Plan;
use crate::directory::Metadata;
use crate::plan::Become;
use crate::rules::{self, DEPLOYED, Decision, OTHERWISE, Rule};

/// The table of rules and what it makes of each path.
#[derive(Debug, Clone, Serialize)]
pub struct Listing {
    /// The table; the first rule that fits a regular file decides.
    pub rules: Vec<ListedRule>,
    /// Every path of the replicated trees, sorted.
    pub paths: Vec<ListedPath>,
}

/// A row of the table.
#[derive(Debug, Clone, Serialize)]
pub struct ListedRule {
    /// `link` or `copy`.
    pub decision: &'static str,
    /// What fits.
    pub pattern: &'static str,
    /// How many files it decided about.
    pub files: u64,
}

/// A path and what becomes of it. Bytes that do not print are escaped.
#[derive(Debug, Clone, Serialize)]
pub struct ListedPath {
    /// The path in the global zone.
    pub path: String,
    /// `make` a directory, keep the `same` link, `link` to the global zone's file, `copy` it, or
    /// make a `hard` link of a copy.
    pub decision: &'static str,
    /// Text of the link, or the path of the copy that a hard link is another name of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Permissions, in octal digits, of what gets those of the global zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The numbers of owner and group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<(u32, u32)>,
    /// Bytes that are copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The pattern of the rule that decided, for regular files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
}

impl Plan {
    /// The table of rules and what it makes of each path.
    pub fn listing(&self) -> Listing {
        let mut paths: Vec<(PathBuf, ListedPath)> = Vec::new();
        for directory in self.trees.iter().flat_map(|tree| &tree.directories) {
            let path = directory.path.clone();
            let made = ListedPath::new(&path, "make").of(&directory.metadata);
            paths.push((path, made));
            for entry in &directory.entries {
                let path = directory.path.join(&entry.name);
                let made = listed(&path, &entry.become_what);
                paths.push((path, made));
            }
        }
        // not by text: a directory comes right before what is in it
        paths.sort_by(|(one, _), (other, _)| one.cmp(other));
        let paths: Vec<ListedPath> = paths.into_iter().map(|(_, listed)| listed).collect();
        let row = |rule: &Rule| ListedRule {
            decision: match rule.decision {
                Decision::Link => "link",
                Decision::Copy => "copy",
            },
            pattern: rule.pattern,
            files: paths.iter().filter(|path| path.rule == Some(rule.pattern)).count() as u64,
        };
        let rules = DEPLOYED.iter().chain([&OTHERWISE]).map(row).collect();
        Listing { rules, paths }
    }
}

fn listed(path: &std::path::Path, become_what: &Become) -> ListedPath {
    let new = |decision| ListedPath::new(path, decision);
    let pattern = |rule: &Rule| Some(rule.pattern);
    match become_what {
        Become::SameLink { text, metadata } => {
            let listed = ListedPath { target: Some(shown(text)), ..new("same") };
            ListedPath { mode: None, ..listed.of(metadata) }
        }
        Become::Link { rule } => {
            let text = shown(rules::link_text(path).as_os_str());
            ListedPath { target: Some(text), rule: pattern(rule), ..new("link") }
        }
        Become::Copy { rule, metadata, size, .. } => {
            ListedPath { size: Some(*size), rule: pattern(rule), ..new("copy").of(metadata) }
        }
        Become::HardLink { rule, first } => {
            let target = format!("/{}", shown(first.as_os_str()));
            ListedPath { target: Some(target), rule: pattern(rule), ..new("hard") }
        }
    }
}

impl ListedPath {
    fn new(path: &std::path::Path, decision: &'static str) -> ListedPath {
        ListedPath {
            path: format!("/{}", shown(path.as_os_str())),
            decision,
            target: None,
            mode: None,
            owner: None,
            size: None,
            rule: None,
        }
    }

    fn of(self, metadata: &Metadata) -> ListedPath {
        let mode = Some(format!("{:04o}", metadata.mode));
        ListedPath { mode, owner: Some((metadata.uid, metadata.gid)), ..self }
    }
}

impl Listing {
    /// The listing as text: the table as comments, then one line for each path: the decision, the
    /// path, and after tabs (shown here as spaces) what there is to say about it.
    ///
    /// ```text
    /// # rule 1: link **/*.so*   812 files
    /// make /usr   mode 0755, owner 0:3
    /// same /usr/adm   ../var/adm
    /// link /usr/bin/ls   ../../system/usr/bin/ls   by **usr/bin**
    /// copy /usr/lib/x.d   mode 0644, owner 0:2, 12 bytes   by **
    /// hard /usr/lib/y.d   /usr/lib/x.d   by **
    /// ```
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let ListedRule { decision, pattern, files } = rule;
            let _ = writeln!(text, "# rule {}: {decision} {pattern}\t{files} files", number + 1);
        }
        for listed in &self.paths {
            let _ = write!(text, "{} {}", listed.decision, listed.path);
            if let Some(target) = &listed.target {
                let _ = write!(text, "\t{target}");
            }
            if let (Some(mode), Some((uid, gid))) = (&listed.mode, listed.owner) {
                let _ = write!(text, "\tmode {mode}, owner {uid}:{gid}");
            }
            if let Some(size) = listed.size {
                let _ = write!(text, ", {size} bytes");
            }
            if let Some(rule) = listed.rule {
                let _ = write!(text, "\tby {rule}");
            }
            text.push('\n');
        }
        text
    }
}

fn shown(name: &OsStr) -> String {
    name.as_bytes().escape_ascii().to_string()
}
