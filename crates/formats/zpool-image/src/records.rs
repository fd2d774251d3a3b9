//! The records of regular files, read ahead and prepared on all processors, in their order.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

use proto::{Contents, FileContent, ProtoPath};
use rayon::prelude::*;

use crate::Error;
use crate::compression::{Codec, Prepared};

/// Bytes read before they are prepared together. Three times as much is held at most: being read,
/// being prepared, and prepared.
const BATCH_BYTES: usize = 8 << 20;
/// Records in a batch, whatever their size.
const BATCH_RECORDS: usize = 4096;

/// The size of a file's blocks: one just large enough, or as many records as it needs.
pub(crate) fn block_size(size: u64, record_size: u32) -> u64 {
    size.next_multiple_of(512).clamp(512, record_size.into())
}

/// The number of a file's blocks.
pub(crate) fn block_count(size: u64, record_size: u32) -> u64 {
    size.div_ceil(block_size(size, record_size))
}

/// Records in order of files and offsets.
pub(crate) struct Records<'a> {
    reader: Reader<'a>,
    codec: Codec,
    read: Vec<Vec<u8>>,
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
        Self { reader, codec, read: Vec::new(), ready: VecDeque::new() }
    }

    /// The next record. There must be one: the caller knows how many each file has.
    pub(crate) fn next(&mut self) -> Result<Prepared, Error> {
        if self.ready.is_empty() {
            let batch = match std::mem::take(&mut self.read) {
                batch if batch.is_empty() => self.reader.batch()?,
                batch => batch,
            };
            let (codec, reader) = (self.codec, &mut self.reader);
            let (prepared, read) = rayon::join(
                || batch.into_par_iter().map(|bytes| codec.record(bytes)).collect::<Vec<_>>(),
                || reader.batch(),
            );
            self.ready = prepared.into();
            self.read = read?;
        }
        Ok(self.ready.pop_front().unwrap_or(Prepared::Hole))
    }

    /// Checks what no record was taken for: empty files at the end.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.reader.batch().map(drop)
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
}

impl<'a> Reader<'a> {
    fn batch(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES && batch.len() < BATCH_RECORDS {
            match self.record()? {
                Some(record) => {
                    bytes += record.len();
                    batch.push(record);
                }
                None => break,
            }
        }
        Ok(batch)
    }

    fn record(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.open_next()? {
                Some(open) => open,
                None => return Ok(None),
            },
        };
        let changed =
            |path: &ProtoPath, problem: String| Error::Changed { path: path.clone(), problem };
        let block_size = block_size(open.size, self.record_size);
        let wanted = (open.size - open.position).min(block_size) as usize;
        let mut record = vec![0; block_size as usize];
        match open.file.read_exact(&mut record[..wanted]) {
            Ok(()) => open.position += wanted as u64,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let problem = format!("it is shorter than the {} bytes it had", open.size);
                return Err(changed(open.path, problem));
            }
            Err(error) => return Err(Error::io("read", open.path.to_string())(error)),
        }
        if open.position < open.size {
            self.open = Some(open);
        } else {
            let more =
                open.file.read(&mut [0]).map_err(Error::io("read", open.path.to_string()))?;
            if more > 0 {
                let problem = format!("it is longer than the {} bytes it had", open.size);
                return Err(changed(open.path, problem));
            }
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
                return Ok(Some(OpenFile { path, file, size: content.size, position: 0 }));
            }
        }
        Ok(None)
    }
}
