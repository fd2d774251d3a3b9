//! Archives and documents for tests: real in form, without firmware.

use std::io::{Cursor, Write};

use ciborium::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::Caboose;

/// What a fake archive says about itself.
#[derive(Debug, Clone, Copy)]
pub struct Fake<'a> {
    /// `BORD`.
    pub board: &'a str,
    /// `NAME`.
    pub name: &'a str,
    /// `VERS`.
    pub version: &'a str,
    /// `SIGN`.
    pub signer: Option<&'a str>,
    /// The member `image-name`.
    pub image_name: Option<&'a str>,
}

const IMAGE_SIZE: usize = 2048;
const HEADER_AT: usize = 0x298;
const ELF_HEADER: usize = 52;
const SECTION_HEADER: usize = 40;

impl<'a> Fake<'a> {
    /// An unsigned archive whose name is its board, without `image-name`.
    pub fn new(board: &'a str, version: &'a str) -> Self {
        Self { board, name: board, version, signer: None, image_name: None }
    }

    /// The archive's bytes; always the same.
    pub fn archive(&self) -> Vec<u8> {
        self.write_archive().unwrap_or_default() // writing to memory does not fail
    }

    fn write_archive(&self) -> zip::result::ZipResult<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default());
        zip.set_comment("hubris build archive v0")?;
        // As real archives have it.
        zip.start_file("img/final.elf", options.compression_method(CompressionMethod::Bzip2))?;
        zip.write_all(&self.elf())?;
        if let Some(name) = self.image_name {
            zip.start_file("image-name", options)?;
            zip.write_all(name.as_bytes())?;
        }
        Ok(zip.finish()?.into_inner())
    }

    /// A 32-bit ARM ELF file with one section, which holds the image.
    fn elf(&self) -> Vec<u8> {
        let image = self.image();
        let names = b"\0.image\0.shstrtab\0";
        let names_at = ELF_HEADER + image.len();
        let sections_at = (names_at + names.len()).next_multiple_of(4);
        let mut elf = Vec::new();
        elf.extend(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0");
        for half in [1_u16, 40] {
            elf.extend(half.to_le_bytes()); // relocatable, ARM
        }
        for word in [1, 0, 0, sections_at as u32, 0] {
            elf.extend(word.to_le_bytes());
        }
        for half in [ELF_HEADER as u16, 0, 0, SECTION_HEADER as u16, 3, 2] {
            elf.extend(half.to_le_bytes());
        }
        elf.extend(&image);
        elf.extend(names);
        elf.resize(sections_at, 0);
        let sections = [
            [0; 10],
            // Program data, writable and loaded.
            [1, 1, 3, 0, ELF_HEADER as u32, image.len() as u32, 0, 0, 1, 0],
            // Section names.
            [8, 3, 0, 0, names_at as u32, names.len() as u32, 0, 0, 1, 0],
        ];
        for word in sections.as_flattened() {
            elf.extend(word.to_le_bytes());
        }
        elf
    }

    /// A header where one is looked for, and the caboose at the end.
    fn image(&self) -> Vec<u8> {
        let mut caboose = Caboose::default()
            .with(*b"BORD", self.board)
            .with(*b"NAME", self.name)
            .with(*b"VERS", self.version)
            .with(*b"GITC", "this-is-no-firmware");
        if let Some(signer) = self.signer {
            caboose = caboose.with(*b"SIGN", signer);
        }
        let chunks = caboose.to_bytes();
        let caboose_size = (chunks.len() + 8).next_multiple_of(512);
        let size = IMAGE_SIZE + caboose_size;
        let mut image = vec![0; size];
        image[HEADER_AT..HEADER_AT + 4].copy_from_slice(&0x64CE_D6CA_u32.to_le_bytes());
        image[HEADER_AT + 4..HEADER_AT + 8].copy_from_slice(&(size as u32).to_le_bytes());
        image[IMAGE_SIZE..IMAGE_SIZE + 4].copy_from_slice(&0xCAB0_005E_u32.to_le_bytes());
        image[IMAGE_SIZE + 4..IMAGE_SIZE + 4 + chunks.len()].copy_from_slice(&chunks);
        image[size - 4..].copy_from_slice(&(caboose_size as u32).to_le_bytes());
        image
    }
}

/// A CoRIM document with one tag and no measurements.
pub fn fake_corim(id: &str, version: &str) -> Vec<u8> {
    fake_corim_of(id, version, 0)
}

/// A CoRIM document with one tag and so many measurements, all of nothing.
pub fn fake_corim_of(id: &str, version: &str, measurements: usize) -> Vec<u8> {
    let integer = |value: u64| Value::Integer(value.into());
    let measurement = |number: usize| {
        // SHA3-256, by its number in the registry of named hashes.
        let digest = Value::Array(vec![integer(10), Value::Bytes(vec![0; 32])]);
        Value::Map(vec![
            (integer(0), Value::Text(format!("layer{number}"))),
            (integer(1), Value::Map(vec![(integer(2), Value::Array(vec![digest]))])),
        ])
    };
    let mut triples = Vec::new();
    if measurements > 0 {
        let class = Value::Map(vec![(integer(1), Value::Text("nobody".to_owned()))]);
        let environment = Value::Map(vec![(integer(0), class)]);
        let all = (0..measurements).map(measurement).collect();
        triples.push(Value::Array(vec![environment, Value::Array(all)]));
    }
    let identity = Value::Map(vec![
        (integer(0), Value::Text("tag".to_owned())),
        (integer(1), Value::Text(version.to_owned())),
    ]);
    let tag = Value::Map(vec![
        (integer(1), identity),
        (integer(4), Value::Map(vec![(integer(0), Value::Array(triples))])),
    ]);
    let inner = to_bytes(&Value::Tag(506, Box::new(tag)));
    to_bytes(&Value::Map(vec![
        (integer(0), Value::Text(id.to_owned())),
        (integer(1), Value::Array(vec![Value::Bytes(inner)])),
    ]))
}

fn to_bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = ciborium::into_writer(value, &mut bytes);
    bytes
}
