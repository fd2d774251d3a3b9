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
//! The forms of other writers are read, too: paths relative to the directory of the lines before
//! (`..` leaves it), `/set` and `/unset`, lines that a `\` at their end continues, and the escapes
//! `\s`, `\t`, `\n` and so on. Lines with an `nlink` above 1 that share `inode` (and `resdevice`)
//! are names of one file. Owners must be numbers: names of users are not looked up.
//!
//! Source of the format: FreeBSD and NetBSD mtree(5), libarchive's mtree reader.

mod print;
mod read;

use std::io::Write as _;
use std::path::Path;

use crate::{Error, Manifest};

pub(crate) use read::read_lines;

impl Manifest {
    /// The mtree form.
    pub fn to_mtree(&self) -> String {
        let mut text = String::from("#mtree v2.0\n");
        for (path, entry) in self.iter() {
            print::print_entry(&mut text, self, path, entry);
        }
        text
    }

    /// Reads the mtree form; `name` is what errors call the text.
    pub fn from_mtree(text: &str, name: &Path) -> Result<Self, Error> {
        let mut manifest = Manifest::new();
        for listed in read_lines(text, name)? {
            let at = listed.place(name);
            let (path, entry) = listed.into_entry(None).map_err(&at)?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Device, Entry, FileContent, Kind, Metadata, Mtime, ProtoPath};

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
