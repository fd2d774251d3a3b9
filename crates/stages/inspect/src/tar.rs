//! Everything that is a tar: Oxide archives, package archives, plain ones.

use std::fs::File;
use std::io::{self, Read, Seek};

use boot_image::cpio;
use boot_image::phase2::{HEADER_SIZE, Header};
use oxide_archive::{
    ArchiveType, METADATA_NAME, Member, MemberKind, Metadata, Options, TarReader, open_stream,
};
use proto::Digest;
use sha1::Digest as _;

use crate::Damage;
use crate::damage::IntoDamage;
use crate::inspection::{Inspection, Item, Kind, printable};
use crate::member::MemberData;
use crate::{phase2, stream};

/// The first member of a package archive.
const PACKAGE_INDEX: &str = "pkg5.index.0.gz";
/// Longer metadata and manifests are not read.
const LONGEST_TEXT: u64 = 64 << 20;

/// Whether some bytes begin a tar.
pub(crate) fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar")
        || (start.len() == 512
            && start[0] != 0
            && TarReader::new(start, "").next_member().is_ok_and(|member| member.is_some()))
}

type Tar = TarReader<Box<dyn Read + Send>>;

pub(crate) fn look(inspection: &mut Inspection, mut file: File) -> io::Result<()> {
    let mut reader = match open_stream(file.try_clone()?, &inspection.path) {
        Ok(reader) => reader,
        Err(error) => {
            inspection.damage.push(error.damage()?);
            return Ok(());
        }
    };
    let mut walk = Walk { inspection, os: OsParts::default(), publishers: Vec::new() };
    if let Err(error) = walk.all(&mut reader) {
        let damage = error.damage()?;
        walk.inspection.damage.push(damage);
        return Ok(());
    }
    walk.conclude();
    let inspection = walk.inspection;
    let archive_type = match inspection.kind {
        Kind::Baseline => ArchiveType::Baseline,
        Kind::Layer => ArchiveType::Layer,
        _ => return Ok(()),
    };
    // Whether every member could be unpacked is another question than whether it can be read.
    if inspection.is_sound() {
        file.rewind()?;
        let options = Options::for_type(archive_type);
        if let Err(error) = oxide_archive::check_stream(file, &inspection.path, &options) {
            inspection.damage.push(error.damage()?);
        }
    }
    Ok(())
}

/// What the parts of an OS archive say of each other.
#[derive(Default)]
struct OsParts {
    stated: Option<Digest>,
    image: Option<Digest>,
    boot_archive: Option<Digest>,
}

struct Walk<'a> {
    inspection: &'a mut Inspection,
    os: OsParts,
    publishers: Vec<String>,
}

impl Walk<'_> {
    fn all(&mut self, reader: &mut Tar) -> Result<(), oxide_archive::Error> {
        let mut first = true;
        while let Some(member) = reader.next_member()? {
            let item = item(&member);
            self.inspection.entries.push(item);
            if first {
                self.first(&member, reader)?;
                first = false;
            } else {
                self.next(&member, reader)?;
            }
        }
        Ok(())
    }

    fn first(&mut self, member: &Member, reader: &mut Tar) -> Result<(), oxide_archive::Error> {
        if member.name == METADATA_NAME.as_bytes() && member.kind == MemberKind::File {
            let text = self.text(member, reader)?;
            match Metadata::from_json(&text) {
                Ok(metadata) => self.metadata(&metadata),
                Err(problem) => self.damaged(member, problem),
            }
        } else if member.name == PACKAGE_INDEX.as_bytes() {
            self.inspection.kind = Kind::PackageArchive;
            let text = self.text(member, reader)?;
            let mut index = Vec::new();
            if let Err(error) =
                gzip::GzipReader::new(&text[..]).take(LONGEST_TEXT).read_to_end(&mut index)
            {
                self.damaged(member, error.to_string());
            }
        } else {
            self.next(member, reader)?;
        }
        Ok(())
    }

    fn metadata(&mut self, metadata: &Metadata) {
        self.inspection.kind = match metadata.archive_type {
            ArchiveType::Baseline => Kind::Baseline,
            ArchiveType::Layer => Kind::Layer,
            ArchiveType::Os => Kind::OsArchive,
        };
        if let Some(package) = &metadata.package {
            self.inspection.fact("package", package);
        }
        if let Some(version) = &metadata.version {
            self.inspection.fact("version", version);
        }
        for (key, value) in &metadata.info {
            self.inspection.fact(key, value);
        }
        if metadata.archive_type == ArchiveType::Os {
            self.os.stated = metadata.info.get("checksum").and_then(|hex| hex.parse().ok());
        }
    }

    fn next(&mut self, member: &Member, reader: &mut Tar) -> Result<(), oxide_archive::Error> {
        if member.kind != MemberKind::File {
            return Ok(());
        }
        match self.inspection.kind {
            Kind::OsArchive => self.os_member(member, reader),
            Kind::PackageArchive => self.package_member(member, reader),
            _ => MemberData::new(reader, false).finish().map(|_| ()),
        }
    }

    fn os_member(&mut self, member: &Member, reader: &mut Tar) -> Result<(), oxide_archive::Error> {
        let mut data = MemberData::new(reader, true);
        let problem = match &*member.name {
            b"image/zfs.img" => match image(&mut data, member.size, &self.inspection.path) {
                Ok(header) => {
                    self.os.image = Some(header.sha256);
                    for (name, value) in phase2::facts(&header) {
                        self.inspection.fact(&format!("zfs.img: {name}"), value);
                    }
                    None
                }
                Err(damage) => damage,
            },
            b"image/cpio.z" => {
                let zlib = gzip::ZlibReader::new(&mut data);
                let mut cpio = cpio::Reader::new(zlib, &self.inspection.path);
                match stream::members(&mut cpio, |_| {}) {
                    Ok(digest) => {
                        self.os.boot_archive = digest;
                        None
                    }
                    Err(error) => error.damage().ok(),
                }
            }
            b"image/unix.z" => io::copy(&mut gzip::ZlibReader::new(&mut data), &mut io::sink())
                .err()
                .and_then(|error| error.damage().ok()),
            _ => None,
        };
        let digest = data.finish()?;
        if let Some(item) = self.inspection.entries.last_mut() {
            item.sha256 = digest;
        }
        self.inspection.damage.extend(problem.map(|damage| damage.inside(member.display_name())));
        Ok(())
    }

    fn package_member(
        &mut self,
        member: &Member,
        reader: &mut Tar,
    ) -> Result<(), oxide_archive::Error> {
        let name = String::from_utf8_lossy(&member.name).into_owned();
        let parts: Vec<&str> = name.split('/').collect();
        match parts[..] {
            ["publisher", publisher, "file", _, hash] => {
                if !self.publishers.iter().any(|known| known == publisher) {
                    self.publishers.push(publisher.to_owned());
                }
                let mut data = MemberData::new(reader, false);
                let found = sha1_of(gzip::GzipReader::new(&mut data));
                data.finish()?;
                match found {
                    // Newer archives may name payloads by other hashes than SHA-1.
                    Ok(found) if hash.len() != 40 || found == hash => {}
                    Ok(found) => self.damaged(member, format!("its content has SHA-1 {found}")),
                    Err(error) => self.damaged(member, error.to_string()),
                }
            }
            ["publisher", publisher, "pkg", stem, version] => {
                let text = self.text(member, reader)?;
                let plain = |quoted| ips::unquote(quoted).unwrap_or_else(|| quoted.to_owned());
                let fmri = format!("pkg://{publisher}/{}@{}", plain(stem), plain(version));
                let result =
                    std::str::from_utf8(&text).map_err(|error| error.to_string()).and_then(
                        |text| ips::Manifest::parse(&name, text).map_err(|error| error.to_string()),
                    );
                match result {
                    Ok(_) => {
                        if let Some(item) = self.inspection.entries.last_mut() {
                            item.note = Some(printable(&fmri));
                        }
                    }
                    Err(problem) => self.damaged(member, problem),
                }
            }
            _ => drop(MemberData::new(reader, false).finish()?),
        }
        Ok(())
    }

    fn text(&mut self, member: &Member, reader: &mut Tar) -> Result<Vec<u8>, oxide_archive::Error> {
        let mut text = Vec::new();
        if member.size > LONGEST_TEXT {
            self.damaged(member, format!("{} bytes are too many for it", member.size));
        } else {
            reader.read_all(&mut text)?;
        }
        Ok(text)
    }

    fn damaged(&mut self, member: &Member, problem: String) {
        let damage = Damage::new(problem).inside(member.display_name());
        self.inspection.damage.push(damage);
    }

    fn conclude(&mut self) {
        let damage = &mut self.inspection.damage;
        let OsParts { stated, image, boot_archive } = &self.os;
        if let (Some(stated), Some(image)) = (stated, image)
            && stated != image
        {
            let problem = format!("it states the checksum {stated}, zfs.img has {image}");
            damage.push(Damage::new(problem).inside(METADATA_NAME));
        }
        if let (Some(wanted), Some(image)) = (boot_archive, image)
            && wanted != image
        {
            let problem = format!(
                "its boot_image_csum is {wanted}, but zfs.img has {image}: this would not boot"
            );
            damage.push(Damage::new(problem).inside("image/cpio.z"));
        }
        if self.inspection.kind == Kind::OsArchive && damage.is_empty() && image.is_none() {
            damage.push(Damage::new("there is no image/zfs.img in it"));
        }
        if self.inspection.kind == Kind::PackageArchive {
            let packages = self.inspection.entries.iter().filter(|e| e.note.is_some()).count();
            self.inspection.fact("packages", packages);
            self.inspection.fact("publishers", self.publishers.join(", "));
        }
    }
}

/// Checks a phase-2 image inside an archive.
fn image(
    data: &mut impl Read,
    size: u64,
    path: &std::path::Path,
) -> Result<Header, Option<Damage>> {
    let mut block = [0; HEADER_SIZE];
    data.read_exact(&mut block).map_err(|_| Some(Damage::new("it has no whole header")))?;
    let header = Header::decode(&block).map_err(|problem| Some(Damage::new(problem)))?;
    header.check_length(size).map_err(|problem| Some(Damage::new(problem)))?;
    // An error that is no damage of the image is one of the archive, which is met again.
    header.verify(data, path).map_err(|error| error.damage().ok())?;
    Ok(header)
}

fn sha1_of(mut content: impl Read) -> io::Result<String> {
    let mut hasher = sha1::Sha1::new();
    let mut buffer = vec![0; 32 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn item(member: &Member) -> Item {
    let text = |bytes: &[u8]| printable(&String::from_utf8_lossy(bytes));
    Item {
        name: text(&member.name),
        item_type: member.kind.word().to_owned(),
        size: member.size,
        mode: Some(format!("{:04o}", member.metadata.mode)),
        uid: Some(member.metadata.uid),
        gid: Some(member.metadata.gid),
        mtime: stream::time(member.metadata.mtime.seconds),
        target: match &member.kind {
            MemberKind::Symlink { target } | MemberKind::Hardlink { target } => Some(text(target)),
            _ => None,
        },
        ..Item::default()
    }
}
