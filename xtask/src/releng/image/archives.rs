//! The jobs of an image that make what starts its ramdisk, and put all of it into `os.tar.gz`.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use boot_image::os_archive::{Notes, Parts};
use boot_image::{FileList, phase2};
use jobs::{Job, JobError};
use proto::ProtoPath;

use super::{Image, KERNEL, Places, SharedDraft};
use crate::releng::roms::BOARDS;

impl Image {
    pub(super) fn unix_job(self: &Arc<Self>, places: &Places) -> Job {
        let at = places.clone();
        self.job("unix", move |_, _| {
            let proto = at.load(&at.trim())?;
            let path = ProtoPath::new(KERNEL)?;
            let content = proto
                .manifest
                .get(&path)
                .and_then(|entry| entry.content())
                .ok_or_else(|| format!("no package delivers the kernel, {path}"))?;
            let kernel = proto.contents.open(&path, content)?;
            boot_image::compress(kernel, KERNEL.as_ref(), &at.set.join("unix.z"))?;
            Ok(())
        })
        .reads([places.trim()])
        .makes([places.set.join("unix.z")])
    }

    pub(super) fn boot_archive_job(self: &Arc<Self>, places: &Places, list: FileList) -> Job {
        let at = places.clone();
        let made = [places.set.join("cpio"), places.set.join("cpio.z")];
        self.job("boot-archive", move |image, job| {
            let proto = at.load(&at.trim())?;
            let header = phase2::read_header(&at.set.join("zfs.img"))?;
            let cpio = at.set.join("cpio");
            let written = boot_image::boot_archive::write(
                &proto,
                &list,
                &header.sha256,
                u64::try_from(image.build_time).unwrap_or(0),
                &cpio,
            )?;
            job.log(format_args!("{} members", written.members));
            boot_image::compress_file(&cpio, &at.set.join("cpio.z"))?;
            Ok(())
        })
        .reads([places.trim(), places.set.join("zfs.img")])
        .makes(made)
    }

    pub(super) fn os_archive_job(self: &Arc<Self>, places: &Places, archive: &SharedDraft) -> Job {
        let (at, archive) = (places.clone(), Arc::clone(archive));
        let parts = ["zfs.img", "unix.z", "cpio.z"].map(|name| places.set.join(name));
        let roms: Vec<(String, PathBuf)> = self
            .rom_boards()
            .into_iter()
            .map(|board| (board.clone(), Self::rom_path(places, &board)))
            .collect();
        let rom_files: Vec<PathBuf> = roms.iter().map(|(_, path)| path.clone()).collect();
        self.job("os-archive", move |_, job| {
            let parts = Parts {
                unix: at.set.join("unix.z"),
                boot_archive: at.set.join("cpio.z"),
                default_rom: roms
                    .iter()
                    .find(|(board, _)| board == BOARDS[0])
                    .map(|(_, path)| path.clone()),
                roms,
            };
            let draft = archive.lock().map_err(|_| "the archive's other job panicked")?.take();
            let written = draft.ok_or("the archive was not begun")?.finish(&parts)?;
            for name in written.absent {
                job.log(format_args!("absent: {name}"));
            }
            Ok(())
        })
        .reads(parts)
        .reads(rom_files)
        .makes([places.set.join("os.tar.gz")])
    }

    /// What is written down in `os.tar.gz`.
    pub(super) fn notes(&self, at: &Places) -> Result<Notes, JobError> {
        let installed = ips::Image::read(&at.load(&at.os())?)?;
        let publishers = installed.config.publishers.iter();
        let packages = installed.packages.iter();
        let commit = self.tool.commit.as_deref().unwrap_or("unknown");
        Ok(Notes {
            image_args: Some(self.arguments_text()),
            git_status: vec![("releng".to_owned(), format!("{commit}\n"))],
            publishers: Some(publishers.map(|p| format!("{}\n", p.name)).collect()),
            packages: Some(packages.map(|p| format!("{}\n", p.fmri.short())).collect()),
            record: Some(fs::read_to_string(at.record())?),
        })
    }
}
