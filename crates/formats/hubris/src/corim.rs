//! CoRIM documents: reference measurements.

use ciborium::Value;

use crate::Error;

/// The CBOR tag of a CoMID, the part of a CoRIM that holds measurements.
const COMID: u64 = 506;
/// A CoRIM is a list of hashes; how deep a reader follows nested values.
const DEPTH: usize = 32;

/// What a CoRIM document says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corim {
    /// Its id.
    pub id: String,
    /// The version in the identity of its tags, the same in all.
    pub version: String,
}

impl Corim {
    /// Whether bytes may be a CoRIM by their first one: a CBOR map.
    pub fn may_be(first: u8) -> bool {
        (0xa0..=0xbf).contains(&first)
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// When it is not CBOR of the right form, has bytes after its end, or has tags of several
    /// versions.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let document = cbor(bytes)?;
        let id = text(get(&document, 0)?, "its id")?;
        if id.is_empty() {
            return Err(wrong("its id is empty"));
        }
        let Value::Array(tags) = get(&document, 1)? else {
            return Err(wrong("it has no list of tags"));
        };
        let mut version: Option<String> = None;
        for tag in tags {
            let Value::Bytes(tag) = tag else { return Err(wrong("a tag of it is no byte string")) };
            let Value::Tag(COMID, comid) = cbor(tag)? else {
                return Err(wrong("a tag of it is no CoMID (CBOR tag 506)"));
            };
            let this = text(get(get(&comid, 1)?, 1)?, "the version of a tag")?;
            get(&comid, 4)?; // the measurements
            match &version {
                Some(other) if *other != this => {
                    return Err(wrong(&format!("its tags have the versions {other} and {this}")));
                }
                _ => version = Some(this),
            }
        }
        let version = version.ok_or_else(|| wrong("it has no tags"))?;
        Ok(Self { id, version })
    }
}

fn wrong(problem: &str) -> Error {
    Error::Corim(problem.to_owned())
}

fn cbor(bytes: &[u8]) -> Result<Value, Error> {
    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH)
        .map_err(|error| wrong(&format!("it is no CBOR: {error}")))?;
    if rest.is_empty() { Ok(value) } else { Err(wrong("bytes follow its end")) }
}

/// The value of a map under an integer key, which must be there once.
fn get(value: &Value, key: u64) -> Result<&Value, Error> {
    let Value::Map(entries) = value else { return Err(wrong("a map was expected")) };
    let mut found =
        entries.iter().filter(|(k, _)| *k == Value::Integer(key.into())).map(|(_, v)| v);
    match (found.next(), found.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(wrong(&format!("a map has no key {key}"))),
        _ => Err(wrong(&format!("a map has the key {key} twice"))),
    }
}

fn text(value: &Value, what: &str) -> Result<String, Error> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        _ => Err(wrong(&format!("{what} is no text"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_corim;
    use proptest::prelude::*;

    #[test]
    fn fakes_read_back() {
        let bytes = fake_corim("all-sp", "1.0.5");
        assert!(Corim::may_be(bytes[0]));
        let corim = Corim::parse(&bytes).unwrap();
        assert_eq!((corim.id.as_str(), corim.version.as_str()), ("all-sp", "1.0.5"));
        assert!(Corim::parse(&bytes[..bytes.len() - 1]).is_err());
        let more = [&bytes[..], b"\0"].concat();
        assert!(Corim::parse(&more).unwrap_err().to_string().contains("follow"));
        assert!(Corim::parse(b"\xa0").is_err());
        assert!(Corim::parse(&[0x81; 10_000]).is_err());
        assert!(Corim::parse(b"\xa1\x00\xbb\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Corim::parse(&bytes);
        }

        #[test]
        fn never_panics_on_damage(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = fake_corim("all-sp", "1.0.5");
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = Corim::parse(&bytes);
        }
    }
}
