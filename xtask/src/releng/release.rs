//! What a release must not hold.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// By which a stand-in for a ROM is recognised wherever it comes from.
pub(crate) use tuf::STAND_IN;

use super::roms::BOARDS;
use crate::failure::Failure;

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

/// What keeps a run from being a release; empty for one that may be.
#[derive(Debug, Default)]
pub(crate) struct Blockers(Vec<String>);

impl Blockers {
    /// Notes one more.
    pub(crate) fn add(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }

    /// The failure that lists all of them.
    pub(crate) fn refuse(self) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(format!("this cannot be a release:\n  {}", self.0.join("\n  ")))
            .hint("without --release it is built all the same, and says so"))
    }
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

    #[test]
    fn all_blockers_are_listed() {
        assert!(Blockers::default().refuse().is_ok());
        let mut blockers = Blockers::default();
        blockers.add("one");
        blockers.add("two");
        let text = blockers.refuse().unwrap_err().error.to_string();
        assert!(text.contains("one") && text.contains("two"), "{text}");
    }
}
