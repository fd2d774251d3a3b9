//! The file that is sent.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use proto::Digest;
use sha2::Digest as _;

use crate::Error;

/// The most that racks take: 4 GiB.
pub const LIMIT: u64 = 4 << 30;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// A repository that may be sent.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    file: File,
    /// What it should be, where that is known.
    expected: Option<Digest>,
}

impl Payload {
    pub(crate) fn open(path: &Path, expected: Option<Digest>) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        if !metadata.is_file() {
            let source = std::io::Error::other("it is no regular file");
            return Err(Error::Io { doing: "send", path: path.to_owned(), source });
        }
        let size = metadata.len();
        if size > LIMIT {
            return Err(Error::TooLarge { path: path.to_owned(), size, limit: LIMIT });
        }
        Ok(Self { path: path.to_owned(), size, file, expected })
    }

    /// Reads it from the start.
    pub(crate) fn chunks(&self) -> Chunks<'_> {
        Chunks { payload: self, at: 0, sha256: sha2::Sha256::new() }
    }
}

/// The bytes of a payload in order. The last ones come only if the file is still what it was.
pub(crate) struct Chunks<'a> {
    payload: &'a Payload,
    at: u64,
    sha256: sha2::Sha256,
}

impl Chunks<'_> {
    /// The next bytes; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Payload { path, size, file, expected } = self.payload;
        if self.at == *size {
            return Ok(None);
        }
        let changed = |problem: String| Error::Changed { path: path.clone(), problem };
        let left = usize::try_from(size - self.at).unwrap_or(usize::MAX);
        let mut chunk = vec![0; left.min(CHUNK)];
        file.read_exact_at(&mut chunk, self.at).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => changed(format!("it had {size} bytes")),
            _ => Error::io("read", path)(error),
        })?;
        self.at += chunk.len() as u64;
        self.sha256.update(&chunk);
        if self.at == *size {
            let now = file.metadata().map_err(Error::io("read", path))?.len();
            if now != *size {
                return Err(changed(format!("it had {size} bytes and has {now} now")));
            }
            let sha256 = Digest(self.sha256.clone().finalize().into());
            if let Some(expected) = expected.filter(|expected| *expected != sha256) {
                return Err(changed(format!("its sha256 was {expected} and is {sha256}")));
            }
        }
        Ok(Some(chunk))
    }

    /// The SHA-256 of what was read.
    pub(crate) fn sha256(&self) -> Digest {
        Digest(self.sha256.clone().finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_comes_only_if_nothing_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("repo.zip");
        let bytes = vec![7; CHUNK + 1];
        let read = |payload: &Payload| {
            let mut chunks = payload.chunks();
            let mut read = Vec::new();
            while let Some(chunk) =
                chunks.next().map_err(|error| (read.len(), error.to_string()))?
            {
                read.extend(chunk);
            }
            Ok::<_, (usize, String)>((read, chunks.sha256()))
        };
        std::fs::write(&path, &bytes).unwrap();
        let digest = Digest::of(&bytes);
        let payload = Payload::open(&path, Some(digest)).unwrap();
        assert!(read(&payload).unwrap() == (bytes.clone(), digest));
        assert!(read(&payload).is_ok(), "from the start again");

        std::fs::write(&path, vec![8; CHUNK + 1]).unwrap();
        let (sent, problem) = read(&payload).unwrap_err();
        assert_eq!(sent, CHUNK);
        assert!(problem.contains("its sha256 was"), "{problem}");
        std::fs::write(&path, vec![7; CHUNK + 2]).unwrap();
        assert!(read(&payload).unwrap_err().1.contains("has 262146 now"));
        std::fs::write(&path, b"short").unwrap();
        assert_eq!(read(&payload).unwrap_err().0, 0);
    }

    #[test]
    fn what_no_rack_takes_is_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("repo.zip");
        let file = File::create(&path).unwrap();
        file.set_len(LIMIT + 1).unwrap();
        assert!(
            matches!(Payload::open(&path, None), Err(Error::TooLarge { size, .. }) if size == LIMIT + 1)
        );
        file.set_len(LIMIT).unwrap();
        assert_eq!(Payload::open(&path, None).unwrap().size, LIMIT);
        assert!(matches!(Payload::open(directory.path(), None), Err(Error::Io { .. })));
    }
}
