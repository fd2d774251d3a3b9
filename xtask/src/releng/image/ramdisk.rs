//! The jobs of an image that make its ramdisk: the pool, and the phase-2 header before it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use boot_image::os_archive::Draft;
use boot_image::phase2;
use image_templates::PoolDescription;
use jobs::Job;
use zpool_image::Compression;

use super::{Image, Places, SharedDraft, Which};
use crate::releng::pool;

const MIB: u64 = 1 << 20;

impl Image {
    pub(super) fn pool_job(
        self: &Arc<Self>,
        places: &Places,
        pool: &Arc<OnceLock<PoolDescription>>,
        form: &Arc<OnceLock<Compression>>,
    ) -> Job {
        let (at, pool, form) = (places.clone(), Arc::clone(pool), Arc::clone(form));
        self.job("pool", move |image, job| {
            let description = pool.get().ok_or("the pool was not described")?;
            let proto = at.load(&at.last())?;
            let name = Path::new(image.which.name()).join("zfs.img");
            let place = (&*at.draft(), phase2::HEADER_SIZE as u64);
            let (compression, record) =
                image.pool.write(description, &proto, image.build_time, &name, place)?;
            for line in [&record.reason, &record.warning].into_iter().flatten() {
                job.log(line);
            }
            let size = record.footprint.pool.size;
            job.log(format_args!("{:#?}", record.footprint.pool));
            record.save(&at.set, image.pool.earlier.as_ref())?;
            form.set(compression).map_err(|_| "the pool was written twice")?;
            if size > image.target_size {
                return Err(format!(
                    "the pool image has {} MiB and the ramdisk {} MiB; make target-size larger \
                     or the image smaller",
                    size.div_ceil(MIB),
                    image.target_size / MIB
                )
                .into());
            }
            Ok(())
        })
        .reads([places.last()])
        .makes([places.draft()])
        .makes(pool::PoolRecord::files(&places.set))
    }

    /// Reads the image once, for its digest and for `os.tar.gz`, which another job ends when the
    /// boot archive with that digest is there.
    pub(super) fn phase2_job(
        self: &Arc<Self>,
        places: &Places,
        archive: &SharedDraft,
        form: &Arc<OnceLock<Compression>>,
    ) -> Job {
        let (at, archive, form) = (places.clone(), Arc::clone(archive), Arc::clone(form));
        let made = [places.set.join("zfs.img"), places.set.join("boot_image_csum")];
        self.job("phase-2", move |image, job| {
            let notes = image.notes(&at)?;
            let mut draft = Draft::new(&at.set.join("os.tar.gz"), notes, image.build_time)?;
            let pool = *form.get().ok_or("the pool was not written")?;
            let options = phase2::Options {
                target_size: image.target_size,
                compress: image.pool.container(pool, image.which == Which::Trampoline),
                ..phase2::Options::new(&image.name)
            };
            let output = at.set.join("zfs.img");
            let written = phase2::seal(&at.draft(), &output, &options, Some(&mut draft))?;
            job.log(format_args!("{:#?}", written.header));
            phase2::write_checksum(&written.header, &at.set.join("boot_image_csum"))?;
            *archive.lock().map_err(|_| "the archive's other job panicked")? = Some(draft);
            Ok(())
        })
        .reads([places.draft(), places.os(), places.record()])
        .makes(made)
    }
}
