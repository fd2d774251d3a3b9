//! `cargo xtask image`: what is in pool images.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use boot_image::phase2::{self, HEADER_SIZE};
use clap::{Args, Subcommand};
use proto::{Entry, Kind, Manifest, ProtoPath};
use serde_json::json;
use zpool_image::reader::{Counts, Image};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Look into ZFS pool images: bare ones, and those behind a phase-2 header, raw or compressed.
///
/// Images of other ZFS implementations are read too, if the pool has one device. A compressed
/// phase-2 image is first decompressed into a temporary file (see TMPDIR); everything else is
/// read in place.
///
/// Exit status 0: done; 1: the image is damaged, with dataset, object and path; 5: the file, the
/// dataset or the path is missing.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(Ls),
    Cat(Cat),
    Extract(Extract),
    Verify(Verify),
}

/// List the datasets of an image, or everything in a dataset.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask image ls zfs.img
  cargo xtask image ls zfs.img rpool/ROOT/ramdisk etc
  cargo xtask image ls --mtree zfs.img rpool/ROOT/ramdisk > ramdisk.mtree")]
struct Ls {
    /// The image
    image: PathBuf,

    /// The dataset or snapshot, e.g. rpool/ROOT/ramdisk
    dataset: Option<String>,

    /// Only this path and what is below it
    path: Option<ProtoPath>,

    /// Print the entries in mtree(5) form
    #[arg(long, requires = "dataset")]
    mtree: bool,

    /// Print JSON
    #[arg(long, conflicts_with = "mtree")]
    json: bool,
}

/// Write a file of a dataset to standard output.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask image cat zfs.img rpool/ROOT/ramdisk etc/release")]
struct Cat {
    /// The image
    image: PathBuf,

    /// The dataset or snapshot
    dataset: String,

    /// The regular file
    path: ProtoPath,
}

/// Lay a dataset, or a part of it, out as files.
///
/// Permissions and times are set; owners, set-user and set-group bits are not, and devices, pipes
/// and sockets are left out: `ls --mtree` has all of that. After a failure nothing is left behind.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask image extract zfs.img rpool/ROOT/ramdisk etc --to /tmp/etc")]
struct Extract {
    /// The image
    image: PathBuf,

    /// The dataset or snapshot
    dataset: String,

    /// Only what stands here: of a directory its contents
    path: Option<ProtoPath>,

    /// A new or empty directory
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Read every block of an image and compare checksums; follow every name to its file.
///
/// Of a phase-2 image the digest in its header is compared, too. Exit status 0: sound; 1: damaged,
/// with every place.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask image verify out/releng/host/zfs.img")]
struct Verify {
    /// The image
    image: PathBuf,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        match self.command {
            Command::Ls(arguments) => arguments.run(printer),
            Command::Cat(arguments) => arguments.run(printer),
            Command::Extract(arguments) => arguments.run(printer),
            Command::Verify(arguments) => arguments.run(printer),
        }
    }
}

impl Ls {
    fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let image = open(&self.image)?.0;
        let Some(dataset) = &self.dataset else {
            let names: Vec<&str> = image.datasets().collect();
            if self.json {
                printer.json(&names)?;
            } else {
                printer.result(names.join("\n"));
            }
            return Ok(ExitStatus::Success);
        };
        let all = image.dataset(dataset).and_then(|mut d| d.manifest()).map_err(failure)?;
        let path = self.path.unwrap_or_else(ProtoPath::root);
        if !all.contains(&path) {
            return Err(Failure::missing(format!("{dataset}: there is no {path}")));
        }
        if self.mtree {
            let part = all.subtree(&path).map(|(path, entry)| (path.clone(), entry.clone()));
            printer.result(Manifest::from_iter(part).to_mtree().trim_end());
        } else if self.json {
            let entries: Vec<_> =
                all.subtree(&path).map(|(p, entry)| entry_json(p, entry)).collect();
            printer.json(&entries)?;
        } else {
            for (path, entry) in all.subtree(&path) {
                printer.result(line(path, entry));
            }
        }
        Ok(ExitStatus::Success)
    }
}

impl Cat {
    fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let image = open(&self.image)?.0;
        let mut dataset = image.dataset(&self.dataset).map_err(failure)?;
        let mut file = dataset.file(&self.path).map_err(failure)?;
        match printer.copy(&mut file) {
            Ok(()) => Ok(ExitStatus::Success),
            Err(error) => Err(match error.downcast::<zpool_image::Error>() {
                Ok(error) => failure(error),
                Err(error) => Failure::new(format!("cannot write to standard output: {error}")),
            }),
        }
    }
}

impl Extract {
    fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let to = &self.to;
        if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Failure::usage(format!("{} is not empty", to.display()))
                .hint("give a new or empty directory"));
        }
        let image = open(&self.image)?.0;
        let mut dataset = image.dataset(&self.dataset).map_err(failure)?;
        // Laid out beside its final name, so that a damaged image leaves nothing behind.
        let parent = match to.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let stage =
            tempfile::Builder::new().prefix(".image.").tempdir_in(parent).map_err(|error| {
                format!("cannot create a directory in {}: {error}", parent.display())
            })?;
        let inner = stage.path().join("root");
        fs::create_dir(&inner)?;
        let path = self.path.unwrap_or_else(ProtoPath::root);
        let extracted = dataset.extract(&path, &inner).map_err(failure)?;
        fs::rename(&inner, to).map_err(|error| format!("cannot make {}: {error}", to.display()))?;
        printer.good(
            "extracted",
            format_args!(
                "{} entries, {} bytes in {}",
                extracted.entries,
                extracted.bytes,
                to.display()
            ),
        );
        for path in &extracted.left_out {
            printer.warn(format_args!("{path} is no file, directory or link: left out"));
        }
        printer.result(to.display());
        Ok(ExitStatus::Success)
    }
}

impl Verify {
    fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let (image, place) = open(&self.image)?;
        if place == Place::Raw {
            // The decompressed one was compared when it was decompressed.
            phase2::verify(&self.image).map_err(container_failure)?;
        }
        let verification = image.verify().map_err(failure)?;
        if self.json {
            let counts: Vec<_> = verification.counts.iter().map(counts_json).collect();
            let findings: Vec<_> = verification.findings.iter().map(ToString::to_string).collect();
            printer.json(&json!({
                "sound": verification.is_sound(),
                "pool": image.name(),
                "guid": image.guid().to_string(),
                "counts": counts,
                "findings": findings,
            }))?;
        } else {
            for finding in &verification.findings {
                printer.result(format_args!("{}: {finding}", self.image.display()));
            }
            for counts in &verification.counts {
                printer.result(counts_line(counts));
            }
        }
        if verification.is_sound() {
            printer.good("sound", self.image.display());
            return Ok(ExitStatus::Success);
        }
        printer.warn(format_args!("{} is damaged", self.image.display()));
        Ok(ExitStatus::Findings)
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

fn line(path: &ProtoPath, entry: &Entry) -> String {
    let letter = match entry.kind {
        Kind::File(_) | Kind::Hardlink { .. } => '-',
        Kind::Directory => 'd',
        Kind::Symlink { .. } => 'l',
        Kind::CharacterDevice(_) => 'c',
        Kind::BlockDevice(_) => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    };
    let (size, more) = match &entry.kind {
        Kind::File(content) => (content.size.to_string(), String::new()),
        Kind::Symlink { target } => {
            (target.len().to_string(), format!(" -> {}", String::from_utf8_lossy(target)))
        }
        Kind::Hardlink { target } => ("-".to_owned(), format!(" = {target}")),
        Kind::CharacterDevice(device) | Kind::BlockDevice(device) => {
            (format!("{},{}", device.major, device.minor), String::new())
        }
        _ => ("-".to_owned(), String::new()),
    };
    let meta = &entry.metadata;
    let (mode, uid, gid, seconds) = (meta.mode, meta.uid, meta.gid, meta.mtime.seconds);
    let time = match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.to_string(),
        Err(_) => seconds.to_string(),
    };
    format!("{letter}{mode:04o} {uid:>5} {gid:>5} {size:>12} {time} {path}{more}")
}

fn entry_json(path: &ProtoPath, entry: &Entry) -> serde_json::Value {
    let meta = &entry.metadata;
    let mut value = json!({
        "path": path.to_string(),
        "type": entry.kind.word(),
        "mode": format!("{:04o}", meta.mode),
        "uid": meta.uid,
        "gid": meta.gid,
        "mtime": format!("{}.{:09}", meta.mtime.seconds, meta.mtime.nanoseconds),
    });
    match &entry.kind {
        Kind::File(content) => value["size"] = content.size.into(),
        Kind::Symlink { target } => value["target"] = String::from_utf8_lossy(target).into(),
        Kind::Hardlink { target } => value["target"] = target.to_string().into(),
        Kind::CharacterDevice(device) | Kind::BlockDevice(device) => {
            value["device"] = json!({ "major": device.major, "minor": device.minor });
        }
        _ => {}
    }
    value
}

fn counts_line(counts: &Counts) -> String {
    let name = counts.dataset.as_deref().unwrap_or("(the pool's own objects)");
    format!(
        "{name}: {} objects, {} blocks, {} bytes stored, {} bytes uncompressed; {} files with {} \
         bytes, {} directories, {} others",
        counts.objects,
        counts.blocks,
        counts.stored,
        counts.logical,
        counts.files,
        counts.content,
        counts.directories,
        counts.others
    )
}

fn counts_json(counts: &Counts) -> serde_json::Value {
    json!({
        "dataset": counts.dataset,
        "objects": counts.objects,
        "blocks": counts.blocks,
        "stored_bytes": counts.stored,
        "logical_bytes": counts.logical,
        "files": counts.files,
        "content_bytes": counts.content,
        "directories": counts.directories,
        "others": counts.others,
    })
}
