//! The `.z` form of what goes into a ROM: one zlib stream.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use gzip::{Level, ZlibWriter};
use oxide_archive::{OutputFile, Written};

use crate::Error;

/// Compresses a stream, e.g. the kernel from a proto root, to a file. `source` is what errors call
/// the stream.
pub fn compress(mut input: impl Read, source: &Path, output: &Path) -> Result<Written, Error> {
    let mut stream = ZlibWriter::new(OutputFile::create(output)?, Level::Best);
    io::copy(&mut input, &mut stream).map_err(Error::io("compress", source))?;
    Ok(stream.finish().map_err(Error::io("write", output))?.commit()?)
}

/// Compresses a file, e.g. `cpio` to `cpio.z`.
pub fn compress_file(input: &Path, output: &Path) -> Result<Written, Error> {
    compress(File::open(input).map_err(Error::io("open", input))?, input, output)
}
