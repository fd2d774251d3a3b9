//! The store itself.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proto::Digest;
use sha2::Digest as _;

use crate::{Error, Name, Partial, Record};

/// Says that a directory is a store, and of which layout.
const MARK: &str = "CACHEDIR.TAG";
/// The first line is what backup programs look for; the second is ours.
const MARK_TEXT: &str =
    "Signature: 8a477f597d28d172789f06886806bc55\n# store of cargo xtask, layout 1\n";

/// Uses within this time are not noted one by one.
const FRESH: Duration = Duration::from_secs(3600);

/// A content-addressed store, shared with other processes. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    blobs: proto::Store,
    /// Held shared, so that nobody collects what is in use.
    _lock: Arc<File>,
}

impl Store {
    /// Opens a store, and makes it if need be. Waits while another process collects it.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, Error> {
        let root = root.as_ref();
        let lock = lock_file(root)?;
        lock.lock_shared().map_err(Error::io("lock", root))?;
        Self::with_lock(root, lock)
    }

    /// Opens a store for this process alone.
    pub(crate) fn open_alone(root: &Path) -> Result<Self, Error> {
        let lock = lock_file(root)?;
        match lock.try_lock() {
            Ok(()) => Self::with_lock(root, lock),
            Err(fs::TryLockError::WouldBlock) => Err(Error::InUse { path: root.to_owned() }),
            Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", root)(error)),
        }
    }

    fn with_lock(root: &Path, lock: File) -> Result<Self, Error> {
        let directory = root.join("blobs");
        let blobs = proto::Store::create(&directory)
            .map_err(|error| Error::io("create", &directory)(io::Error::other(error)))?;
        for name in ["names", "partial"] {
            let path = root.join(name);
            fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        }
        Ok(Self { root: root.to_owned(), blobs, _lock: Arc::new(lock) })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn blobs(&self) -> &proto::Store {
        &self.blobs
    }

    fn record_path(&self, name: &Name) -> PathBuf {
        let hashed = name.hashed();
        self.root.join("names").join(name.kind()).join(&hashed[..2]).join(hashed)
    }

    /// Which blob has a name, if its blob is there. The bytes are not read: see
    /// [`Store::open_name`].
    pub fn find(&self, name: &Name) -> Result<Option<Record>, Error> {
        let path = self.record_path(name);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(Error::io("read", &path))?,
        };
        // A record that cannot be read is damage: as if it were not there.
        let Ok(record) = serde_json::from_slice::<Record>(&bytes) else { return Ok(None) };
        if record.key != name.key() {
            return Ok(None);
        }
        let blob = fs::metadata(self.blobs.path_of(&record.digest));
        Ok(blob.is_ok_and(|blob| blob.len() == record.size).then_some(record))
    }

    /// Opens the blob that has a name. None when there is none, or it was damaged.
    pub fn open_name(&self, name: &Name) -> Result<Option<(File, Record)>, Error> {
        let Some(record) = self.find(name)? else { return Ok(None) };
        Ok(self.open_blob(&record.digest)?.map(|file| (file, record)))
    }

    /// Whether there is a blob. Its bytes are not read: see [`Store::open_blob`].
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blobs.path_of(digest).exists()
    }

    /// Opens a blob after reading it once to check it. One that is damaged is set aside, and none
    /// is returned.
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<File>, Error> {
        let path = self.blobs.path_of(digest);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(Error::io("open", &path))?,
        };
        // A disk that cannot give the bytes back is damage, too.
        if !digest_of(&mut file).is_ok_and(|(actual, _)| actual == *digest) {
            self.set_aside(digest)?;
            return Ok(None);
        }
        file.rewind().map_err(Error::io("read", &path))?;
        note_use(&file);
        Ok(Some(file))
    }

    /// Reads the blob that has a name, for those known to be small.
    pub fn read_name(&self, name: &Name) -> Result<Option<Vec<u8>>, Error> {
        match self.find(name)? {
            Some(record) => self.read_blob(&record.digest),
            None => Ok(None),
        }
    }

    /// Reads a blob that is known to be small: once, as it is checked in memory. One that is
    /// damaged is set aside, and none is returned.
    pub fn read_blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Error> {
        let path = self.blobs.path_of(digest);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(Error::io("open", &path))?,
        };
        let mut bytes = Vec::new();
        if file.read_to_end(&mut bytes).is_err() || Digest::of(&bytes) != *digest {
            self.set_aside(digest)?;
            return Ok(None);
        }
        note_use(&file);
        Ok(Some(bytes))
    }

    /// Stores everything a reader gives, under a name.
    pub fn add(&self, name: &Name, reader: impl Read) -> Result<Record, Error> {
        let path = self.root.join("blobs");
        let content = self.blobs.add(reader).map_err(Error::io("write a file in", &path))?;
        let digest = content.digest.ok_or_else(|| {
            Error::io("write a file in", &path)(io::Error::other("it has no digest"))
        })?;
        // What was there under this digest may be damaged: it is not what was just written.
        self.repair(&digest, content.size)?;
        self.put(name, digest, content.size)
    }

    /// The file of a name while it is being fetched, for this process alone. Waits while another
    /// one fetches it: look for the name again before going on.
    pub fn partial(&self, name: &Name) -> Result<Partial, Error> {
        let file = format!("{}-{}", name.kind(), name.hashed());
        Partial::open(self.root.join("partial").join(file))
    }

    /// Makes a complete file the blob of a name.
    pub fn keep(&self, partial: Partial, name: &Name) -> Result<Record, Error> {
        let (digest, size) = partial.digest()?;
        let path = self.blobs.path_of(&digest);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        // A record without its blob says nothing. So both become visible with the new name of the
        // file, which lets go of the partial one: nobody can open that and not find this.
        let record = self.put(name, digest, size)?;
        // Replaces what is there, which has the same bytes unless it is damaged.
        partial.rename(&path)?;
        Ok(record)
    }

    fn put(&self, name: &Name, digest: Digest, size: u64) -> Result<Record, Error> {
        let record = Record { key: name.key().to_owned(), digest, size };
        let path = self.record_path(name);
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let text = serde_json::to_vec(&record)
            .map_err(|error| Error::io("write", &path)(io::Error::other(error)))?;
        write(parent, &path, &text).map_err(Error::io("write", &path))?;
        Ok(record)
    }

    fn repair(&self, digest: &Digest, size: u64) -> Result<(), Error> {
        let there = fs::metadata(self.blobs.path_of(digest));
        if there.is_ok_and(|there| there.len() != size) {
            self.set_aside(digest)?;
        }
        Ok(())
    }

    /// Moves a damaged blob out of the way; it is kept for whoever wants to know what happened.
    pub(crate) fn set_aside(&self, digest: &Digest) -> Result<PathBuf, Error> {
        let directory = self.root.join("damaged");
        fs::create_dir_all(&directory).map_err(Error::io("create", &directory))?;
        let (from, to) = (self.blobs.path_of(digest), directory.join(digest.to_string()));
        match fs::rename(&from, &to) {
            // Another process found it first.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(to),
            result => result.map(|()| to).map_err(Error::io("set aside", from)),
        }
    }
}

/// Opens the lock of a store; makes the store if the directory is empty or missing.
fn lock_file(root: &Path) -> Result<File, Error> {
    fs::create_dir_all(root).map_err(Error::io("create", root))?;
    let mark = root.join(MARK);
    match fs::read_to_string(&mark) {
        Ok(text) if text == MARK_TEXT => {}
        Ok(_) => {
            let problem = format!("{MARK} is not of a store of this layout");
            return Err(Error::NotAStore { path: root.to_owned(), problem });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut entries = fs::read_dir(root).map_err(Error::io("read", root))?;
            // Another process may be making it at this moment: that begins with a hidden file.
            if let Some(other) = entries.find_map(|entry| {
                let name = entry.ok()?.file_name();
                let known = name == MARK || name.to_string_lossy().starts_with('.');
                (!known && !mark.exists()).then_some(name)
            }) {
                let problem = format!("it holds {}", Path::new(&other).display());
                return Err(Error::NotAStore { path: root.to_owned(), problem });
            }
            write(root, &mark, MARK_TEXT.as_bytes()).map_err(Error::io("write", &mark))?;
        }
        Err(error) => return Err(Error::io("read", &mark)(error)),
    }
    let path = root.join("lock");
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::io("open", path))
}

fn write(parent: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The digest of everything from the current place on, and how much that is.
pub(crate) fn digest_of(reader: &mut impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((Digest(hasher.finalize().into()), size)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The time of a blob is that of its last use, for whoever collects. It never gets into a result.
fn note_use(file: &File) {
    let now = SystemTime::now();
    let recent = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|time| now.duration_since(time).is_ok_and(|age| age < FRESH));
    if !recent {
        // A store that cannot be written to still serves.
        let _ = file.set_modified(now);
    }
}
