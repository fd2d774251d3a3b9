//! `cargo xtask image`: pool images, made and looked into.

mod build;
mod cat;
mod extract;
mod ls;
mod verify;

use std::fs::File;
use std::path::Path;

use boot_image::phase2::{self, HEADER_SIZE};
use clap::{Args, Subcommand};
use zpool_image::reader::Image;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Make ZFS pool images and look into them.
///
/// Images are made without ZFS and without privileges. Read are bare images and those behind a
/// phase-2 header, raw or compressed, and images of other ZFS implementations, if the pool has one
/// device. A compressed phase-2 image is first decompressed into a temporary file (see TMPDIR);
/// everything else is read in place.
///
/// Exit status 0: done; 1: the image is damaged, with dataset, object and path, or exceeds its
/// budget; 2: options that no pool can have; 3: failed, and no image was made; 5: a file, dataset
/// or path is missing.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<build::Build>),
    Ls(ls::Ls),
    Cat(cat::Cat),
    Extract(extract::Extract),
    Verify(verify::Verify),
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            Command::Build(arguments) => arguments.run(printer),
            Command::Ls(arguments) => arguments.run(printer),
            Command::Cat(arguments) => arguments.run(printer),
            Command::Extract(arguments) => arguments.run(printer),
            Command::Verify(arguments) => arguments.run(printer),
        }
    }
}

/// Where the pool image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The file is the pool image.
    Bare,
    /// Behind a phase-2 header.
    Raw,
    /// In a zlib stream behind a phase-2 header, and now in a temporary file without a name.
    Decompressed,
}

fn open(path: &Path) -> Result<(Image, Place), Failure> {
    if !path.is_file() {
        return Err(Failure::missing(format!("{} is missing", path.display())));
    }
    let mut start = [0; 4];
    let file = File::open(path)?;
    let read = std::os::unix::fs::FileExt::read_at(&file, &mut start, 0)?;
    if read < start.len() || start != phase2::MAGIC.to_le_bytes() {
        return Ok((Image::open(path).map_err(failure)?, Place::Bare));
    }
    let header = phase2::read_header(path).map_err(container_failure)?;
    if !header.compressed {
        let image = Image::open_part(file, path, HEADER_SIZE as u64, header.image_size);
        return Ok((image.map_err(failure)?, Place::Raw));
    }
    let directory = tempfile::tempdir()?;
    let pool = directory.path().join("zfs.img");
    phase2::extract(path, &pool).map_err(container_failure)?;
    // The open file outlives its name.
    let image = Image::open_part(File::open(&pool)?, path, 0, header.image_size);
    Ok((image.map_err(failure)?, Place::Decompressed))
}

/// The exit status that a reader's error means.
fn failure(error: zpool_image::Error) -> Failure {
    use zpool_image::Error;
    let status = match &error {
        Error::Damaged { .. } => ExitStatus::Findings,
        Error::NotThere { .. } => ExitStatus::Missing,
        _ => ExitStatus::Failed,
    };
    Failure::new(error).with_status(status)
}

fn container_failure(error: boot_image::Error) -> Failure {
    use boot_image::Error;
    let status = match &error {
        Error::Header { .. } | Error::Digest { .. } => ExitStatus::Findings,
        // What does not decompress is damaged, not unreadable.
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::InvalidData => {
            ExitStatus::Findings
        }
        _ => ExitStatus::Failed,
    };
    Failure::new(error).with_status(status)
}
