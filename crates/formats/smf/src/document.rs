//! XML as a tree whose nodes know their lines.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::Error;

/// Deeper than any bundle: the document type allows 9 levels, and bundles may nest.
const DEEPEST: usize = 64;

pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// All text directly inside, entities resolved.
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// An attribute's value, or nothing where it is missing (which is a finding elsewhere).
    pub(crate) fn text_of(&self, name: &str) -> String {
        self.attribute(name).unwrap_or_default().to_owned()
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.attribute(name) == Some("true")
    }

    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(crate) fn child<'a>(&'a self, name: &'a str) -> Option<&'a Element> {
        self.children(name).next()
    }
}

/// Reads a document into its root element.
pub(crate) fn parse(bytes: &[u8], name: &str) -> Result<Element, Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| Error::Encoding {
        name: name.to_owned(),
        line: 1 + count_lines(&bytes[..error.valid_up_to()]),
        problem: "a byte is not UTF-8".to_owned(),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut tree = Tree { name, open: Vec::new(), root: None };
    let mut lines = Lines { text, seen: 0, line: 1 };
    let mut reader = Reader::from_str(text);
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                let line = lines.at(reader.error_position());
                return Err(tree.malformed(line, error.to_string()));
            }
        };
        // The position is behind the event, and text may hold line breaks; an element's tag rarely
        // does, and then its last line is named.
        let line = lines.at(reader.buffer_position());
        match event {
            Event::Start(start) => tree.open(&start, line)?,
            Event::Empty(start) => {
                tree.open(&start, line)?;
                tree.close();
            }
            Event::End(_) => tree.close(),
            Event::Text(text) => tree.text(&text.xml10_content(), line)?,
            Event::CData(text) => tree.text(&text.xml10_content(), line)?,
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(character.to_string()),
                    Ok(None) => resolve_predefined_entity(&reference).map(str::to_owned),
                    Err(error) => return Err(tree.malformed(line, error.to_string())),
                };
                let Some(resolved) = resolved else {
                    let problem = format!("unknown entity `&{};`", reference.xml10_content());
                    return Err(tree.malformed(line, problem));
                };
                tree.text(&resolved, line)?;
            }
            Event::Decl(declaration) => {
                if let Some(Ok(encoding)) = declaration.encoding()
                    && !["UTF-8", "US-ASCII"].iter().any(|e| e.eq_ignore_ascii_case(&encoding))
                {
                    return Err(Error::Encoding {
                        name: name.to_owned(),
                        line,
                        problem: format!("the declared encoding is {encoding}"),
                    });
                }
            }
            Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => break,
        }
    }
    if let Some(open) = tree.open.last() {
        let problem = format!("`{}` is never closed", open.name);
        return Err(tree.malformed(open.line, problem));
    }
    tree.root.take().ok_or_else(|| Error::NotABundle {
        name: name.to_owned(),
        line: 1,
        problem: "there is no element in it".to_owned(),
    })
}

struct Tree<'a> {
    name: &'a str,
    open: Vec<Element>,
    root: Option<Element>,
}

impl Tree<'_> {
    fn malformed(&self, line: usize, problem: String) -> Error {
        Error::Xml { name: self.name.to_owned(), line, problem }
    }

    fn open(&mut self, start: &BytesStart<'_>, line: usize) -> Result<(), Error> {
        if self.root.is_some() {
            return Err(self.malformed(line, "there is a second root element".to_owned()));
        }
        if self.open.len() == DEEPEST {
            return Err(Error::TooDeep { name: self.name.to_owned(), line, limit: DEEPEST });
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| self.malformed(line, e.to_string()))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|e| self.malformed(line, e.to_string()))?;
            attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        self.open.push(Element {
            name: start.name().as_ref().to_owned(),
            attributes,
            children: Vec::new(),
            text: String::new(),
            line,
        });
        Ok(())
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str, line: usize) -> Result<(), Error> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(self.malformed(line, "text outside of the root".to_owned())),
        }
        Ok(())
    }
}

/// Line numbers of rising positions, counted once.
struct Lines<'a> {
    text: &'a str,
    seen: usize,
    line: usize,
}

impl Lines<'_> {
    fn at(&mut self, position: u64) -> usize {
        let position = usize::try_from(position).unwrap_or(usize::MAX).min(self.text.len());
        if position > self.seen {
            self.line += count_lines(&self.text.as_bytes()[self.seen..position]);
            self.seen = position;
        }
        self.line
    }
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&b| b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text.as_bytes(), "t.xml").map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_tree_with_lines_and_entities() {
        let root = parse(
            b"<?xml version='1.0'?>\n<!-- c\n-->\n<a>\n <b c='x &amp; &#65;'/>\n <d>&lt;t</d></a>",
            "t.xml",
        )
        .unwrap();
        assert_eq!((root.name.as_str(), root.line), ("a", 4));
        let b = root.child("b").unwrap();
        assert_eq!((b.attribute("c"), b.line), (Some("x & A"), 5));
        assert_eq!(root.child("d").unwrap().text, "<t");
    }

    #[test]
    fn malformed_documents_are_named_by_line() {
        assert!(error("<a>\n<b>\n</a>").starts_with("t.xml:3: not well-formed XML"));
        assert_eq!(error("<a>\n"), "t.xml:1: not well-formed XML: `a` is never closed");
        assert_eq!(
            error("<a>\n&evil;</a>"),
            "t.xml:2: not well-formed XML: unknown entity `&evil;`"
        );
        assert_eq!(
            error("<a/>\n<b/>"),
            "t.xml:2: not well-formed XML: there is a second root element"
        );
        assert!(error("<a b='1' b='2'/>").contains("not well-formed"));
        assert!(error("").contains("no element"));
        assert!(error(&"<a>".repeat(100)).contains("more than 64 deep"));
        assert!(error("<?xml version='1.0' encoding='ISO-8859-1'?><a/>").contains("save the file"));
        let latin = parse(b"<a>\n\xe4</a>", "t.xml").map(|_| ()).unwrap_err().to_string();
        assert!(latin.starts_with("t.xml:2: a byte is not UTF-8"), "{latin}");
    }
}
