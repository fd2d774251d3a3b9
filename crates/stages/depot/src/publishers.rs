//! What a depot says of itself: `versions/0` and `publisher/1`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

/// The operations of a depot and their versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Versions(BTreeMap<String, Vec<u32>>);

impl Versions {
    /// One operation a line. Lines that are not understood are those of a later protocol.
    pub(crate) fn parse(text: &str) -> Self {
        let mut versions = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let Some(operation) = words.next() {
                let numbers = words.filter_map(|word| word.parse().ok()).collect();
                versions.insert(operation.to_owned(), numbers);
            }
        }
        Self(versions)
    }

    /// The greatest version of an operation among those that are known here.
    pub(crate) fn choose(&self, operation: &str, known: &[u32]) -> Option<u32> {
        let offered = self.0.get(operation)?;
        known.iter().copied().filter(|version| offered.contains(version)).max()
    }
}

/// Publishers and the mirrors that they name.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Vec<Url>>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let all = value
        .get("publishers")
        .and_then(Value::as_array)
        .ok_or("\"publishers\" is missing or no list")?;
    let mut publishers = BTreeMap::new();
    for publisher in all {
        let name =
            publisher.get("name").and_then(Value::as_str).ok_or("a publisher has no \"name\"")?;
        let repositories = publisher.get("repositories").and_then(Value::as_array);
        let mirrors = repositories
            .into_iter()
            .flatten()
            .filter_map(|repository| repository.get("mirrors").and_then(Value::as_array))
            .flatten()
            .filter_map(|mirror| mirror.as_str().or_else(|| mirror.get("uri")?.as_str()))
            .filter_map(|text| Url::parse(text).ok())
            .filter(fetch::Client::supports)
            .collect();
        publishers.insert(name.to_owned(), mirrors);
    }
    if publishers.is_empty() { Err("it has no publishers".to_owned()) } else { Ok(publishers) }
}

/// The JSON for some publishers.
pub(crate) fn print(names: &[String]) -> String {
    let publishers: Vec<Value> = names
        .iter()
        .map(|name| json!({"alias": null, "name": name, "packages": [], "repositories": []}))
        .collect();
    let whole = json!({"packages": [], "publishers": publishers, "version": 1});
    format!("{whole:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations() {
        let versions = Versions::parse("pkg-server 0.5\nfile 0 1 2\ncatalog 1\n\nodd x 3\n");
        assert_eq!(versions.choose("file", &[0, 1]), Some(1));
        assert_eq!(versions.choose("catalog", &[0]), None);
        assert_eq!(versions.choose("manifest", &[0]), None);
        assert_eq!(versions.choose("odd", &[3]), Some(3));
        assert_eq!(versions.choose("pkg-server", &[0]), None);
    }

    #[test]
    fn publishers_and_mirrors() {
        let text = r#"{"packages": [], "publishers": [
            {"alias": null, "name": "a.example", "packages": [], "repositories": [
                {"origins": ["http://one.example.com/"],
                 "mirrors": ["http://two.example.com/", {"uri": "https://three.example.com/x"},
                    "file:///etc", "nonsense"]}]},
            {"name": "b"}], "version": 1}"#;
        let publishers = parse(text).unwrap();
        let mirrors: Vec<&str> = publishers["a.example"].iter().map(Url::as_str).collect();
        assert_eq!(mirrors, ["http://two.example.com/", "https://three.example.com/x"]);
        assert!(publishers["b"].is_empty());
        assert_eq!(parse(&print(&["p".to_owned()])).unwrap().len(), 1);
        for bad in ["", "[]", "{}", "{\"publishers\": [{}]}", "{\"publishers\": []}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
