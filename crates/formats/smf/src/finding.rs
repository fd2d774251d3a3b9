//! What is wrong with a bundle that can be read.

use std::fmt;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The name of the file, as it was given to [`crate::Bundle::parse`].
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The document type knows no such element, or not at this place.
    #[error("`{parent}` cannot hold an element `{element}`")]
    UnknownElement {
        /// The element.
        element: String,
        /// The element around it.
        parent: String,
    },
    /// The element comes later than the document type wants, or once too often.
    #[error("`{element}` is out of order or repeated in `{parent}`{}", .before.map(|b| format!(": it belongs before `{b}`")).unwrap_or_default())]
    Misplaced {
        /// The element.
        element: String,
        /// The element around it.
        parent: String,
        /// An element that came first and should follow.
        before: Option<&'static str>,
    },
    /// An element must hold another and does not.
    #[error("`{parent}` needs an element {}", alternatives(.any_of))]
    MissingElement {
        /// The element.
        parent: String,
        /// What it needs, any one of them.
        any_of: &'static [&'static str],
    },
    /// An attribute that must be there is not.
    #[error("`{element}` has no attribute `{attribute}`")]
    MissingAttribute {
        /// The element.
        element: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// An attribute that the document type does not know.
    #[error("`{element}` has an unknown attribute `{attribute}`")]
    UnknownAttribute {
        /// The element.
        element: String,
        /// The attribute.
        attribute: String,
    },
    /// An attribute with a value outside its list.
    #[error("`{element}` has {attribute}=\"{value}\"; expected {}", alternatives(.expected))]
    BadValue {
        /// The element.
        element: String,
        /// The attribute.
        attribute: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        expected: &'static [&'static str],
    },
    /// Text where only elements may stand.
    #[error("text in `{element}`: {text:?}")]
    StrayText {
        /// The element.
        element: String,
        /// The text, shortened.
        text: String,
    },
    /// Two things of one name where the repository can hold one.
    #[error("{what} `{name}` is there twice, first in line {first}")]
    Duplicate {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
        /// Where the first one is.
        first: usize,
    },
    /// A name that the repository does not take.
    #[error("{what} name `{name}` {problem}")]
    Name {
        /// Whose name it is.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A service FMRI that cannot be read.
    #[error(transparent)]
    Fmri(#[from] crate::FmriError),
    /// A value that its property type does not take.
    #[error("property `{property}`: \"{value}\" is no {type_name}")]
    PropertyValue {
        /// The property.
        property: String,
        /// The value.
        value: String,
        /// The property's type.
        type_name: String,
    },
    /// A method that startd could not run.
    #[error("method `{method}`: {problem}")]
    Method {
        /// The method's name.
        method: String,
        /// What is wrong.
        problem: String,
    },
    /// A profile names what no manifest defines.
    #[error("the profile names {fmri}, which no manifest defines{}", .nearest.as_ref().map(|n| format!("; the nearest is {n}")).unwrap_or_default())]
    Undefined {
        /// The service or instance.
        fmri: crate::ServiceFmri,
        /// A defined one with a similar name.
        nearest: Option<crate::ServiceFmri>,
    },
    /// A manifest where a profile was expected.
    #[error("this is a {found} bundle, not a profile")]
    NotAProfile {
        /// The bundle's type.
        found: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(" or ")
}
