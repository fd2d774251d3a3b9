//! Steps that make and change files, directories and links.

use std::fs::File;
use std::io::Read as _;

use globset::GlobBuilder;
use proto::{Entry, Kind, Metadata, ProtoPath};

use super::{Failure, Run};
use crate::step::{Algorithm, Source};
use crate::{Error, Permissions};

impl Run<'_, '_, '_> {
    pub(super) fn remove_pattern(&mut self, pattern: &str) -> Result<(), Failure> {
        let glob = GlobBuilder::new(pattern)
            .build()
            .map_err(|error| Failure::new(format!("bad pattern: {error}")))?
            .compile_matcher();
        let matching: Vec<ProtoPath> = self
            .image
            .proto
            .manifest
            .iter()
            .filter(|(_, entry)| matches!(entry.kind, Kind::File(_) | Kind::Hardlink { .. }))
            .filter(|(path, _)| {
                use std::os::unix::ffi::OsStrExt as _;
                path.file_name()
                    .is_some_and(|name| glob.is_match(std::ffi::OsStr::from_bytes(name)))
            })
            .map(|(path, _)| path.clone())
            .collect();
        for path in matching {
            self.image.unlink(&path);
        }
        Ok(())
    }

    pub(super) fn ensure_symlink(
        &mut self,
        link: &ProtoPath,
        target: &str,
        owner: &str,
        group: &str,
    ) -> Result<(), Failure> {
        let permissions =
            Permissions { owner: owner.to_owned(), group: group.to_owned(), mode: 0o777 };
        let metadata = self.image.metadata(&permissions)?;
        let place = self.image.place(link)?;
        if let Some(Entry { kind: Kind::Symlink { target: there }, .. }) = self.image.get(&place)
            && **there == *target.as_bytes()
        {
            self.image.set_metadata(&place, metadata);
            return Ok(());
        }
        self.image.put(&place, Entry::symlink(target, metadata))
    }

    pub(super) fn ensure_directory(
        &mut self,
        dir: &ProtoPath,
        permissions: &Permissions,
    ) -> Result<(), Failure> {
        let metadata = self.image.metadata(permissions)?;
        let place = self.image.follow(dir)?;
        match self.image.get(&place) {
            Some(entry) if entry.is_directory() => self.image.set_metadata(&place, metadata),
            Some(entry) => {
                let word = entry.kind.word();
                return Err(Failure::new(format!("/{dir} is a {word}, not a directory")));
            }
            None => {
                // As `mkdir -p -m MODE` does it: the parents get the mode, and belong to root.
                let parents = Metadata::root(permissions.mode).at(self.image.mtime);
                self.image.proto.manifest.ensure_parents(&place, parents);
                self.image.place(&place)?;
                self.image.proto.manifest.replace(place, Entry::directory(metadata));
            }
        }
        Ok(())
    }

    pub(super) fn ensure_file(
        &mut self,
        file: &ProtoPath,
        source: &Source,
        permissions: &Permissions,
    ) -> Result<(), Failure> {
        let metadata = self.image.metadata(permissions)?;
        match source {
            Source::Contents(text) => self.image.put_file(file, text.as_bytes(), metadata),
            Source::Template(path) => self.image.put_file(file, open(path)?, metadata),
            Source::External(name) => match self.plan.search.external_source(name) {
                Some(path) => self.image.put_file(file, open(&path)?, metadata),
                None if self.rehearsal => self.image.put_foreseen(file, 0, metadata),
                None => Err(Failure::new(format!(
                    "`extsrc` file `{name}` is in no external source tree"
                ))),
            },
            Source::Output(name) if self.rehearsal && !self.has_output(name) => {
                self.image.put_foreseen(file, 0, metadata)
            }
            Source::Output(name) => {
                let from = self.open_output(name)?;
                self.image.put_file(file, from, metadata)
            }
            Source::Image(path) => {
                let (at, content) = self.image.file(path)?;
                if self.rehearsal && self.image.is_foreseen(&content) {
                    return self.image.put_foreseen(file, content.size, metadata);
                }
                let from = self.image.proto.contents.open(&at, &content)?;
                self.image.put_file(file, from, metadata)
            }
            Source::Tar(path) => {
                let Some(scratch) = &self.scratch else {
                    return Err(Failure::new("no `unpack_tar` with `into_tmp` came before"));
                };
                let found = scratch.manifest.resolve_hardlink(path);
                let Some((at, content)) = found.and_then(|(at, e)| Some((at, e.content()?))) else {
                    return Err(Failure::new(format!("the archive has no file `{path}`")));
                };
                if self.rehearsal && content.digest.is_none() {
                    return self.image.put_foreseen(file, content.size, metadata);
                }
                let from = scratch.contents.open(at, content)?;
                self.image.put_file(file, from, metadata)
            }
        }
    }

    /// Whether this run or an earlier one left a file in the output directory.
    pub(super) fn has_output(&self, name: &str) -> bool {
        self.outputs.contains_key(name) || self.context.output.join(name).is_file()
    }

    /// Opens a file that this run or an earlier one left in the output directory.
    pub(super) fn open_output(&self, name: &str) -> Result<File, Failure> {
        match self.outputs.get(name) {
            Some(file) => file
                .reopen()
                .map_err(|error| Failure::because(format!("cannot read `{name}`"), error)),
            None => open(&self.context.output.join(name)),
        }
    }

    pub(super) fn assemble_files(
        &mut self,
        dir: &ProtoPath,
        output: &ProtoPath,
        prefix: Option<&str>,
    ) -> Result<(), Failure> {
        let directory = self.image.follow(dir)?;
        if !self.image.get(&directory).is_some_and(Entry::is_directory) {
            let reason = format!("/{dir} is not a directory of the image");
            return Err(Failure::missing(dir, reason));
        }
        let output_place = self.image.place(output)?;
        let parts: Vec<ProtoPath> = self
            .image
            .proto
            .manifest
            .subtree(&directory)
            .filter(|(path, entry)| {
                path.parent().as_ref() == Some(&directory)
                    && **path != output_place
                    && matches!(entry.kind, Kind::File(_) | Kind::Hardlink { .. })
            })
            .map(|(path, _)| path.clone())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default();
                prefix.is_none_or(|prefix| name.starts_with(prefix.as_bytes()))
            })
            .collect();
        let metadata = Metadata::root(0o644).at(self.image.mtime);
        let mut assembled = String::new();
        for part in parts {
            if self.rehearsal && self.image.is_foreseen(&self.image.file(&part)?.1) {
                return self.image.put_foreseen(output, 0, metadata);
            }
            let text = String::from_utf8(self.image.read(&part)?)
                .map_err(|_| Failure::new(format!("/{part} is not text")))?;
            let text = text.trim();
            if !text.is_empty() {
                assembled.push_str(text);
                assembled.push('\n');
            }
        }
        self.image.put_file(output, assembled.as_bytes(), metadata)
    }

    pub(super) fn shadow(&mut self, username: &str, password: Option<&str>) -> Result<(), Failure> {
        let path = ProtoPath::new("etc/shadow")?;
        if self.rehearsal && self.image.is_foreseen(&self.image.file(&path)?.1) {
            return Ok(());
        }
        let text = String::from_utf8(self.image.read(&path)?)
            .map_err(|_| Failure::new("/etc/shadow is not text"))?;
        let Some(password) = password else { return Ok(()) };
        if password.contains([':', '\n']) {
            return Err(Failure::new("a password field has no `:` and no line break"));
        }
        let mut found = 0;
        let mut changed = String::new();
        for line in text.lines() {
            let mut fields: Vec<&str> = line.split(':').collect();
            if fields[0] == username {
                if fields.len() != 9 {
                    return Err(Failure::new(format!(
                        "the line of `{username}` in /etc/shadow has {} fields, not 9",
                        fields.len()
                    )));
                }
                found += 1;
                fields[1] = password;
            }
            changed.push_str(&fields.join(":"));
            changed.push('\n');
        }
        if found != 1 {
            return Err(Failure::new(format!("/etc/shadow has {found} lines for `{username}`")));
        }
        if changed != text {
            let metadata = Metadata::root(0o400).at(self.image.mtime);
            self.image.put_file(&path, changed.as_bytes(), metadata)?;
        }
        Ok(())
    }

    pub(super) fn digest(
        &mut self,
        algorithm: Algorithm,
        src: &str,
        target: &ProtoPath,
        permissions: &Permissions,
    ) -> Result<(), Failure> {
        let metadata = self.image.metadata(permissions)?;
        if self.rehearsal && !self.has_output(src) {
            return self.image.put_foreseen(target, 0, metadata);
        }
        let file = self.open_output(src)?;
        let digest = match algorithm {
            Algorithm::Sha1 => hex_digest::<sha1::Sha1>(file),
            Algorithm::Md5 => hex_digest::<md5::Md5>(file),
        };
        let line = digest.map_err(|e| Failure::because(format!("cannot read `{src}`"), e))? + "\n";
        self.image.put_file(target, line.as_bytes(), metadata)
    }
}

fn hex_digest<D: sha2::Digest>(mut file: File) -> std::io::Result<String> {
    let mut digest = D::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(digest.finalize())),
            count => digest.update(&buffer[..count]),
        }
    }
}

fn open(path: &std::path::Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| {
        let error = Error::io("open", path)(error);
        Failure::because(error.to_string(), error)
    })
}
