//! `cargo xtask image ls`: what is in an image.

use std::path::PathBuf;

use clap::Args;
use proto::{Entry, Kind, Manifest, ProtoPath};
use serde_json::json;

use super::{failure, open};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// List the datasets of an image, or everything in a dataset.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask image ls zfs.img
  cargo xtask image ls zfs.img rpool/ROOT/ramdisk etc
  cargo xtask image ls --mtree zfs.img rpool/ROOT/ramdisk > ramdisk.mtree")]
pub(super) struct Ls {
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

impl Ls {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
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
