//! Packages to look at, wherever they are: a repository, an archive or an image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::{Contents, Proto, ProtoPath, Store};

use crate::image::CONFIG;
use crate::solve::Pattern;
use crate::{Error, Fmri, Image, Manifest, Origin, Standing, open_origin};

/// Something that has packages.
pub enum Packages {
    /// Installed packages.
    Image {
        /// The root directory.
        root: PathBuf,
        /// What it says of itself.
        image: Box<Image>,
    },
    /// Packages of a repository or package archive.
    Origin(Box<dyn Origin>),
}

impl Packages {
    /// Opens an image (a directory with `var/pkg/pkg5.image`), a file repository (a directory
    /// with `pkg5.repository`) or a package archive (a `.p5p` file), whichever is there. Of an
    /// image only the package metadata is read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if path.is_dir() && path.join(CONFIG).is_file() {
            return Ok(Self::Image { root: path.to_owned(), image: Box::new(read_image(path)?) });
        }
        if path.is_dir() && !path.join("pkg5.repository").is_file() {
            let problem = format!(
                "neither an image (it has no {CONFIG}) nor a repository (it has no \
                 pkg5.repository)"
            );
            return Err(Error::damaged(path, problem));
        }
        Ok(Self::Origin(open_origin(path)?))
    }

    /// Where it is, for messages.
    pub fn location(&self) -> &Path {
        match self {
            Self::Image { root, .. } => root,
            Self::Origin(origin) => origin.location(),
        }
    }

    /// The image, if it is one.
    pub fn image(&self) -> Option<&Image> {
        match self {
            Self::Image { image, .. } => Some(image),
            Self::Origin(_) => None,
        }
    }

    /// Every package: of an image by stem, of others by publisher, stem and version.
    pub fn fmris(&self) -> Vec<&Fmri> {
        match self {
            Self::Image { image, .. } => image.packages.iter().map(|p| &p.fmri).collect(),
            Self::Origin(origin) => origin.packages().iter().collect(),
        }
    }

    /// The packages that patterns name, in the order of [`Packages::fmris`]; all of them without
    /// patterns. A pattern names packages as pkg(1) takes them: by the last components of their
    /// stems or whole, with `*` and `?`, perhaps with publisher and version. One that names none
    /// is an error.
    pub fn select(&self, patterns: &[String]) -> Result<Vec<&Fmri>, Error> {
        let all = self.fmris();
        if patterns.is_empty() {
            return Ok(all);
        }
        let mut chosen = vec![false; all.len()];
        for text in patterns {
            let refuse = |problem: String| Error::Pattern { pattern: text.clone(), problem };
            let pattern = Pattern::parse(text).map_err(refuse)?;
            let latest = text.ends_with("@latest");
            let matching: Vec<usize> = (0..all.len())
                .filter(|&index| {
                    let fmri = all[index];
                    pattern.matches(&fmri.stem)
                        && pattern
                            .publisher
                            .as_ref()
                            .is_none_or(|p| fmri.publisher.as_ref() == Some(p))
                        && pattern.allows(fmri.version.as_ref())
                })
                .collect();
            if matching.is_empty() {
                let place = self.location().display();
                return Err(refuse(format!("matches no package of {place}")));
            }
            for &index in &matching {
                // Of each package and publisher, the newest comes last.
                let same = |other: &&usize| {
                    (&all[**other].publisher, &all[**other].stem)
                        == (&all[index].publisher, &all[index].stem)
                };
                if !latest || matching.iter().rfind(same) == Some(&index) {
                    chosen[index] = true;
                }
            }
        }
        Ok(all.into_iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(f, _)| f).collect())
    }

    /// Fetches manifests that will be asked for, many at once, where they are not at hand. What
    /// cannot be had is an error when it is asked for.
    pub fn prefetch(&self, fmris: &[&Fmri]) {
        if let Self::Origin(origin) = self {
            let wanted: Vec<(&Fmri, Option<&proto::Digest>)> =
                fmris.iter().map(|fmri| (*fmri, None)).collect();
            if let Err(error) = origin.prefetch_manifests(&wanted) {
                tracing::debug!(%error, "not all manifests are at hand");
            }
        }
    }

    /// What has become of one of them.
    pub fn standing(&self, fmri: &Fmri) -> Result<Standing, Error> {
        match self {
            Self::Image { .. } => Ok(Standing::of(&*self.manifest(fmri)?)),
            Self::Origin(origin) => origin.standing(fmri),
        }
    }

    /// The manifest of one of them.
    pub fn manifest(&self, fmri: &Fmri) -> Result<Arc<Manifest>, Error> {
        match self {
            Self::Image { root, image } => image
                .packages
                .iter()
                .find(|package| package.fmri == *fmri)
                .map(|package| Arc::clone(&package.manifest))
                .ok_or_else(|| Error::NoPackage {
                    path: root.clone(),
                    fmri: Box::new(fmri.clone()),
                }),
            Self::Origin(origin) => origin.manifest(fmri).map(Arc::new),
        }
    }
}

/// Reads an image's package metadata and nothing else of its tree.
fn read_image(root: &Path) -> Result<Image, Error> {
    let below = ProtoPath::new("var/pkg").map_err(proto::Error::from)?;
    let mut manifest = proto::Manifest::new();
    let metadata = proto::import_directory(&below.below(root), proto::Owners::Root)?;
    for (path, entry) in metadata.iter().filter(|(path, _)| !path.is_root()) {
        let path = below.join(path.as_bytes()).map_err(proto::Error::from)?;
        let mut entry = entry.clone();
        if let proto::Kind::Hardlink { target } = &mut entry.kind {
            *target = below.join(target.as_bytes()).map_err(proto::Error::from)?;
        }
        manifest.replace(path, entry);
    }
    // Nothing is added to the store: what is read lies in the tree.
    let scratch = tempfile::tempdir().map_err(Error::io("create a directory beside", root))?;
    let contents = Contents { store: Store::create(scratch.path())?, tree: Some(root.to_owned()) };
    Image::read(&Proto { manifest, contents })
}
