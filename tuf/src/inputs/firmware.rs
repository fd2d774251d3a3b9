//! Hubris build archives: images of roots of trust, their bootloaders and service processors.

use std::path::Path;

use hubris::{Archive, Caboose, ImageName};

use super::{PinnedFile, Planned, Source, artifact};
use crate::artifact::{Kind, Slot};
use crate::{Error, names};

/// What an archive is given as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Firmware {
    /// A root of trust image for a slot.
    Rot(Slot),
    /// A root of trust bootloader.
    RotBootloader,
    /// A service processor image.
    Sp,
}

/// What an archive becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) target_name: String,
    pub(crate) version: String,
    /// None for images that are only for the lab.
    pub(crate) kind: Option<Kind>,
}

/// The known key tables by hash.
const KEY_TABLES: [(&str, &str); 9] = [
    ("f62eb434dd27302521d12958a7c3c18c69f6e0239361654f0a09e5cc554e0fab", "production-cosmo-rot"),
    ("5796ee3433f840519c3bcde73e19ee82ccb6af3857eddaabb928b8d9726d93c0", "production-gimlet-rot"),
    ("31942f8d53dc908c5cb338bdcecb204785fa87834e8b18f706fc972a42886c8b", "production-psc-rot"),
    ("5c69a42ee1f1e6cd5f356d14f81d46f8dbee783bb28777334226c689f169c0eb", "production-sidecar-rot"),
    ("855a51518d13dd696a8102a5b2436bb2e8c39a6c0102909fce0a32adc6b76fb4", "staging-cosmo-rot"),
    ("11594bb5548a757e918e6fe056e2ad9e084297c9555417a025d8788eacf55daf", "staging-gimlet-rot"),
    ("f592d8f109b81881221eed5af6438abad9b5df8c220b9129c03763e7e10b22c7", "staging-psc-rot"),
    ("1432cc4cfe5688c51b55546fe37837c753cfbc89e8c3c6aabcf977fdf0c41e27", "staging-sidecar-rot"),
    ("84332ef8279df87fbb759dc3866cbc50cd246fbb5a64705a7e60ba86bf01c27d", "test-bart"),
];

/// The friendly name of a key table; what is not known counts as unsigned.
fn signer_name(rkth: Option<&str>) -> &'static str {
    KEY_TABLES.iter().find(|(hash, _)| Some(*hash) == rkth).map_or("unsigned", |(_, name)| name)
}

impl Firmware {
    /// What an archive is by its `image-name`.
    pub(crate) fn guess(name: &ImageName) -> Result<Self, String> {
        match name {
            ImageName::A => Ok(Self::Rot(Slot::A)),
            ImageName::B => Ok(Self::Rot(Slot::B)),
            ImageName::Default => Ok(Self::Sp),
            ImageName::Absent => Ok(Self::RotBootloader),
            other => Err(format!("has an image-name that is not known: {other:?}")),
        }
    }

    /// Kind, version and target name of firmware with this caboose.
    pub(crate) fn describe(self, caboose: &Caboose) -> Result<Described, String> {
        let text = |error: hubris::Error| error.to_string();
        let board = caboose.board().map_err(text)?.to_owned();
        let version = caboose.version().map_err(text)?.to_owned();
        let (target_name, kind) = match self {
            Self::Sp => {
                let name = caboose.name().map_err(text)?;
                let kind = (name == board).then(|| Kind::Sp { board: board.clone() });
                (format!("sp/{name}-{version}.zip"), kind)
            }
            Self::Rot(slot) => {
                let rkth = caboose.signer().map_err(text)?.map(ToOwned::to_owned);
                let signer = signer_name(rkth.as_deref());
                (
                    format!("rot/{board}-{signer}-{version}-slot-{slot}.zip"),
                    Some(Kind::Rot { board, slot, rkth }),
                )
            }
            Self::RotBootloader => {
                let rkth = caboose.signer().map_err(text)?.map(ToOwned::to_owned);
                let signer = signer_name(rkth.as_deref());
                let kind = Kind::RotBootloader { board: board.clone(), rkth };
                (format!("rot-bootloader/{board}-{signer}-{version}.zip"), Some(kind))
            }
        };
        names::check_name(&target_name)?;
        names::check_version(&version)?;
        // The tags must read back, or the repository would refuse itself.
        if let Some(kind) = &kind {
            Kind::from_tags(&kind.tags())?;
        }
        Ok(Described { target_name, version, kind })
    }
}

pub(super) fn plan(path: &Path, firmware: Option<Firmware>) -> Result<Planned, Error> {
    let mut pinned = PinnedFile::new(path)?;
    let refuse = |problem: String| Error::input(path, problem);
    // All of it is read to get at the caboose, so what is written later must be these bytes.
    let file = pinned.open()?;
    let streamed = crate::zip::hash_only(&mut &file).map_err(Error::io("read", path))?;
    pinned.digest = Some(streamed.sha256);
    let archive = Archive::read(&file).map_err(|error| refuse(error.to_string()))?;
    let firmware = match firmware {
        Some(firmware) => firmware,
        None => Firmware::guess(&archive.image_name).map_err(refuse)?,
    };
    let described = firmware.describe(&archive.caboose).map_err(refuse)?;
    match described.kind {
        Some(kind) => artifact(described.target_name, pinned, kind, described.version),
        None => Ok(Planned {
            target_name: described.target_name,
            source: Source::File(pinned),
            artifact: None,
        }),
    }
}
