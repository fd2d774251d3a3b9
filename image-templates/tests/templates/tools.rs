//! A template root in a temporary directory, and shorthands.

use std::path::{Path, PathBuf};

use image_templates::{Applied, Context, Error, Features, Finding, Search, apply, check, load};
use proto::{Entry, Metadata, Proto, ProtoPath, Store};

/// A template root with the group `g`, an output directory and a store.
pub(crate) struct Bench {
    pub(crate) directory: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for sub in ["t/g/include", "t/include", "t/g/files", "t/files", "output"] {
            std::fs::create_dir_all(directory.path().join(sub)).unwrap();
        }
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn search(&self) -> Search {
        Search::new(self.path("t"), "g")
    }

    pub(crate) fn proto(&self) -> Proto {
        let mut proto = Proto::new(Store::create(self.path("store")).unwrap());
        proto.manifest.replace(path(""), Entry::directory(Metadata::root(0o755)));
        proto
    }

    /// The findings of the template `g/m`, with paths shortened to names.
    pub(crate) fn findings(&self, features: &[&str]) -> Vec<String> {
        check(&self.search(), "m", &Features::from_specs(features).unwrap())
            .iter()
            .map(|finding: &Finding| self.shorten(finding))
            .collect()
    }

    pub(crate) fn shorten(&self, text: impl ToString) -> String {
        text.to_string().replace(&format!("{}/", self.directory.path().display()), "")
    }

    /// Applies `g/m` to a proto.
    pub(crate) fn apply(&self, proto: &mut Proto, features: &[&str]) -> Result<Applied, Error> {
        self.apply_in(proto, features, &mut Context::new(self.path("output")))
    }

    pub(crate) fn apply_in(
        &self,
        proto: &mut Proto,
        features: &[&str],
        context: &mut Context<'_>,
    ) -> Result<Applied, Error> {
        let features = Features::from_specs(features).unwrap();
        apply(&load(&self.search(), "m", &features)?, proto, context)
    }

    /// Applies steps written as the text of a list.
    pub(crate) fn steps(&self, proto: &mut Proto, steps: &str) -> Result<Applied, Error> {
        self.write("t/g/m.json", format!("{{\"steps\": [\n{steps}\n]}}"));
        self.apply(proto, &[])
    }

    /// The message of a failure, which must have left the proto as it was.
    pub(crate) fn failure(&self, proto: &Proto, steps: &str) -> String {
        let mut changed = proto.clone();
        let error = self.steps(&mut changed, steps).expect_err(steps);
        assert_eq!(changed.manifest, proto.manifest, "{steps}");
        let mut text = self.shorten(&error);
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text.push_str(&format!(": {error}"));
            source = error.source();
        }
        text
    }
}

pub(crate) fn path(text: &str) -> ProtoPath {
    ProtoPath::new(text).unwrap()
}

pub(crate) fn add_file(proto: &mut Proto, at: &str, text: impl AsRef<[u8]>, metadata: Metadata) {
    let content = proto.contents.store.add_bytes(text.as_ref()).unwrap();
    proto.manifest.ensure_parents(&path(at), Metadata::root(0o755));
    proto.manifest.replace(path(at), Entry::new(proto::Kind::File(content), metadata));
}

pub(crate) fn add_directory(proto: &mut Proto, at: &str) {
    proto.manifest.ensure_parents(&path(at), Metadata::root(0o755));
    proto.manifest.replace(path(at), Entry::directory(Metadata::root(0o755)));
}

pub(crate) fn text(proto: &Proto, at: &str) -> String {
    let at = path(at);
    let (at, entry) = proto.manifest.resolve_hardlink(&at).expect("the path is there");
    String::from_utf8(proto.contents.read(at, entry.content().expect("a file")).unwrap()).unwrap()
}

/// `TYPE MODE UID:GID`, and the text of a link.
pub(crate) fn stat(proto: &Proto, at: &str) -> String {
    let entry = proto.manifest.get(&path(at)).unwrap_or_else(|| panic!("{at} is not there"));
    let metadata = entry.metadata;
    let link = match &entry.kind {
        proto::Kind::Symlink { target } => format!(" {}", String::from_utf8_lossy(target)),
        proto::Kind::Hardlink { target } => format!(" {target}"),
        _ => String::new(),
    };
    let word = entry.kind.word();
    format!("{word} {:04o} {}:{}{link}", metadata.mode, metadata.uid, metadata.gid)
}

pub(crate) fn has(proto: &Proto, at: &str) -> bool {
    proto.manifest.contains(&path(at))
}

pub(crate) fn read(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// A step that makes a file of root, group sys.
pub(crate) fn ensure_file(rest: &str) -> String {
    format!(r#"{{ "t": "ensure_file", "owner": "root", "group": "sys", "mode": "0644", {rest} }}"#)
}
