//! ZFS pool images: their labels. What the labels say of the blocks is not followed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use sha2::Digest as _;

use crate::Damage;
use crate::inspection::Inspection;

/// A label stands twice at the start and twice at the end of a device.
const LABEL: u64 = 256 << 10;
/// The packed name-value list within a label.
const LIST: std::ops::Range<usize> = (16 << 10)..(128 << 10);
const UBERBLOCK_MAGIC: u64 = 0x00ba_b10c;
const TRAILER_MAGIC: u64 = 0x0210_da7a_b10c_7a11;
/// XDR, written by a little-endian or a big-endian machine.
const PACKED: [[u8; 4]; 2] = [[1, 1, 0, 0], [1, 0, 0, 0]];

/// Whether one of the first two labels is there. The file is at its start afterwards.
pub(crate) fn is_pool(file: &mut File) -> io::Result<bool> {
    let mut found = false;
    for label in [0, LABEL] {
        let mut start = [0; 4];
        file.seek(SeekFrom::Start(label + LIST.start as u64))?;
        found |= file.read_exact(&mut start).is_ok() && PACKED.contains(&start);
    }
    file.rewind()?;
    Ok(found)
}

pub(crate) fn look(inspection: &mut Inspection, file: &mut File) -> io::Result<()> {
    let size = inspection.size / LABEL * LABEL;
    let mut newest: Option<(u64, u64, u64)> = None;
    let mut described = false;
    for (index, offset) in [0, LABEL, size.saturating_sub(2 * LABEL), size.saturating_sub(LABEL)]
        .into_iter()
        .enumerate()
    {
        let name = format!("label {index}");
        if size < 4 * LABEL && index > 1 {
            inspection.damage.push(Damage::new("the file is too short for it").inside(name));
            continue;
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut label = vec![0; LABEL as usize];
        if let Err(error) = file.read_exact(&mut label) {
            if error.kind() != io::ErrorKind::UnexpectedEof {
                return Err(error);
            }
            inspection.damage.push(Damage::new("the file is too short for it").inside(name));
            continue;
        }
        let at = offset + LIST.start as u64;
        if !sealed(&label[LIST], at) {
            inspection
                .damage
                .push(Damage::new("its name-value list has a wrong checksum").inside(name).at(at));
            continue;
        }
        let ring = &label[LIST.end..];
        let best = ring
            .chunks_exact(1 << 10)
            .filter(|slot| word(slot, 0) == UBERBLOCK_MAGIC)
            .map(|slot| (word(slot, 16), word(slot, 32), word(slot, 8)))
            .max();
        if best.is_none() {
            inspection.damage.push(Damage::new("it has no uberblock").inside(&name).at(offset));
        }
        newest = newest.max(best);
        if !described {
            described = true;
            match read_list(&label[LIST], 0) {
                Some(pairs) => {
                    for (key, value) in pairs {
                        inspection.fact(&key, value);
                    }
                }
                None => inspection
                    .damage
                    .push(Damage::new("its name-value list cannot be read").inside(name).at(at)),
            }
        }
    }
    if let Some((txg, timestamp, version)) = newest {
        inspection.fact("uberblock txg", txg);
        inspection.fact("uberblock version", version);
        if let Some(time) = i64::try_from(timestamp).ok().and_then(crate::stream::time) {
            inspection.fact("uberblock time", time);
        }
    }
    Ok(())
}

fn word(bytes: &[u8], offset: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(word)
}

/// Whether the trailer's SHA-256 is that of the region, which begins at `offset` of the device.
fn sealed(region: &[u8], offset: u64) -> bool {
    let (body, trailer) = region.split_at(region.len() - 40);
    if word(trailer, 0) != TRAILER_MAGIC {
        return false;
    }
    let mut hasher = sha2::Sha256::new();
    hasher.update(body);
    hasher.update(TRAILER_MAGIC.to_le_bytes());
    for value in [offset, 0, 0, 0] {
        hasher.update(value.to_le_bytes());
    }
    let digest: [u8; 32] = hasher.finalize().into();
    digest
        .chunks_exact(8)
        .zip(trailer[8..].chunks_exact(8))
        .all(|(ours, stored)| ours.iter().eq(stored.iter().rev()))
}

/// The numbers and texts at the top of a packed name-value list, and `ashift` and `asize` of the
/// device from the list inside it.
fn read_list(bytes: &[u8], depth: u8) -> Option<Vec<(String, String)>> {
    let mut input = Xdr(bytes.get(4..)?);
    let mut facts = Vec::new();
    input.number()?;
    input.number()?;
    loop {
        let encoded = input.number()? as usize;
        let decoded = input.number()?;
        if encoded == 0 && decoded == 0 {
            return Some(facts);
        }
        let mut pair = Xdr(input.take(encoded.checked_sub(8)?)?);
        let name = pair.text()?;
        let (kind, _count) = (pair.number()?, pair.number()?);
        let wanted = match &*name {
            "name" | "version" | "state" | "txg" | "hostname" => name.clone(),
            "pool_guid" => "pool guid".to_owned(),
            "ashift" | "asize" => name.clone(),
            _ if kind == 19 && depth == 0 => String::new(),
            _ => continue,
        };
        match kind {
            8 => facts.push((wanted, pair.wide()?.to_string())),
            9 => facts.push((wanted, pair.text()?)),
            // A list inside has the form of the whole without its first four bytes.
            19 if depth == 0 => facts.extend(
                read_list(&[&[1, 1, 0, 0], pair.0].concat(), depth + 1)?
                    .into_iter()
                    .filter(|(key, _)| key == "ashift" || key == "asize"),
            ),
            _ => {}
        }
    }
}

/// Reads XDR: big-endian words of four bytes.
struct Xdr<'a>(&'a [u8]);

impl<'a> Xdr<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn wide(&mut self) -> Option<u64> {
        Some(u64::from(self.number()?) << 32 | u64::from(self.number()?))
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        let text = String::from_utf8(self.take(length)?.to_vec()).ok()?;
        self.take(length.wrapping_neg() % 4)?;
        Some(text)
    }
}
