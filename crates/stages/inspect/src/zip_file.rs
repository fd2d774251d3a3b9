//! Zips: update repositories, Hubris archives, others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};

use proto::Digest;
use sha2::Digest as _;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::inspection::{Inspection, Item, Kind, printable};
use crate::{Damage, update_repository};

/// The metadata of a repository are kept in memory up to this size.
const LONGEST_DOCUMENT: u64 = 16 << 20;
/// The beginning of a Hubris archive's comment.
const HUBRIS: &[u8] = b"hubris build archive v";

pub(crate) fn look(inspection: &mut Inspection, file: File) -> io::Result<()> {
    let mut archive = match ZipArchive::new(BufReader::new(file)) {
        Ok(archive) => archive,
        Err(error) => {
            inspection.damage.push(damage(error)?.inside("central directory"));
            return Ok(());
        }
    };
    let comment = archive.comment().to_vec();
    let is_repository = archive.file_names_raw().any(|name| name.starts_with(b"repo/metadata/"));
    if is_repository {
        inspection.kind = Kind::UpdateRepository;
    } else if comment.starts_with(HUBRIS) {
        inspection.kind = Kind::HubrisArchive;
        inspection.fact("version", String::from_utf8_lossy(&comment[HUBRIS.len() - 1..]));
    } else if !comment.is_empty() {
        inspection.fact("comment", String::from_utf8_lossy(&comment));
    }
    let mut documents = BTreeMap::new();
    for index in 0..archive.len() {
        entry(inspection, &mut archive, index, &mut documents)?;
    }
    if is_repository {
        update_repository::look(inspection, &documents);
    }
    Ok(())
}

fn entry(
    inspection: &mut Inspection,
    archive: &mut ZipArchive<BufReader<File>>,
    index: usize,
    documents: &mut BTreeMap<String, Vec<u8>>,
) -> io::Result<()> {
    let known_as = match archive.name_for_index(index) {
        Some(Ok(name)) => printable(&name),
        _ => format!("entry {index}"),
    };
    let mut file = match archive.by_index(index) {
        Ok(file) => file,
        Err(error) => {
            inspection.damage.push(damage(error)?.inside(known_as));
            return Ok(());
        }
    };
    let mut item = Item {
        name: known_as.clone(),
        item_type: if file.is_dir() { "directory" } else { "file" }.to_owned(),
        size: file.size(),
        mode: file.unix_mode().map(|mode| format!("{:04o}", mode & 0o7777)),
        note: Some(format!("{} bytes stored", file.compressed_size())),
        ..Item::default()
    };
    let is_document = known_as.starts_with("repo/metadata/") || known_as.ends_with(".json");
    let mut document = Vec::new();
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    // The reader compares length and CRC-32 at the end of the data.
    let result = loop {
        match file.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                if is_document && (document.len() + count) as u64 <= LONGEST_DOCUMENT {
                    document.extend_from_slice(&buffer[..count]);
                }
            }
            Err(error) => break Err(error),
        }
    };
    match result {
        Ok(()) => {
            item.sha256 = Some(Digest(hasher.finalize().into()));
            if is_document {
                documents.insert(known_as, document);
            }
        }
        Err(error) => {
            let offset = file.header_start();
            inspection.damage.push(Damage::new(error.to_string()).inside(known_as).at(offset));
        }
    }
    inspection.entries.push(item);
    Ok(())
}

fn damage(error: ZipError) -> io::Result<Damage> {
    match error {
        ZipError::Io(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
            ) =>
        {
            Err(error)
        }
        other => Ok(Damage::new(other.to_string())),
    }
}
