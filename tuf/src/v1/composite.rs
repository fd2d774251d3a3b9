//! Archives of several files, written into the zip as they are made.

use std::io::{self, Read, Write};
use std::path::Path;

use boot_image::phase2::Header;
use gzip::{GzipWriter, Level};
use oxide_archive::{METADATA_NAME, Writer};
use proto::{Digest, Mtime};
use sha2::Digest as _;

use super::kind::PHASE_2;
use crate::inputs::PinnedFile;
use crate::zip::Streamed;
use crate::{Error, phase2};

/// What becomes a member.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) body: Body,
}

/// The contents of a member.
pub(super) enum Body {
    File(PinnedFile),
    /// A stand-in.
    Memory(Vec<u8>),
}

impl Member {
    /// Where its contents are, for messages.
    pub(super) fn path(&self) -> &Path {
        match &self.body {
            Body::File(file) => &file.path,
            Body::Memory(_) => Path::new(&self.name),
        }
    }
}

/// Writes a composite archive; each file is read once. Returns what was written and the digest of
/// each member.
pub(super) fn write(
    archive_type: &str,
    members: &[Member],
    time: i64,
    out: &mut (dyn Write + Send),
) -> Result<(Streamed, Vec<Digest>), Error> {
    let path = Path::new("a composite artifact");
    let failed = |error: oxide_archive::Error| Error::input(path, error.to_string());
    // What is only pretended is the same at any time.
    let all_fake = members.iter().all(|member| matches!(member.body, Body::Memory(_)));
    let time = if all_fake { 0 } else { time };
    let owner = proto::Metadata::root(0o444).at(Mtime::from_seconds(time));
    let gzip = GzipWriter::new(Noted::new(out), Level::Fast);
    let mut writer = Writer::plain(gzip, path);
    let json = format!("{{\"v\":\"1\",\"t\":\"{archive_type}\"}}");
    writer.file_bytes(METADATA_NAME, owner, json.as_bytes()).map_err(failed)?;
    let mut digests = Vec::new();
    for Member { name, body } in members {
        let file = match body {
            Body::File(file) => file,
            Body::Memory(bytes) => {
                writer.file_bytes(name, owner, bytes).map_err(failed)?;
                digests.push(Digest::of(bytes));
                continue;
            }
        };
        let mut open = file.open()?;
        let mut reader = Hashed { inner: &mut open, sha256: sha2::Sha256::new() };
        let written = writer.file(name, owner, file.length(), &mut reader);
        let sha256 = Digest(reader.sha256.finalize().into());
        // A file that changed is why it could not be written.
        file.check(&open)?;
        written.map_err(|error| Error::input(&file.path, error.to_string()))?;
        digests.push(sha256);
    }
    let gzip = writer.finish().map_err(failed)?;
    let noted = gzip.finish().map_err(Error::io("write", path))?;
    Ok((noted.streamed(), digests))
}

/// Bytes of an image that are looked at to know a stand-in: more than a kind and a version have.
const BEGIN: usize = 128;

/// What there is of an archive.
pub(crate) struct Found {
    pub(crate) archive_type: String,
    /// Names and digests of members.
    pub(crate) members: Vec<(String, Digest)>,
    /// The phase-2 image, if that is one of them.
    pub(crate) image: Option<Image>,
}

/// A phase-2 image.
pub(crate) struct Image {
    /// Its first bytes.
    begin: Vec<u8>,
    /// Its header, or what is wrong with it.
    pub(crate) judged: Result<Header, String>,
}

impl Image {
    /// Whether it is text that the published tool takes for an image of this kind and version.
    pub(crate) fn is_stand_in(&self, kind: &str, version: &str) -> bool {
        self.begin.starts_with(format!("{kind}:{version}:").as_bytes())
    }
}

/// Reads the members that are wanted of an archive that is there.
pub(crate) fn read(
    reader: impl Read + Send,
    wanted: impl Fn(&str) -> bool,
) -> Result<Found, String> {
    let refuse = |error: oxide_archive::Error| format!("is no gzip tar: {error}");
    let mut archive = oxide_archive::open_stream(reader, "it").map_err(refuse)?;
    let mut archive_type = None;
    let mut found = Vec::new();
    let mut image = None;
    let mut buffer = vec![0; 64 << 10];
    while let Some(member) = archive.next_member().map_err(refuse)? {
        let name = String::from_utf8_lossy(&member.name).into_owned();
        if member.kind != oxide_archive::MemberKind::File {
            continue;
        }
        if name == METADATA_NAME && member.size <= 64 << 10 {
            let mut text = Vec::new();
            archive.read_all(&mut text).map_err(refuse)?;
            let json: serde_json::Value = serde_json::from_slice(&text)
                .map_err(|error| format!("its oxide.json cannot be read: {error}"))?;
            archive_type = json.get("t").and_then(|t| t.as_str()).map(str::to_owned);
        } else if wanted(&name) {
            let mut stream = (name == PHASE_2).then(phase2::Stream::default);
            let mut sha256 = sha2::Sha256::new();
            let mut begin = Vec::new();
            loop {
                let count = archive.read_data(&mut buffer).map_err(refuse)?;
                match (&mut stream, &buffer[..count]) {
                    (_, []) => break,
                    (Some(stream), bytes) => {
                        begin.extend_from_slice(&bytes[..bytes.len().min(BEGIN - begin.len())]);
                        stream.update(bytes);
                    }
                    (None, bytes) => sha256.update(bytes),
                }
            }
            if found.iter().any(|(other, _)| *other == name) {
                return Err(format!("has the member {name} twice"));
            }
            let digest = match stream.map(phase2::Stream::finish) {
                Some((digest, judged)) => {
                    let judged = judged.map_err(|reason| format!("{name}: {reason}"));
                    image = Some(Image { begin, judged });
                    digest
                }
                None => Digest(sha256.finalize().into()),
            };
            found.push((name, digest));
        }
    }
    let archive_type = archive_type.ok_or("has no oxide.json that says what it is")?;
    Ok(Found { archive_type, members: found, image })
}

/// Notes what is written through it.
struct Noted<'a> {
    out: &'a mut (dyn Write + Send),
    sha256: sha2::Sha256,
    crc32: crc32fast::Hasher,
    length: u64,
}

impl<'a> Noted<'a> {
    fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out, sha256: sha2::Sha256::new(), crc32: crc32fast::Hasher::new(), length: 0 }
    }

    /// What went through; it is stored as it is.
    fn streamed(self) -> Streamed {
        Streamed {
            length: self.length,
            stored: self.length,
            crc32: self.crc32.finalize(),
            sha256: Digest(self.sha256.finalize().into()),
        }
    }
}

impl Write for Noted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.sha256.update(bytes);
        self.crc32.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Hashes what is read through it.
struct Hashed<'a, R> {
    inner: &'a mut R,
    sha256: sha2::Sha256,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        Ok(count)
    }
}
