//! The kernel counts what is read and written. This test is alone in its process.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs;

use boot_image::os_archive::{Draft, Notes, Parts};
use boot_image::phase2::{self, Options};

const MIB: u64 = 1 << 20;

/// Bytes that this process has asked the kernel to read and to write so far.
fn counts() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/io").unwrap();
    let count = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    (count("rchar:"), count("wchar:"))
}

#[test]
fn an_image_is_written_once_and_read_once() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let noise: Vec<u8> = noise.take(2 * MIB as usize).collect();
    fs::write(place("part"), "a part\n").unwrap();
    let parts = Parts { unix: place("part"), boot_archive: place("part"), ..Parts::default() };
    for compress in [false, true] {
        fs::write(place("draft"), [&[0; 4096], &noise[..]].concat()).unwrap();
        let file = fs::File::options().write(true).open(place("draft")).unwrap();
        let size = 64 * MIB;
        file.set_len(4096 + size).unwrap();

        let before = counts();
        let mut archive = Draft::new(&place("os.tar.gz"), Notes::default(), 0).unwrap();
        let options = Options { compress, ..Options::new("x") };
        let image =
            phase2::seal(&place("draft"), &place("zfs.img"), &options, Some(&mut archive)).unwrap();
        let archive = archive.finish(&parts).unwrap();
        let after = counts();

        let read = after.0 - before.0;
        assert!((size..size + MIB).contains(&read), "{read} bytes were read");
        let written = after.1 - before.1;
        let stored = if compress { image.size } else { 4096 };
        assert!(written < stored + archive.size + MIB, "{written} bytes were written");
    }
}
