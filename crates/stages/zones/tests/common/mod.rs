//! Made-up proto roots and their ELF files.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

pub(crate) mod roots;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use proto::{Contents, Owners, Proto, Store};
use zones::{Closure, Error, Feature, Request, closure};

/// The smallest ELF file that a runtime linker would take: program headers and a dynamic section.
pub(crate) struct Elf<'a> {
    pub(crate) wide: bool,
    pub(crate) interpreter: Option<&'a str>,
    /// Tag and text.
    pub(crate) dynamic: &'a [(u64, &'a str)],
}

pub(crate) const NEEDED: u64 = 1;
pub(crate) const RPATH: u64 = 15;
pub(crate) const RUNPATH: u64 = 29;
pub(crate) const AUXILIARY: u64 = 0x7fff_fffd;
pub(crate) const FILTER: u64 = 0x7fff_ffff;
pub(crate) const ADDRESS: u64 = 0x1_0000;

impl Elf<'_> {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let word = |value: u64| {
            let bytes = value.to_le_bytes();
            bytes[..if self.wide { 8 } else { 4 }].to_vec()
        };
        let (header, segment, entry) = if self.wide { (64, 56, 16) } else { (52, 32, 8) };
        let mut strings = vec![0];
        let mut dynamic = Vec::new();
        for (tag, text) in self.dynamic {
            dynamic.extend(word(*tag));
            dynamic.extend(word(strings.len() as u64));
            strings.extend(text.as_bytes());
            strings.push(0);
        }
        let segments = 2 + u64::from(self.interpreter.is_some());
        let dynamic_at = header + segments * segment;
        let strings_at = dynamic_at + dynamic.len() as u64 + 3 * entry;
        for (tag, value) in [(5, ADDRESS + strings_at), (10, strings.len() as u64), (0, 0)] {
            dynamic.extend(word(tag));
            dynamic.extend(word(value));
        }
        let interpreter = self.interpreter.map(|text| [text.as_bytes(), b"\0"].concat());
        let interpreter = interpreter.unwrap_or_default();
        let interpreter_at = strings_at + strings.len() as u64;
        let end = interpreter_at + interpreter.len() as u64;

        let mut bytes = b"\x7fELF".to_vec();
        bytes.extend([if self.wide { 2 } else { 1 }, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(3u16.to_le_bytes());
        bytes.extend(if self.wide { 62u16 } else { 3 }.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend([word(0), word(header), word(0)].concat());
        bytes.extend(0u32.to_le_bytes());
        for half in [header, segment, segments, 0, 0, 0] {
            bytes.extend((half as u16).to_le_bytes());
        }
        let mut add = |kind: u32, offset: u64, size: u64| {
            let flags = 4u32.to_le_bytes();
            bytes.extend(kind.to_le_bytes());
            if self.wide {
                bytes.extend(flags);
            }
            for value in [offset, ADDRESS + offset, ADDRESS + offset, size, size] {
                bytes.extend(word(value));
            }
            if !self.wide {
                bytes.extend(flags);
            }
            bytes.extend(word(1));
        };
        if self.interpreter.is_some() {
            add(3, interpreter_at, interpreter.len() as u64);
        }
        add(1, 0, end);
        add(2, dynamic_at, dynamic.len() as u64);
        bytes.extend(dynamic);
        bytes.extend(strings);
        bytes.extend(interpreter);
        bytes
    }
}

pub(crate) struct Scratch {
    pub(crate) directory: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn link(&self, target: &str, path: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub(crate) fn library(&self, path: &str, wide: bool, dynamic: &[(u64, &str)]) {
        self.write(path, Elf { wide, interpreter: None, dynamic }.bytes());
    }

    pub(crate) fn program(&self, path: &str, wide: bool, dynamic: &[(u64, &str)]) {
        let interpreter = Some(if wide { "/lib/amd64/ld.so.1" } else { "/usr/lib/ld.so.1" });
        self.write(path, Elf { wide, interpreter, dynamic }.bytes());
    }

    /// The C library and the runtime linker in both widths, placed as illumos does.
    pub(crate) fn system(&self) {
        for (directory, wide) in [("lib", false), ("lib/amd64", true)] {
            self.library(&format!("{directory}/ld.so.1"), wide, &[]);
            self.library(&format!("{directory}/libc.so.1"), wide, &[]);
        }
        self.link("amd64", "lib/64");
        self.link("../../lib/ld.so.1", "usr/lib/ld.so.1");
    }

    pub(crate) fn proto(&self) -> Proto {
        let manifest = proto::import_directory(&self.root(), Owners::Root).unwrap();
        let store = Store::create(self.directory.path().join("store")).unwrap();
        Proto { manifest, contents: Contents { store, tree: Some(self.root()) } }
    }

    pub(crate) fn closure(
        &self,
        programs: &[&str],
        features: &[Feature],
    ) -> Result<Closure, Error> {
        let programs: Vec<String> = programs.iter().map(|&program| program.to_owned()).collect();
        closure(&self.proto(), &Request { programs: &programs, features, ..Request::default() })
    }
}
