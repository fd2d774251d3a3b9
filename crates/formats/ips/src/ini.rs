//! Configuration files with `[section]` and `key = value`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Error;

/// Sections, keys, values.
pub(crate) type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// Reads a configuration file; `path` is for messages. Blank lines and those that begin with `#`
/// or `;` are skipped; an indented line continues the value before it.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Sections, Error> {
    let mut sections = Sections::new();
    let mut section: Option<String> = None;
    let mut last_key: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        let refuse = |problem: &str| Error::Manifest {
            path: path.to_owned(),
            line: index + 1,
            column: 1,
            problem: problem.to_owned(),
        };
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t'])
            && let (Some(section), Some(key)) = (&section, &last_key)
        {
            let value =
                sections.entry(section.clone()).or_default().entry(key.clone()).or_default();
            value.push('\n');
            value.push_str(trimmed);
        } else if let Some(name) = trimmed.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or_else(|| refuse("`]` was expected"))?;
            sections.entry(name.to_owned()).or_default();
            section = Some(name.to_owned());
            last_key = None;
        } else {
            let (key, value) =
                trimmed.split_once('=').ok_or_else(|| refuse("`key = value` was expected"))?;
            let name =
                section.as_ref().ok_or_else(|| refuse("a `[section]` was expected first"))?;
            let key = key.trim().to_owned();
            let values = sections.entry(name.clone()).or_default();
            values.insert(key.clone(), value.trim().to_owned());
            last_key = Some(key);
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        let text = "# x\n[a]\nb = c = d\ne =\n  f\n\n[g h]\n";
        let sections = parse(Path::new("x"), text).unwrap();
        assert_eq!(sections["a"]["b"], "c = d");
        assert_eq!(sections["a"]["e"], "\nf");
        assert!(sections["g h"].is_empty());
    }

    #[test]
    fn refusals_name_the_line() {
        for (bad, line) in [("a = b", 1), ("[a]\nb\n", 2), ("\n[a\n", 2)] {
            let error = parse(Path::new("x"), bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("x:{line}:")), "{error}");
        }
    }
}
