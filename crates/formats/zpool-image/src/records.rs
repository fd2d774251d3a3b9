//! The records of regular files, read ahead and prepared on all processors, in their order.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::mpsc::{self, Receiver, TryRecvError};

use proto::{Contents, FileContent, ProtoPath};
use rayon::Yield;
use rustix::fs::{SeekFrom, seek};

use crate::Error;
use crate::compression::{Codec, Prepared};

/// Bytes that one thread prepares together.
const BATCH_BYTES: usize = 1 << 20;
/// Records in a batch, whatever their size.
const BATCH_RECORDS: usize = 512;
/// Batches being prepared, or prepared and not yet taken: enough that no thread waits while what
/// is ready is written.
const BATCHES: usize = 16;

/// The size of a file's blocks: one just large enough, or as many records as it needs.
pub(crate) fn block_size(size: u64, record_size: u32) -> u64 {
    size.next_multiple_of(512).clamp(512, record_size.into())
}

/// The number of a file's blocks.
pub(crate) fn block_count(size: u64, record_size: u32) -> u64 {
    size.div_ceil(block_size(size, record_size))
}

/// A record as it is read.
enum Raw {
    /// All zeros: the file has a hole there.
    Hole,
    Bytes(Vec<u8>),
}

/// Records in order of files and offsets.
pub(crate) struct Records<'a> {
    reader: Reader<'a>,
    codec: Codec,
    /// Batches that other threads prepare.
    coming: VecDeque<Receiver<Vec<Prepared>>>,
    ready: VecDeque<Prepared>,
}

impl<'a> Records<'a> {
    pub(crate) fn new(
        contents: Option<&'a Contents>,
        files: Vec<(&'a ProtoPath, &'a FileContent)>,
        record_size: u32,
        codec: Codec,
    ) -> Self {
        let reader = Reader { contents, files: files.into_iter(), record_size, open: None };
        Self { reader, codec, coming: VecDeque::new(), ready: VecDeque::new() }
    }

    /// The next record. There must be one: the caller knows how many each file has.
    pub(crate) fn next(&mut self) -> Result<Prepared, Error> {
        if self.ready.is_empty() {
            self.read_ahead()?;
            self.ready = self.coming.pop_front().map(wait).unwrap_or_default().into();
        }
        Ok(self.ready.pop_front().unwrap_or(Prepared::Hole))
    }

    /// Reads batches and gives them to the threads, as many as may be on their way.
    fn read_ahead(&mut self) -> Result<(), Error> {
        while self.coming.len() < BATCHES {
            let batch = self.reader.batch()?;
            if batch.is_empty() {
                break;
            }
            let (sender, receiver) = mpsc::sync_channel(1);
            let codec = self.codec;
            rayon::spawn_fifo(move || {
                let prepared = batch.into_iter().map(|raw| raw.prepare(codec)).collect();
                // Nobody waits for it any more when writing has failed.
                let _ = sender.send(prepared);
            });
            self.coming.push_back(receiver);
        }
        Ok(())
    }

    /// Checks what no record was taken for: empty files at the end.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.reader.batch().map(drop)
    }
}

/// Waits for a batch; a thread of the pool, without which there may be no other, helps with it.
fn wait(batch: Receiver<Vec<Prepared>>) -> Vec<Prepared> {
    let result = loop {
        match batch.try_recv() {
            Err(TryRecvError::Empty) => {}
            other => break other.ok(),
        }
        match rayon::yield_now() {
            None => break batch.recv().ok(),
            Some(Yield::Executed) => {}
            Some(Yield::Idle) => std::thread::yield_now(),
        }
    };
    result.expect("a batch that is prepared is sent")
}

impl Raw {
    fn prepare(self, codec: Codec) -> Prepared {
        match self {
            Self::Hole => Prepared::Hole,
            Self::Bytes(bytes) => codec.record(bytes),
        }
    }
}

struct Reader<'a> {
    contents: Option<&'a Contents>,
    files: std::vec::IntoIter<(&'a ProtoPath, &'a FileContent)>,
    record_size: u32,
    open: Option<OpenFile<'a>>,
}

struct OpenFile<'a> {
    path: &'a ProtoPath,
    file: File,
    size: u64,
    position: u64,
    /// Where data begin at or after the position: what lies before is a hole.
    data: u64,
}

impl<'a> Reader<'a> {
    fn batch(&mut self) -> Result<Vec<Raw>, Error> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES && batch.len() < BATCH_RECORDS {
            match self.record()? {
                Some(record) => {
                    bytes += if let Raw::Bytes(record) = &record { record.len() } else { 0 };
                    batch.push(record);
                }
                None => break,
            }
        }
        Ok(batch)
    }

    fn record(&mut self) -> Result<Option<Raw>, Error> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.open_next()? {
                Some(open) => open,
                None => return Ok(None),
            },
        };
        let record = open.record(block_size(open.size, self.record_size))?;
        if open.position < open.size {
            self.open = Some(open);
        } else {
            open.finish()?;
        }
        Ok(Some(record))
    }

    /// Opens the next file that has any bytes.
    fn open_next(&mut self) -> Result<Option<OpenFile<'a>>, Error> {
        for (path, content) in self.files.by_ref() {
            let Some(contents) = self.contents else {
                let (path, digest) = (path.clone(), content.digest);
                return Err(proto::Error::NoContent { path, digest }.into());
            };
            // An empty file is opened too: its size is checked by that.
            let file = contents.open(path, content)?;
            if content.size > 0 {
                return OpenFile::new(path, file, content.size).map(Some);
            }
        }
        Ok(None)
    }
}

impl<'a> OpenFile<'a> {
    fn new(path: &'a ProtoPath, file: File, size: u64) -> Result<Self, Error> {
        let mut open = Self { path, file, size, position: 0, data: 0 };
        let blocks = open.file.metadata().map_err(open.cannot_read())?.blocks();
        if blocks.saturating_mul(512) < size {
            open.find_data()?;
        } else {
            open.data = u64::MAX; // no holes worth looking for
        }
        Ok(open)
    }

    /// The next record, padded to the size of a block.
    fn record(&mut self, block_size: u64) -> Result<Raw, Error> {
        let end = self.size.min(self.position + block_size);
        if self.data != u64::MAX && self.data <= self.position {
            self.find_data()?;
        }
        if self.data != u64::MAX && self.data >= end {
            self.position = end;
            return Ok(Raw::Hole);
        }
        let mut record = vec![0; block_size as usize];
        let wanted = &mut record[..(end - self.position) as usize];
        match self.file.read_exact_at(wanted, self.position) {
            Ok(()) => self.position = end,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.changed("shorter"));
            }
            Err(error) => return Err(self.cannot_read()(error)),
        }
        Ok(Raw::Bytes(record))
    }

    /// Looks where data begin at or after the position.
    fn find_data(&mut self) -> Result<(), Error> {
        self.data = match seek(&self.file, SeekFrom::Data(self.position)) {
            Ok(data) => data,
            // Nothing but a hole up to the end.
            Err(rustix::io::Errno::NXIO) => self.size,
            // A file system that knows no holes.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => u64::MAX,
            Err(error) => return Err(self.cannot_read()(error.into())),
        };
        Ok(())
    }

    /// Checks that the file still has its size.
    fn finish(&self) -> Result<(), Error> {
        let size = self.file.metadata().map_err(self.cannot_read())?.len();
        match size.cmp(&self.size) {
            Ordering::Less => Err(self.changed("shorter")),
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(self.changed("longer")),
        }
    }

    fn changed(&self, how: &str) -> Error {
        let problem = format!("it is {how} than the {} bytes it had", self.size);
        Error::Changed { path: self.path.clone(), problem }
    }

    fn cannot_read(&self) -> impl FnOnce(io::Error) -> Error + use<> {
        Error::io("read", self.path.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Reads the first record of a file of three, changes the file, and reads on.
    fn after(change: impl Fn(&File)) -> String {
        let directory = tempfile::tempdir().unwrap();
        let contents = Contents {
            store: proto::Store::create(directory.path().join("store")).unwrap(),
            tree: Some(directory.path().to_owned()),
        };
        fs::write(directory.path().join("file"), [7; 3000]).unwrap();
        let (path, content) =
            (ProtoPath::new("file").unwrap(), FileContent { size: 3000, digest: None });
        let files = vec![(&path, &content)].into_iter();
        let mut reader = Reader { contents: Some(&contents), files, record_size: 1024, open: None };
        assert!(matches!(reader.record(), Ok(Some(Raw::Bytes(bytes))) if bytes.len() == 1024));
        let file = File::options().write(true).open(directory.path().join("file")).unwrap();
        change(&file);
        let rest: Result<Vec<_>, _> = std::iter::from_fn(|| reader.record().transpose()).collect();
        rest.err().unwrap().to_string()
    }

    #[test]
    fn holes_are_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sparse");
        let file = File::create_new(&path).unwrap();
        let size = (40 << 30) + 5;
        file.set_len(size).unwrap();
        file.write_all_at(b"begin", 3 << 30).unwrap();
        let path = ProtoPath::new("sparse").unwrap();
        let mut open =
            OpenFile::new(&path, File::open(directory.path().join("sparse")).unwrap(), size)
                .unwrap();
        let (mut holes, mut data) = (0, Vec::new());
        while open.position < size {
            let at = open.position;
            match open.record(1 << 20).unwrap() {
                Raw::Hole => holes += 1,
                Raw::Bytes(_) => data.push(at),
            }
        }
        open.finish().unwrap();
        assert_eq!((holes, data), ((40 << 10), vec![3 << 30]));
    }

    #[test]
    fn a_file_that_changes_while_it_is_read() {
        let shorter = after(|file| file.set_len(2000).unwrap());
        assert!(shorter.starts_with("file: changed while it was read"), "{shorter}");
        assert!(shorter.contains("shorter than the 3000 bytes"), "{shorter}");
        let longer = after(|file| file.set_len(3001).unwrap());
        assert!(longer.contains("longer than the 3000 bytes"), "{longer}");
    }

    #[test]
    fn blocks_are_no_larger_than_needed() {
        let shape = |size| (block_size(size, 131_072), block_count(size, 131_072));
        assert_eq!(shape(0), (512, 0));
        assert_eq!(shape(1), (512, 1));
        assert_eq!(shape(131_071), (131_072, 1));
        assert_eq!(shape(131_073), (131_072, 2));
    }
}
