//! The command lines of methods, with their tokens replaced.
//!
//! A method's `exec` may have tokens (smf_method(7)): `%f`, `%i`, `%m` and `%s` for the FMRI, the
//! instance, the method and the service, `%%`, and `%{GROUP/PROPERTY}` for the values of a
//! property, with `,` or `:` behind the name if that shall stand between them; without a group it
//! is `application`. What the bundle says of a property is its value until an administrator gives
//! it another one. The restarter's name, `%r`, is not in the bundle.

use std::borrow::Cow;

use crate::{Instance, Method, Property, Service};

/// What a method runs for the service, or for one of its instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command<'a> {
    /// The method.
    pub method: &'a Method,
    /// Its command line. Tokens that the bundle has no value for stay as they are.
    pub text: Cow<'a, str>,
}

/// The property group of tokens that name none.
const DEFAULT_GROUP: &str = "application";

impl Service {
    /// The command lines of all methods: those of the service itself for each of its instances, or
    /// once if it has none, and those of the instances.
    pub fn commands(&self) -> Vec<Command<'_>> {
        let instances: Vec<Option<&Instance>> = match self.instances.is_empty() {
            true => vec![None],
            false => self.instances.iter().map(Some).collect(),
        };
        let mut commands: Vec<Command<'_>> = Vec::new();
        for instance in instances {
            let own = instance.iter().flat_map(|instance| &instance.common.methods);
            for method in self.common.methods.iter().chain(own) {
                let text = self.expand(method, instance);
                let command = Command { method, text };
                if !commands.contains(&command) {
                    commands.push(command);
                }
            }
        }
        commands
    }

    fn expand<'a>(&'a self, method: &'a Method, instance: Option<&'a Instance>) -> Cow<'a, str> {
        if !method.exec.contains('%') {
            return Cow::Borrowed(&method.exec);
        }
        let mut text = String::new();
        let mut rest = method.exec.as_str();
        while let Some((before, token)) = rest.split_once('%') {
            text.push_str(before);
            let (length, value) = self.value(token, method, instance);
            let (token, after) = token.split_at(length);
            match value {
                Some(value) => text.push_str(&value),
                None => text.extend(["%", token]),
            }
            rest = after;
        }
        text.push_str(rest);
        Cow::Owned(text)
    }

    /// The length of the token that stands at the beginning, without its `%`, and its value.
    fn value(
        &self,
        text: &str,
        method: &Method,
        instance: Option<&Instance>,
    ) -> (usize, Option<String>) {
        let Some(letter) = text.chars().next() else { return (0, None) };
        let value = match letter {
            '%' => Some("%".to_owned()),
            'm' => Some(method.name.clone()),
            's' => Some(self.name.clone()),
            'i' => instance.map(|instance| instance.name.clone()),
            'f' => instance.map(|instance| self.fmri().with_instance(&*instance.name).to_string()),
            '{' => {
                let Some((name, _)) = text[1..].split_once('}') else { return (1, None) };
                return (name.len() + 2, self.values(name, instance));
            }
            _ => None,
        };
        (letter.len_utf8(), value)
    }

    /// The values of a property: those of the instance, else of the service.
    fn values(&self, name: &str, instance: Option<&Instance>) -> Option<String> {
        let (name, between) = match name.as_bytes().last() {
            Some(b',') => (&name[..name.len() - 1], ","),
            Some(b':') => (&name[..name.len() - 1], ":"),
            _ => (name, " "),
        };
        let (group, property) = name.split_once('/').unwrap_or((DEFAULT_GROUP, name));
        let scopes = instance.map(|instance| &instance.common).into_iter().chain([&self.common]);
        let groups = scopes.flat_map(|common| &common.property_groups);
        let properties =
            groups.filter(|found| found.name == group).flat_map(|found| &found.properties);
        let found: Option<&Property> =
            properties.into_iter().find(|found| found.name == property && !found.values.is_empty());
        found.map(|property| property.values.join(between))
    }
}

/// Programs that run another.
const RUNNERS: [&str; 6] = ["ctrun", "env", "nice", "nohup", "pfexec", "ppriv"];

/// What a word has that is more than a name: tokens without a value, syntax of the shell.
const SHELL: [char; 21] = [
    ':', '%', '$', '`', '*', '?', ';', '&', '|', '"', '\'', '=', '(', ')', '{', '}', '[', ']', '<',
    '>', '!',
];

impl Command<'_> {
    /// The programs that the command line names: what a package must deliver. That is its first
    /// word, a path or a name to be looked up, and what a program like ctrun(1) runs, if that is a
    /// path. Built-in methods (`:true`, `:kill`) and shell text have none.
    pub fn programs(&self) -> Vec<&str> {
        let command = self.text.trim_start();
        let command = command.strip_prefix("exec ").unwrap_or(command);
        let mut words = command.split_ascii_whitespace();
        let mut programs = Vec::new();
        let mut next = words.next();
        while let Some(word) = next.filter(|word| !word.contains(SHELL)) {
            programs.push(word);
            let name = word.rsplit('/').next().unwrap_or(word);
            next = match RUNNERS.contains(&name) {
                true => words.find(|word| word.starts_with('/')),
                false => None,
            };
        }
        programs
    }
}
