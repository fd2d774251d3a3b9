//! What the runtime linker reads in an ELF file: program headers and the dynamic section.
//!
//! Section headers are not looked at, for the linker does not either and strip(1) may drop them.

use std::collections::BTreeSet;
use std::fs::File;

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::read::{ReadCache, ReadRef};

/// The larger of the limits on one string table; real ones are below 1 MiB.
const LONGEST_TABLE: u64 = 64 << 20;

/// What kind of process an ELF file can be part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    /// Whether it is ELF64.
    pub(crate) wide: bool,
    /// `e_machine`.
    pub(crate) machine: u16,
}

/// What an ELF file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elf {
    pub(crate) class: Class,
    /// `PT_INTERP`.
    pub(crate) interpreter: Option<String>,
    /// `DT_NEEDED`, in order.
    pub(crate) needed: Vec<String>,
    /// `DT_FILTER`: libraries that this one only stands for.
    pub(crate) filters: Vec<String>,
    /// `DT_AUXILIARY`: libraries used in its place where they exist.
    pub(crate) auxiliaries: Vec<String>,
    /// `DT_RUNPATH`, else `DT_RPATH`: illumos treats both the same.
    pub(crate) run_path: Vec<String>,
    /// `DF_1_NODEFLIB`: the default directories are not searched.
    pub(crate) no_default: bool,
}

impl Class {
    /// The words for messages.
    pub(crate) fn words(self) -> &'static str {
        if self.wide { "64-bit" } else { "32-bit" }
    }
}

/// Reads a file; none if it does not begin as ELF does.
pub(crate) fn read(file: File) -> Result<Option<Elf>, String> {
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
    let Some(dynamic) = dynamic else { return Ok(found) };
    let live = || dynamic.iter().take_while(|entry| entry.tag(endian) != elf::DT_NULL);
    let value = |tag| live().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian));
    let strings = match (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) {
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

/// `DF_1_NODEFLIB`.
const NODEFLIB: u64 = 0x800;

fn string(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a name in it is not UTF-8".to_owned())
}
