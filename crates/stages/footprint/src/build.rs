//! Has an image written so that it fits.

use std::path::Path;

use proto::Proto;
use zpool_image::{Compression, Outcome, PoolOptions};

use crate::{Error, Footprint, Standing, Zones};

/// What is wanted of an image.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// How it is compressed.
    pub compression: Choice,
    /// Bytes it may have.
    pub budget: Option<u64>,
    /// Where zone images are in it.
    pub zones: Zones,
    /// An earlier record, which errors compare with.
    pub earlier: Option<Footprint>,
}

/// How the compression of a pool is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// As the pool's options say.
    #[default]
    AsGiven,
    /// Compressed or not, whichever takes less memory as a ramdisk.
    Smallest,
}

/// An image that fits.
#[derive(Debug, Clone)]
pub struct Built {
    /// What was written.
    pub outcome: Outcome,
    /// Where its bytes go.
    pub footprint: Footprint,
    /// How it stands to its budget, if it has one.
    pub standing: Option<Standing>,
    /// The compression of the root dataset.
    pub compression: Compression,
    /// Why, where that was to be chosen.
    pub smallest: Option<Smallest>,
}

/// Both forms of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smallest {
    /// The compression that was compared with none.
    pub compression: Compression,
    /// Bytes of the compressed image.
    pub compressed: u64,
    /// Bytes of the plain image; none if it does not fit the size that the options give.
    pub plain: Option<u64>,
}

impl Smallest {
    /// Whether the compressed form is the smaller one. Of two that are equal the plain one is
    /// taken: a running system need not decompress what it reads.
    pub fn is_compressed(&self) -> bool {
        self.plain.is_none_or(|plain| self.compressed < plain)
    }
}

impl std::fmt::Display for Smallest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        let Self { compression, compressed, .. } = self;
        match self.plain {
            None => write!(
                f,
                "compressed with {compression} ({} MiB of memory): a plain pool does not fit the \
                 size that was asked for",
                mebibytes(*compressed)
            ),
            Some(plain) if self.is_compressed() => write!(
                f,
                "compressed with {compression}: {} MiB of memory instead of {} MiB for a plain \
                 pool; the container adds nothing",
                mebibytes(*compressed),
                mebibytes(plain)
            ),
            Some(plain) => write!(
                f,
                "a plain pool: {} MiB of memory, with {compression} {} MiB; the container \
                 compresses it for transport, and nothing is decompressed while the system runs",
                mebibytes(plain),
                mebibytes(*compressed)
            ),
        }
    }
}

/// Has an image written, or planned, by `write`, and checks that it fits.
///
/// `write` makes the image of these trees with the options it is given and says what came of it;
/// called again, it begins anew. It does not put the image under its final name: the caller does,
/// when this returns without an error. `path` is what errors call the image.
pub fn build(
    trees: &[(&str, &Proto)],
    options: &PoolOptions,
    wish: &Wish,
    path: &Path,
    mut write: impl FnMut(&PoolOptions) -> Result<Outcome, zpool_image::Error>,
) -> Result<Built, Error> {
    let (outcome, compression, smallest) = match wish.compression {
        Choice::AsGiven => (write(options)?, options.compression, None),
        Choice::Smallest => {
            let (outcome, compression, smallest) = smaller(trees, options, path, &mut write)?;
            (outcome, compression, Some(smallest))
        }
    };
    let footprint = Footprint::of(&outcome, trees, &wish.zones);
    let standing = wish.budget.map(|budget| footprint.standing(budget));
    if let (Some(budget), Some(Standing::Exceeded { .. })) = (wish.budget, standing) {
        return Err(Error::Budget {
            path: path.to_owned(),
            size: footprint.pool.size,
            budget,
            explanation: footprint.explain(wish.earlier.as_ref()),
        });
    }
    Ok(Built { outcome, footprint, standing, compression, smallest })
}

/// Writes the compressed form, which nearly always is the smaller one, plans the plain one, which
/// is cheap, and writes that if it is smaller after all.
fn smaller(
    trees: &[(&str, &Proto)],
    options: &PoolOptions,
    path: &Path,
    write: &mut impl FnMut(&PoolOptions) -> Result<Outcome, zpool_image::Error>,
) -> Result<(Outcome, Compression, Smallest), Error> {
    let compression = match options.compression {
        Compression::Off => Compression::Gzip(9),
        given => given,
    };
    let plain = PoolOptions { compression: Compression::Off, ..options.clone() };
    let plain_size = match zpool_image::plan(trees, &plain, path) {
        Ok(outcome) => Some(outcome.report.size),
        Err(zpool_image::Error::TooSmall { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let outcome = write(&PoolOptions { compression, ..options.clone() })?;
    let smallest = Smallest { compression, compressed: outcome.report.size, plain: plain_size };
    if smallest.is_compressed() {
        return Ok((outcome, compression, smallest));
    }
    Ok((write(&plain)?, Compression::Off, smallest))
}
