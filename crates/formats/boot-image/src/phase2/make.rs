//! Phase-2 images from pool images, which are read once.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use gzip::{Level, ZlibWriter};
use oxide_archive::{OutputFile, Written};
use proto::Digest;

use super::{DATASET, DEFAULT_TARGET_SIZE, HEADER_SIZE, Header};
use crate::Error;
use crate::os_archive::Draft;
use crate::pass::pass;
use crate::pending::{Pending, settle};
use crate::sparse::Sparse;

/// How a pool image becomes a phase-2 image.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of the image, at most 127 bytes.
    pub name: String,
    /// Bytes of the ramdisk to create.
    pub target_size: u64,
    /// Whether to store the image as a zlib stream. Host images are stored raw; recovery images,
    /// whose pools are not compressed, are stored compressed.
    pub compress: bool,
}

/// A phase-2 image that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase2 {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes, the header included.
    pub size: u64,
    /// Its header.
    pub header: Header,
}

impl Options {
    /// Raw, for a ramdisk of the usual size.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), target_size: DEFAULT_TARGET_SIZE, compress: false }
    }
}

/// Puts a header before a copy of a pool image. The image is read once; what is zero in it becomes
/// a hole unless it is compressed.
pub fn write(pool: &Path, output: &Path, options: &Options) -> Result<Phase2, Error> {
    let mut image = Image::open(pool, 0, output, options)?;
    if options.compress {
        return image.compress(None);
    }
    let pending = Pending::create(output)?;
    let mut data = Sparse::new(pending.file(), HEADER_SIZE as u64);
    image.read_into(&mut data, output)?;
    data.finish().map_err(Error::io("write", output))?;
    image.put_header(pending.file())?;
    pending.commit()?;
    Ok(image.made())
}

/// Makes a phase-2 image of a file that has [`HEADER_SIZE`] bytes of room and then a pool image.
///
/// Raw, the file itself becomes the image: it gets its header and is renamed, so that nothing is
/// copied; `draft` and `output` must be on one file system. Compressed, it is only read, and
/// removed at the end. It is read once, and an OS archive takes the image from the same reading;
/// then [`Draft::finish`] gives it its other parts.
pub fn seal(
    draft: &Path,
    output: &Path,
    options: &Options,
    mut archive: Option<&mut Draft>,
) -> Result<Phase2, Error> {
    let mut image = Image::open(draft, HEADER_SIZE as u64, output, options)?;
    if let Some(archive) = &mut archive {
        archive.begin_image(&image.header)?;
    }
    let made = if options.compress {
        let made = image.compress(archive.as_deref_mut())?;
        fs::remove_file(draft).map_err(Error::io("remove", draft))?;
        made
    } else {
        match &mut archive {
            Some(archive) => {
                let path = archive.path().to_owned();
                image.read_into(*archive, &path)?;
            }
            None => image.read_into(&mut io::sink(), output)?,
        }
        let file = File::options().write(true).open(draft).map_err(Error::io("open", draft))?;
        image.put_header(&file)?;
        settle(&file, output)?;
        fs::rename(draft, output).map_err(Error::io("write", output))?;
        image.made()
    };
    if let Some(archive) = archive {
        archive.end_image(&made.header)?;
    }
    Ok(made)
}

/// Writes the 32 bytes that go into the boot archive as `boot_image_csum`.
pub fn write_checksum(header: &Header, output: &Path) -> Result<Written, Error> {
    let mut file = OutputFile::create(output)?;
    file.write_all(&header.sha256.0).map_err(Error::io("write", output))?;
    Ok(file.commit()?)
}

/// A pool image on its way to a phase-2 image.
struct Image<'a> {
    source: File,
    path: &'a Path,
    output: &'a Path,
    /// Without digest until the image was read.
    header: Header,
}

impl<'a> Image<'a> {
    /// Opens the image behind the first `skip` bytes of a file. Everything that can be known before
    /// the long work is checked.
    fn open(path: &'a Path, skip: u64, output: &'a Path, options: &Options) -> Result<Self, Error> {
        let mut source = File::open(path).map_err(Error::io("open", path))?;
        let length = source.metadata().map_err(Error::io("examine", path))?.len();
        source.seek(SeekFrom::Start(skip)).map_err(Error::io("read", path))?;
        let size = length.saturating_sub(skip);
        let header = Header {
            compressed: options.compress,
            data_size: size,
            image_size: size,
            target_size: options.target_size,
            sha256: Digest([0; 32]),
            dataset: DATASET.to_owned(),
            name: options.name.clone(),
        };
        let image = Self { source, path, output, header };
        image.header.check().map_err(|problem| image.bad(problem))?;
        Ok(image)
    }

    /// Reads all of it, into a sink that errors call `path`.
    fn read_into(&mut self, sink: &mut impl Write, path: &Path) -> Result<(), Error> {
        let (read, sha256) = pass(&mut self.source, self.path, sink, path)?;
        let before = self.header.image_size;
        if read != before {
            let problem = format!("it had {before} bytes at first and {read} when it was read");
            return Err(self.bad(problem));
        }
        self.header.sha256 = sha256;
        Ok(())
    }

    /// Writes it as a zlib stream, into the OS archive too.
    fn compress(mut self, archive: Option<&mut Draft>) -> Result<Phase2, Error> {
        let output = self.output;
        let failed = || Error::io("write", output);
        let pending = Pending::create(output)?;
        let mut file = BufWriter::with_capacity(256 << 10, pending.file());
        file.write_all(&[0; HEADER_SIZE]).map_err(failed())?;
        let mut stream = ZlibWriter::new(Both { file, archive, size: 0 }, Level::Best);
        self.read_into(&mut stream, output)?;
        let Both { mut file, size, .. } = stream.finish().map_err(failed())?;
        file.flush().map_err(failed())?;
        self.header.data_size = size;
        self.put_header(pending.file())?;
        drop(file);
        pending.commit()?;
        Ok(self.made())
    }

    /// Writes the header to the beginning of the phase-2 image.
    fn put_header(&self, file: &File) -> Result<(), Error> {
        let block = self.header.encode().map_err(|problem| self.bad(problem))?;
        file.write_all_at(&block, 0).map_err(Error::io("write", self.output))
    }

    fn made(self) -> Phase2 {
        Phase2 {
            path: self.output.to_owned(),
            size: self.header.data_size + HEADER_SIZE as u64,
            header: self.header,
        }
    }

    fn bad(&self, problem: String) -> Error {
        Error::Image { path: self.path.to_owned(), problem }
    }
}

/// The phase-2 image and the OS archive, which get the same data.
struct Both<'a, W> {
    file: W,
    archive: Option<&'a mut Draft>,
    /// Bytes that went through.
    size: u64,
}

impl<W: Write> Write for Both<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write_all(data)?;
        if let Some(archive) = &mut self.archive {
            archive.write_all(data)?;
        }
        self.size += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
