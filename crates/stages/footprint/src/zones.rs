//! Which paths of an image are zone images.

use std::collections::BTreeMap;

use proto::ProtoPath;

/// Where zone images are in a tree.
///
/// By default `opt/oxide/NAME.tar.gz` is that of the zone NAME; further places can be added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zones {
    places: BTreeMap<ProtoPath, String>,
}

impl Zones {
    /// Counts a path and everything below it as part of a zone.
    pub fn with(mut self, path: ProtoPath, zone: impl Into<String>) -> Self {
        self.places.insert(path, zone.into());
        self
    }

    /// The zone that a path belongs to.
    pub fn zone_of<'a>(&'a self, path: &'a ProtoPath) -> Option<&'a str> {
        let mut place = Some(path.clone());
        while let Some(at) = place {
            if let Some(zone) = self.places.get(&at) {
                return Some(zone);
            }
            place = at.parent();
        }
        let name = path.as_str()?.strip_prefix("opt/oxide/")?.strip_suffix(".tar.gz")?;
        (!name.contains('/')).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_images_are_found_by_place() {
        let path = |text| ProtoPath::new(text).unwrap();
        let zones = Zones::default().with(path("zones/ntp"), "time");
        let zone = |text| zones.zone_of(&path(text)).map(str::to_owned);
        assert_eq!(zone("opt/oxide/propolis-server.tar.gz").as_deref(), Some("propolis-server"));
        assert_eq!(zone("opt/oxide/a/b.tar.gz"), None);
        assert_eq!(zone("opt/oxide/a"), None);
        assert_eq!(zone("zones/ntp/root/etc").as_deref(), Some("time"));
        assert_eq!(zone("zones/ntp2"), None);
    }
}
