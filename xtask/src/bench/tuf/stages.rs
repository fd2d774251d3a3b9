//! What is measured of update repositories, each in a process of its own.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use oxide_archive::{ArchiveType, Metadata};
use proto::Digest;
use rayon::prelude::*;
use sha2::Digest as _;
use tuf::{
    BuildOptions, EditOptions, Input, Key, RefreshOptions, SigningRoot, Variant, VerifyOptions,
};

use super::super::stage::{Done, TIME};
use crate::failure::Failure;

const VERSION: &str = "20.0.0-0.bench";

/// Zones of the generated repository.
const ZONES: u64 = 12;

/// Places in the directory of the measurements.
struct Places<'a> {
    directory: &'a Path,
}

impl Places<'_> {
    fn input(&self, name: &str) -> PathBuf {
        self.directory.join("input").join(name)
    }

    fn scratch(&self, name: &str) -> PathBuf {
        self.directory.join("scratch").join(name)
    }

    fn zone(&self, folder: &str, number: u64) -> PathBuf {
        self.input(folder).join(format!("zone-{number:02}.tar.gz"))
    }

    fn key(&self) -> Result<Key, Failure> {
        Ok(Key::from_file(self.input("key.der"))?)
    }

    fn time(&self) -> Result<Timestamp, Failure> {
        Ok(Timestamp::from_second(TIME)?)
    }

    fn build(&self, out: PathBuf) -> Result<(u64, u64), Failure> {
        let images = |folder, variant| Input::OsImages {
            directory: self.input("artifacts").join(folder),
            variant,
        };
        let mut inputs =
            vec![images("host", Variant::Host), images("trampoline", Variant::Recovery)];
        inputs.extend((0..ZONES).map(|number| Input::zone(self.zone("artifacts", number))));
        let report = tuf::build(&BuildOptions {
            system_version: VERSION.to_owned(),
            inputs,
            keys: vec![self.key()?],
            roots: Vec::new(),
            expires_days: 7,
            build_time: self.time()?,
            out,
            installinator_document: true,
        })?;
        let length = report.targets.iter().map(|target| target.length).sum();
        Ok((length, report.size))
    }
}

/// Runs one stage, if there is one of this name, and says what it did.
pub(crate) fn run_stage(name: &str, directory: &Path) -> Option<Result<Done, Failure>> {
    let at = Places { directory };
    let done = match name {
        "tuf-build" => at.build(at.scratch("repo.zip")),
        "tuf-verify" => verify(&at),
        "tuf-hash" => hash(&at),
        "tuf-edit" => edit(&at),
        "tuf-refresh" => refresh(&at),
        _ => return None,
    };
    Some(done.map(|(input, output)| Done::now(input, output)))
}

fn verify(at: &Places<'_>) -> Result<(u64, u64), Failure> {
    let options = VerifyOptions { digest: false, ..VerifyOptions::at(at.time()?) };
    let report = tuf::verify(&at.input("repo.zip"), &options)?;
    if !report.outcome().is_ok() {
        return Err(Failure::new(format!("the repository that was made is refused: {report}")));
    }
    Ok((report.targets.iter().map(|target| target.length).sum(), 0))
}

/// The targets, unpacked, hashed on all processors: less than that no verifier can do.
fn hash(at: &Places<'_>) -> Result<(u64, u64), Failure> {
    let mut files = Vec::new();
    for found in walkdir::WalkDir::new(at.input("targets")) {
        let found = found?;
        if found.file_type().is_file() {
            files.push((found.metadata()?.len(), found.into_path()));
        }
    }
    files.sort_by(|a, b| b.cmp(a));
    files.par_iter().with_max_len(1).try_for_each(|(_, path)| {
        let mut hasher = sha2::Sha256::new();
        let mut file = File::open(path)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match std::io::Read::read(&mut file, &mut buffer)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        std::hint::black_box(hasher.finalize());
        Ok::<(), std::io::Error>(())
    })?;
    Ok((files.iter().map(|(size, _)| size).sum(), 0))
}

fn edit(at: &Places<'_>) -> Result<(u64, u64), Failure> {
    let report = tuf::edit(&EditOptions {
        zip: at.input("repo.zip"),
        out: at.scratch("repo.zip"),
        trust_root: None,
        add: Vec::new(),
        replace: vec![Input::zone(at.zone("other", 0))],
        remove: Vec::new(),
        system_version: None,
        keys: vec![at.key()?],
        root: SigningRoot::Own,
        expires_days: 7,
        build_time: at.time()?,
        complete: true,
        digest: false,
    })?;
    Ok((report.targets.iter().map(|target| target.length).sum(), report.size))
}

/// In place: the input is what the run before left.
fn refresh(at: &Places<'_>) -> Result<(u64, u64), Failure> {
    let zip = at.input("fresh.zip");
    let report = tuf::refresh(&RefreshOptions {
        zip: zip.clone(),
        out: zip,
        trust_root: None,
        keys: vec![at.key()?],
        root: SigningRoot::Own,
        expires_days: 7,
        build_time: at.time()?,
        digest: false,
    })?;
    Ok((report.size, report.size))
}

/// Makes artifacts of about so many bytes: two fifths a ramdisk that is not compressed, the rest
/// zones that are; a repository of them, and its targets as files.
pub(super) fn prepare(directory: &Path, bytes: u64) -> Result<(), Failure> {
    let at = Places { directory };
    let ramdisk = bytes * 2 / 5;
    let zone = (bytes - ramdisk) / ZONES;
    for (folder, size) in [("host", ramdisk), ("trampoline", ramdisk / 100)] {
        let folder_path = at.input("artifacts").join(folder);
        fs::create_dir_all(&folder_path)?;
        for board in ["gimlet", "cosmo"] {
            let mut rom = vec![0; 1 << 16];
            Noise::new(3).fill(&mut rom);
            fs::write(folder_path.join(format!("{board}.rom")), rom)?;
        }
        let name = if folder == "host" { "bench" } else { "recovery bench" };
        write_ramdisk(&folder_path.join("zfs.img"), name, size)?;
    }
    fs::create_dir_all(at.input("other"))?;
    let zones = (0..ZONES).map(|number| ("artifacts", number, number)).chain([("other", 0, ZONES)]);
    zones.collect::<Vec<_>>().into_par_iter().try_for_each(|(folder, number, seed)| {
        write_zone(&at.zone(folder, number), number, seed, zone)
    })?;
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([7; 32]);
    fs::write(at.input("key.der"), der)?;
    at.build(at.input("repo.zip"))?;
    fs::copy(at.input("repo.zip"), at.input("fresh.zip"))?;
    let repository = tuf::Repository::open(&at.input("repo.zip"), None)?;
    repository.extract(&[], &at.input("targets"))?;
    Ok(())
}

/// Bytes of which no compressor makes less, and others between them of which it does.
struct Noise(u64);

impl Noise {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
    }

    /// As a file system has them: half of the blocks compress well.
    fn blocks(&mut self, buffer: &mut [u8]) {
        for (number, block) in buffer.chunks_mut(4096).enumerate() {
            match number % 2 {
                0 => self.fill(block),
                _ => block.fill(b'a' + (number % 23) as u8),
            }
        }
    }
}

/// Bytes that are made at once.
const PIECE: usize = 1 << 20;

/// A phase-2 image that is not compressed as a whole.
fn write_ramdisk(path: &Path, name: &str, size: u64) -> Result<(), Failure> {
    let mut file = BufWriter::new(File::create(path)?);
    let pieces = |sink: &mut dyn FnMut(&[u8]) -> std::io::Result<()>| -> std::io::Result<()> {
        let (mut noise, mut left) = (Noise::new(1), size);
        let mut piece = vec![0; PIECE];
        while left > 0 {
            noise.blocks(&mut piece);
            let count = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
            sink(&piece[..count])?;
            left -= count as u64;
        }
        Ok(())
    };
    let mut hasher = sha2::Sha256::new();
    pieces(&mut |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    let mut header = vec![0; 4096];
    header[..4].copy_from_slice(&0x1DEB_0075_u32.to_le_bytes());
    header[4] = 2;
    header[16..24].copy_from_slice(&size.to_le_bytes());
    header[24..32].copy_from_slice(&size.to_le_bytes());
    header[32..40].copy_from_slice(&(4_u64 << 30).to_le_bytes());
    header[40..72].copy_from_slice(&Digest(hasher.finalize().into()).0);
    header[72..90].copy_from_slice(b"rpool/ROOT/ramdisk");
    header[200..200 + name.len()].copy_from_slice(name.as_bytes());
    file.write_all(&header)?;
    pieces(&mut |piece| file.write_all(piece))?;
    file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(())
}

/// A zone image of about so many compressed bytes.
fn write_zone(path: &Path, number: u64, seed: u64, size: u64) -> Result<(), Failure> {
    let file = BufWriter::new(File::create(path)?);
    let gzip = gzip::GzipWriter::new(file, gzip::Level::Fast);
    let metadata =
        Metadata::new(ArchiveType::Layer).with_package(format!("zone-{number:02}"), "1.0.0");
    let mut writer = oxide_archive::Writer::new(gzip, path, &metadata, 0)?;
    // Half of it compresses well.
    let mut left = size * 2;
    let mut noise = Noise::new(seed + 10);
    let mut piece = vec![0; PIECE];
    let mut file = 0;
    while left > 0 {
        noise.blocks(&mut piece);
        let count = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
        let entry = proto::Metadata::root(0o644);
        writer.file(format!("root/opt/{file:05}"), entry, count as u64, &piece[..count])?;
        left -= count as u64;
        file += 1;
    }
    let file = writer.finish()?.finish()?;
    file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(())
}
