//! The data of a tar member as a plain reader.

use std::io::{self, Read};

use oxide_archive::TarReader;
use proto::Digest;
use sha2::Digest as _;

/// Reads and hashes the data of the current member. The error that an [`io::Error`] cannot carry is
/// kept beside.
pub(crate) struct MemberData<'a, R> {
    tar: &'a mut TarReader<R>,
    hasher: Option<sha2::Sha256>,
    pub(crate) failure: Option<oxide_archive::Error>,
}

impl<'a, R: Read> MemberData<'a, R> {
    pub(crate) fn new(tar: &'a mut TarReader<R>, hash: bool) -> Self {
        Self { tar, hasher: hash.then(sha2::Sha256::new), failure: None }
    }

    /// Reads what is left and gives the digest of everything, if one was wanted.
    pub(crate) fn finish(mut self) -> Result<Option<Digest>, oxide_archive::Error> {
        let result = io::copy(&mut self, &mut io::sink());
        match (result, self.failure) {
            (_, Some(failure)) => Err(failure),
            _ => Ok(self.hasher.map(|hasher| Digest(hasher.finalize().into()))),
        }
    }
}

impl<R: Read> Read for MemberData<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.tar.read_data(buffer) {
            Ok(count) => {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&buffer[..count]);
                }
                Ok(count)
            }
            Err(error) => {
                self.failure = Some(error);
                Err(io::Error::other("the archive is damaged"))
            }
        }
    }
}
