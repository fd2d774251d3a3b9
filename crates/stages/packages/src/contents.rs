//! What packages deliver.

use globset::{GlobBuilder, GlobMatcher};
use ips::{Action, ActionKind, Error, Fmri, Packages};
use serde::Serialize;

/// Which actions are wanted, and what of them.
#[derive(Debug, Clone, Default)]
pub struct ContentsOptions {
    /// The attributes to show; none means `path`. Besides attributes of actions there are
    /// `action.name`, `action.key`, `action.hash`, `action.raw`, `pkg.name`, `pkg.fmri`,
    /// `pkg.shortfmri` and `pkg.publisher`.
    pub attributes: Vec<String>,
    /// Only actions of these kinds; none means all.
    pub kinds: Vec<ActionKind>,
    /// Only actions with an attribute that matches a shell pattern, by name and pattern; one of
    /// several is enough.
    pub matching: Vec<(String, String)>,
    /// The attributes to sort by; none means the first that is shown.
    pub sort: Vec<String>,
}

/// Rows of attributes of actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The values, a list in each column: none where the action has no such attribute.
    pub rows: Vec<Vec<Vec<String>>>,
}

/// The manifests of packages, byte for byte, one after the other.
pub fn manifests(packages: &Packages, patterns: &[String]) -> Result<String, Error> {
    let mut text = String::new();
    let selected = packages.select(patterns)?;
    packages.prefetch(&selected);
    for fmri in selected {
        match packages {
            Packages::Image { .. } => text += &packages.manifest(fmri)?.to_string(),
            Packages::Origin(origin) => text += &origin.manifest_text(fmri)?,
        }
    }
    Ok(text)
}

/// Attributes of the actions of packages. Of an image, only actions that its variants and facets
/// allow. An action without any of the attributes is left out.
pub fn contents(
    packages: &Packages,
    patterns: &[String],
    options: &ContentsOptions,
) -> Result<Contents, Error> {
    let mut columns = options.attributes.clone();
    if columns.is_empty() {
        columns.push("path".to_owned());
    }
    let mut matching: Vec<(&str, GlobMatcher)> = Vec::new();
    for (name, pattern) in &options.matching {
        matching.push((name, glob(pattern)?));
    }
    let sort = if options.sort.is_empty() { &columns[..1] } else { &options.sort[..] };
    let mut rows = Vec::new();
    let selected = packages.select(patterns)?;
    packages.prefetch(&selected);
    for fmri in selected {
        let manifest = packages.manifest(fmri)?;
        for action in manifest.actions() {
            let allowed = packages.image().is_none_or(|image| image.allows(action));
            let of_kind = options.kinds.is_empty() || options.kinds.contains(&action.kind);
            let matches = matching.is_empty()
                || matching.iter().any(|(name, glob)| {
                    values(fmri, action, name).iter().any(|value| glob.is_match(value))
                });
            let has = columns.iter().any(|column| {
                let always = column.starts_with("pkg.") || column.starts_with("action.");
                always || action.attributes.contains(column)
            });
            if allowed && of_kind && matches && has {
                let get = |name: &String| values(fmri, action, name);
                rows.push((
                    sort.iter().map(get).collect::<Vec<_>>(),
                    columns.iter().map(get).collect::<Vec<_>>(),
                ));
            }
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Contents { columns, rows: rows.into_iter().map(|(_, row)| row).collect() })
}

/// A shell pattern; `*` matches `/` too.
pub(crate) fn glob(pattern: &str) -> Result<GlobMatcher, Error> {
    let glob = GlobBuilder::new(pattern).literal_separator(false).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| Error::Pattern {
        pattern: pattern.to_owned(),
        problem: format!("is no shell pattern: {error}"),
    })
}

fn values(fmri: &Fmri, action: &Action, name: &str) -> Vec<String> {
    match name {
        "action.name" => vec![action.kind.name().to_owned()],
        "action.key" => action.attributes.list(action.kind.key_attribute()).to_vec(),
        "action.hash" => action.payload.iter().cloned().collect(),
        "action.raw" => vec![action.to_string()],
        "pkg.name" => vec![fmri.stem.clone()],
        "pkg.fmri" => vec![fmri.short()],
        "pkg.shortfmri" => {
            let mut short = fmri.without_publisher();
            if let Some(version) = &mut short.version {
                version.timestamp = None;
            }
            vec![short.short()]
        }
        "pkg.publisher" => fmri.publisher.iter().cloned().collect(),
        _ => action.attributes.list(name).to_vec(),
    }
}

impl Contents {
    /// As `pkg contents` prints it: without headings, values between tabs; with them, in columns.
    pub fn table(&self, headings: bool) -> String {
        let cell = |values: &Vec<String>| values.join(" ");
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        if !headings {
            return rows.iter().map(|row| row.join("\t") + "\n").collect();
        }
        let names: Vec<String> = self.columns.iter().map(|name| name.to_uppercase()).collect();
        let widths: Vec<usize> = (0..names.len())
            .map(|column| {
                let all = rows.iter().chain([&names]);
                all.map(|row| row[column].chars().count()).max().unwrap_or(0)
            })
            .collect();
        let line = |row: &Vec<String>| {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            cells.join(" ").trim_end().to_owned() + "\n"
        };
        std::iter::once(&names).chain(&rows).map(line).collect()
    }
}

/// A list of objects; a column without value is left out, several values are a list.
impl Serialize for Contents {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Value<'a> {
            One(&'a str),
            Several(&'a [String]),
        }
        serializer.collect_seq(self.rows.iter().map(|row| {
            let values = row.iter().map(|values| match &values[..] {
                [one] => Value::One(one),
                several => Value::Several(several),
            });
            let cells = self.columns.iter().zip(values);
            cells
                .filter(|(_, value)| !matches!(value, Value::Several([])))
                .collect::<std::collections::BTreeMap<_, _>>()
        }))
    }
}
