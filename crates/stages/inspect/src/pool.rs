//! ZFS pool images: every block is read and compared with its checksum.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use zpool_image::Error;
use zpool_image::reader::{Counts, Image};

use crate::Damage;
use crate::inspection::{Inspection, Item};

/// Labels stand at multiples of this.
const LABEL: u64 = 256 << 10;
/// Where the packed name-value list begins in a label.
const LIST: u64 = 16 << 10;
/// XDR, written by a little-endian or a big-endian machine.
const PACKED: [[u8; 4]; 2] = [[1, 1, 0, 0], [1, 0, 0, 0]];

/// Whether one of the first two labels is there. The file is at its start afterwards.
pub(crate) fn is_pool(file: &mut File) -> io::Result<bool> {
    let mut found = false;
    for label in [0, LABEL] {
        let mut start = [0; 4];
        file.seek(SeekFrom::Start(label + LIST))?;
        found |= file.read_exact(&mut start).is_ok() && PACKED.contains(&start);
    }
    file.rewind()?;
    Ok(found)
}

/// Looks into the pool that is `size` bytes of a file from `start` on.
pub(crate) fn look(
    inspection: &mut Inspection,
    file: File,
    start: u64,
    size: u64,
) -> io::Result<()> {
    let path = inspection.path.clone();
    match read(inspection, file, &path, start, size) {
        Ok(()) => Ok(()),
        Err(Error::Damaged { problem, .. }) => {
            inspection.damage.push(Damage::new(problem).inside("pool"));
            Ok(())
        }
        // Not our business to call it damaged.
        Err(Error::Unknown { what, .. }) => {
            inspection.fact("not looked into", format!("it uses {what}"));
            Ok(())
        }
        Err(Error::Io { source, .. }) => Err(source),
        Err(other) => Err(io::Error::other(other)),
    }
}

fn read(
    inspection: &mut Inspection,
    file: File,
    path: &Path,
    start: u64,
    size: u64,
) -> Result<(), Error> {
    let image = Image::open_part(file, path, start, size)?;
    inspection.fact("pool", image.name());
    inspection.fact("pool guid", image.guid());
    inspection.fact("pool version", image.version());
    inspection.fact("ashift", image.ashift());
    inspection.fact("uberblock txg", image.txg());
    let verification = image.verify()?;
    if let Some(reason) = &verification.space.not_compared {
        inspection.fact("space maps", format!("not compared: {reason}"));
    } else {
        inspection.fact("allocated", verification.space.allocated);
    }
    inspection.entries.extend(verification.counts.iter().filter_map(item));
    for finding in verification.findings {
        inspection.damage.push(Damage::new(finding.to_string()).inside("pool"));
    }
    Ok(())
}

/// A dataset or snapshot; the pool's own objects are none.
fn item(counts: &Counts) -> Option<Item> {
    let name = counts.dataset.clone()?;
    let item_type = if name.contains('@') { "snapshot" } else { "dataset" };
    let note = format!(
        "{} files, {} directories, {} others; {} bytes stored",
        counts.files, counts.directories, counts.others, counts.stored
    );
    Some(Item {
        name,
        item_type: item_type.to_owned(),
        size: counts.content,
        note: Some(note),
        ..Item::default()
    })
}
