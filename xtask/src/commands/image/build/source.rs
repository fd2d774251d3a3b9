//! Where the files of a dataset come from.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use proto::{
    Contents, ExtendedAttributes, Metadata, Mtime, Proto, ProtoPath, Store, import_directory_with,
    import_listed,
};
use serde::Deserialize;

use crate::failure::Failure;

/// Whose the files of a tree are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Owners {
    /// root:root
    #[default]
    Root,
    /// As on disk
    FromDisk,
}

/// What goes into a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A tree, and perhaps its manifest.
    Tree { directory: PathBuf, manifest: Option<PathBuf>, owners: Owners },
    /// A tar; `-` is standard input.
    Tar(PathBuf),
}

impl Source {
    /// The source that flags or keys name, if they name one.
    pub(super) fn given(
        tree: Option<&Path>,
        manifest: Option<&Path>,
        tar: Option<&Path>,
        owners: Owners,
    ) -> Option<Self> {
        match (tree, tar) {
            (Some(directory), _) => Some(Self::Tree {
                directory: directory.to_owned(),
                manifest: manifest.map(Path::to_owned),
                owners,
            }),
            (None, Some(tar)) => Some(Self::Tar(tar.to_owned())),
            (None, None) => None,
        }
    }

    /// Reads it. `store` is a new directory for contents that are in no tree.
    pub(super) fn read(
        &self,
        store: &Path,
        attributes: ExtendedAttributes,
        time: u32,
    ) -> Result<Proto, Failure> {
        let store = Store::create(store)?;
        match self {
            Self::Tree { directory, manifest, owners } => {
                for (path, is_there) in [(Some(directory), directory.is_dir())]
                    .into_iter()
                    .chain([(manifest.as_ref(), manifest.as_ref().is_none_or(|m| m.is_file()))])
                {
                    if let (Some(path), false) = (path, is_there) {
                        return Err(Failure::missing(format!("{} is missing", path.display())));
                    }
                }
                let read = match manifest {
                    Some(manifest) => import_listed(directory, manifest, attributes),
                    None => import_directory_with(directory, (*owners).into(), attributes),
                };
                let manifest = read.map_err(with_hint)?;
                Ok(Proto { manifest, contents: Contents { store, tree: Some(directory.clone()) } })
            }
            Self::Tar(path) => {
                let mut proto = Proto::new(store);
                let parents = Metadata::root(0o755).at(Mtime::from_seconds(time.into()));
                let options = oxide_archive::Options {
                    extended_attributes: attributes,
                    ..oxide_archive::Options::whole_root(parents)
                };
                let root = ProtoPath::root();
                if path.as_os_str() == "-" {
                    let input = io::stdin();
                    let name = "standard input";
                    oxide_archive::into_proto_stream(input, name, &mut proto, &root, &options)
                } else if !path.exists() {
                    return Err(Failure::missing(format!("{} is missing", path.display())));
                } else {
                    // Opened here, as it may be a pipe, which cannot be opened twice.
                    let input = File::open(path)
                        .map_err(|error| format!("cannot open {}: {error}", path.display()))?;
                    oxide_archive::into_proto_stream(input, path, &mut proto, &root, &options)
                }
                .map_err(|error| {
                    let lost = error.to_string().contains("which would be lost");
                    hint_if(Failure::new(error), lost)
                })?;
                super::complete(&mut proto, parents);
                Ok(proto)
            }
        }
    }
}

impl From<Owners> for proto::Owners {
    fn from(owners: Owners) -> Self {
        match owners {
            Owners::Root => Self::Root,
            Owners::FromDisk => Self::FromDisk,
        }
    }
}

fn with_hint(error: proto::Error) -> Failure {
    let lost = matches!(error, proto::Error::ExtendedAttribute { .. });
    hint_if(Failure::new(error), lost)
}

fn hint_if(failure: Failure, lost: bool) -> Failure {
    match lost {
        true => failure.hint("--drop-xattrs leaves them behind"),
        false => failure,
    }
}
