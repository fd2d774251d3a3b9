//! Where an image's packages came from.

use std::fmt::{Display, Formatter};
use std::path::PathBuf;

use proto::Proto;

use crate::Error;
use crate::generate::read_image;

/// Where an image's packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A repository or package archive, whether it is there or not.
    Path(PathBuf),
    /// A depot's address, `http:` or `https:`.
    Depot(String),
}

impl Location {
    /// A depot if it is an address of one, else a path.
    pub fn of(text: &str) -> Self {
        match ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
            true => Self::Depot(text.to_owned()),
            false => Self::Path(text.into()),
        }
    }

    /// A publisher's origin, if its kind is known here.
    fn of_uri(uri: &str) -> Option<Self> {
        match Self::of(uri) {
            Self::Path(_) => file_path(uri).map(Self::Path),
            depot => Some(depot),
        }
    }
}

impl Display for Location {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Depot(url) => url.fmt(f),
        }
    }
}

/// The origins of a proto's publishers, in the order in which they are searched, each once.
pub fn origins(proto: &Proto) -> Result<Vec<Location>, Error> {
    let image = read_image(proto)?;
    let mut found: Vec<Location> = Vec::new();
    let publishers = image.config.publishers.iter().filter(|publisher| !publisher.disabled);
    for uri in publishers.flat_map(|publisher| &publisher.origins) {
        if let Some(location) = Location::of_uri(uri)
            && !found.contains(&location)
        {
            found.push(location);
        }
    }
    Ok(found)
}

/// The path of a `file:` URI.
fn file_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file:")?;
    let path = match rest.strip_prefix("//") {
        Some(authority) => authority.strip_prefix("localhost").unwrap_or(authority),
        None => rest,
    };
    if !path.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    Some(PathBuf::from(String::from_utf8(bytes).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_uris() {
        let path = |uri| file_path(uri).map(|p| p.to_string_lossy().into_owned());
        assert_eq!(path("file:///srv/my%20repo/").as_deref(), Some("/srv/my repo/"));
        assert_eq!(path("file:/srv/repo").as_deref(), Some("/srv/repo"));
        assert_eq!(path("file://localhost/srv").as_deref(), Some("/srv"));
        for other in ["https://pkg.example.com/", "file://host/srv", "file:srv", "file:///a%zz"] {
            assert_eq!(path(other), None, "{other}");
        }
    }

    #[test]
    fn origins_are_paths_or_depots() {
        let depot = "https://pkg.example.com/dev";
        assert_eq!(Location::of(depot), Location::Depot(depot.to_owned()));
        assert_eq!(Location::of_uri(depot), Some(Location::of(depot)));
        assert_eq!(Location::of("all.p5p"), Location::Path("all.p5p".into()));
        assert_eq!(Location::of_uri("file:///srv"), Some(Location::Path("/srv".into())));
        assert_eq!(Location::of_uri("ftp://pkg.example.com"), None);
    }
}
