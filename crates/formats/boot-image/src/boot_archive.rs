//! The boot archive: a cpio of the files that the kernel needs before it has the ramdisk.

use std::path::Path;

use oxide_archive::{OutputFile, Written};
use proto::{Digest, Kind, Proto, ProtoPath};

use crate::{Error, FileList, cpio};

/// The last member: the SHA-256 of the phase-2 image that belongs to this archive, 32 bytes.
pub const CHECKSUM_NAME: &str = "boot_image_csum";

/// A boot archive that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootArchive {
    /// The file.
    pub file: Written,
    /// How many files are in it, [`CHECKSUM_NAME`] included.
    pub members: usize,
}

/// Writes the files of a list, in its order, and then the checksum of the phase-2 image.
///
/// A listed file that is missing, or is no regular file, is an error that names the line of the
/// list. All members get the time `mtime`, in seconds since the epoch.
pub fn write(
    proto: &Proto,
    list: &FileList,
    phase2: &Digest,
    mtime: u64,
    output: &Path,
) -> Result<BootArchive, Error> {
    check(proto, list)?;
    let mut writer = cpio::Writer::new(OutputFile::create(output)?, mtime);
    for listed in &list.entries {
        let Some((path, entry)) = proto.manifest.resolve_hardlink(&listed.path) else { continue };
        let Some(content) = entry.content() else { continue };
        let data = proto.contents.open(path, content)?;
        writer
            .file(listed.path.as_bytes(), &entry.metadata, content.size, data)
            .map_err(failed(&listed.path, output))?;
    }
    let checksum = ProtoPath::new(CHECKSUM_NAME).unwrap_or_default();
    writer
        .file(checksum.as_bytes(), &proto::Metadata::root(0o644), 32, &phase2.0[..])
        .map_err(failed(&checksum, output))?;
    let file = writer.finish().map_err(Error::io("write", output))?.commit()?;
    Ok(BootArchive { file, members: list.entries.len() + 1 })
}

/// Checks that every listed file is there, before anything is written.
pub fn check(proto: &Proto, list: &FileList) -> Result<(), Error> {
    for listed in &list.entries {
        let path = &listed.path;
        let bad = |problem| Error::List { path: list.path.clone(), line: listed.line, problem };
        if path.as_bytes() == CHECKSUM_NAME.as_bytes() {
            return Err(bad(format!("{path} is added by itself; take it off the list")));
        }
        match proto.manifest.resolve_hardlink(path).map(|(_, entry)| &entry.kind) {
            Some(Kind::File(_)) => {}
            Some(kind) => {
                let word = kind.word();
                return Err(bad(format!(
                    "{path} is a {word}; only files can be in a boot archive"
                )));
            }
            None => {
                return Err(bad(format!(
                    "{path} is not in the image; install the package that delivers it or take it \
                     off the list"
                )));
            }
        }
    }
    Ok(())
}

fn failed(path: &ProtoPath, output: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let (path, output) = (path.clone(), output.to_owned());
    move |error| match error.kind() {
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
            Error::Unwritable { path, problem: error.to_string() }
        }
        _ => Error::io("write", output)(error),
    }
}
