//! What comes from elsewhere: blobs, prebuilt packages, archives put into place by hand.

use fetch::Url;
use omicron_zone_package::package::PrebuiltBlob;
use proto::{Digest, ProtoPath};

use super::Planner;
use crate::artifact::{Absence, Artifact};
use crate::plan::{Archive, From, Kind, Output, Package, Part};
use crate::{Error, Problem};

impl Planner<'_> {
    /// Blobs of the bucket, which the manifest does not pin.
    pub(super) fn blobs<P: AsRef<str>>(
        &mut self,
        name: &str,
        package: &mut Package,
        blobs: &[P],
    ) -> Result<(), Error> {
        for blob in blobs {
            let blob = blob.as_ref();
            let Some(at) = self.own(name, package, &format!("blob/{blob}")) else { continue };
            let Some(digest) = self.request.pins.get(blob).copied() else {
                package.problems.push(
                    Problem::new(name, format!("the blob {blob} has no digest"))
                        .remedy(format!("give it with --pin {blob}=SHA256")),
                );
                continue;
            };
            let url = below(&self.request.blobs, blob);
            let file = blob.rsplit('/').next().unwrap_or(blob);
            self.blob(name, package, file, digest, url, at)?;
        }
        Ok(())
    }

    /// Blobs that builds published.
    pub(super) fn published(
        &mut self,
        name: &str,
        package: &mut Package,
        blobs: &[PrebuiltBlob],
    ) -> Result<(), Error> {
        for blob in blobs {
            let PrebuiltBlob { repo, series, commit, artifact, sha256 } = blob;
            let Some(at) = self.own(name, package, &format!("blob/{artifact}")) else { continue };
            let Some(digest) = digest(name, package, sha256, artifact) else { continue };
            let place = format!("oxidecomputer/{repo}/{series}/{commit}/{artifact}");
            let url = below(&self.request.artifacts, &place);
            self.blob(name, package, artifact, digest, url, at)?;
        }
        Ok(())
    }

    fn blob(
        &mut self,
        name: &str,
        package: &mut Package,
        file: &str,
        digest: Digest,
        url: Url,
        at: ProtoPath,
    ) -> Result<(), Error> {
        if let Some(artifact) = self.artifact(name, package, file, digest, url)? {
            package.parts.push(Part::Blob {
                artifact,
                to: format!("/{at}").replace("//", "/"),
                at,
            });
        }
        Ok(())
    }

    pub(super) fn prebuilt(
        &mut self,
        name: &str,
        package: &mut Package,
        repo: &str,
        commit: &str,
        sha256: &str,
    ) -> Result<(), Error> {
        let file = package.file.clone();
        let Some(digest) = digest(name, package, sha256, &file) else { return Ok(()) };
        let here = self.finder.has(&digest) || self.finder.on_disk(&file).is_some();
        if commit.is_empty() && !here {
            package.problems.push(
                Problem::new(name, "the manifest does not say which commit").remedy(format!(
                    "add source.commit, or put {file} into a directory given with --prebuilt"
                )),
            );
            return Ok(());
        }
        let place = format!("oxidecomputer/{repo}/image/{commit}/{file}");
        let url = below(&self.request.artifacts, &place);
        if let Some(artifact) = self.artifact(name, package, &file, digest, url)? {
            self.whole(name, package, From::Artifact(artifact.clone()), Some(artifact));
        }
        Ok(())
    }

    pub(super) fn manual(&mut self, name: &str, package: &mut Package, hint: Option<&str>) {
        let file = &package.file;
        let there = self.request.out.join(file);
        let path = self.finder.on_disk(file).or_else(|| there.is_file().then(|| there.clone()));
        let Some(path) = path else {
            let missing = Problem::new(name, format!("{file} is to be put into place by hand"));
            package.problems.push(missing.remedy(hint.map_or_else(
                || {
                    format!(
                        "build it, and put it into {} or a directory given with --prebuilt",
                        self.request.out.display()
                    )
                },
                str::to_owned,
            )));
            return;
        };
        if path == there && self.request.version.is_some() && !package.intermediate_only {
            let problem = format!("{} would be replaced by a stamped one", path.display());
            package.problems.push(
                Problem::new(name, problem)
                    .remedy("keep it elsewhere, and give that directory with --prebuilt"),
            );
            return;
        }
        match oxide_archive::open(&path) {
            Ok(_) => self.whole(name, package, From::Disk(path), None),
            Err(error) => package.problems.push(Problem::new(name, error.to_string())),
        }
    }

    /// The whole of an archive.
    fn whole(&mut self, name: &str, package: &mut Package, from: From, artifact: Option<Artifact>) {
        let kind = match package.output {
            Output::Zone => Kind::Zone,
            Output::Tarball => Kind::Tarball,
        };
        self.archives.insert(name.to_owned(), Archive { from, kind });
        let maps = vec![(ProtoPath::root(), ProtoPath::root())];
        package.parts.push(Part::Archive { archive: name.to_owned(), artifact, maps });
    }

    /// Where something pinned is; notes what is in the way.
    pub(super) fn artifact(
        &self,
        name: &str,
        package: &mut Package,
        file: &str,
        digest: Digest,
        url: Url,
    ) -> Result<Option<Artifact>, Error> {
        let problem = match self.finder.find(file, digest, url) {
            Ok(artifact) => return Ok(Some(artifact)),
            Err(Absence::Error(error)) => return Err(error),
            Err(Absence::Wrong { path, found }) => Problem::new(
                name,
                format!("{} has sha256 {found} instead of the pinned {digest}", path.display()),
            )
            .remedy("remove it, or correct the pin if it is the right one"),
            Err(Absence::Offline) => {
                Problem::new(name, format!("{file} (sha256 {digest}) is not in the store")).remedy(
                    "run once without --offline, or put it into a directory given with --prebuilt",
                )
            }
        };
        package.problems.push(problem);
        Ok(None)
    }
}

/// Reads a digest of the manifest; notes a missing or wrong one.
fn digest(name: &str, package: &mut Package, text: &str, file: &str) -> Option<Digest> {
    let problem = match text.parse() {
        Ok(digest) => return Some(digest),
        Err(_) if text.is_empty() => Problem::new(name, format!("{file} has no digest")).remedy(
            format!("add source.sha256, a pair of files in tools/, or --pin {name}=SHA256"),
        ),
        Err(_) => Problem::new(name, format!("`{text}` is no SHA-256 of {file}"))
            .remedy("a SHA-256 has 64 hexadecimal digits"),
    };
    package.problems.push(problem);
    None
}

/// An address below another. What is appended is quoted as a path.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url
}
