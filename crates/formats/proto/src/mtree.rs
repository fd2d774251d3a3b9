//! The written form of a manifest: mtree(5) in full-path ("2.0") form.
//!
//! One line a path, sorted by path: `./PATH type=… uid=… gid=… mode=… time=S.NNNNNNNNN`, then
//! `size=` and `sha256digest=` for files, `link=` for symbolic links, `device=native,MAJOR,MINOR`
//! for devices. Names and link texts are encoded as vis(3) does with `VIS_OCTAL`: every byte that
//! is not a printable ASCII character, and `\ # * ? [ =` and white space, as `\ooo`.
//!
//! mtree has no word for two things that a proto knows; they are kept in `tags=`, which other
//! readers pass over: `package:STEM` and `hardlink:PATH` (the latter with `nlink` left to the
//! reader and `type=file` and size of the file, so that others see a copy).
//!
//! Source of the format: FreeBSD and NetBSD mtree(5), libarchive's mtree reader.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::{Device, Entry, Error, FileContent, Kind, Manifest, Metadata, Mtime, ProtoPath};

impl Manifest {
    /// The mtree form.
    pub fn to_mtree(&self) -> String {
        let mut text = String::from("#mtree v2.0\n");
        for (path, entry) in self.iter() {
            print_entry(&mut text, self, path, entry);
        }
        text
    }

    /// Reads the mtree form; `name` is what errors call the text.
    pub fn from_mtree(text: &str, name: &Path) -> Result<Self, Error> {
        let mut manifest = Manifest::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at =
                |problem: String| Error::Mtree { path: name.to_owned(), line: number + 1, problem };
            let (path, entry) = parse_line(line).map_err(at)?;
            manifest.insert(path, entry).map_err(|error| at(error.to_string()))?;
        }
        Ok(manifest)
    }

    /// Reads an mtree file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::from_mtree(&text, path)
    }

    /// Writes an mtree file, which appears complete or not at all.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut file =
            tempfile::NamedTempFile::new_in(directory).map_err(Error::io("create", path))?;
        file.write_all(self.to_mtree().as_bytes()).map_err(Error::io("write", path))?;
        file.as_file().sync_all().map_err(Error::io("write", path))?;
        file.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
        Ok(())
    }
}

fn print_entry(text: &mut String, manifest: &Manifest, path: &ProtoPath, entry: &Entry) {
    text.push('.');
    if !path.is_root() {
        text.push('/');
        encode(text, path.as_bytes());
    }
    let Metadata { mode, uid, gid, mtime } = entry.metadata;
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        " type={} uid={uid} gid={gid} mode={mode:04o} time={}.{:09}",
        type_word(&entry.kind),
        mtime.seconds,
        mtime.nanoseconds
    );
    let mut tags = Vec::new();
    if let Some(package) = &entry.package {
        tags.push(format!("package:{package}"));
    }
    match &entry.kind {
        Kind::File(content) => print_content(text, content),
        Kind::Hardlink { target } => {
            if let Some(content) = manifest.get(target).and_then(Entry::content) {
                print_content(text, content);
            }
            let mut tag = String::from("hardlink:");
            encode(&mut tag, target.as_bytes());
            tags.push(tag);
        }
        Kind::Symlink { target } => {
            text.push_str(" link=");
            encode(text, target);
        }
        Kind::CharacterDevice(Device { major, minor })
        | Kind::BlockDevice(Device { major, minor }) => {
            let _ = write!(text, " device=native,{major},{minor}");
        }
        Kind::Directory | Kind::Fifo | Kind::Socket => {}
    }
    if !tags.is_empty() {
        let _ = write!(text, " tags={}", tags.join(","));
    }
    text.push('\n');
}

fn print_content(text: &mut String, content: &FileContent) {
    let _ = write!(text, " size={}", content.size);
    if let Some(digest) = &content.digest {
        let _ = write!(text, " sha256digest={digest}");
    }
}

fn type_word(kind: &Kind) -> &'static str {
    match kind {
        Kind::File(_) | Kind::Hardlink { .. } => "file",
        Kind::Directory => "dir",
        Kind::Symlink { .. } => "link",
        Kind::CharacterDevice(_) => "char",
        Kind::BlockDevice(_) => "block",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
    }
}

fn encode(text: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'\\' | b'#' | b'*' | b'?' | b'[' | b'=' | b',' => {
                let _ = write!(text, "\\{byte:03o}");
            }
            0x21..=0x7e => text.push(byte.into()),
            _ => {
                let _ = write!(text, "\\{byte:03o}");
            }
        }
    }
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let byte = match rest {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')
            }
            _ => {
                return Err(format!(
                    "`{text}` has a `\\` that is not followed by three octal digits"
                ));
            }
        };
        bytes.push(byte);
        rest = &rest[3..];
    }
    Ok(bytes)
}

#[derive(Default)]
struct Words<'a> {
    kind: Option<&'a str>,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u32>,
    time: Option<Mtime>,
    size: Option<u64>,
    digest: Option<crate::Digest>,
    link: Option<Vec<u8>>,
    device: Option<Device>,
    package: Option<Arc<str>>,
    hardlink: Option<ProtoPath>,
}

fn parse_line(line: &str) -> Result<(ProtoPath, Entry), String> {
    let mut fields = line.split_ascii_whitespace();
    let name = fields.next().ok_or("an empty line")?;
    let path = match name.strip_prefix("./") {
        Some(path) => ProtoPath::new(decode(path)?).map_err(|e| e.to_string())?,
        None if name == "." => ProtoPath::root(),
        None => return Err(format!("`{name}` does not start with `./`")),
    };
    let mut words = Words::default();
    for field in fields {
        let (key, value) =
            field.split_once('=').ok_or_else(|| format!("`{field}` is not KEYWORD=VALUE"))?;
        parse_word(&mut words, key, value)?;
    }
    let need = |what: &str| format!("{path}: no `{what}=`");
    let metadata = Metadata {
        mode: words.mode.ok_or_else(|| need("mode"))?,
        uid: words.uid.ok_or_else(|| need("uid"))?,
        gid: words.gid.ok_or_else(|| need("gid"))?,
        mtime: words.time.unwrap_or_default(),
    };
    let kind = match (words.kind.ok_or_else(|| need("type"))?, words.hardlink) {
        ("file", Some(target)) => Kind::Hardlink { target },
        ("file", None) => Kind::File(FileContent {
            size: words.size.ok_or_else(|| need("size"))?,
            digest: words.digest,
        }),
        ("dir", _) => Kind::Directory,
        ("link", _) => Kind::Symlink { target: words.link.ok_or_else(|| need("link"))?.into() },
        ("char", _) => Kind::CharacterDevice(words.device.ok_or_else(|| need("device"))?),
        ("block", _) => Kind::BlockDevice(words.device.ok_or_else(|| need("device"))?),
        ("fifo", _) => Kind::Fifo,
        ("socket", _) => Kind::Socket,
        (other, _) => return Err(format!("{path}: unknown type `{other}`")),
    };
    Ok((path, Entry { kind, metadata, package: words.package }))
}

fn parse_word<'a>(words: &mut Words<'a>, key: &str, value: &'a str) -> Result<(), String> {
    let bad = |expected: &str| format!("{key}={value}: expected {expected}");
    match key {
        "type" => words.kind = Some(value),
        "uid" => words.uid = Some(value.parse().map_err(|_| bad("a number"))?),
        "gid" => words.gid = Some(value.parse().map_err(|_| bad("a number"))?),
        "mode" => {
            let mode = u32::from_str_radix(value, 8).map_err(|_| bad("an octal number"))?;
            if mode > 0o7777 {
                return Err(bad("an octal number up to 7777"));
            }
            words.mode = Some(mode);
        }
        "time" => words.time = Some(parse_time(value).ok_or_else(|| bad("SECONDS.NANOSECONDS"))?),
        "size" => words.size = Some(value.parse().map_err(|_| bad("a number of bytes"))?),
        "sha256" | "sha256digest" => {
            words.digest = Some(value.parse().map_err(|_| bad("64 hex digits"))?);
        }
        "link" => words.link = Some(decode(value)?),
        "device" => {
            words.device = Some(parse_device(value).ok_or_else(|| bad("native,MAJOR,MINOR"))?)
        }
        "tags" => {
            for tag in value.split(',') {
                match tag.split_once(':') {
                    Some(("package", stem)) => words.package = Some(stem.into()),
                    Some(("hardlink", path)) => {
                        let path = ProtoPath::new(decode(path)?).map_err(|e| e.to_string())?;
                        words.hardlink = Some(path);
                    }
                    _ => {}
                }
            }
        }
        // Words that only describe, or that other programs add.
        "uname" | "gname" | "nlink" | "flags" | "inode" | "cksum" | "md5" | "md5digest"
        | "sha1" | "sha1digest" | "sha384digest" | "sha512digest" | "optional" | "resdevice" => {}
        _ => return Err(format!("unknown keyword `{key}`")),
    }
    Ok(())
}

fn parse_time(value: &str) -> Option<Mtime> {
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, "0"));
    // mtree prints nanoseconds as a number of nanoseconds, not as a decimal fraction.
    Some(Mtime {
        seconds: seconds.parse().ok()?,
        nanoseconds: fraction.parse().ok().filter(|&n| n < 1_000_000_000)?,
    })
}

fn parse_device(value: &str) -> Option<Device> {
    let mut parts = value.split(',');
    let ("native" | "linux" | "freebsd" | "solaris", major, minor, None) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next())
    else {
        return None;
    };
    Some(Device { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_entry() -> impl Strategy<Value = Entry> {
        let kind = prop_oneof![
            Just(Kind::Directory),
            Just(Kind::Fifo),
            Just(Kind::Socket),
            any::<(u64, Option<[u8; 32]>)>().prop_map(|(size, digest)| Kind::File(FileContent {
                size,
                digest: digest.map(crate::Digest)
            })),
            proptest::collection::vec(1u8.., 1..300)
                .prop_map(|target| Kind::Symlink { target: target.into() }),
            any::<(u32, u32)>()
                .prop_map(|(major, minor)| Kind::BlockDevice(Device { major, minor })),
            Just(Kind::Hardlink { target: ProtoPath::new("a, b=c#d").unwrap() }),
        ];
        (kind, any::<(u32, u32, u32, i64)>(), 0..1_000_000_000u32, any::<bool>()).prop_map(
            |(kind, (mode, uid, gid, seconds), nanoseconds, packaged)| Entry {
                kind,
                metadata: Metadata::owned(mode, uid, gid).at(Mtime { seconds, nanoseconds }),
                package: packaged.then(|| "system/library".into()),
            },
        )
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(
            entries in proptest::collection::btree_map(
                proptest::collection::vec(1u8.., 1..40), any_entry(), 0..20)
        ) {
            let manifest: Manifest = entries
                .into_iter()
                .filter_map(|(path, entry)| Some((ProtoPath::new(path).ok()?, entry)))
                .collect();
            let text = manifest.to_mtree();
            prop_assert_eq!(Manifest::from_mtree(&text, Path::new("t")).unwrap(), manifest);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = Manifest::from_mtree(&text, Path::new("t"));
        }
    }

    #[test]
    fn errors_name_file_and_line() {
        let read = |text| Manifest::from_mtree(text, Path::new("m")).unwrap_err().to_string();
        assert_eq!(read("#mtree\n./a type=dir uid=0 gid=0"), "m:2: a: no `mode=`");
        assert_eq!(read("./a tipe=dir"), "m:1: unknown keyword `tipe`");
        assert_eq!(
            read("./../a type=dir uid=0 gid=0 mode=0755"),
            "m:1: path \"../a\" has a `..` component"
        );
        assert_eq!(
            read("./a type=dir uid=0 gid=0 mode=0755\n./a type=dir uid=0 gid=0 mode=0755"),
            "m:2: a is already there as a directory; a directory cannot take its place"
        );
    }
}
