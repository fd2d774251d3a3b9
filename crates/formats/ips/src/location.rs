//! Where packages are.

use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};

/// Where packages are, as people and publishers write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A repository or package archive, whether it is there or not.
    Path(PathBuf),
    /// A depot's address, `http:` or `https:`.
    Depot(String),
}

impl Location {
    /// A depot if it is an address of one, else a path.
    pub fn of(place: impl AsRef<Path>) -> Self {
        let place = place.as_ref();
        match place.to_str() {
            Some(text) if ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) => {
                Self::Depot(text.to_owned())
            }
            _ => Self::Path(place.to_owned()),
        }
    }

    /// A publisher's origin: a depot, or the path of a `file:` URI. None for URIs of other kinds.
    pub fn of_uri(uri: &str) -> Option<Self> {
        match Self::of(uri) {
            Self::Path(_) => file_path(uri).map(Self::Path),
            depot => Some(depot),
        }
    }

    /// Whether it is a depot's address.
    pub fn is_depot(&self) -> bool {
        matches!(self, Self::Depot(_))
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
        assert!(Location::of(depot).is_depot() && !Location::of("all.p5p").is_depot());
    }
}
