//! The zip that is being written: beside its final name, and there by one rename.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use proto::Digest;

use crate::Error;
use crate::compression::{Method, PROBE};
use crate::zip::{Archive, Entry, Streamed, Writer, copy, hash_only};

/// A zip that appears when it is complete.
pub(crate) struct Output {
    temporary: tempfile::NamedTempFile,
    zip: Writer,
    out: PathBuf,
}

impl Output {
    /// Starts a zip beside `out`; all entries get one time.
    pub(crate) fn create(out: &Path, time: Timestamp) -> Result<Self, Error> {
        let directory = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let temporary =
            temporary_file(directory).map_err(Error::io("create a file beside", out))?;
        let file = temporary.as_file().try_clone().map_err(Error::io("write", out))?;
        Ok(Self { temporary, zip: Writer::new(file, time), out: out.to_owned() })
    }

    /// The final name.
    pub(crate) fn path(&self) -> &Path {
        &self.out
    }

    /// Writes one entry; `body` writes its contents in their stored form and says what they were.
    pub(crate) fn entry(
        &mut self,
        name: &str,
        method: Method,
        body: impl FnOnce(&mut (dyn Write + Send)) -> std::io::Result<Streamed> + Send,
    ) -> Result<Streamed, Error> {
        self.zip.entry(name, method, body).map_err(write_error(&self.out))
    }

    /// Writes an entry from memory.
    pub(crate) fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<Streamed, Error> {
        let method = Method::choose(&bytes[..bytes.len().min(PROBE)]);
        self.entry(name, method, |out| copy(&mut &bytes[..], method, out))
    }

    /// Takes over an entry of another zip without decompressing it. That it could not be copied may
    /// be said by what is written next.
    pub(crate) fn take_over(
        &mut self,
        name: &str,
        archive: &Arc<Archive>,
        entry: &Entry,
        sha256: Digest,
    ) -> Result<Streamed, Error> {
        let method = if entry.method == 0 { Method::Stored } else { Method::BEST };
        let Entry { size: length, stored, crc32, .. } = *entry;
        let streamed = Streamed { length, stored, crc32, sha256 };
        self.zip
            .take_over(name, method, streamed, archive, entry)
            .map_err(write_error(&self.out))?;
        Ok(streamed)
    }

    /// Gives the last entry another name of the same length.
    pub(crate) fn rename_last(&mut self, name: &str) {
        self.zip.rename_last(name);
    }

    /// Completes the zip and gives it its name. Returns its size and, if wanted, its SHA-256, for
    /// which all of it is read again.
    pub(crate) fn finish(self, digest: bool) -> Result<(u64, Option<Digest>), Error> {
        let Self { temporary, zip, out } = self;
        let (mut file, size) = zip.finish().map_err(write_error(&out))?;
        let mut sha256 = None;
        if digest {
            sha256 = Some(hash_only(&mut file).map_err(Error::io("read", &out))?.sha256);
        }
        persist(temporary, &out)?;
        Ok((size, sha256))
    }
}

fn persist(temporary: tempfile::NamedTempFile, out: &Path) -> Result<(), Error> {
    temporary.persist(out).map_err(|error| Error::io("write", out)(error.error))?;
    Ok(())
}

pub(crate) fn write_error(out: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = out.to_owned();
    move |error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => Error::TooLarge { path, problem: error.to_string() },
        _ => Error::io("write", path)(error),
    }
}

/// A file beside the output that is removed unless it is renamed. Its mode is what the umask
/// leaves of 0666, as for any file.
fn temporary_file(directory: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    tempfile::Builder::new()
        .prefix(".repo-")
        .suffix(".zip")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
}
