//! The ROMs that update repositories have, and what stands in for them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// By which a stand-in for a ROM is recognised wherever it comes from, and the boards whose ROMs an
/// update repository has.
pub(crate) use tuf::{BOARDS, STAND_IN};

/// Whether a ROM is a stand-in. One that cannot be read is found out by whoever needs it.
pub(crate) fn is_stand_in(rom: &Path) -> bool {
    let mut first = [0; STAND_IN.len()];
    let read = File::open(rom).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && first == STAND_IN.as_bytes()
}

/// Whether any ROM in the folder of a finished image is a stand-in.
pub(crate) fn has_stand_ins(folder: &Path) -> bool {
    BOARDS.iter().any(|board| is_stand_in(&folder.join(format!("{board}.rom"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_known_by_their_contents() {
        let directory = tempfile::tempdir().unwrap();
        let rom = directory.path().join("gimlet.rom");
        assert!(!is_stand_in(&rom));
        std::fs::write(&rom, [0x55, 0xaa]).unwrap();
        assert!(!has_stand_ins(directory.path()));
        std::fs::write(&rom, format!("{STAND_IN} It stands in.\n")).unwrap();
        assert!(has_stand_ins(directory.path()));
    }
}
