//! `status/0`: how much there is, and since when.

use std::collections::BTreeMap;

use bytes::Bytes;
use ips::CatalogAttributes;
use serde_json::{Map, Value, json};

/// The JSON for some publishers, from what their catalogs say of themselves. Numbers of requests
/// are not counted.
pub(crate) fn print(
    publishers: &[String],
    default: &str,
    catalogs: &BTreeMap<(String, String), Bytes>,
) -> String {
    let mut all = Map::new();
    for publisher in publishers {
        let key = (publisher.clone(), CatalogAttributes::FILE.to_owned());
        let attributes: Value = catalogs
            .get(&key)
            .and_then(|text| serde_json::from_slice(text).ok())
            .unwrap_or_default();
        let one = json!({
            "last-catalog-update": attributes["last-modified"].as_str().unwrap_or_default(),
            "package-count": attributes["package-count"].as_u64().unwrap_or_default(),
            "package-version-count":
                attributes["package-version-count"].as_u64().unwrap_or_default(),
            "status": "online",
        });
        all.insert(publisher.clone(), one);
    }
    let whole = json!({
        "repository": {
            "configuration": {"publisher": {"prefix": default}},
            "publishers": all,
            "requests": {},
            "status": "online",
            "version": 4,
        },
        "version": 1,
    });
    format!("{whole:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_that_says_nothing_is_empty() {
        let names = ["a".to_owned(), "b".to_owned()];
        let text = r#"{"last-modified": "20260102T030405Z", "package-count": 3}"#;
        let catalogs = [(("a".to_owned(), "catalog.attrs".to_owned()), Bytes::from(text))].into();
        let status: Value = serde_json::from_str(&print(&names, "a", &catalogs)).unwrap();
        let publishers = &status["repository"]["publishers"];
        assert_eq!(publishers["a"]["package-count"], 3);
        assert_eq!(publishers["a"]["last-catalog-update"], "20260102T030405Z");
        assert_eq!(publishers["b"]["package-count"], 0);
        assert_eq!(publishers["b"]["last-catalog-update"], "");
    }
}
