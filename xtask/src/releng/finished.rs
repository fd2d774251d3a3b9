//! A finished output folder of helios-build, taken instead of building an image.

use std::fs;
use std::path::Path;

use boot_image::phase2;
use jobs::Job;

use super::image::Which;
use super::roms::BOARDS;
use crate::failure::Failure;
use crate::record;

/// What helios-build leaves that a repository needs.
const REQUIRED: [&str; 4] = ["zfs.img", "unix.z", "cpio.z", "os.tar.gz"];
/// What it, or an earlier run of this program, leaves besides; taken where it is.
const FURTHER: [&str; 5] = ["cpio", "boot_image_csum", "size.json", "size.txt", record::NAME];

/// The job that copies the folder's files into the result set, after a look at each.
pub(crate) fn job(which: Which, from: &Path, set: &Path) -> Result<Job, Failure> {
    let roms = BOARDS.map(|board| format!("{board}.rom"));
    let required: Vec<String> =
        REQUIRED.iter().map(|name| (*name).to_owned()).chain(roms).collect();
    let missing: Vec<&str> =
        required.iter().filter(|name| !from.join(name).is_file()).map(|name| &**name).collect();
    if !missing.is_empty() {
        return Err(Failure::missing(format!(
            "{} is no finished image: {} missing",
            from.display(),
            missing.join(", ")
        ))
        .hint("it is the folder that `helios-build experiment-image -o` wrote"));
    }
    let (from, to) = (from.to_owned(), set.to_owned());
    let reads: Vec<_> = required.iter().map(|name| from.join(name)).collect();
    let makes: Vec<_> = required.iter().map(|name| set.join(name)).collect();
    let action = move |job: &jobs::Context| {
        let header = phase2::verify(&from.join("zfs.img"))?;
        let is_recovery = header.name.starts_with("recovery");
        if is_recovery != (which == Which::Trampoline) {
            return Err(format!(
                "{} is named `{}`: a {} image's name {} with `recovery`",
                from.join("zfs.img").display(),
                header.name,
                which.name(),
                if is_recovery { "does not start" } else { "starts" }
            )
            .into());
        }
        job.log(format_args!("{header:#?}"));
        fs::create_dir_all(&to)?;
        for name in required.iter().map(String::as_str).chain(FURTHER) {
            let source = from.join(name);
            if source.is_file() {
                fs::copy(&source, to.join(name))
                    .map_err(|error| format!("cannot copy {}: {error}", source.display()))?;
            }
        }
        Ok(())
    };
    Ok(Job::new(format!("{}/take", which.name()), action).reads(reads).makes(makes))
}
