//! Reading the members of one object of a template.

use proto::ProtoPath;

use crate::finding::{Report, suggestion};
use crate::json::{Kind, Member, Value};
use crate::{Features, Permissions, expand};

/// The members of one object. Whatever is wrong goes into the report; a method gives `None` for a
/// member that is absent where it must not be, or wrong.
pub(crate) struct Fields<'v, 'r, 'f> {
    pub(crate) line: usize,
    /// What the object is, for messages: ``step `remove_files` ``.
    pub(crate) what: String,
    members: &'v [Member],
    pub(crate) report: &'r mut Report<'f>,
    /// The features to expand strings with; none for a step that will not run, whose strings are
    /// only checked for their form.
    features: Option<&'f Features>,
}

/// The owners that every image has, as image-builder knows them.
pub(crate) const OWNERS: [(&str, u32); 5] =
    [("root", 0), ("daemon", 1), ("bin", 2), ("sys", 3), ("adm", 4)];
/// The groups that every image has, as image-builder knows them.
pub(crate) const GROUPS: [(&str, u32); 5] =
    [("root", 0), ("other", 1), ("bin", 2), ("sys", 3), ("adm", 4)];

impl<'v, 'r, 'f> Fields<'v, 'r, 'f> {
    pub(crate) fn new(
        value: &'v Value,
        what: impl Into<String>,
        report: &'r mut Report<'f>,
        features: Option<&'f Features>,
    ) -> Option<Self> {
        let what = what.into();
        match &value.kind {
            Kind::Object(members) => {
                Some(Self { line: value.line, what, members, report, features })
            }
            _ => {
                report.error(value.line, format!("{what} is an object, not {}", value.word()));
                None
            }
        }
    }

    /// Whether this is for a step that will run.
    pub(crate) fn is_active(&self) -> bool {
        self.features.is_some()
    }

    /// Reports every member that is not among the known ones.
    pub(crate) fn only(&mut self, known: &[&str]) {
        for member in self.members.iter().filter(|m| !known.contains(&m.key.as_str())) {
            let hint = suggestion(&member.key, known.iter().copied());
            let message = format!("{} has no key `{}`{hint}", self.what, member.key);
            self.report.error(member.line, message);
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'v Value> {
        self.members.iter().find(|m| m.key == key).map(|m| &m.value)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some_and(|v| v.kind != Kind::Null)
    }

    fn required<T>(&mut self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.has(key) {
            self.report.error(self.line, format!("{} needs `{key}`", self.what));
        }
        value
    }

    fn wrong(&mut self, key: &str, value: &Value, wanted: &str) {
        let message = format!("`{key}` is {wanted}, not {}", value.word());
        self.report.error(value.line, message);
    }

    /// A string that is not expanded.
    pub(crate) fn plain_opt(&mut self, key: &str) -> Option<&'v str> {
        let value = self.get(key).filter(|v| v.kind != Kind::Null)?;
        match &value.kind {
            Kind::String(text) => Some(text),
            _ => {
                self.wrong(key, value, "a string");
                None
            }
        }
    }

    /// A string that is not expanded and must be there.
    pub(crate) fn plain(&mut self, key: &str) -> Option<&'v str> {
        let value = self.plain_opt(key);
        self.required(key, value)
    }

    /// A string that is expanded.
    pub(crate) fn text_opt(&mut self, key: &str) -> Option<String> {
        let text = self.plain_opt(key)?;
        let line = self.get(key)?.line;
        let expanded = match self.features {
            Some(features) => expand::single(text, features),
            None => expand::check_single(text).map(|()| text.to_owned()),
        };
        expanded.map_err(|problem| self.report.error(line, format!("`{key}`: {problem}"))).ok()
    }

    /// A string that is expanded and must be there.
    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        let value = self.text_opt(key);
        self.required(key, value)
    }

    /// A list of strings, empty if absent; `each` says whether `@` forms work in it.
    pub(crate) fn list(&mut self, key: &str, each: bool) -> Option<Vec<String>> {
        let Some(value) = self.get(key).filter(|v| v.kind != Kind::Null) else {
            return Some(Vec::new());
        };
        let Kind::Array(items) = &value.kind else {
            self.wrong(key, value, "a list of strings");
            return None;
        };
        let mut strings = Vec::new();
        let mut good = true;
        for item in items {
            let Kind::String(text) = &item.kind else {
                self.wrong(key, item, "a list of strings");
                good = false;
                continue;
            };
            let expanded = match (self.features, each) {
                (Some(features), true) => expand::list(text, features),
                (Some(features), false) => expand::single(text, features).map(|s| vec![s]),
                (None, true) => expand::check_list(text).map(|()| Vec::new()),
                (None, false) => expand::check_single(text).map(|()| Vec::new()),
            };
            match expanded {
                Ok(expanded) => strings.extend(expanded),
                Err(problem) => {
                    self.report.error(item.line, format!("`{key}`: {problem}"));
                    good = false;
                }
            }
        }
        good.then_some(strings)
    }

    /// A list that must be there.
    pub(crate) fn list_required(&mut self, key: &str, each: bool) -> Option<Vec<String>> {
        let present = self.has(key).then_some(());
        self.required(key, present)?;
        self.list(key, each)
    }

    pub(crate) fn boolean(&mut self, key: &str, default: bool) -> Option<bool> {
        let Some(value) = self.get(key).filter(|v| v.kind != Kind::Null) else {
            return Some(default);
        };
        match value.kind {
            Kind::Boolean(boolean) => Some(boolean),
            _ => {
                self.wrong(key, value, "true or false");
                None
            }
        }
    }

    pub(crate) fn number_opt(&mut self, key: &str) -> Option<u64> {
        let value = self.get(key).filter(|v| v.kind != Kind::Null)?;
        match &value.kind {
            Kind::Number(number) if number.parse::<u64>().is_ok() => number.parse().ok(),
            Kind::Number(number) => {
                self.report.error(value.line, format!("`{key}` is a whole number, not {number}"));
                None
            }
            _ => {
                self.wrong(key, value, "a whole number");
                None
            }
        }
    }

    pub(crate) fn number(&mut self, key: &str) -> Option<u64> {
        let value = self.number_opt(key);
        self.required(key, value)
    }

    pub(crate) fn number_or(&mut self, key: &str, default: u64) -> Option<u64> {
        if self.has(key) { self.number_opt(key) } else { Some(default) }
    }

    /// A path in the image: it starts with `/`.
    pub(crate) fn path(&mut self, key: &str) -> Option<ProtoPath> {
        let text = self.plain(key)?.to_owned();
        self.image_path(key, &text)
    }

    /// A path in the image, expanded first.
    pub(crate) fn path_text(&mut self, key: &str) -> Option<ProtoPath> {
        let text = self.text(key)?;
        self.image_path(key, &text)
    }

    pub(crate) fn image_path(&mut self, key: &str, text: &str) -> Option<ProtoPath> {
        let line = self.get(key).map_or(self.line, |v| v.line);
        if !text.starts_with('/') {
            let message =
                format!("`{key}`: a path in the image starts with `/`, `{text}` does not");
            self.report.error(line, message);
            return None;
        }
        match ProtoPath::new(text) {
            Ok(path) => Some(path),
            Err(error) => {
                self.report.error(line, format!("`{key}`: {error}"));
                None
            }
        }
    }

    /// The owner or group named by a key. Whether the image knows the name is only seen when the
    /// step is applied.
    pub(crate) fn account(&mut self, key: &str) -> Option<String> {
        let name = self.plain(key)?;
        let known = if key == "group" { &GROUPS } else { &OWNERS };
        if !known.iter().any(|(known, _)| *known == name) {
            let (line, names) = (self.get(key)?.line, known.map(|(name, _)| name));
            let file = if key == "group" { "etc/group" } else { "etc/passwd" };
            let hint = suggestion(name, names);
            if name.is_empty() || !hint.is_empty() {
                self.report.error(line, format!("unknown {key} `{name}`{hint}"));
                return None;
            }
            let message = format!(
                "{key} `{name}` is none of {}: the image's {file} must have it",
                names.join(", ")
            );
            self.report.warning(line, message);
        }
        Some(name.to_owned())
    }

    /// `owner`, `group` and `mode`.
    pub(crate) fn permissions(&mut self) -> Option<Permissions> {
        let (owner, group) = (self.account("owner"), self.account("group"));
        let mode = self.mode();
        Some(Permissions { owner: owner?, group: group?, mode: mode? })
    }

    fn mode(&mut self) -> Option<u32> {
        let text = self.plain("mode")?;
        let digits = !text.is_empty() && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        match u32::from_str_radix(text, 8) {
            Ok(mode) if digits && mode <= 0o7777 => Some(mode),
            _ => {
                let line = self.get("mode")?.line;
                let message = format!("bad mode `{text}`: up to four octal digits, e.g. `0644`");
                self.report.error(line, message);
                None
            }
        }
    }
}
