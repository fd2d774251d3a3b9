//! Where an image's packages came from.

use ips::Location;
use proto::Proto;

use crate::Error;
use crate::generate::read_image;

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
