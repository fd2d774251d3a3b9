//! Opens archives, compressed or not.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::ahead::ReadAhead;
use crate::member::{Member, MemberKind};
use crate::metadata::{self, METADATA_NAME, Metadata};
use crate::{Error, TarReader};

/// Opens an archive on disk. Whether it is compressed is seen from its first bytes.
pub fn open(path: impl AsRef<Path>) -> Result<TarReader<Box<dyn Read + Send>>, Error> {
    let path = path.as_ref();
    let file = File::open(path).map_err(Error::io("open", path))?;
    open_stream(file, path)
}

/// The same for a file of which all will be wanted: what is compressed is inflated in a thread of
/// its own.
pub(crate) fn open_ahead(
    file: File,
    path: &Path,
) -> Result<TarReader<Box<dyn Read + Send>>, Error> {
    let (compressed, whole) = begin(file, path)?;
    let tar: Box<dyn Read + Send> = match compressed {
        true => {
            Box::new(ReadAhead::new(gzip::GzipReader::new(whole)).map_err(Error::io("read", path))?)
        }
        false => Box::new(whole),
    };
    Ok(TarReader::new(tar, path))
}

/// What archives elsewhere are compressed with. A tar that begins so would begin with an odd name.
const OTHER_METHODS: [(&[u8], &str); 3] =
    [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2")];

/// The same for any stream; `path` is what errors call it.
pub fn open_stream<'a>(
    input: impl Read + Send + 'a,
    path: impl AsRef<Path>,
) -> Result<TarReader<Box<dyn Read + Send + 'a>>, Error> {
    let path = path.as_ref();
    let (compressed, whole) = begin(input, path)?;
    let tar: Box<dyn Read + Send + 'a> =
        if compressed { Box::new(gzip::GzipReader::new(whole)) } else { Box::new(whole) };
    Ok(TarReader::new(tar, path))
}

/// What was read of a stream already, and the rest.
type Whole<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

/// Whether a stream is compressed, seen from its first bytes, and the stream with these.
fn begin<R: Read>(mut input: R, path: &Path) -> Result<(bool, Whole<R>), Error> {
    let mut start = Vec::new();
    input.by_ref().take(6).read_to_end(&mut start).map_err(Error::io("read", path))?;
    for (magic, method) in OTHER_METHODS {
        if start.starts_with(magic) {
            return Err(Error::Method { path: path.to_owned(), method });
        }
    }
    let compressed = start.starts_with(&[0x1f, 0x8b]);
    Ok((compressed, io::Cursor::new(start).chain(input)))
}

/// The metadata of an Oxide archive on disk. Only its beginning is read.
pub fn read_metadata(path: impl AsRef<Path>) -> Result<Metadata, Error> {
    let mut reader = open(path)?;
    let first = reader.next_member()?;
    metadata_member(&mut reader, first.as_ref())
}

/// Reads `oxide.json`, which must be the member that was just met.
pub(crate) fn metadata_member<R: Read>(
    reader: &mut TarReader<R>,
    first: Option<&Member>,
) -> Result<Metadata, Error> {
    let path = reader.path().to_owned();
    let wrong = |problem: String| Error::Metadata { path: path.clone(), problem };
    let Some(first) = first else {
        return Err(wrong("is missing: the archive is empty".into()));
    };
    if first.name != METADATA_NAME.as_bytes() {
        return Err(wrong(format!(
            "must be the first member, but that is {}",
            first.display_name()
        )));
    }
    if first.kind != MemberKind::File {
        return Err(wrong(format!("is a {}", first.kind.word())));
    }
    if first.size > metadata::LONGEST {
        return Err(wrong(format!(
            "has {} bytes, more than the {} that are read",
            first.size,
            metadata::LONGEST
        )));
    }
    let mut text = Vec::new();
    reader.read_all(&mut text)?;
    Metadata::from_json(&text).map_err(|problem| wrong(format!("cannot be read: {problem}")))
}
