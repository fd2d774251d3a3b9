//! The dynamic section, and what leads to it.

use std::collections::BTreeSet;
use std::fs::File;

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _, SectionHeader as _};
use object::read::{ReadCache, ReadRef};

/// The larger of the limits on one string table; real ones are below 1 MiB.
const LONGEST_TABLE: u64 = 64 << 20;

/// What kind of process an ELF file can be part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// Whether it is ELF64.
    pub wide: bool,
    /// `e_machine`.
    pub machine: u16,
}

/// What an ELF file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// 32 or 64 bits, and the machine.
    pub class: Class,
    /// `PT_INTERP`.
    pub interpreter: Option<String>,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<String>,
    /// `DT_SUNW_FILTER`: libraries that give some of the symbols this one only stands for.
    pub symbol_filters: Vec<String>,
    /// `DT_FILTER`: libraries that this one only stands for.
    pub filters: Vec<String>,
    /// `DT_AUXILIARY`: libraries used in its place where they exist.
    pub auxiliaries: Vec<String>,
    /// `DT_RUNPATH`, else `DT_RPATH`: illumos treats both the same.
    pub run_path: Vec<String>,
    /// `DF_1_NODEFLIB`: the default directories are not searched.
    pub no_default: bool,
}

impl Class {
    /// The words for messages.
    pub fn words(self) -> &'static str {
        if self.wide { "64-bit" } else { "32-bit" }
    }
}

/// Reads a file; none if it does not begin as ELF does.
pub fn read(file: File) -> Result<Option<Elf>, String> {
    let cache = ReadCache::new(file);
    let Ok(ident) = cache.read_bytes_at(0, 5) else { return Ok(None) };
    if ident[..4] != elf::ELFMAG {
        return Ok(None);
    }
    match ident[4] {
        1 => parse::<FileHeader32<Endianness>>(&cache, false),
        2 => parse::<FileHeader64<Endianness>>(&cache, true),
        other => Err(format!("ELF class {other} is neither 1 (32-bit) nor 2 (64-bit)")),
    }
    .map(Some)
}

fn parse<H: FileHeader<Endian = Endianness>>(
    data: &ReadCache<File>,
    wide: bool,
) -> Result<Elf, String> {
    let text = |error: object::read::Error| error.to_string();
    let header = H::parse(data).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let segments = header.program_headers(endian, data).map_err(text)?;
    let class = Class { wide, machine: header.e_machine(endian).0 };
    let mut found = Elf {
        class,
        interpreter: None,
        needed: Vec::new(),
        symbol_filters: Vec::new(),
        filters: Vec::new(),
        auxiliaries: Vec::new(),
        run_path: Vec::new(),
        no_default: false,
    };
    let mut dynamic = None;
    for segment in segments {
        if let Some(interpreter) = segment.interpreter(endian, data).map_err(text)? {
            found.interpreter = Some(string(interpreter)?);
        }
        if let Some(entries) = segment.dynamic(endian, data).map_err(text)? {
            dynamic = Some(entries);
        }
    }
    // Only kernel modules are loaded from relocatable objects, by their sections.
    let mut section_strings = None;
    if dynamic.is_none() && header.e_type(endian) == elf::ET_REL {
        let sections = header.section_headers(endian, data).map_err(text)?;
        for section in sections {
            if section.sh_type(endian) == elf::SHT_DYNAMIC {
                let entries = section.data_as_array::<H::Dyn, _>(endian, data).map_err(text)?;
                let link = usize::try_from(section.sh_link(endian)).unwrap_or(usize::MAX);
                let names = sections.get(link).ok_or("its dynamic section names no strings")?;
                if names.sh_size(endian).into() > LONGEST_TABLE {
                    return Err("its string table is too long".to_owned());
                }
                section_strings = Some(names.data(endian, data).map_err(text)?);
                dynamic = Some(entries);
            }
        }
    }
    let Some(dynamic) = dynamic else { return Ok(found) };
    let live = || dynamic.iter().take_while(|entry| entry.tag(endian) != elf::DT_NULL);
    let value = |tag| live().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian));
    let strings = match (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) {
        _ if section_strings.is_some() => section_strings.unwrap_or_default(),
        (Some(address), Some(size)) => {
            let segment = segments.iter().find(|segment| {
                let start = segment.p_vaddr(endian).into();
                segment.p_type(endian) == elf::PT_LOAD
                    && address >= start
                    && address - start < segment.p_filesz(endian).into()
            });
            let segment = segment.ok_or("its string table lies in no segment")?;
            let into = address - segment.p_vaddr(endian).into();
            let offset = segment.p_offset(endian).into().checked_add(into);
            let room = segment.p_filesz(endian).into() - into;
            if size > room.min(LONGEST_TABLE) {
                return Err(format!("its string table of {size} bytes is longer than its segment"));
            }
            offset
                .and_then(|offset| data.read_bytes_at(offset, size).ok())
                .ok_or("its string table lies behind its end")?
        }
        _ => &[],
    };
    let name = |offset: u64| {
        usize::try_from(offset)
            .ok()
            .and_then(|offset| strings.get(offset..))
            .and_then(|rest| rest.split(|&b| b == 0).next())
            .filter(|name| !name.is_empty())
            .ok_or("a name in its dynamic section lies outside its string table".to_owned())
            .and_then(string)
    };
    let mut run_path = None;
    let mut old_run_path = None;
    let mut seen = BTreeSet::new();
    for entry in live() {
        let value = entry.val(endian);
        match entry.tag(endian) {
            elf::DT_NEEDED => {
                let name = name(value)?;
                if seen.insert(name.clone()) {
                    found.needed.push(name);
                }
            }
            SUNW_FILTER => found.symbol_filters.push(name(value)?),
            elf::DT_FILTER => found.filters.push(name(value)?),
            elf::DT_AUXILIARY => found.auxiliaries.push(name(value)?),
            elf::DT_RUNPATH => run_path = Some(name(value)?),
            elf::DT_RPATH => old_run_path = Some(name(value)?),
            elf::DT_FLAGS_1 => found.no_default = value & NODEFLIB != 0,
            _ => {}
        }
    }
    if let Some(path) = run_path.or(old_run_path) {
        found.run_path = path.split(':').filter(|d| !d.is_empty()).map(str::to_owned).collect();
    }
    Ok(found)
}

/// `DT_SUNW_FILTER`.
const SUNW_FILTER: elf::DynamicTag = elf::DynamicTag(0x6000_000f);

/// `DF_1_NODEFLIB`.
const NODEFLIB: u64 = 0x800;

fn string(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a name in it is not UTF-8".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn of(bytes: &[u8]) -> Result<Option<Elf>, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        read(file)
    }

    /// A kernel module by hand: an object file with a dynamic section and its strings.
    fn module() -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..20].copy_from_slice(&[
            0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 62, 0,
        ]);
        let strings = b"\0misc/tem\0fs/specfs\0";
        let dynamic: Vec<u8> = [(1u64, 1u64), (1, 10), (0x6000_000f, 1), (0, 0)]
            .iter()
            .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
            .collect();
        let strings_at = file.len();
        file.extend(strings);
        file.resize(file.len().next_multiple_of(8), 0);
        let dynamic_at = file.len();
        file.extend(&dynamic);
        let table = file.len();
        let sections = [
            (0u32, 0, 0, 0u32),
            (3, strings_at, strings.len(), 0),
            (6, dynamic_at, dynamic.len(), 1),
        ];
        for (kind, offset, size, link) in sections {
            let mut header = vec![0; 64];
            header[4..8].copy_from_slice(&kind.to_le_bytes());
            header[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            header[40..44].copy_from_slice(&link.to_le_bytes());
            file.extend(header);
        }
        file[40..48].copy_from_slice(&(table as u64).to_le_bytes());
        file[52] = 64;
        file[58] = 64;
        file[60] = sections.len() as u8;
        file[62] = 1;
        file
    }

    #[test]
    fn a_kernel_module() {
        let elf = of(&module()).unwrap().unwrap();
        assert_eq!(elf.needed, ["misc/tem", "fs/specfs"]);
        assert_eq!(elf.symbol_filters, ["misc/tem"]);
        assert!(elf.class.wide);
    }

    #[test]
    fn what_is_cut_short_or_none_at_all() {
        assert_eq!(of(b"").unwrap(), None);
        assert_eq!(of(b"#!/bin/sh\n").unwrap(), None);
        let module = module();
        for length in 5..module.len() {
            assert!(of(&module[..length]).is_err(), "{length}");
        }
        let mut bad = module.clone();
        bad[4] = 3;
        assert!(of(&bad).unwrap_err().contains("class 3"));
    }
}
