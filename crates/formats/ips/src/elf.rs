//! What packages say about ELF files: architecture, word size and a hash of the sections that
//! matter, which stays the same when a program is only relinked with other comments.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use object::read::{Object, ObjectSection, ReadCache};
use object::{Architecture, FileKind};
use sha1::Sha1;
use sha2::{Digest, Sha512_256};

use crate::Action;

/// Sections that do not count.
const IGNORED: [&str; 10] = [
    ".SUNW_signature",
    ".comment",
    ".SUNW_dof",
    ".debug",
    ".plt",
    ".rela.bss",
    ".rela.plt",
    ".line",
    ".note",
    ".compcom",
];

/// An ELF file as actions describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elf {
    architecture: &'static str,
    bits: u8,
    sha1: String,
    sha512t_256: String,
}

impl Elf {
    /// Describes a file; none when it is not ELF, or not one that can be read.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic)?;
        if magic != b"\x7fELF" {
            return Ok(None);
        }
        let Some(layout) = Layout::read(&file) else { return Ok(None) };
        let (mut sha1, mut sha512t_256) = (Sha1::new(), Sha512_256::new());
        let mut buffer = vec![0; 64 << 10];
        for section in &layout.sections {
            match *section {
                // Without bytes in the file, the size counts.
                Section::Empty { size } => {
                    sha1.update(size.to_be_bytes());
                    sha512t_256.update(size.to_be_bytes());
                }
                Section::Bytes { offset, size } => {
                    file.seek(SeekFrom::Start(offset))?;
                    let mut rest = (&mut file).take(size);
                    loop {
                        let count = rest.read(&mut buffer)?;
                        if count == 0 {
                            break;
                        }
                        sha1.update(&buffer[..count]);
                        sha512t_256.update(&buffer[..count]);
                    }
                    if rest.limit() > 0 {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(Self {
            architecture: layout.architecture,
            bits: layout.bits,
            sha1: hex::encode(sha1.finalize()),
            sha512t_256: hex::encode(sha512t_256.finalize()),
        }))
    }

    /// Adds what an action says of this file to what it says of the payload.
    pub(crate) fn describe(&self, action: &mut Action) {
        let attributes = &mut action.attributes;
        attributes.set("elfarch", self.architecture);
        attributes.set("elfbits", self.bits.to_string());
        attributes.set("elfhash", &self.sha1);
        // No signature is ever found here, so both hashes agree; they come first.
        let mut hashes: Vec<String> = ["gelf", "gelf.unsigned"]
            .map(|kind| format!("{kind}:sha512t_256:{}", self.sha512t_256))
            .into();
        hashes.extend(attributes.remove("pkg.content-hash"));
        attributes.set_list("pkg.content-hash", hashes);
    }
}

/// The parts of a file that count.
struct Layout {
    architecture: &'static str,
    bits: u8,
    sections: Vec<Section>,
}

enum Section {
    Empty { size: u64 },
    Bytes { offset: u64, size: u64 },
}

impl Layout {
    /// Reads the headers; only they are kept in memory.
    fn read(file: &File) -> Option<Self> {
        let cache = ReadCache::new(file);
        let bits = match FileKind::parse(&cache).ok()? {
            FileKind::Elf32 => 32,
            FileKind::Elf64 => 64,
            _ => return None,
        };
        let elf = object::File::parse(&cache).ok()?;
        let architecture = match elf.architecture() {
            Architecture::I386 | Architecture::X86_64 => "i386",
            Architecture::Aarch64 => "aarch64",
            Architecture::Sparc | Architecture::Sparc32Plus | Architecture::Sparc64 => "sparc",
            Architecture::Arm => "arm",
            Architecture::Riscv32 | Architecture::Riscv64 => "riscv",
            _ => "none",
        };
        let mut sections = Vec::new();
        for section in elf.sections() {
            if IGNORED.contains(&section.name().ok()?) {
                continue;
            }
            sections.push(match section.file_range() {
                Some((offset, size)) => Section::Bytes { offset, size },
                None => Section::Empty { size: section.size() },
            });
        }
        Some(Self { architecture, bits, sections })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program() {
        let program = std::env::current_exe().unwrap();
        let elf = Elf::read(&program).unwrap().unwrap();
        assert_eq!(elf.bits as u32, usize::BITS);
        let mut action = Action::parse("file x path=a pkg.content-hash=file:x:y").unwrap();
        elf.describe(&mut action);
        assert!(action.attributes.list("pkg.content-hash")[2] == "file:x:y");
    }

    /// A small ELF file by hand: one section with bytes, one without, one that is ignored, and
    /// the names.
    fn small() -> Vec<u8> {
        let names = b"\0.text\0.bss\0.comment\0.shstrtab\0";
        let mut file = vec![0; 64];
        file[..20].copy_from_slice(&[
            0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 62, 0,
        ]);
        file.extend_from_slice(b"code----comment-");
        let names_at = file.len() as u64;
        file.extend_from_slice(names);
        file.resize(file.len().next_multiple_of(8), 0);
        let table = file.len() as u64;
        for (name, kind, offset, size) in [
            (0u32, 0u32, 0u64, 0u64),
            (1, 1, 64, 8),
            (7, 8, 64, 0x1_0000_0002),
            (12, 1, 72, 8),
            (21, 3, names_at, names.len() as u64),
        ] {
            let mut header = vec![0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[4..8].copy_from_slice(&kind.to_le_bytes());
            header[24..32].copy_from_slice(&offset.to_le_bytes());
            header[32..40].copy_from_slice(&size.to_le_bytes());
            file.extend_from_slice(&header);
        }
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file[52] = 64;
        file[58] = 64;
        file[60] = 5;
        file[62] = 4;
        file
    }

    #[test]
    fn which_sections_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let file = small();
        std::fs::write(&path, &file).unwrap();
        let elf = Elf::read(&path).unwrap().unwrap();
        assert_eq!((elf.architecture, elf.bits), ("i386", 64));
        let mut expected = b"code----".to_vec();
        expected.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2]);
        expected.extend_from_slice(b"\0.text\0.bss\0.comment\0.shstrtab\0");
        assert_eq!(elf.sha1, hex::encode(Sha1::digest(&expected)));
        assert_eq!(elf.sha512t_256, hex::encode(Sha512_256::digest(&expected)));
        // What is cut short or no ELF at all is not described.
        for length in [4, 63, 70, file.len() - 1] {
            std::fs::write(&path, &file[..length]).unwrap();
            assert_eq!(Elf::read(&path).unwrap(), None, "{length}");
        }
        std::fs::write(&path, "text").unwrap();
        assert_eq!(Elf::read(&path).unwrap(), None);
    }
}
