//! How an entry of the zip is compressed, chosen from its first bytes.

/// How many first bytes the choice looks at.
pub(crate) const PROBE: usize = 8192;

/// The first four bytes of an Oxide boot image.
const BOOT_IMAGE: [u8; 4] = 0x1DEB_0075_u32.to_le_bytes();

/// How an entry is stored in the zip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// As it is.
    Stored,
    /// Deflate at this level, 1 to 9.
    Deflate(u32),
}

impl Method {
    /// Level 9.
    pub(crate) const BEST: Self = Self::Deflate(9);
    /// Level 1, for large images that compress anyhow.
    pub(crate) const FAST: Self = Self::Deflate(1);

    /// The choice for contents that begin with `first`: what is compressed already is stored.
    pub(crate) fn choose(first: &[u8]) -> Self {
        match first {
            [] => Self::Stored,
            [0x1f, 0x8b, ..] | [b'P', b'K', 3, 4, ..] => Self::Stored,
            _ if first.starts_with(&BOOT_IMAGE) => match first.get(8) {
                Some(flags) if flags & 1 == 1 => Self::Stored,
                _ => Self::FAST,
            },
            [0x78, flags, ..] if u16::from_be_bytes([0x78, *flags]).is_multiple_of(31) => {
                if flags & 0xc0 == 0 { Self::BEST } else { Self::Stored }
            }
            _ => Self::BEST,
        }
    }

    /// The number in the zip's headers.
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflate(_) => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        for (first, method) in [
            (&b""[..], Method::Stored),
            (b"\x1f\x8b\x08", Method::Stored),
            (b"\x78\x01", Method::BEST),
            (b"\x78\x9c", Method::Stored),
            (b"\x78\xda", Method::Stored),
            (b"\x78\x9d", Method::BEST),
            (b"PK\x03\x04", Method::Stored),
            (b"\x75\x00\xeb\x1d\x02\0\0\0\x01\0", Method::Stored),
            (b"\x75\x00\xeb\x1d\x02\0\0\0\x00\0", Method::FAST),
            (b"{}", Method::BEST),
            (b"x", Method::BEST),
        ] {
            assert_eq!(Method::choose(first), method, "{first:?}");
        }
    }
}
