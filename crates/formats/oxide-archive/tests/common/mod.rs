//! Small archives for tests.

#![allow(dead_code, reason = "no test uses everything")]

use std::path::{Path, PathBuf};

use gzip::{GzipWriter, Level};
use oxide_archive::{ArchiveType, Metadata, Writer};
use proto::Mtime;

/// A tar that is put together call by call.
pub(crate) struct Tar(pub(crate) Writer<Vec<u8>>);

/// A layer with nothing in it yet.
pub(crate) fn layer() -> Tar {
    let metadata = Metadata::new(ArchiveType::Layer);
    Tar(Writer::new(Vec::new(), "test".as_ref(), &metadata, 0).unwrap())
}

/// An empty tar.
pub(crate) fn plain() -> Tar {
    Tar(Writer::plain(Vec::new(), "test".as_ref()))
}

pub(crate) fn owner(mode: u32) -> proto::Metadata {
    proto::Metadata::owned(mode, verifiers::mapped(5), verifiers::mapped(6))
        .at(Mtime::from_seconds(1_234_567_890))
}

impl Tar {
    pub(crate) fn directory(mut self, name: &str, mode: u32) -> Self {
        self.0.directory(name, owner(mode)).unwrap();
        self
    }

    pub(crate) fn file(mut self, name: impl AsRef<[u8]>, mode: u32, data: &[u8]) -> Self {
        self.0.file_bytes(name, owner(mode), data).unwrap();
        self
    }

    pub(crate) fn symlink(mut self, name: &str, target: &str) -> Self {
        self.0.symlink(name, target, owner(0o777)).unwrap();
        self
    }

    pub(crate) fn hardlink(mut self, name: &str, target: &str) -> Self {
        self.0.hardlink(name, target, owner(0o644)).unwrap();
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.finish().unwrap()
    }

    /// Compresses the tar to a file.
    pub(crate) fn write(self, directory: &Path) -> PathBuf {
        write(directory, &gzipped(&self.bytes()))
    }
}

pub(crate) fn gzipped(data: &[u8]) -> Vec<u8> {
    let mut writer = GzipWriter::new(Vec::new(), Level::Fast);
    std::io::Write::write_all(&mut writer, data).unwrap();
    writer.finish().unwrap()
}

pub(crate) fn write(directory: &Path, bytes: &[u8]) -> PathBuf {
    let path = directory.join("archive.tar.gz");
    std::fs::write(&path, bytes).unwrap();
    path
}
