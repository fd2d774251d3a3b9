//! Small inputs for repositories, made on the spot.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its own part"
)]

pub mod forge;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use proto::Digest;
use tuf::{BuildOptions, BuildReport, Input, Key, Variant};

pub const VERSION: &str = "20.0.0-0.ci+git0123456789a";
pub const BUILD_TIME: &str = "2026-11-20T15:13:08Z";

/// The time everything is built.
pub fn build_time() -> jiff::Timestamp {
    BUILD_TIME.parse().unwrap()
}

/// A file of a tar archive.
pub fn tar_member(builder: &mut tar::Builder<Vec<u8>>, name: &str, contents: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(contents.len() as u64);
    header.set_mode(0o444);
    builder.append_data(&mut header, name, contents).unwrap();
}

/// Compresses in one gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// A zone image with one file in its root.
pub fn zone_image(package: &str, version: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let json = format!(r#"{{"v":"1","t":"layer","pkg":"{package}","version":"{version}"}}"#);
    tar_member(&mut builder, "oxide.json", json.as_bytes());
    tar_member(&mut builder, "root/opt/file", content);
    gzip(&builder.into_inner().unwrap())
}

/// A phase-2 image of some data.
pub fn boot_image(data: &[u8], name: &str, compress: bool) -> Vec<u8> {
    let mut header = vec![0; 4096];
    let stored = if compress {
        let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(data).unwrap();
        writer.finish().unwrap()
    } else {
        data.to_vec()
    };
    header[..4].copy_from_slice(&0x1DEB_0075_u32.to_le_bytes());
    header[4] = 2;
    header[8] = u8::from(compress);
    header[16..24].copy_from_slice(&(stored.len() as u64).to_le_bytes());
    header[24..32].copy_from_slice(&(data.len() as u64).to_le_bytes());
    header[32..40].copy_from_slice(&(4_u64 << 30).to_le_bytes());
    header[40..72].copy_from_slice(&Digest::of(data).0);
    header[72..90].copy_from_slice(b"rpool/ROOT/ramdisk");
    header[200..200 + name.len()].copy_from_slice(name.as_bytes());
    header.extend(stored);
    header
}

/// A folder with everything a complete repository needs.
pub struct Sample {
    pub directory: tempfile::TempDir,
}

impl Sample {
    pub fn new() -> Self {
        let sample = Self { directory: tempfile::tempdir().unwrap() };
        for (folder, name, compress) in
            [("host", "ci host", false), ("trampoline", "recovery", true)]
        {
            let at = sample.path().join(folder);
            std::fs::create_dir(&at).unwrap();
            for board in ["gimlet", "cosmo"] {
                let text =
                    format!("this is no {board} ROM of {folder} and does not boot\n").repeat(2000);
                std::fs::write(at.join(format!("{board}.rom")), text).unwrap();
            }
            let data: Vec<u8> = (0..300_000_u32).map(|i| (i / 97 * 31) as u8).collect();
            std::fs::write(at.join("zfs.img"), boot_image(&data, name, compress)).unwrap();
            std::fs::write(at.join("unix.z"), b"unix").unwrap();
            std::fs::write(at.join("pkg-list.txt"), b"pkg:/kernel\n").unwrap();
            std::fs::write(at.join("ignored.log"), b"noise").unwrap();
        }
        for (file, package) in [("ntp", "ntp"), ("crucible", "crucible-zone"), ("nexus", "nexus")] {
            let image = zone_image(package, VERSION, file.as_bytes());
            std::fs::write(sample.path().join(format!("{file}.tar.gz")), image).unwrap();
        }
        std::fs::write(sample.path().join("key"), ed25519(7)).unwrap();
        sample
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn key(&self) -> Key {
        Key::from_file(self.path().join("key")).unwrap()
    }

    /// The key whose seed is this byte repeated.
    pub fn seeded_key(&self, seed: u8) -> Key {
        let path = self.path().join(format!("key-{seed}"));
        std::fs::write(&path, ed25519(seed)).unwrap();
        Key::from_file(path).unwrap()
    }

    pub fn inputs(&self) -> Vec<Input> {
        let images = |folder: &str, variant| Input::OsImages {
            directory: self.path().join(folder),
            variant,
        };
        let mut inputs =
            vec![images("trampoline", Variant::Recovery), images("host", Variant::Host)];
        for zone in ["ntp", "crucible", "nexus"] {
            inputs.push(Input::zone(self.path().join(format!("{zone}.tar.gz"))));
        }
        inputs
    }

    pub fn options(&self, out: &str) -> BuildOptions {
        BuildOptions {
            system_version: VERSION.to_owned(),
            inputs: self.inputs(),
            keys: vec![self.key()],
            roots: Vec::new(),
            expires_days: 7,
            build_time: build_time(),
            out: self.path().join(out),
            installinator_document: true,
        }
    }

    pub fn build(&self) -> (PathBuf, BuildReport) {
        let report = tuf::build(&self.options("repo.zip")).unwrap();
        (self.path().join("repo.zip"), report)
    }
}

/// An Ed25519 private key in PKCS#8 DER whose seed is one byte repeated.
pub fn ed25519(seed: u8) -> Vec<u8> {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([seed; 32]);
    der
}
