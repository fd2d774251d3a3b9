//! From lines to entries.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Device, Digest, Entry, Error, FileContent, Kind, Metadata, Mtime, ProtoPath};

/// What one line says, before it is known whether that is enough for an entry.
#[derive(Debug)]
pub(crate) struct Listed<'a> {
    /// The line's number, from 1; of a continued line the first.
    pub(crate) line: usize,
    pub(crate) path: ProtoPath,
    words: Words<'a>,
}

#[derive(Debug, Clone, Default)]
struct Words<'a> {
    kind: Option<&'a str>,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u32>,
    time: Option<Mtime>,
    size: Option<u64>,
    digest: Option<Digest>,
    link: Option<Vec<u8>>,
    device: Option<Device>,
    package: Option<Arc<str>>,
    hardlink: Option<ProtoPath>,
    nlink: Option<u64>,
    inode: Option<&'a str>,
    on_device: Option<&'a str>,
    optional: bool,
}

/// Reads all lines; `name` is what errors call the text.
pub(crate) fn read_lines<'a>(text: &'a str, name: &Path) -> Result<Vec<Listed<'a>>, Error> {
    let mut reader = Reader::default();
    let mut listed = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let at = place(name, number + 1);
        let mut parts = vec![line];
        while let Some(part) = parts.last_mut()
            && let Some(start) = part.strip_suffix('\\')
        {
            *part = start;
            let (_, next) =
                lines.next().ok_or_else(|| at("it is continued, and nothing follows".into()))?;
            parts.push(next);
        }
        let mut fields = parts.iter().flat_map(|part| part.split_ascii_whitespace());
        let Some(first) = fields.next().filter(|first| !first.starts_with('#')) else { continue };
        if let Some(entry) = reader.line(number + 1, first, fields).map_err(&at)? {
            listed.push(entry);
        }
    }
    join_names(&mut listed);
    Ok(listed)
}

fn place(name: &Path, line: usize) -> impl Fn(String) -> Error + use<> {
    let path = PathBuf::from(name);
    move |problem| Error::Mtree { path: path.clone(), line, problem }
}

#[derive(Default)]
struct Reader<'a> {
    /// What `/set` gave.
    defaults: Words<'a>,
    /// Where names without a `/` are.
    directory: ProtoPath,
}

impl<'a> Reader<'a> {
    fn line(
        &mut self,
        line: usize,
        first: &'a str,
        fields: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Listed<'a>>, String> {
        match first {
            "/set" => {
                for field in fields {
                    self.defaults.read(field)?;
                }
                return Ok(None);
            }
            "/unset" => {
                for field in fields {
                    self.defaults.forget(field);
                }
                return Ok(None);
            }
            ".." => {
                self.directory =
                    self.directory.parent().ok_or("`..` leaves the root of the tree")?;
                return Ok(None);
            }
            _ if first.starts_with('/') => {
                return Err(format!("`{first}`: expected /set, /unset or a path in the tree"));
            }
            _ => {}
        }
        let mut words = self.defaults.clone();
        for field in fields {
            words.read(field)?;
        }
        let below = first.strip_prefix("./").unwrap_or(first);
        let path = if first == "." {
            self.directory = ProtoPath::root();
            ProtoPath::root()
        } else if first.contains('/') {
            ProtoPath::new(decode(below)?).map_err(|error| error.to_string())?
        } else {
            let name = decode(below)?;
            if name.contains(&b'/') {
                return Err(format!("`{first}` is a name with a `/`"));
            }
            let path = self.directory.join(name).map_err(|error| error.to_string())?;
            if words.kind == Some("dir") {
                self.directory = path.clone();
            }
            path
        };
        Ok(Some(Listed { line, path, words }))
    }
}

/// Further names of a file that other writers mark by its number.
fn join_names(listed: &mut [Listed<'_>]) {
    let mut files: HashMap<(&str, &str), ProtoPath> = HashMap::new();
    for Listed { path, words, .. } in listed {
        if let Some(inode) = words.inode
            && words.nlink.is_some_and(|count| count > 1)
            && words.kind == Some("file")
            && words.hardlink.is_none()
        {
            let file = (words.on_device.unwrap_or_default(), inode);
            match files.get(&file) {
                Some(first) => words.hardlink = Some(first.clone()),
                None => {
                    files.insert(file, path.clone());
                }
            }
        }
    }
}

impl Listed<'_> {
    /// Makes errors of this line.
    pub(crate) fn place(&self, name: &Path) -> impl Fn(String) -> Error + use<> {
        place(name, self.line)
    }

    /// Whether the line says that the path may be missing.
    pub(crate) fn is_optional(&self) -> bool {
        self.words.optional
    }

    /// Whether the line is of a regular file under its first name.
    pub(crate) fn is_file(&self) -> bool {
        self.words.kind == Some("file") && self.words.hardlink.is_none()
    }

    /// The entry. A file's size is the line's; `size` serves where it has none.
    pub(crate) fn into_entry(self, size: Option<u64>) -> Result<(ProtoPath, Entry), String> {
        let Self { path, words, .. } = self;
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
                size: words.size.or(size).ok_or_else(|| need("size"))?,
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
}

impl<'a> Words<'a> {
    fn read(&mut self, field: &'a str) -> Result<(), String> {
        let Some((key, value)) = field.split_once('=') else {
            match field {
                "optional" => self.optional = true,
                "nochange" => {}
                _ => return Err(format!("`{field}` is not KEYWORD=VALUE")),
            }
            return Ok(());
        };
        let bad = |expected: &str| format!("{key}={value}: expected {expected}");
        match key {
            "type" => self.kind = Some(value),
            "uid" => self.uid = Some(value.parse().map_err(|_| bad("a number below 2^32"))?),
            "gid" => self.gid = Some(value.parse().map_err(|_| bad("a number below 2^32"))?),
            "mode" => {
                let mode = u32::from_str_radix(value, 8).map_err(|_| bad("an octal number"))?;
                if mode > 0o7777 {
                    return Err(bad("an octal number up to 7777"));
                }
                self.mode = Some(mode);
            }
            "time" => {
                self.time = Some(parse_time(value).ok_or_else(|| bad("SECONDS.NANOSECONDS"))?);
            }
            "size" => self.size = Some(value.parse().map_err(|_| bad("a number of bytes"))?),
            "sha256" | "sha256digest" => {
                self.digest = Some(value.parse().map_err(|_| bad("64 hex digits"))?);
            }
            "link" => self.link = Some(decode(value)?),
            "device" => {
                let expected = "native,MAJOR,MINOR with numbers below 2^32";
                self.device = Some(parse_device(value).ok_or_else(|| bad(expected))?);
            }
            "tags" => {
                for tag in value.split(',') {
                    match tag.split_once(':') {
                        Some(("package", stem)) => self.package = Some(stem.into()),
                        Some(("hardlink", path)) => {
                            let path = ProtoPath::new(decode(path)?).map_err(|e| e.to_string())?;
                            self.hardlink = Some(path);
                        }
                        _ => {}
                    }
                }
            }
            "nlink" => self.nlink = Some(value.parse().map_err(|_| bad("a number"))?),
            "inode" => self.inode = Some(value),
            "resdevice" => self.on_device = Some(value),
            // Words that only describe, or that other programs add.
            "uname" | "gname" | "flags" | "cksum" | "md5" | "md5digest" | "sha1" | "sha1digest"
            | "rmd160" | "rmd160digest" | "ripemd160digest" | "sha384" | "sha384digest"
            | "sha512" | "sha512digest" => {}
            _ => return Err(format!("unknown keyword `{key}`")),
        }
        Ok(())
    }

    /// Takes back what `/set` gave.
    fn forget(&mut self, key: &str) {
        match key {
            "all" => *self = Self::default(),
            "type" => self.kind = None,
            "uid" => self.uid = None,
            "gid" => self.gid = None,
            "mode" => self.mode = None,
            "time" => self.time = None,
            "size" => self.size = None,
            "link" => self.link = None,
            "device" => self.device = None,
            "tags" => (self.package, self.hardlink) = (None, None),
            "nlink" => self.nlink = None,
            "optional" => self.optional = false,
            _ => {}
        }
    }
}

/// Undoes vis(3): octal and C-style escapes.
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, length) = match rest {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), 3)
            }
            [b'0', ..] => (0, 1),
            [b'a', ..] => (0x07, 1),
            [b'b', ..] => (0x08, 1),
            [b't', ..] => (b'\t', 1),
            [b'n', ..] => (b'\n', 1),
            [b'v', ..] => (0x0b, 1),
            [b'f', ..] => (0x0c, 1),
            [b'r', ..] => (b'\r', 1),
            [b's', ..] => (b' ', 1),
            [same @ (b'\\' | b'#'), ..] => (*same, 1),
            _ => {
                return Err(format!(
                    "`{text}` has a `\\` that no three octal digits and none of \
                     `0abtnvfrs\\#` follow"
                ));
            }
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    Ok(bytes)
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
    use crate::Manifest;

    use super::*;

    fn read(text: &str) -> Manifest {
        Manifest::from_mtree(text, Path::new("m")).unwrap()
    }

    fn refuse(text: &str) -> String {
        Manifest::from_mtree(text, Path::new("m")).unwrap_err().to_string()
    }

    #[test]
    fn relative_paths_defaults_and_continued_lines() {
        let other = read(
            "#mtree\n\
             /set type=file uid=0 gid=3 mode=0644\n\
             . type=dir mode=0755\n\
             \x20   usr type=dir \\\n\
             \x20       mode=0755\n\
             \x20       a\\sb size=3\n\
             \x20   ..\n\
             /unset gid\n\
             /set gid=4\n\
             etc type=dir mode=0750\n\
             ..\n\
             usr/c\\\\d size=4 nlink=2 inode=7\n\
             usr/e size=4 nlink=2 inode=7 optional\n",
        );
        let same = read(
            ". type=dir uid=0 gid=3 mode=0755\n\
             ./usr type=dir uid=0 gid=3 mode=0755\n\
             ./usr/a\\040b type=file uid=0 gid=3 mode=0644 size=3\n\
             ./etc type=dir uid=0 gid=4 mode=0750\n\
             ./usr/c\\134d type=file uid=0 gid=4 mode=0644 size=4\n\
             ./usr/e type=file uid=0 gid=4 mode=0644 size=4 tags=hardlink:usr/c\\134d\n",
        );
        assert_eq!(other, same);
    }

    #[test]
    fn wrong_lines_are_named() {
        assert_eq!(refuse("..\n"), "m:1: `..` leaves the root of the tree");
        assert_eq!(
            refuse("/sat uid=0"),
            "m:1: `/sat`: expected /set, /unset or a path in the tree"
        );
        assert_eq!(refuse("\n. type=dir \\"), "m:2: it is continued, and nothing follows");
        assert_eq!(
            refuse(". type=dir uid=0 gid=0 mode=0755\n./a\\000b type=fifo uid=0 gid=0 mode=0644"),
            "m:2: path \"a\\0b\" has a NUL byte"
        );
        assert_eq!(refuse("a\\057b type=fifo"), "m:1: `a\\057b` is a name with a `/`");
        assert_eq!(
            refuse("./n type=char uid=0 gid=0 mode=0600 device=native,1,4294967296"),
            "m:1: device=native,1,4294967296: expected native,MAJOR,MINOR with numbers below 2^32"
        );
        assert_eq!(refuse("./a uid=-1"), "m:1: uid=-1: expected a number below 2^32");
        assert_eq!(refuse("./a mode=u+x"), "m:1: mode=u+x: expected an octal number");
        assert!(refuse("./a\\q type=fifo").starts_with("m:1: `a\\q` has a `\\`"));
    }
}
