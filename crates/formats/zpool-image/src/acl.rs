//! Trivial access control lists: the entries that say what a mode says.

use crate::bytes::{put_u16, put_u32};

const READ: u32 = 0x1;
const WRITE: u32 = 0x6;
const DELETE_CHILD: u32 = 0x40;
const EXECUTE: u32 = 0x20;
/// What an owner may always do: attributes, the list itself, ownership.
const OWNER_ALWAYS: u32 = 0x1e_0198;
/// What everyone may always do: read attributes and the list.
const ALWAYS: u32 = 0x12_0088;

const ALLOW: u16 = 0;
const DENY: u16 = 1;
const OWNER: u16 = 0x1000;
const GROUP: u16 = 0x2040;
const EVERYONE: u16 = 0x4000;

/// Bytes of an entry.
pub(crate) const ENTRY_SIZE: usize = 8;

/// The entries for the permission bits of a mode.
pub(crate) fn trivial(mode: u32, is_directory: bool) -> Vec<u8> {
    let bits = |shift: u32| {
        let mode = mode >> shift;
        let write = if is_directory { WRITE | DELETE_CHILD } else { WRITE };
        (if mode & 4 != 0 { READ } else { 0 })
            | (if mode & 2 != 0 { write } else { 0 })
            | (if mode & 1 != 0 { EXECUTE } else { 0 })
    };
    let (owner, group, other) = (bits(6), bits(3), bits(0));
    // The entries are read in order and the first that speaks of a right decides: exceptions
    // stand before the three general ones.
    let exceptions = [
        (ALLOW, OWNER, owner & !group & other),
        (DENY, OWNER, !owner & (group | other)),
        (DENY, GROUP, !group & other),
    ];
    let general = [
        (ALLOW, OWNER, OWNER_ALWAYS | owner),
        (ALLOW, GROUP, ALWAYS | group),
        (ALLOW, EVERYONE, ALWAYS | other),
    ];
    let entries = exceptions.into_iter().filter(|(_, _, mask)| *mask != 0).chain(general);
    let mut out = Vec::new();
    for (kind, who, mask) in entries {
        let mut entry = [0; ENTRY_SIZE];
        put_u16(&mut entry, 0, kind);
        put_u16(&mut entry, 2, who);
        put_u32(&mut entry, 4, mask);
        out.extend_from_slice(&entry);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(mode: u32, is_directory: bool) -> String {
        trivial(mode, is_directory)
            .chunks(8)
            .map(|e| {
                let short = |i: usize| u16::from_le_bytes([e[i], e[i + 1]]);
                let mask = u32::from_le_bytes([e[4], e[5], e[6], e[7]]);
                format!("{:x}/{:x}/{:x}", short(0), short(2), mask)
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn lists_are_those_a_kernel_makes() {
        assert_eq!(printed(0o644, false), "0/1000/1e019f 0/2040/120089 0/4000/120089");
        assert_eq!(printed(0o4755, false), "0/1000/1e01bf 0/2040/1200a9 0/4000/1200a9");
        assert_eq!(printed(0o755, true), "0/1000/1e01ff 0/2040/1200a9 0/4000/1200a9");
        assert_eq!(
            printed(0o007, false),
            "1/1000/27 1/2040/27 0/1000/1e0198 0/2040/120088 0/4000/1200af"
        );
        assert_eq!(printed(0o070, true), "1/1000/67 0/1000/1e0198 0/2040/1200ef 0/4000/120088");
        assert_eq!(printed(0o571, true), "1/1000/46 0/1000/1e01b9 0/2040/1200ef 0/4000/1200a8");
        assert_eq!(
            printed(0o704, false),
            "0/1000/1 1/2040/1 0/1000/1e01bf 0/2040/120088 0/4000/120089"
        );
    }
}
