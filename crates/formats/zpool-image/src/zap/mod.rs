//! ZAP objects: names with values. Small ones fit one *micro* block; everything else is *fat*, a
//! hash table of leaf blocks.

mod fat;
mod hash;
mod micro;

pub(crate) use hash::salt;

/// A name and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry<'a> {
    /// The name, without a NUL.
    pub(crate) name: &'a [u8],
    /// The value.
    pub(crate) value: Value<'a>,
}

/// A value of a ZAP entry.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    /// One 64-bit number.
    Number(u64),
    /// Bytes; text carries its NUL.
    Bytes(&'a [u8]),
    /// 16-bit numbers.
    Shorts(&'a [u16]),
}

/// The data of a ZAP object: blocks of one size, one after another.
#[derive(Debug)]
pub(crate) struct Zap {
    /// Bytes in a block.
    pub(crate) block_size: usize,
    /// All blocks.
    pub(crate) bytes: Vec<u8>,
}

impl<'a> Entry<'a> {
    /// A name with a number.
    pub(crate) fn number(name: &'a (impl AsRef<[u8]> + ?Sized), value: u64) -> Self {
        Self { name: name.as_ref(), value: Value::Number(value) }
    }
}

/// Builds the smallest kind of ZAP that holds the entries. Names must be unique; `None` when there
/// are more of them than a table embedded in the largest block can address (over ten million).
pub(crate) fn build(entries: &[Entry<'_>], salt: u64) -> Option<Zap> {
    match micro::build(entries, salt) {
        Some(zap) => Some(zap),
        None => fat::build(entries, salt),
    }
}

/// Numbers the entries of equal hash, which readers tell apart by this number alone.
struct Differentiator {
    last: Option<u64>,
    next: u32,
}

impl Differentiator {
    fn new() -> Self {
        Self { last: None, next: 0 }
    }

    /// The number of the next entry; hashes come sorted.
    fn number(&mut self, hash: u64) -> u32 {
        if self.last != Some(hash) {
            self.last = Some(hash);
            self.next = 0;
        }
        self.next += 1;
        self.next - 1
    }
}
