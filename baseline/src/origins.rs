//! Where an image's packages came from.

use std::path::PathBuf;

use proto::Proto;

use crate::Error;
use crate::generate::read_image;

/// The `file:` origins of a proto's publishers, whether they are there or not, in the order in
/// which they are searched, each once.
pub fn file_origins(proto: &Proto) -> Result<Vec<PathBuf>, Error> {
    let image = read_image(proto)?;
    let mut found: Vec<PathBuf> = Vec::new();
    let publishers = image.config.publishers.iter().filter(|publisher| !publisher.disabled);
    for uri in publishers.flat_map(|publisher| &publisher.origins) {
        if let Some(path) = file_path(uri)
            && !found.contains(&path)
        {
            found.push(path);
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
}
