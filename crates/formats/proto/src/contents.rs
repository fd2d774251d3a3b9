//! Where the bytes of a proto's regular files are.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use crate::{Digest, Error, FileContent, ProtoPath};

/// A directory of files named by their SHA-256: `DIR/ab/abcdef…`.
///
/// Files appear under their name complete or not at all; writing the same bytes twice is free of
/// effect. Nothing is ever changed in place, so that several protos may share a store.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

/// The contents of a proto: by digest in a store, else by path in a directory.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Takes new files.
    pub store: Store,
    /// The imported directory, if the proto came from one.
    pub tree: Option<PathBuf>,
}

/// Bytes that are read at once.
const BUFFER_SIZE: usize = 128 * 1024;

thread_local! {
    /// What is read through, used again for each file.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads until a buffer is full or the reader ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Store {
    /// Opens a store and makes its directory if need be.
    pub fn create(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref().to_owned();
        fs::create_dir_all(&directory).map_err(Error::io("create", &directory))?;
        Ok(Self { directory })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the file with this digest is, or would be.
    pub fn path_of(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.directory.join(&name[..2]).join(name)
    }

    /// Stores everything a reader gives.
    pub fn add(&self, reader: impl Read) -> io::Result<FileContent> {
        BUFFER.with(|buffer| match buffer.try_borrow_mut() {
            Ok(mut buffer) => self.add_through(reader, &mut buffer),
            // The reader itself stores something.
            Err(_) => self.add_through(reader, &mut Vec::new()),
        })
    }

    fn add_through(&self, mut reader: impl Read, buffer: &mut Vec<u8>) -> io::Result<FileContent> {
        buffer.resize(BUFFER_SIZE, 0);
        let mut hasher = sha2::Sha256::new();
        let mut count = fill(&mut reader, buffer)?;
        hasher.update(&buffer[..count]);
        if count < buffer.len() {
            // Most files are small: nothing is written of those that are there already.
            let digest = Digest(hasher.finalize().into());
            let path = self.path_of(&digest);
            if !path.exists() {
                // In the directory where it stays: renaming across directories is one at a time in
                // a whole file system.
                let group = path.parent().unwrap_or(&self.directory);
                let mut temporary = match tempfile::NamedTempFile::new_in(group) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        fs::create_dir_all(group)?;
                        tempfile::NamedTempFile::new_in(group)?
                    }
                    made => made?,
                };
                temporary.write_all(&buffer[..count])?;
                temporary.persist(&path).map_err(|error| error.error)?;
            }
            return Ok(FileContent { size: count as u64, digest: Some(digest) });
        }
        let mut temporary = tempfile::NamedTempFile::new_in(&self.directory)?;
        let mut size = 0;
        while count > 0 {
            size += count as u64;
            // Runs of zeros become holes, so that sparse files take no more than they must.
            if buffer[..count].iter().all(|&byte| byte == 0) {
                temporary.seek(SeekFrom::Start(size))?;
            } else {
                temporary.write_all(&buffer[..count])?;
            }
            count = fill(&mut reader, buffer)?;
            hasher.update(&buffer[..count]);
        }
        temporary.as_file().set_len(size)?;
        let digest = Digest(hasher.finalize().into());
        if !self.path_of(&digest).exists() {
            self.persist(temporary, &digest)?;
        }
        Ok(FileContent { size, digest: Some(digest) })
    }

    /// Gives a finished file its name; the directory of the first with such a name is made.
    fn persist(&self, temporary: tempfile::NamedTempFile, digest: &Digest) -> io::Result<()> {
        let path = self.path_of(digest);
        match temporary.persist(&path) {
            Ok(_) => Ok(()),
            Err(failed) if failed.error.kind() == io::ErrorKind::NotFound => {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                failed.file.persist(&path).map(drop).map_err(|error| error.error)
            }
            Err(failed) => Err(failed.error),
        }
    }

    /// Stores bytes that are in memory.
    pub fn add_bytes(&self, bytes: &[u8]) -> io::Result<FileContent> {
        self.add(bytes)
    }

    /// Stores a copy of a file.
    pub fn add_file(&self, path: impl AsRef<Path>) -> Result<FileContent, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::io("open", path))?;
        self.add(file).map_err(Error::io("store a copy of", path))
    }
}

impl Contents {
    /// Contents that are all in a store.
    pub(crate) fn in_store(store: Store) -> Self {
        Self { store, tree: None }
    }

    /// The file on disk that holds the bytes of a path.
    pub fn locate(&self, path: &ProtoPath, content: &FileContent) -> Result<PathBuf, Error> {
        if let Some(digest) = &content.digest {
            let stored = self.store.path_of(digest);
            if stored.exists() {
                return Ok(stored);
            }
        }
        if let Some(tree) = &self.tree {
            let file = path.below(tree);
            if file.symlink_metadata().is_ok_and(|m| m.is_file()) {
                return Ok(file);
            }
        }
        Err(Error::NoContent { path: path.clone(), digest: content.digest })
    }

    /// Opens the bytes of a path; a file of another length than its manifest says is an error.
    pub fn open(&self, path: &ProtoPath, content: &FileContent) -> Result<File, Error> {
        let file_path = self.locate(path, content)?;
        let file = File::open(&file_path).map_err(Error::io("open", &file_path))?;
        let size = file.metadata().map_err(Error::io("examine", &file_path))?.len();
        if size != content.size {
            return Err(Error::Changed {
                path: path.clone(),
                file: file_path,
                problem: format!("is {size} bytes long, the manifest says {}", content.size),
            });
        }
        Ok(file)
    }

    /// The whole bytes of a path, for files known to be small.
    pub fn read(&self, path: &ProtoPath, content: &FileContent) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(content.size.min(1 << 20) as usize);
        self.open(path, content)?
            .read_to_end(&mut bytes)
            .map_err(Error::io("read", path.to_string()))?;
        Ok(bytes)
    }
}
