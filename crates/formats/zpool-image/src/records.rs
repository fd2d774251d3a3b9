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
        assert_eq!(reader.record().unwrap().unwrap().len(), 1024);
        let file = File::options().write(true).open(directory.path().join("file")).unwrap();
        change(&file);
        let rest: Result<Vec<_>, _> = std::iter::from_fn(|| reader.record().transpose()).collect();
        rest.unwrap_err().to_string()
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
