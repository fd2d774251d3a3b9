//! JSON as catalogs are signed: sorted keys, no blanks, upper-case escapes.

use serde_json::{Map, Value};
use sha1::{Digest as _, Sha1};

/// Under which key a file carries its signature.
const SIGNATURE: &str = "_SIGNATURE";

/// Serialises with sorted keys and compact separators; everything outside of ASCII is escaped
/// as `\uXXXX` in upper case, control characters by their short escape where they have one.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    put_value(value, &mut text);
    text
}

fn put_value(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => put_string(string, text),
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                put_value(value, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            // The map's own order depends on a feature of serde_json that any crate can switch.
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|pair| pair.0);
            text.push('{');
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                put_string(key, text);
                text.push(':');
                put_value(value, text);
            }
            text.push('}');
        }
        other => text.push_str(&other.to_string()),
    }
}

fn put_string(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            ' '..='\u{7f}' => text.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
    text.push('"');
}

/// The SHA-1 that signs an object which holds no signature, in hex.
fn signature(unsigned: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(unsigned.as_bytes());
    hash.update(b"\n");
    hex::encode(hash.finalize())
}

/// The text of a signed file, and its signature.
pub(crate) fn sign(object: Map<String, Value>) -> (String, String) {
    let empty = object.is_empty();
    let mut text = canonical(&Value::Object(object));
    let signature = signature(&text);
    text.pop();
    let comma = if empty { "" } else { "," };
    text.push_str(&format!("{comma}\"{SIGNATURE}\":{{\"sha-1\":\"{signature}\"}}}}\n"));
    (text, signature)
}

/// Reads an object. When it is signed, checks the signature and returns it as well. Says what
/// is wrong.
pub(crate) fn verify(text: &str) -> Result<(Map<String, Value>, Option<String>), String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let Value::Object(mut object) = value else {
        return Err("a JSON object was expected".to_owned());
    };
    let Some(claimed) = object.remove(SIGNATURE) else {
        return Ok((object, None));
    };
    let Some(claimed) = claimed.get("sha-1").and_then(Value::as_str) else {
        return Err(format!("{SIGNATURE} has no \"sha-1\""));
    };
    let value = Value::Object(object);
    let actual = signature(&canonical(&value));
    if actual != claimed {
        return Err(format!(
            "its signature is {claimed}, but its contents have {actual}; it was changed or damaged"
        ));
    }
    let Value::Object(object) = value else { unreachable!("made an object above") };
    Ok((object, Some(actual)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes() {
        let value = Value::from("a/\u{7f}\"\\\u{1f}\n\tö✓\u{1f600}");
        assert_eq!(
            canonical(&value),
            "\"a/\u{7f}\\\"\\\\\\u001F\\n\\t\\u00F6\\u2713\\uD83D\\uDE00\""
        );
    }

    #[test]
    fn numbers_are_read_as_they_are_printed() {
        let text = format!("8.88888888{}1e69", "9".repeat(60));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&canonical(&value)).unwrap(), value);
        let long: Value = serde_json::from_str(&"8888888889".repeat(7)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&canonical(&long)).unwrap(), long);
    }

    #[test]
    fn signed_as_the_real_one() {
        // Written by pkg(7): the base part of a catalog with two packages.
        let text = "{\"extra.example.com\":{\"library/zlib\":[{\"signature-sha-1\":\
            \"b42fa9f1662183683c4b0e5cb6421b42925daf97\",\"version\":\
            \"1.3.1,5.11-151.7:20261120T153859Z\"}],\"test/odd+name_1.x\":[{\"signature-sha-1\":\
            \"fea88becaf400222b8e1677c00b55a97a72dea8b\",\"version\":\
            \"1.0,5.11:20261120T153900Z\"}]},\"_SIGNATURE\":{\"sha-1\":\
            \"5fa9ca0cba241600c09b9bc288f31d9ad1f7a548\"}}\n";
        let (object, signature) = verify(text).unwrap();
        assert_eq!(signature.as_deref(), Some("5fa9ca0cba241600c09b9bc288f31d9ad1f7a548"));
        assert_eq!(sign(object).0, text);
    }

    #[test]
    fn changed_files_are_refused() {
        let (text, _) = sign(Map::from_iter([("a".to_owned(), Value::from(1))]));
        assert!(verify(&text).is_ok());
        assert!(verify(&text.replace("\"a\":1", "\"a\":2")).unwrap_err().contains("signature"));
        assert!(verify("[]").unwrap_err().contains("object"));
        assert!(verify("{").unwrap_err().contains("JSON"));
        assert!(verify("{\"_SIGNATURE\":{}}").unwrap_err().contains("sha-1"));
    }

    proptest! {
        #[test]
        fn reads_back(key in "\\PC*", text in any::<String>()) {
            let object = Map::from_iter([(format!("k{key}"), Value::from(text))]);
            let (signed, signature) = sign(object.clone());
            prop_assert!(signed.is_ascii());
            prop_assert_eq!(verify(&signed), Ok((object, Some(signature))));
        }
    }
}
