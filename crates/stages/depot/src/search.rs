//! `search/1`: who delivers a thing, found in the manifests as they are.
//!
//! A query is `CASE_RETURN_COUNT_START_TEXT`: whether letters' case counts (`True`, `False`),
//! whether packages (1) or actions (2) are wanted, how many at most (`None` for all), after how
//! many. The text has terms, `TOKEN`, `INDEX:TOKEN`, `ACTION:INDEX:TOKEN` or
//! `PACKAGE:ACTION:INDEX:TOKEN`, any field of which may be empty, with `*` and `?`. Several terms
//! must all hold of an action (of a package, if packages are wanted), unless `OR` stands between
//! them. `<TEXT>` asks for packages. Phrases and parentheses are refused.

use globset::{GlobBuilder, GlobMatcher};
use ips::{Action, ActionKind, Fmri, Origin};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a value.
const QUOTED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The most terms of a query.
const MOST_TERMS: usize = 100;

/// What is looked for.
pub(crate) struct Query {
    packages: bool,
    case_matters: bool,
    most: usize,
    skip: usize,
    /// One of these lists must hold, each with all its terms.
    any: Vec<Vec<Term>>,
}

/// Patterns for package, kind of action, index and token.
struct Term([Option<GlobMatcher>; 4]);

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.splitn(5, '_').collect();
        let [case, wanted, most, skip, terms] = fields[..] else {
            return Err("a query is CASE_RETURN_COUNT_START_TEXT".to_owned());
        };
        let case_matters = match case {
            "True" => true,
            "False" => false,
            _ => return Err(format!("{case:?} where True or False was expected")),
        };
        let packages = match wanted {
            "1" => true,
            "0" | "2" => false,
            _ => return Err(format!("{wanted:?} where 1 (packages) or 2 (actions) was expected")),
        };
        let number = |text: &str, none: usize| match text {
            "None" => Ok(none),
            _ => text.parse().map_err(|_| format!("{text:?} where a number was expected")),
        };
        let inner = terms.trim().strip_prefix('<').and_then(|terms| terms.strip_suffix('>'));
        let terms = inner.unwrap_or(terms);
        if terms.contains(['"', '\'', '(', ')', '<', '>']) {
            return Err(format!("{terms:?}: phrases and parentheses are not understood here"));
        }
        let words: Vec<&str> = terms.split_whitespace().collect();
        if words.len() > MOST_TERMS {
            return Err(format!("{} words; at most {MOST_TERMS} are taken", words.len()));
        }
        let mut any = Vec::new();
        for alternative in words.split(|word| *word == "OR") {
            let terms = alternative.iter().filter(|word| **word != "AND");
            let terms: Vec<Term> =
                terms.map(|word| Term::parse(word, case_matters)).collect::<Result<_, _>>()?;
            if terms.is_empty() {
                return Err(format!("{:?}: nothing to look for", words.join(" ")));
            }
            any.push(terms);
        }
        Ok(Self {
            packages: packages || inner.is_some(),
            case_matters,
            most: number(most, usize::MAX)?,
            skip: number(skip, 0)?,
            any,
        })
    }

    /// The lines of the answer, without the first; none if nothing was found.
    pub(crate) fn answer(
        &self,
        origin: &dyn Origin,
        publisher: &str,
    ) -> Result<String, ips::Error> {
        let mut lines = Vec::new();
        let ours = |fmri: &&Fmri| fmri.publisher.as_deref() == Some(publisher);
        for fmri in origin.packages().iter().filter(ours) {
            let manifest = origin.manifest(fmri)?;
            let name = fmri.without_publisher().short();
            let stem = self.folded(&fmri.stem);
            let entries: Vec<(&Action, Vec<Entry>)> =
                manifest.actions().map(|action| (action, self.entries(action))).collect();
            if self.packages {
                let has = |term: &Term| {
                    entries.iter().any(|(action, of)| term.find(&stem, action, of).is_some())
                };
                if self.any.iter().any(|terms| terms.iter().all(has)) {
                    lines.push(format!("0 1 {name}\n"));
                }
                continue;
            }
            for (action, of) in &entries {
                let all = |terms: &Vec<Term>| {
                    let mut found = terms.iter().map(|term| term.find(&stem, action, of));
                    let first = found.next().flatten()?;
                    found.all(|found| found.is_some()).then_some(first)
                };
                if let Some(value) = self.any.iter().find_map(all) {
                    let value = utf8_percent_encode(value, QUOTED);
                    lines.push(format!("0 2 {name} {value} {action}\n"));
                }
            }
        }
        Ok(lines.into_iter().skip(self.skip).take(self.most).collect())
    }

    fn folded(&self, text: &str) -> String {
        if self.case_matters { text.to_owned() } else { text.to_lowercase() }
    }

    /// What an action can be found by.
    fn entries(&self, action: &Action) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut add = |index: &str, token: &str, value: &str| {
            entries.push(Entry {
                index: index.to_owned(),
                token: self.folded(token),
                value: value.to_owned(),
            });
        };
        if let Some(hash) = &action.payload {
            add("content", hash, hash);
            add("hash", hash, hash);
        }
        if let Some(path) = action.path() {
            let path = format!("/{path}");
            let name = path.rsplit('/').next().unwrap_or_default();
            add("basename", name, name);
            add("path", &path, &path);
        }
        for hash in action.attributes.list("pkg.content-hash") {
            add("pkg.content-hash", hash, hash);
        }
        match action.kind {
            ActionKind::Set => {
                let name = action.get("name").unwrap_or_default();
                for value in action.attributes.list("value") {
                    add(name, value, value);
                    let fmri = (name == "pkg.fmri").then(|| Fmri::parse(value).ok()).flatten();
                    if let Some(fmri) = fmri {
                        add(name, &fmri.stem, value);
                        fmri.stem.split('/').for_each(|part| add(name, part, value));
                    }
                    let words = value.split([' ', '/', ':']).filter(|word| !word.is_empty());
                    words.for_each(|word| add(name, word, value));
                }
            }
            ActionKind::Depend => {
                let kind = action.get("type").unwrap_or_default();
                for value in action.attributes.list("fmri") {
                    let stem = Fmri::parse(value).map(|fmri| fmri.stem).unwrap_or_default();
                    add(kind, value, value);
                    add(kind, &stem, value);
                }
            }
            ActionKind::Driver => {
                add(
                    "driver_name",
                    action.key().unwrap_or_default(),
                    action.key().unwrap_or_default(),
                );
                for alias in action.attributes.list("alias") {
                    add("alias", alias, alias);
                }
            }
            ActionKind::User | ActionKind::Group => {
                add("name", action.key().unwrap_or_default(), action.key().unwrap_or_default());
            }
            ActionKind::License | ActionKind::Legacy => {
                let key = action.kind.key_attribute();
                add(key, action.key().unwrap_or_default(), action.key().unwrap_or_default());
            }
            _ => {}
        }
        entries
    }
}

/// One thing that an action can be found by.
struct Entry {
    index: String,
    token: String,
    /// What is shown.
    value: String,
}

impl Term {
    fn parse(word: &str, case_matters: bool) -> Result<Self, String> {
        let mut fields: Vec<&str> = word.splitn(4, ':').collect();
        while fields.len() < 4 {
            fields.insert(0, "");
        }
        let mut patterns = [None, None, None, None];
        for (at, field) in fields.into_iter().enumerate() {
            let field = if case_matters { field.to_owned() } else { field.to_lowercase() };
            // Only `*` and `?` mean something.
            let field: String = field
                .chars()
                .map(|c| match c {
                    '[' | ']' | '{' | '}' | '!' | '\\' | ',' => format!("[{c}]"),
                    c => c.to_string(),
                })
                .collect();
            if !field.is_empty() {
                let glob = GlobBuilder::new(&field).literal_separator(false).build();
                patterns[at] = Some(glob.map_err(|error| error.to_string())?.compile_matcher());
            }
        }
        Ok(Self(patterns))
    }

    /// What of an action it means, as it is shown.
    fn find<'e>(&self, stem: &str, action: &Action, entries: &'e [Entry]) -> Option<&'e str> {
        let [package, kind, index, token] = &self.0;
        let fits = |pattern: &Option<GlobMatcher>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
        };
        let last = stem.rsplit('/').next().unwrap_or_default();
        if !(fits(package, stem) || fits(package, last)) || !fits(kind, action.kind.name()) {
            return None;
        }
        let found = entries.iter().find(|entry| {
            let name = entry.index.to_lowercase();
            (fits(index, &entry.index) || fits(index, &name)) && fits(token, &entry.token)
        });
        found.map(|entry| entry.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_that_cannot_be_read() {
        for (text, problem) in [
            ("zlib", "CASE_RETURN_COUNT_START_TEXT"),
            ("yes_2_None_None_x", "True or False"),
            ("False_3_None_None_x", "packages"),
            ("False_2_x_None_x", "number"),
            ("False_2_None_-1_x", "number"),
            ("False_2_None_None_", "nothing to look for"),
            ("False_2_None_None_a OR", "nothing to look for"),
            ("False_2_None_None_(a b)", "parentheses"),
        ] {
            let error = Query::parse(text).err().unwrap();
            assert!(error.contains(problem), "{text}: {error}");
        }
        let many = format!("False_2_None_None_{}", "a ".repeat(101));
        assert!(Query::parse(&many).err().unwrap().contains("at most 100"));
        assert!(Query::parse("False_2_None_None_[a{b!c,d\\").is_ok());
    }
}
