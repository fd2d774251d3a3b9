//! Writing package archives.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use gzip::{GzipWriter, Level};
use tar::{EntryType, Header};

use crate::archive::{BLOCK, INDEX, INDEX_COMMENT};
use crate::atomic::{beside, persist};
use crate::origin::{Origin, StoredPayload};
use crate::payload::Tee;
use crate::{Action, Error, Fmri, Manifest, PackageArchive, Payload, Timestamp};

/// What a member of an archive that is being written will hold.
enum Content<'a> {
    Directory,
    Text(String),
    Payload { publisher: &'a str, sha1: String, size: u64 },
}

/// A member of an archive that is being written.
struct Planned<'a> {
    name: String,
    header: Vec<u8>,
    size: u64,
    content: Content<'a>,
}

/// Names and order of the members.
struct Plan<'a> {
    members: Vec<Planned<'a>>,
    names: BTreeSet<String>,
    mtime: u64,
}

impl PackageArchive {
    /// Writes an archive of these packages of an origin, with every payload checked on the way.
    /// The bytes depend on the packages and `timestamp` (which becomes the time of all members)
    /// alone; the file appears complete or not at all.
    pub fn write(
        path: impl AsRef<Path>,
        origin: &dyn Origin,
        packages: &[Fmri],
        timestamp: Timestamp,
    ) -> Result<(), Error> {
        let path = path.as_ref();
        let mut packages: Vec<&Fmri> = packages.iter().collect();
        packages.sort();
        packages.dedup();
        let mtime = u64::try_from(timestamp.epoch()).unwrap_or(0);
        let mut plan = Plan { members: Vec::new(), names: BTreeSet::new(), mtime };
        plan.directory("publisher");
        for fmri in &packages {
            plan.package(origin, fmri)?;
        }
        let first = packages.first().and_then(|fmri| fmri.publisher.as_deref()).unwrap_or_default();
        plan.add(
            "pkg5.repository".to_owned(),
            Content::Text(format!(
                "[CONFIGURATION]\nversion = 4\n\n[publisher]\nprefix = {first}\n\n\
                 [repository]\nversion = 4\n"
            )),
        );
        let file = beside(path)?;
        plan.write(BufWriter::new(file.as_file()), origin)
            .map_err(|error| error.into_error(path))?;
        persist(file, path)
    }
}

/// What stopped the writing: the file that is written, or what goes into it.
enum Stopped {
    Output(io::Error),
    Input(Error),
}

impl Stopped {
    fn into_error(self, path: &Path) -> Error {
        match self {
            Self::Output(error) => Error::io("write", path)(error),
            Self::Input(error) => error,
        }
    }
}

impl<'a> Plan<'a> {
    fn add(&mut self, name: String, content: Content<'a>) {
        if !self.names.insert(name.clone()) {
            return;
        }
        let (size, kind) = match &content {
            Content::Directory => (0, EntryType::Directory),
            Content::Text(text) => (text.len() as u64, EntryType::Regular),
            Content::Payload { size, .. } => (*size, EntryType::Regular),
        };
        // Directories end in a slash in the tar file, not in the index.
        let slash = if matches!(content, Content::Directory) { "/" } else { "" };
        let header = headers(&format!("{name}{slash}"), kind, size, self.mtime);
        self.members.push(Planned { name, header, size, content });
    }

    fn directory(&mut self, name: &str) {
        self.add(name.to_owned(), Content::Directory);
    }

    fn package(&mut self, origin: &dyn Origin, fmri: &'a Fmri) -> Result<(), Error> {
        let (Some(publisher), Some((stem, version))) = (&fmri.publisher, fmri.quoted()) else {
            let path = origin.location().to_owned();
            return Err(Error::NoPackage { path, fmri: Box::new(fmri.clone()) });
        };
        let text = origin.manifest_text(fmri)?;
        let manifest = Manifest::parse(format!("{} {fmri}", origin.location().display()), &text)?;
        let base = format!("publisher/{publisher}");
        self.directory(&base);
        self.directory(&format!("{base}/pkg"));
        self.directory(&format!("{base}/pkg/{stem}"));
        self.add(format!("{base}/pkg/{stem}/{version}"), Content::Text(text));
        for sha1 in manifest.actions().flat_map(Action::stored) {
            // Reading the size opens the payload, so a missing one stops before anything is
            // written.
            let size = origin.stored_payload(publisher, sha1)?.size;
            let files = format!("{base}/file");
            self.directory(&files);
            self.directory(&format!("{files}/{}", &sha1[..2]));
            self.add(
                format!("{files}/{}/{sha1}", &sha1[..2]),
                Content::Payload { publisher, sha1: sha1.to_owned(), size },
            );
        }
        Ok(())
    }

    fn write(self, mut out: impl Write, origin: &dyn Origin) -> Result<(), Stopped> {
        out.write_all(&self.index().map_err(Stopped::Output)?).map_err(Stopped::Output)?;
        for member in &self.members {
            out.write_all(&member.header).map_err(Stopped::Output)?;
            match &member.content {
                Content::Directory => {}
                Content::Text(text) => {
                    out.write_all(text.as_bytes()).map_err(Stopped::Output)?;
                }
                Content::Payload { publisher, sha1, size } => {
                    let stored = origin.stored_payload(publisher, sha1).map_err(Stopped::Input)?;
                    copy_payload(stored, sha1, *size, &mut out, origin)?;
                }
            }
            let padding = member.size.next_multiple_of(BLOCK) - member.size;
            out.write_all(&vec![0; padding as usize]).map_err(Stopped::Output)?;
        }
        out.write_all(&[0; 2 * BLOCK as usize]).and_then(|()| out.flush()).map_err(Stopped::Output)
    }

    /// The first member: what lies where after it.
    fn index(&self) -> io::Result<Vec<u8>> {
        let mut gzip = GzipWriter::new(Vec::new(), Level::Best);
        let mut offset = 0;
        for member in &self.members {
            let entry = member.header.len() as u64 + member.size.next_multiple_of(BLOCK);
            let kind = if matches!(member.content, Content::Directory) { 5 } else { 0 };
            writeln!(gzip, "{}\0{offset}\0{entry}\0{}\0{kind}\0", member.name, member.size)?;
            offset += entry;
        }
        let index = gzip.finish()?;
        let size = index.len() as u64;
        let mut member = pax_header(&[("comment", INDEX_COMMENT)], self.mtime);
        member.extend(headers(INDEX, EntryType::Regular, size, self.mtime));
        member.extend(index);
        member.resize(member.len().next_multiple_of(BLOCK as usize), 0);
        Ok(member)
    }
}

fn copy_payload(
    stored: StoredPayload,
    sha1: &str,
    size: u64,
    out: &mut impl Write,
    origin: &dyn Origin,
) -> Result<(), Stopped> {
    let refuse = |problem: String| {
        Stopped::Input(Error::damaged(origin.location(), format!("payload {sha1}: {problem}")))
    };
    let mut output = Remembering { inner: out, failed: None };
    let tee = Tee { inner: stored.reader.take(size), seen: &mut output };
    let found = Payload::of_stored(tee);
    if let Some(error) = output.failed {
        return Err(Stopped::Output(error));
    }
    let found = found.map_err(|error| refuse(error.to_string()))?;
    if found.sha1 != sha1 {
        return Err(refuse(format!("its SHA-1 is {}", found.sha1)));
    }
    if found.stored_size != size {
        return Err(refuse(format!("it has {} bytes; {size} were expected", found.stored_size)));
    }
    Ok(())
}

/// Tells errors of the output from those of the input, which pass through the same reader.
struct Remembering<W> {
    inner: W,
    failed: Option<io::Error>,
}

impl<W: Write> Write for Remembering<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The headers of a member: ustar, after a pax header where the name does not fit.
fn headers(name: &str, kind: EntryType, size: u64, mtime: u64) -> Vec<u8> {
    let mut header = header(kind, size, mtime);
    let mut bytes = Vec::new();
    if header.set_path(name).is_err() {
        bytes = pax_header(&[("path", name)], mtime);
        // What old programs see; names are ASCII, being quoted.
        let _ = header.set_path(&name[name.len().saturating_sub(60)..]);
    }
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes
}

fn header(kind: EntryType, size: u64, mtime: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(mtime);
    // Both names are shorter than their fields.
    let _ = header.set_username("root");
    let _ = header.set_groupname("root");
    header
}

/// A pax extended header with its padded records.
fn pax_header(records: &[(&str, &str)], mtime: u64) -> Vec<u8> {
    let mut data = String::new();
    for (key, value) in records {
        // The length counts its own digits.
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        data.push_str(&format!("{length} {key}={value}\n"));
    }
    let mut header = header(EntryType::XHeader, data.len() as u64, mtime);
    let _ = header.set_path("././@PaxHeader");
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(data.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(BLOCK as usize), 0);
    bytes
}
