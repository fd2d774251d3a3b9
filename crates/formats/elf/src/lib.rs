//! What an ELF file of illumos asks of the runtime linker: interpreter, libraries, run path.
//!
//! [`read`] looks at program headers and the dynamic section. Section headers are not looked at,
//! for the linker does not either and strip(1) may drop them; except in relocatable objects, which
//! have nothing else: kernel modules are such. Files of illumos are recognised by what they ask
//! for, not by the OS/ABI byte, which Go leaves 0.
//!
//! Source of the format: the Linkers and Libraries Guide; elf(3ELF), ld.so.1(1).

mod dynamic;

pub use dynamic::{Class, Elf, read};
