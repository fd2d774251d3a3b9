//! Actions: the things a package consists of.

use std::fmt;

use crate::Attributes;
use crate::grammar::{self, GrammarError};

/// What an action does.
///
/// The order is the one in which kinds are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionKind {
    /// Says something about the package.
    Set,
    /// Needs or constrains another package.
    Depend,
    /// Adds a group.
    Group,
    /// Adds a user.
    User,
    /// Delivers a directory.
    Dir,
    /// Delivers a regular file.
    File,
    /// Delivers another name of a file.
    Hardlink,
    /// Delivers a symbolic link.
    Link,
    /// Registers a device driver.
    Driver,
    /// Delivers the text of a licence.
    License,
    /// Records a package in the older SVR4 database.
    Legacy,
    /// Signs the other actions.
    Signature,
}

impl ActionKind {
    /// Every kind, in the order of processing.
    pub const ALL: [Self; 12] = [
        Self::Set,
        Self::Depend,
        Self::Group,
        Self::User,
        Self::Dir,
        Self::File,
        Self::Hardlink,
        Self::Link,
        Self::Driver,
        Self::License,
        Self::Legacy,
        Self::Signature,
    ];

    /// The word that begins an action of this kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Depend => "depend",
            Self::Group => "group",
            Self::User => "user",
            Self::Dir => "dir",
            Self::File => "file",
            Self::Hardlink => "hardlink",
            Self::Link => "link",
            Self::Driver => "driver",
            Self::License => "license",
            Self::Legacy => "legacy",
            Self::Signature => "signature",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The attribute that says which thing of its kind the action delivers.
    pub fn key_attribute(self) -> &'static str {
        match self {
            Self::Set | Self::Driver => "name",
            Self::Depend => "fmri",
            Self::Group => "groupname",
            Self::User => "username",
            Self::Dir | Self::File | Self::Hardlink | Self::Link => "path",
            Self::License => "license",
            Self::Legacy => "pkg",
            Self::Signature => "value",
        }
    }

    /// Whether actions of this kind carry bytes.
    pub fn has_payload(self) -> bool {
        matches!(self, Self::File | Self::License | Self::Signature)
    }

    /// Whether actions of this kind deliver something at a path.
    pub fn is_path(self) -> bool {
        matches!(self, Self::Dir | Self::File | Self::Hardlink | Self::Link)
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One action. It prints (`Display`) in canonical form: payload, then attributes by key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action {
    /// What it does.
    pub kind: ActionKind,
    /// Which bytes it delivers: the SHA-1 of the uncompressed payload in a published manifest,
    /// a file name or `NOHASH` before.
    pub payload: Option<String>,
    /// Everything else.
    pub attributes: Attributes,
}

impl Action {
    /// An action without payload.
    pub fn new(kind: ActionKind, attributes: Attributes) -> Self {
        Self { kind, payload: None, attributes }
    }

    /// Shorthand for `set name=NAME value=VALUE`.
    pub fn set(name: impl Into<String>, value: impl Into<String>) -> Self {
        let pairs = [("name", name.into()), ("value", value.into())];
        Self::new(ActionKind::Set, pairs.into_iter().collect())
    }

    /// Reads one action, written on one line.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        grammar::parse_action(text)
    }

    /// The only or first value of an attribute.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.attributes.get(key)
    }

    /// The value that names what this action delivers: see [`ActionKind::key_attribute`].
    pub fn key(&self) -> Option<&str> {
        self.get(self.kind.key_attribute())
    }

    /// The names of all that a published action has in the store of its publisher: its payload,
    /// and of a signature the certificates between its own and one that is trusted.
    pub fn stored(&self) -> impl Iterator<Item = &str> {
        let payload = self.kind.has_payload().then_some(self.payload.as_deref()).flatten();
        let chain = (self.kind == ActionKind::Signature).then(|| self.get("chain")).flatten();
        payload.into_iter().chain(chain.into_iter().flat_map(str::split_whitespace))
    }

    /// Checks what must hold of an action before it is published. Says what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        crate::validate::check(self)
    }

    /// The path at which it delivers something, without a leading `/`.
    pub fn path(&self) -> Option<&str> {
        self.kind.is_path().then(|| self.get("path")).flatten()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        grammar::print_action(self, f)
    }
}

impl std::str::FromStr for Action {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_has_a_chain_in_the_store() {
        let stored = |text: &str| {
            Action::parse(text).unwrap().stored().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(stored("file ab path=x"), ["ab"]);
        assert_eq!(
            stored("signature ab chain=\"cd ef\" algorithm=rsa-sha256 value=00"),
            ["ab", "cd", "ef"]
        );
        assert!(stored("signature algorithm=sha256 value=00").is_empty());
        assert!(stored("set name=chain value=ab").is_empty());
    }

    #[test]
    fn names_go_both_ways() {
        for kind in ActionKind::ALL {
            assert_eq!(ActionKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(ActionKind::from_name("fiel"), None);
        assert!(ActionKind::ALL.is_sorted());
    }
}
