//! Stand-ins for artifacts: real in form, with nothing in them. For trying what handles
//! repositories; no rack can use them.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use boot_image::phase2;
use gzip::{GzipWriter, Level};
use hubris::Fake;
use oxide_archive::{ArchiveType, Metadata, Writer};
use proto::Digest;

use crate::artifact::{Kind, Slot, Variant};
use crate::inputs::{BOARDS, Firmware, Planned, Source, corpus};
use crate::{Error, names};

/// How every stand-in begins that is text.
pub const STAND_IN: &str = "This is not a boot ROM.";
/// The largest stand-in, which is made in memory.
pub(crate) const LARGEST: u64 = 256 << 20;
/// Bytes of those whose size nobody asked for.
const SIZE: u64 = 64 << 10;
/// A key table that signs nothing.
const RKTH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The zones of a whole set, by file name.
const ZONES: [(&str, &str); 11] = [
    ("clickhouse", "clickhouse"),
    ("clickhouse_keeper", "clickhouse_keeper"),
    ("clickhouse_server", "clickhouse_server"),
    ("cockroachdb", "cockroachdb"),
    ("crucible", "crucible-zone"),
    ("crucible_pantry", "crucible-pantry-zone"),
    ("external_dns", "external-dns"),
    ("internal_dns", "internal-dns"),
    ("nexus", "nexus"),
    ("ntp", "ntp"),
    ("oximeter", "oximeter"),
];

/// Text of so many bytes that says what it stands for.
pub(crate) fn text(what: &str, size: u64) -> Vec<u8> {
    let line = format!("{STAND_IN} It is a stand-in for {what}.\n");
    line.bytes().cycle().take(size.min(LARGEST) as usize).collect()
}

/// A phase-2 image whose data are text.
pub(crate) fn phase_2(what: &str, name: &str, size: u64) -> Result<Vec<u8>, String> {
    let data = text(what, size);
    let length = data.len() as u64;
    let header = phase2::Header {
        compressed: false,
        data_size: length,
        image_size: length,
        target_size: phase2::DEFAULT_TARGET_SIZE,
        sha256: Digest::of(&data),
        dataset: phase2::DATASET.to_owned(),
        name: name.to_owned(),
    };
    Ok([&header.encode()?[..], &data].concat())
}

/// A zone image with one file.
pub(crate) fn zone(name: &str, version: &str, size: u64) -> Result<Vec<u8>, String> {
    let metadata = Metadata::new(ArchiveType::Layer).with_package(name, version);
    let write = || -> Result<Vec<u8>, oxide_archive::Error> {
        let path = Path::new("a stand-in");
        let gzip = GzipWriter::new(Vec::new(), Level::Best);
        let mut writer = Writer::new(gzip, path, &metadata, 0)?;
        let text = text(&format!("the zone {name}"), size);
        writer.file_bytes("root/stand-in", proto::Metadata::root(0o444), &text)?;
        writer.finish()?.finish().map_err(|source| oxide_archive::Error::Io {
            doing: "write",
            path: path.to_owned(),
            source,
        })
    };
    write().map_err(|error| error.to_string())
}

/// A corpus of so many measurements.
pub(crate) fn corim(measurements: usize, version: &str) -> Vec<u8> {
    hubris::fake_corim_of("fake-measurement-id", version, measurements)
}

/// Everything that a complete repository has, all of the system version.
pub(crate) fn all(version: &str) -> Result<Vec<Planned>, Error> {
    make(version).map_err(|problem| Error::Input { path: place(), problem })
}

/// What messages call the place where stand-ins come from.
fn place() -> PathBuf {
    PathBuf::from("the stand-ins")
}

fn make(version: &str) -> Result<Vec<Planned>, String> {
    let mut planned = Vec::new();
    let mut add = |target_name: String, bytes: Vec<u8>, kind: Kind| -> Result<(), String> {
        names::check_name(&target_name)?;
        let source = Source::Memory(bytes, place());
        planned.push(Planned { target_name, source, artifact: Some((kind, version.to_owned())) });
        Ok(())
    };
    for measurements in [4, 16] {
        let bytes = corim(measurements, version);
        let (target_name, _) = corpus::describe(&bytes)?;
        add(target_name, bytes, Kind::MeasurementCorpus)?;
    }
    for variant in [Variant::Host, Variant::Recovery] {
        for board in BOARDS {
            let rom = text(&format!("the {variant} ROM of {board}"), SIZE);
            let kind = Kind::OsPhase1 { board: board.to_owned(), variant };
            add(format!("os-{variant}/{board}.rom"), rom, kind)?;
        }
        let name = match variant {
            Variant::Host => "fake",
            Variant::Recovery => "recovery fake",
        };
        let image = phase_2(&format!("the {variant} image"), name, SIZE)?;
        add(format!("os-{variant}/zfs.img"), image, Kind::OsPhase2 { variant })?;
    }
    let rot = Fake { signer: Some(RKTH), ..Fake::new("SimRot", version) };
    let mut firmware = vec![
        (Firmware::Rot(Slot::A), rot),
        (Firmware::Rot(Slot::B), rot),
        (Firmware::RotBootloader, rot),
    ];
    for board in ["SimCosmoSp", "SimGimletSp", "SimPscSp", "SimSidecarSp"] {
        firmware.push((Firmware::Sp, Fake::new(board, version)));
    }
    for (firmware, fake) in firmware {
        let bytes = fake.archive();
        let archive = hubris::Archive::read(Cursor::new(&bytes)).map_err(|e| e.to_string())?;
        let described = firmware.describe(&archive.caboose)?;
        let kind = described.kind.ok_or("a stand-in for firmware is of no kind")?;
        add(described.target_name, bytes, kind)?;
    }
    for (file, name) in ZONES {
        let kind = Kind::Zone { name: name.to_owned() };
        add(format!("zones/{file}.tar.gz"), zone(name, version, SIZE)?, kind)?;
    }
    Ok(planned)
}
