//! Sparse files in tars: which parts of a file the member's data are; all else is zeros.
//!
//! Four forms are in use. GNU's old one keeps the map in the header block and in blocks after it
//! (type `S`). The pax forms 0.0 and 0.1 keep it in pax records, 1.0 as decimal lines before the
//! data. Source: the GNU tar manual, "Storing Sparse Files".

use std::collections::VecDeque;

use crate::header::{BLOCK, number};

/// More parts than any file has that is worth reading.
pub(crate) const MOST_PARTS: usize = 1 << 20;

/// The parts of a file that are left to read.
#[derive(Debug)]
pub(crate) struct Map {
    /// Offset and length of each part that has data, in order.
    parts: VecDeque<(u64, u64)>,
    position: u64,
    size: u64,
}

/// What comes next in a sparse file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Zeros.
    Hole(usize),
    /// Bytes of the member's data.
    Data(usize),
    /// The end of the file.
    End,
}

impl Map {
    /// A map of a file of `size` bytes whose parts have `stored` bytes together.
    pub(crate) fn new(parts: Vec<(u64, u64)>, size: u64, stored: u64) -> Result<Self, String> {
        let (mut end, mut sum) = (0, 0u64);
        for &(offset, length) in &parts {
            if offset < end {
                return Err("the parts of the sparse file overlap".to_owned());
            }
            end = offset
                .checked_add(length)
                .filter(|end| *end <= size)
                .ok_or("a part of the sparse file is beyond its end")?;
            sum = sum.saturating_add(length);
        }
        if sum != stored {
            return Err(format!(
                "the parts of the sparse file have {sum} bytes, its data {stored}"
            ));
        }
        let parts = parts.into_iter().filter(|(_, length)| *length > 0).collect();
        Ok(Self { parts, position: 0, size })
    }

    /// What the next bytes are, at most `wanted` of them.
    pub(crate) fn piece(&self, wanted: usize) -> Piece {
        let fit = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).min(wanted);
        match self.parts.front() {
            Some(&(offset, length)) if self.position >= offset => {
                Piece::Data(fit(offset + length - self.position))
            }
            Some(&(offset, _)) => Piece::Hole(fit(offset - self.position)),
            None if self.position < self.size => Piece::Hole(fit(self.size - self.position)),
            None => Piece::End,
        }
    }

    /// Passes over bytes that were read.
    pub(crate) fn advance(&mut self, count: usize) {
        self.position += count as u64;
        if let Some(&(offset, length)) = self.parts.front()
            && self.position >= offset + length
        {
            self.parts.pop_front();
        }
    }
}

/// The map in the header block of GNU's old form.
#[derive(Debug, Default)]
pub(crate) struct OldMap {
    pub(crate) parts: Vec<(u64, u64)>,
    pub(crate) size: u64,
    /// Whether another block of the map follows.
    pub(crate) continues: bool,
}

impl OldMap {
    pub(crate) fn parse(block: &[u8; BLOCK]) -> Result<Self, String> {
        let mut map = Self { size: unsigned(&block[483..495])?, ..Self::default() };
        map.add(&block[386..482])?;
        map.continues = block[482] != 0;
        Ok(map)
    }

    /// Adds a block that follows the header.
    pub(crate) fn extend(&mut self, block: &[u8; BLOCK]) -> Result<(), String> {
        self.add(&block[..504])?;
        self.continues = block[504] != 0;
        if self.parts.len() > MOST_PARTS {
            return Err("the sparse file has too many parts".to_owned());
        }
        Ok(())
    }

    fn add(&mut self, entries: &[u8]) -> Result<(), String> {
        for entry in entries.as_chunks::<24>().0 {
            // The list ends early with an empty entry.
            if entry[12] == 0 {
                break;
            }
            self.parts.push((unsigned(&entry[..12])?, unsigned(&entry[12..])?));
        }
        Ok(())
    }
}

/// What pax records say about a sparse file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    /// Offsets and lengths in turn.
    pub(crate) numbers: Vec<u64>,
    /// Whether the map stands before the data (form 1.0).
    pub(crate) in_data: bool,
}

impl Records {
    /// Takes the record of `GNU.sparse.` and this key.
    pub(crate) fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let wrong = || format!("pax GNU.sparse.{}: not understood", String::from_utf8_lossy(key));
        let decimal = |text: &[u8]| decimal(text).ok_or_else(wrong);
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"offset" | b"numbytes" => self.numbers.push(decimal(value)?),
            b"map" => {
                self.numbers =
                    value.split(|&byte| byte == b',').map(decimal).collect::<Result<_, _>>()?;
            }
            b"numblocks" => {}
            b"major" => match value {
                b"0" => {}
                b"1" => self.in_data = true,
                _ => return Err(wrong()),
            },
            b"minor" if matches!(value, b"0" | b"1") => {}
            _ => return Err(wrong()),
        }
        match self.numbers.len() > 2 * MOST_PARTS {
            true => Err("the sparse file has too many parts".to_owned()),
            false => Ok(()),
        }
    }

    /// The map that stands in records.
    pub(crate) fn parts(&self) -> Result<Vec<(u64, u64)>, String> {
        let (pairs, rest) = self.numbers.as_chunks::<2>();
        match rest {
            [] => Ok(pairs.iter().map(|&[offset, length]| (offset, length)).collect()),
            _ => Err("the map of the sparse file is cut off".to_owned()),
        }
    }
}

/// A decimal number without signs or blanks.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn unsigned(field: &[u8]) -> Result<u64, String> {
    let value = number(field, "map of the sparse file")?;
    u64::try_from(value).map_err(|_| "the map of the sparse file is negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_the_map() {
        let mut map = Map::new(vec![(3, 2), (5, 1), (10, 0)], 10, 3).unwrap();
        let mut pieces = Vec::new();
        loop {
            let piece = map.piece(4);
            match piece {
                Piece::Hole(count) | Piece::Data(count) => map.advance(count),
                Piece::End => break,
            }
            pieces.push(piece);
        }
        assert_eq!(pieces, [Piece::Hole(3), Piece::Data(2), Piece::Data(1), Piece::Hole(4)]);
    }

    #[test]
    fn impossible_maps_are_refused() {
        assert!(Map::new(vec![(3, 2), (4, 1)], 10, 3).unwrap_err().contains("overlap"));
        assert!(Map::new(vec![(9, 2)], 10, 2).unwrap_err().contains("beyond its end"));
        assert!(Map::new(vec![(u64::MAX, 2)], 10, 2).unwrap_err().contains("beyond its end"));
        assert!(Map::new(vec![(0, 2)], 10, 3).unwrap_err().contains("its data 3"));
        let mut records = Records::default();
        assert!(records.apply(b"map", b"1,x").is_err());
        assert!(records.apply(b"major", b"2").is_err());
        records.apply(b"map", b"1,2,3").unwrap();
        assert!(records.parts().is_err());
    }
}
