//! What is laid over an image: omicron packages and root's profile, as the tree of files that
//! helios-build would be given as an extra proto directory.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use omicron_zone_package::config::{self, PackageName};
use oxide_archive::{Options, SetOwners};
use proto::{Digest, Entry, FileContent, Kind, Manifest, ProtoPath};

use super::config::{Method, Omicron};
use crate::failure::Failure;
use crate::record;

/// One omicron package that goes into an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its name in the package manifest.
    pub(crate) package: String,
    /// The service it becomes on the system.
    pub(crate) service: String,
    /// How it is put in.
    pub(crate) method: Method,
    /// Its built archive.
    pub(crate) archive: PathBuf,
}

/// A zone image for the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    /// The built archive.
    pub(crate) archive: PathBuf,
    /// The name on the rack, `SERVICE.tar.gz`.
    pub(crate) file_name: String,
}

/// Omicron's packages: services from the package manifest, archives from a directory.
pub(crate) struct Packages {
    manifest: config::Config,
    manifest_path: PathBuf,
    artifacts: PathBuf,
    pins: BTreeMap<String, Digest>,
}

impl Packages {
    /// Reads the package manifest.
    pub(crate) fn read(omicron: &Omicron) -> Result<Self, Failure> {
        let path = &omicron.package_manifest;
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::missing(format!("cannot read {}: {error}", path.display()))
        })?;
        let manifest = config::parse_manifest(&text)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        let packages = Self {
            manifest,
            manifest_path: path.clone(),
            artifacts: omicron.artifacts.clone(),
            pins: omicron.sha256.clone(),
        };
        // A pin that nothing is compared with would be one that somebody relies on in vain.
        packages.pins.keys().try_for_each(|name| packages.service(name).map(drop))?;
        Ok(packages)
    }

    fn service(&self, package: &str) -> Result<String, Failure> {
        let name = PackageName::new(package.to_owned())
            .map_err(|error| Failure::usage(format!("package name `{package}`: {error}")))?;
        match self.manifest.packages.get(&name) {
            Some(found) => Ok(found.service_name.to_string()),
            None => {
                let known = self.manifest.packages.keys().map(|name| name.as_str());
                let near = known.min_by_key(|known| strsim::damerau_levenshtein(known, package));
                let failure = Failure::usage(format!(
                    "{} has no package `{package}`",
                    self.manifest_path.display()
                ));
                Err(match near {
                    Some(near) => failure.hint(format!("the nearest name there is `{near}`")),
                    None => failure,
                })
            }
        }
    }

    fn archive(&self, package: &str, ending: &str) -> Result<PathBuf, Failure> {
        let path = self.artifacts.join(format!("{package}.{ending}"));
        if path.is_file() {
            check_pin(&path, self.pins.get(package))?;
            return Ok(path);
        }
        Err(Failure::missing(format!("package `{package}`: {} is missing", path.display()))
            .hint("build it with `cargo xtask zone build` or omicron-package, or leave it out"))
    }

    /// A package for an image.
    pub(crate) fn piece(&self, package: &str, method: Method) -> Result<Piece, Failure> {
        let ending = match method {
            Method::Install => "tar",
            Method::Bundle => "tar.gz",
        };
        Ok(Piece {
            package: package.to_owned(),
            service: self.service(package)?,
            method,
            archive: self.archive(package, ending)?,
        })
    }

    /// A zone for the repository: the archive stamped with a version where there is one.
    pub(crate) fn zone(&self, package: &str) -> Result<Zone, Failure> {
        let service = self.service(package)?;
        let stamped = self.artifacts.join("versioned").join(format!("{package}.tar.gz"));
        let archive = match stamped.is_file() {
            true => {
                check_pin(&stamped, self.pins.get(package))?;
                stamped
            }
            false => self.archive(package, "tar.gz")?,
        };
        Ok(Zone { archive, file_name: format!("{service}.tar.gz") })
    }
}

/// Compares an archive with the digest it must have, if there is one, before anything is made of
/// it.
pub(crate) fn check_pin(path: &Path, pin: Option<&Digest>) -> Result<(), Failure> {
    let Some(pin) = pin else { return Ok(()) };
    let found = record::digest(path)?;
    if found == *pin {
        return Ok(());
    }
    let path = path.display();
    Err(Failure::new(format!("{path}: sha256 {found} instead of the pinned {pin}"))
        .hint("get the right one, or correct sha256 in releng.toml"))
}

/// What root's shell reads at log-in: the tools of the overlay are on the path.
const PROFILE: &str = "\
# Tools that are not part of the operating system's own packages.
for directory in /opt/oxide/*/bin /opt/oxide/mg-ddm /opt/oxide/oxlog; do
\t[ -d \"$directory\" ] && PATH=$PATH:$directory
done
unset directory
export PATH
";

/// Makes the tree in a directory that is not there yet.
pub(crate) fn make_tree(pieces: &[Piece], tree: &Path) -> Result<(), Failure> {
    make_directory(tree, 0o755)?;
    // The mode that the packaged directory has: nobody but root looks in.
    make_directory(&tree.join("root"), 0o700)?;
    write(&tree.join("root/.profile"), PROFILE.as_bytes())?;
    for piece in pieces {
        let oxide = tree.join("opt/oxide");
        make_directory(&oxide, 0o755)?;
        match piece.method {
            Method::Bundle => {
                let to = oxide.join(format!("{}.tar.gz", piece.service));
                fs::copy(&piece.archive, &to)
                    .map_err(|error| cannot("copy", &piece.archive, &error))?;
                set_mode(&to, 0o644)?;
            }
            Method::Install => install(piece, &oxide, tree)?,
        }
    }
    Ok(())
}

/// What [`make_tree`] would make, without contents: of archives only the names are read.
pub(crate) fn foresee(pieces: &[Piece]) -> Result<Manifest, Failure> {
    let (directory, private) = (proto::Metadata::root(0o755), proto::Metadata::root(0o700));
    let empty = Kind::File(FileContent { size: 0, digest: None });
    let file = Entry::new(empty, proto::Metadata::root(0o644));
    let mut tree = Manifest::new();
    let mut put = |path: &str, entry: Entry| -> Result<(), Failure> {
        let path = ProtoPath::new(path)?;
        let mut above = path.parent();
        while let Some(parent) = above.filter(|parent| !parent.is_root() && !tree.contains(parent))
        {
            above = parent.parent();
            tree.replace(parent, Entry::directory(directory));
        }
        tree.replace(path, entry);
        Ok(())
    };
    put("root", Entry::directory(private))?;
    put("root/.profile", file.clone())?;
    for piece in pieces {
        let below = format!("opt/oxide/{}", piece.service);
        if piece.method == Method::Bundle {
            put(&format!("{below}.tar.gz"), file.clone())?;
            continue;
        }
        put(&below, Entry::directory(directory))?;
        let options = Options { make_parents: Some(directory), ..Options::plain() };
        let archive = oxide_archive::check(&piece.archive, &options)?;
        for (path, entry) in archive.manifest.iter().filter(|(path, _)| !path.is_root()) {
            let is_service = path.as_bytes() == SERVICE_MANIFEST.as_bytes()
                && matches!(entry.kind, Kind::File(_));
            let mut entry = entry.clone();
            if let Kind::Hardlink { target } = &mut entry.kind {
                *target = ProtoPath::new(&below)?.join(target.as_bytes())?;
            }
            match is_service {
                true => put(&service_path(piece), entry)?,
                false => put(&format!("{below}/{path}"), entry)?,
            }
        }
    }
    Ok(tree)
}

/// The service that an archive brings.
const SERVICE_MANIFEST: &str = "pkg/manifest.xml";

/// Where it goes in the image.
fn service_path(piece: &Piece) -> String {
    format!("lib/svc/manifest/site/{}.xml", piece.service)
}

fn install(piece: &Piece, oxide: &Path, tree: &Path) -> Result<(), Failure> {
    let directory = oxide.join(&piece.service);
    make_directory(&directory, 0o755)?;
    let options = Options {
        set_owners: SetOwners::Never,
        make_parents: Some(proto::Metadata::root(0o755)),
        ..Options::plain()
    };
    oxide_archive::unpack(&piece.archive, &directory, &options)?;
    let manifest = directory.join(SERVICE_MANIFEST);
    if manifest.is_file() {
        let to = tree.join(service_path(piece));
        make_directory(to.parent().unwrap_or(tree), 0o755)?;
        fs::rename(&manifest, &to).map_err(|error| cannot("move", &manifest, &error))?;
        // The directory is left alone where there is more in it.
        let _ = fs::remove_dir(directory.join("pkg"));
    }
    Ok(())
}

/// Makes a directory and those above it that are not there, with modes that no umask changes.
fn make_directory(path: &Path, mode: u32) -> Result<(), Failure> {
    if let Some(parent) = path.parent()
        && !parent.is_dir()
    {
        make_directory(parent, 0o755)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(cannot("create", path, &error))
        }
        _ => set_mode(path, mode),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| cannot("write", path, &error))?;
    set_mode(path, 0o644)
}

/// The mode as it is meant, whatever the umask.
fn set_mode(path: &Path, mode: u32) -> Result<(), Failure> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| cannot("set the mode of", path, &error))
}

fn cannot(doing: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {doing} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn tar(path: &Path, members: &[(&str, &str)]) {
        let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
        for (name, text) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o755);
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        builder.finish().unwrap();
    }

    fn omicron(directory: &Path) -> Omicron {
        let manifest = directory.join("package-manifest.toml");
        fs::write(
            &manifest,
            "[package.mg-ddm-gz]\nservice_name = \"mg-ddm\"\nsource.type = \"manual\"\n\
             output.type = \"tarball\"\n\
             [package.overlay]\nservice_name = \"overlay\"\nsource.type = \"manual\"\n\
             output.type = \"zone\"\n",
        )
        .unwrap();
        let sha256 = BTreeMap::new();
        Omicron { package_manifest: manifest, artifacts: directory.to_owned(), sha256 }
    }

    #[test]
    fn packages_are_installed_and_bundled_under_their_service() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        tar(&dir.join("mg-ddm-gz.tar"), &[("ddmd", "program"), ("pkg/manifest.xml", "<xml/>")]);
        fs::write(dir.join("overlay.tar.gz"), "zone").unwrap();
        let packages = Packages::read(&omicron(dir)).unwrap();
        let pieces = [
            packages.piece("mg-ddm-gz", Method::Install).unwrap(),
            packages.piece("overlay", Method::Bundle).unwrap(),
        ];
        let tree = dir.join("tree");
        make_tree(&pieces, &tree).unwrap();
        let read = |path: &str| fs::read_to_string(tree.join(path)).unwrap();
        assert_eq!(read("opt/oxide/mg-ddm/ddmd"), "program");
        assert_eq!(read("lib/svc/manifest/site/mg-ddm.xml"), "<xml/>");
        assert!(!tree.join("opt/oxide/mg-ddm/pkg").exists());
        assert_eq!(read("opt/oxide/overlay.tar.gz"), "zone");
        assert!(read("root/.profile").contains("/opt/oxide"));
        let mode =
            |path: &str| fs::metadata(tree.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode("root"), 0o700);
        assert_eq!(mode("opt/oxide/mg-ddm/ddmd"), 0o755);

        // What is foreseen is what is made; a directory that is left empty may stay.
        let made = proto::import_directory(&tree, proto::Owners::Root).unwrap();
        let paths = |manifest: &Manifest| -> Vec<String> {
            let all = manifest.iter().filter(|(path, _)| !path.is_root());
            all.map(|(path, entry)| format!("{path} {:o}", entry.metadata.mode)).collect()
        };
        let mut foreseen = paths(&foresee(&pieces).unwrap());
        foreseen.retain(|path| path != "opt/oxide/mg-ddm/pkg 755");
        assert_eq!(foreseen, paths(&made));
    }

    #[test]
    fn what_zone_build_makes_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let omicron = omicron(dir);
        let local = "source.type = \"local\"\nsource.paths = [{ from = \"ddmd\", to = ";
        let text = fs::read_to_string(&omicron.package_manifest).unwrap();
        let text =
            text.replacen("source.type = \"manual\"", &format!("{local}\"bin/ddmd\" }}]"), 1);
        let text = text.replacen("source.type = \"manual\"", &format!("{local}\"/opt/x\" }}]"), 1);
        fs::write(&omicron.package_manifest, text).unwrap();
        fs::write(dir.join("ddmd"), "program").unwrap();
        let request = crate::bench::zones::request(dir, dir).unwrap();
        let fetcher = fetch::Fetcher::offline(store::Store::open(dir.join("store")).unwrap());
        let plan = zone_build::plan(request, &fetcher).unwrap();
        let (graph, _) = plan.graph(&fetcher, &dir.join("work"), NonZeroUsize::MIN).unwrap();
        graph.run(1, &dir.join("logs"), &jobs::Stop::new(), &jobs::Quiet).unwrap();

        let packages = Packages::read(&Omicron { artifacts: dir.join("out"), ..omicron }).unwrap();
        let zone = packages.zone("overlay").unwrap();
        assert_eq!(zone.file_name, "overlay.tar.gz");
        let pieces = [
            packages.piece("mg-ddm-gz", Method::Install).unwrap(),
            packages.piece("overlay", Method::Bundle).unwrap(),
        ];
        let tree = dir.join("tree");
        make_tree(&pieces, &tree).unwrap();
        assert_eq!(fs::read(tree.join("opt/oxide/mg-ddm/bin/ddmd")).unwrap(), b"program");
        assert_eq!(fs::read(tree.join("opt/oxide/mg-ddm/VERSION")).unwrap(), b"0.0.0");
        let metadata = oxide_archive::read_metadata(tree.join("opt/oxide/overlay.tar.gz")).unwrap();
        assert_eq!(metadata.package.as_deref(), Some("overlay"));
    }

    #[test]
    fn archives_that_are_not_the_pinned_ones_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        fs::create_dir(dir.join("versioned")).unwrap();
        fs::write(dir.join("overlay.tar.gz"), "zone").unwrap();
        let pinned = |name: &str, text: &str| {
            let sha256 = BTreeMap::from([(name.to_owned(), Digest::of(text.as_bytes()))]);
            Packages::read(&Omicron { sha256, ..omicron(dir) })
        };
        let right = pinned("overlay", "zone").unwrap();
        assert!(right.piece("overlay", Method::Bundle).is_ok());
        let wrong = pinned("overlay", "another").unwrap();
        let failure = wrong.piece("overlay", Method::Bundle).unwrap_err();
        assert!(failure.error.to_string().contains("instead of the pinned"), "{}", failure.error);
        assert!(wrong.zone("overlay").is_err());
        // The one that is taken counts.
        fs::write(dir.join("versioned/overlay.tar.gz"), "another").unwrap();
        assert!(wrong.zone("overlay").is_ok());
        assert!(right.zone("overlay").is_err());
        let failure = pinned("overlai", "zone").map(drop).unwrap_err();
        assert_eq!(failure.hints, ["the nearest name there is `overlay`"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let packages = Packages::read(&omicron(directory.path())).unwrap();
        let failure = packages.piece("mg-ddm", Method::Install).unwrap_err();
        assert_eq!(failure.hints, ["the nearest name there is `mg-ddm-gz`"]);
        let failure = packages.piece("overlay", Method::Bundle).unwrap_err();
        assert!(failure.error.to_string().contains("overlay.tar.gz is missing"));
    }
}
