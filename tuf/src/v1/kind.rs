//! The kinds of the older format.

use crate::artifact::Variant;

/// What a kind is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// One file.
    File,
    /// Both boards' phase 1 and the phase 2 of an OS image.
    Os,
    /// The two slots of a root of trust.
    Rot,
    /// All zones.
    ControlPlane,
    /// Made by the build itself.
    Document,
}

/// Every kind that may be in a repository: what it is made of, and whether a complete one has it.
const KINDS: [(&str, Make, bool); 14] = [
    ("control_plane", Make::ControlPlane, true),
    ("gimlet_rot", Make::Rot, true),
    ("gimlet_rot_bootloader", Make::File, true),
    ("gimlet_sp", Make::File, true),
    ("host", Make::Os, true),
    ("installinator_document", Make::Document, false),
    ("measurement_corpus", Make::File, false),
    ("psc_rot", Make::Rot, true),
    ("psc_rot_bootloader", Make::File, true),
    ("psc_sp", Make::File, true),
    ("switch_rot", Make::Rot, true),
    ("switch_rot_bootloader", Make::File, true),
    ("switch_sp", Make::File, true),
    ("trampoline", Make::Os, true),
];

/// The member of an OS image that is its ramdisk.
pub(crate) const PHASE_2: &str = "image/zfs.img";

/// What a kind is made of, if it is known.
pub(crate) fn make(kind: &str) -> Option<Make> {
    KINDS.iter().find(|(name, ..)| *name == kind).map(|(_, make, _)| *make)
}

/// The kinds that a complete repository has.
pub(crate) fn required() -> impl Iterator<Item = &'static str> {
    KINDS.iter().filter(|(.., required)| *required).map(|(name, ..)| *name)
}

/// Which of the two OS images a kind is.
pub(crate) fn variant(kind: &str) -> Variant {
    match kind {
        "trampoline" => Variant::Recovery,
        _ => Variant::Host,
    }
}

/// The members of a composite archive in their order, after `oxide.json`; none for zones, whose
/// names are their own.
pub(crate) fn members(make: Make) -> &'static [&'static str] {
    match make {
        Make::Os => &["image/cosmo.rom", "image/gimlet.rom", PHASE_2],
        Make::Rot => &["archive-a.zip", "archive-b.zip"],
        _ => &[],
    }
}

/// The word `t` in the `oxide.json` of a composite archive.
pub(crate) fn archive_type(make: Make) -> &'static str {
    match make {
        Make::Os => "os",
        Make::Rot => "rot",
        Make::ControlPlane => "control_plane",
        Make::File | Make::Document => "",
    }
}

/// The kind of a deployment unit: what a part of a composite archive is to a rack. Two units of a
/// repository with one kind and hash would be one to it.
pub(crate) fn unit(kind: &str, member: &str) -> String {
    let board = kind.strip_suffix("_rot").unwrap_or(kind);
    match member {
        "archive-a.zip" => format!("{board}_rot_image_a"),
        "archive-b.zip" => format!("{board}_rot_image_b"),
        PHASE_2 => format!("{kind}_phase_2"),
        "image/cosmo.rom" => format!("cosmo_{kind}_phase_1"),
        "image/gimlet.rom" => format!("gimlet_{kind}_phase_1"),
        zone if zone.starts_with("zones/") => "zone".to_owned(),
        _ => kind.to_owned(),
    }
}

/// The target name of an artifact.
pub(crate) fn target_name(kind: &str, name: &str, version: &str) -> String {
    match kind {
        "installinator_document" => format!("{kind}-{version}.json"),
        _ => format!("{kind}-{name}-{version}.tar.gz"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (kind, member, wanted) in [
            ("gimlet_rot", "archive-a.zip", "gimlet_rot_image_a"),
            ("switch_rot", "archive-b.zip", "switch_rot_image_b"),
            ("host", "image/zfs.img", "host_phase_2"),
            ("host", "image/gimlet.rom", "gimlet_host_phase_1"),
            ("trampoline", "image/cosmo.rom", "cosmo_trampoline_phase_1"),
            ("control_plane", "zones/ntp.tar.gz", "zone"),
            ("gimlet_sp", "", "gimlet_sp"),
        ] {
            assert_eq!(unit(kind, member), wanted);
        }
    }
}
