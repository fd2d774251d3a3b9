//! From a plan to jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fetch::Fetcher;
use gzip::{GzipReader, Level};
use jobs::{Context, Graph, Job, JobError};
use oxide_archive::{ArchiveType, Expect, Options, OutputFile, Written, check_stream};
use proto::{Digest, Entry, Kind as EntryKind, Manifest, Proto, ProtoPath, Store};
use serde::Serialize;

use crate::artifact::{Artifact, Finder};
use crate::download::Form;
use crate::image::{self, Style, UNSTAMPED, VERSION};
use crate::plan::{Archive, From, Kind, Output, Part, Plan, Source};
use crate::tree::Tree;
use crate::{Error, Problem, local};

/// The name of the job that fetches everything.
pub const FETCH: &str = "fetch";

/// An image that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// The package.
    pub package: String,
    /// The service it is on a system.
    pub service: String,
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// The version it carries; none for one that was taken as it is.
    pub version: Option<String>,
    /// Paths in it; none for one that was taken as it is.
    pub paths: Option<usize>,
    /// Files that gave way to others of the same path.
    pub replaced: Vec<String>,
}

/// Images that were built, while jobs build them.
#[derive(Debug, Clone, Default)]
pub struct Images(Arc<Mutex<BTreeMap<String, Image>>>);

impl Images {
    /// What is there, by package.
    pub fn take(&self) -> Vec<Image> {
        let mut images = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *images).into_values().collect()
    }

    fn add(&self, image: Image) {
        let mut images = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        images.insert(image.package.clone(), image);
    }
}

impl Plan {
    /// Gives up what was asked for and cannot be built; why not, by package.
    pub fn leave_out_blocked(&mut self) -> BTreeMap<String, Vec<Problem>> {
        let problems = |name: &str| self.problems(name).into_iter().cloned().collect::<Vec<_>>();
        let mut blocked: BTreeMap<String, Vec<Problem>> =
            self.wanted().map(|name| (name.to_owned(), problems(name))).collect();
        blocked.retain(|_, problems| !problems.is_empty());
        for name in blocked.keys() {
            if let Some(package) = self.packages.get_mut(name) {
                package.wanted = false;
            }
        }
        blocked
    }

    /// The jobs that build what was asked for, on so many processors. `work` is a directory for
    /// what is needed meanwhile, gone afterwards.
    pub fn graph(
        self,
        fetcher: &Fetcher,
        work: &Path,
        processors: NonZeroUsize,
    ) -> Result<(Graph, Images), Error> {
        self.refuse_blocked()?;
        let out = &self.request.out;
        fs::create_dir_all(out).map_err(Error::io("create", out))?;
        let kept = Store::create(work.join("kept"))?;
        let finder =
            Finder { fetcher: fetcher.clone(), directories: self.request.directories.clone() };
        let images = Images::default();
        let plan = Arc::new(self);
        let builder = Builder { plan: &plan, finder, kept, work, images: images.clone() };
        Ok((builder.graph(processors)?, images))
    }

    fn refuse_blocked(&self) -> Result<(), Error> {
        let packages: Vec<String> = self
            .wanted()
            .filter(|name| !self.problems(name).is_empty())
            .map(str::to_owned)
            .collect();
        if packages.is_empty() {
            return Ok(());
        }
        let all = self.closure(packages.iter().map(String::as_str));
        let problems = all.into_iter().filter_map(|name| self.packages.get(name));
        let problems = problems.flat_map(|package| package.problems.clone()).collect();
        Err(Error::Blocked { packages, problems })
    }

    /// Whether a package is an archive that is taken as it is.
    fn is_taken(&self, name: &str) -> bool {
        self.request.version.is_none()
            && self
                .packages
                .get(name)
                .is_some_and(|package| matches!(package.source, Source::Prebuilt | Source::Manual))
    }

    /// The parts of a package and its components, in order, each with who brings it.
    fn parts<'a>(&'a self, name: &'a str, all: &mut Vec<(&'a str, &'a Part)>) {
        let Some(package) = self.packages.get(name) else { return };
        package.components.iter().for_each(|component| self.parts(component, all));
        all.extend(package.parts.iter().map(|part| (name, part)));
    }
}

struct Builder<'a> {
    plan: &'a Arc<Plan>,
    finder: Finder,
    kept: Store,
    work: &'a Path,
    images: Images,
}

impl Builder<'_> {
    fn graph(&self, processors: NonZeroUsize) -> Result<Graph, Error> {
        let mut graph = Graph::new();
        let mut wanted: Vec<&str> = self.plan.wanted().collect();
        // The largest first: what ends last should be small.
        wanted.sort_by_key(|name| std::cmp::Reverse(self.plan.weight(name)));
        let (mut archives, mut blobs) = (BTreeSet::new(), BTreeMap::new());
        let mut programs = BTreeMap::new();
        for name in wanted.iter().filter(|name| !self.plan.is_taken(name)) {
            let mut parts = Vec::new();
            self.plan.parts(name, &mut parts);
            for (by, part) in parts {
                match part {
                    Part::Archive { archive, .. } => {
                        archives.insert(archive.as_str());
                    }
                    Part::Blob { artifact, .. } => {
                        blobs.insert(artifact.sha256, artifact);
                    }
                    Part::Program { from, build: true, .. } => {
                        programs.insert(from.as_path(), by);
                    }
                    Part::Program { .. } | Part::Path { .. } => {}
                }
            }
        }
        self.cargo(&programs, &mut graph)?;
        let taken = wanted.iter().copied().filter(|name| self.plan.is_taken(name));
        let unpacked = archives.iter().copied().chain(taken);
        let remote = unpacked
            .filter_map(|name| match &self.plan.archives.get(name)?.from {
                From::Artifact(artifact) => Some(artifact),
                From::Disk(_) => None,
            })
            .chain(blobs.values().copied())
            .filter(|artifact| artifact.is_remote())
            .map(|artifact| (artifact.sha256, artifact.clone()));
        let remote: BTreeMap<Digest, Artifact> = remote.collect();
        if !remote.is_empty() {
            graph.add(self.fetch(remote.into_values().collect()))?;
        }
        for name in archives {
            if let Some(archive) = self.plan.archives.get(name) {
                graph.add(self.unpack(name, archive.clone()))?;
            }
        }
        for artifact in blobs.into_values() {
            graph.add(self.keep(artifact.clone()))?;
        }
        let threads = threads(processors.get(), wanted.len());
        for name in wanted {
            graph.add(if self.plan.is_taken(name) {
                self.take(name)
            } else {
                self.image(name, threads)
            })?;
        }
        Ok(graph)
    }

    /// One run of cargo for each profile that programs are built with.
    fn cargo(&self, programs: &BTreeMap<&Path, &str>, graph: &mut Graph) -> Result<(), Error> {
        let settings = &self.plan.request.programs;
        let Some(cargo) = &settings.cargo else { return Ok(()) };
        for release in [true, false] {
            let of_profile = |path: &Path| {
                path.file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| settings.path(name, release) == path)
            };
            let paths: Vec<&Path> =
                programs.keys().copied().filter(|path| of_profile(path)).collect();
            if paths.is_empty() {
                continue;
            }
            let packages: BTreeSet<&str> =
                paths.iter().filter_map(|path| programs.get(path).copied()).collect();
            let mut words: Vec<OsString> = vec!["build".into(), "--target-dir".into()];
            words.push(settings.directory.clone().into());
            words.extend(release.then(|| "--release".into()));
            if let Some(triple) = &settings.triple {
                words.extend(["--target".into(), triple.into()]);
            }
            for package in packages {
                words.extend(["--package".into(), package.into()]);
            }
            for path in &paths {
                let name = path.file_name().unwrap_or_default();
                words.extend(["--bin".into(), name.to_owned()]);
            }
            let name = if release { "cargo release" } else { "cargo debug" };
            let (cargo, source) = (cargo.clone(), self.plan.request.source.clone());
            let run = move |job: &Context| {
                // The source says itself which toolchain it wants.
                let command = job.command(cargo).environment("RUSTUP_TOOLCHAIN", None);
                command.arguments(words).directory(source).run()
            };
            graph.add(Job::new(name, run).makes(paths))?;
        }
        Ok(())
    }

    /// Fetches everything that is fetched, many at once; others work meanwhile.
    fn fetch(&self, artifacts: Vec<Artifact>) -> Job {
        let (finder, made) = (self.finder.clone(), self.fetched());
        let marker = made.clone();
        let run = move |job: &Context| -> Result<(), JobError> {
            let errors = finder.fetch_all(&artifacts);
            if !errors.is_empty() {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                return Err(lines.join("\n").into());
            }
            job.log(format_args!("{} files", artifacts.len()));
            Ok(fs::write(&marker, "")?)
        };
        Job::new(FETCH, run).makes([made])
    }

    fn fetched(&self) -> PathBuf {
        self.work.join("fetched")
    }

    /// What must be there before an archive or blob can be opened.
    fn before(&self, artifact: &Artifact) -> Option<PathBuf> {
        artifact.is_remote().then(|| self.fetched())
    }

    fn before_archive(&self, from: &From) -> Option<PathBuf> {
        match from {
            From::Artifact(artifact) => self.before(artifact),
            From::Disk(_) => None,
        }
    }

    fn manifest_of(&self, archive: &str) -> PathBuf {
        self.work.join(format!("{archive}.mtree"))
    }

    /// Unpacks an archive; its contents are kept, and its manifest says what it has.
    fn unpack(&self, name: &str, archive: Archive) -> Job {
        let (finder, kept, made) = (self.finder.clone(), self.kept.clone(), self.manifest_of(name));
        let (to, before) = (made.clone(), self.before_archive(&archive.from));
        let run = move |job: &Context| -> Result<(), JobError> {
            let (mut file, label) = open(&finder, &archive.from)?;
            let mut proto = Proto::new(kept.clone());
            if archive.kind == Kind::Download(Form::Program) {
                let program = kept
                    .add(GzipReader::new(&mut file))
                    .map_err(Error::io("decompress", &label))?;
                let metadata = proto::Metadata::root(0o755);
                let program = Entry::new(EntryKind::File(program), metadata);
                proto.manifest.replace(ProtoPath::new("program")?, program);
            } else {
                let options = options(archive.kind, true);
                let root = ProtoPath::root();
                oxide_archive::into_proto_stream(file, &label, &mut proto, &root, &options)?;
            }
            if archive.kind == Kind::Tarball {
                proto.manifest.remove(&ProtoPath::new(VERSION)?);
            }
            job.log(format_args!("{} paths", proto.manifest.len()));
            proto.save(&to)?;
            Ok(())
        };
        Job::new(format!("unpack {name}"), run).reads(before).makes([made])
    }

    /// Keeps a single file.
    fn keep(&self, artifact: Artifact) -> Job {
        let (finder, kept) = (self.finder.clone(), self.kept.clone());
        let made = kept.path_of(&artifact.sha256);
        let before = self.before(&artifact);
        let name = format!("keep {} {}", artifact.file, &artifact.sha256.to_string()[..8]);
        let run = move |_: &Context| -> Result<(), JobError> {
            kept.add(finder.open(&artifact)?).map_err(Error::io("keep", &artifact.file))?;
            Ok(())
        };
        Job::new(name, run).reads(before).makes([made])
    }

    /// Takes an archive as it is, after looking whether a zone can be installed from it.
    fn take(&self, name: &str) -> Job {
        let (plan, finder) = (Arc::clone(self.plan), self.finder.clone());
        let (package, images) = (name.to_owned(), self.images.clone());
        let out = self.out(name);
        let before =
            self.plan.archives.get(name).and_then(|archive| self.before_archive(&archive.from));
        let to = out.clone();
        let run = move |_: &Context| -> Result<(), JobError> {
            let Some(archive) = plan.archives.get(&package) else {
                return Err("a bug in this program: the archive is not in the plan".into());
            };
            let (file, label) = open(&finder, &archive.from)?;
            let written = copy(file, &label, archive.kind, &to)?;
            images.add(record(&plan, &package, written, None));
            Ok(())
        };
        Job::new(format!("image {name}"), run).reads(before).makes([out])
    }

    /// Writes an image of its parts.
    fn image(&self, name: &str, threads: NonZeroUsize) -> Job {
        let mut parts = Vec::new();
        self.plan.parts(name, &mut parts);
        let reads: Vec<PathBuf> = parts
            .iter()
            .filter_map(|(_, part)| match part {
                Part::Path { .. } => None,
                Part::Program { from, .. } => Some(from.clone()),
                Part::Blob { artifact, .. } => Some(self.kept.path_of(&artifact.sha256)),
                Part::Archive { archive, .. } => Some(self.manifest_of(archive)),
            })
            .collect();
        let (plan, kept, work) = (Arc::clone(self.plan), self.kept.clone(), self.work.to_owned());
        let (package, images) = (name.to_owned(), self.images.clone());
        let out = self.out(name);
        let to = out.clone();
        let run = move |job: &Context| -> Result<(), JobError> {
            let tree = merge(&plan, &package, &kept, &work)?;
            for line in tree.replaced() {
                job.log(line);
            }
            let style = style(&plan, &package, threads);
            let written = image::write(&package, &tree, &kept, &style, &to)?;
            job.log(format_args!("{} paths, sha256 {}", tree.len(), written.sha256));
            images.add(record(&plan, &package, written, Some((&tree, style.version))));
            Ok(())
        };
        Job::new(format!("image {name}"), run).reads(reads).makes([out])
    }

    fn out(&self, name: &str) -> PathBuf {
        let file = self.plan.packages.get(name).map(|package| package.file.as_str());
        self.plan.request.out.join(file.unwrap_or_default())
    }
}

/// Threads that compress one of so many images.
///
/// With many images there is one for each processor at any time, and handing pieces to other threads
/// would only cost. With few, each is spread out, so that there is work for every processor when
/// the last one is alone.
fn threads(processors: usize, images: usize) -> NonZeroUsize {
    if processors == 1 || images >= 4 * processors {
        return NonZeroUsize::MIN;
    }
    let at_once = images.clamp(1, processors);
    NonZeroUsize::new((2 * processors).div_ceil(at_once)).unwrap_or(NonZeroUsize::MIN)
}

fn style(plan: &Plan, package: &str, threads: NonZeroUsize) -> Style {
    let request = &plan.request;
    let version = request.version.as_ref().map_or(UNSTAMPED.to_owned(), ToString::to_string);
    Style {
        output: plan.packages.get(package).map_or(Output::Zone, |package| package.output),
        version,
        mtime: request.mtime,
        level: if request.fast { Level::Fast } else { Level::Best },
        threads,
    }
}

fn merge(plan: &Plan, package: &str, kept: &Store, work: &Path) -> Result<Tree, Error> {
    let mut tree = Tree::new(package);
    let mut parts = Vec::new();
    plan.parts(package, &mut parts);
    for (by, part) in parts {
        let by: Arc<str> = Arc::from(by);
        match part {
            Part::Path { found, .. } => tree.add_found(found, &by)?,
            Part::Program { from, at, .. } => {
                tree.add_file(at.clone(), &local::examine(from)?, &by)?
            }
            Part::Blob { artifact, at, .. } => {
                tree.add_kept(at.clone(), kept, artifact.sha256, &by)?;
            }
            Part::Archive { archive, maps, .. } => {
                let path = work.join(format!("{archive}.mtree"));
                let manifest = Manifest::read(&path)?;
                for (from, to) in maps {
                    if !tree.add_unpacked(&manifest, (from, to), &by)? {
                        return Err(Error::Blocked {
                            packages: vec![package.to_owned()],
                            problems: vec![Problem::new(
                                &by,
                                format!("{archive} has no path {from}"),
                            )],
                        });
                    }
                }
            }
        }
    }
    Ok(tree)
}

fn record(plan: &Plan, package: &str, written: Written, made: Option<(&Tree, String)>) -> Image {
    let service = plan.packages.get(package).map(|package| package.service.clone());
    let (tree, version) = made.unzip();
    Image {
        package: package.to_owned(),
        service: service.unwrap_or_default(),
        path: written.path,
        size: written.size,
        sha256: written.sha256,
        version,
        paths: tree.map(Tree::len),
        replaced: tree.map(|tree| tree.replaced().to_vec()).unwrap_or_default(),
    }
}

fn open(finder: &Finder, from: &From) -> Result<(File, PathBuf), Error> {
    match from {
        From::Artifact(artifact) => Ok((finder.open(artifact)?, artifact.file.clone().into())),
        From::Disk(path) => Ok((File::open(path).map_err(Error::io("open", path))?, path.clone())),
    }
}

/// What is accepted of an archive. What goes into others may bring one path twice, as omicron's
/// own tool writes it; a zone is not installed from such.
fn options(kind: Kind, part: bool) -> Options {
    let options = match kind {
        Kind::Zone => Options::for_type(ArchiveType::Layer),
        Kind::Tarball | Kind::Download(_) => Options { expect: Expect::Plain, ..Options::plain() },
    };
    let make_parents = (part || kind != Kind::Zone).then(|| proto::Metadata::root(0o755));
    Options { last_wins: part, make_parents, ..options }
}

/// Copies an archive and looks at every member on the way.
fn copy(file: File, label: &Path, kind: Kind, to: &Path) -> Result<Written, Error> {
    let output = Mutex::new(OutputFile::create(to)?);
    check_stream(Tee { file, output: &output }, label, &options(kind, false))?;
    let mut output = output.into_inner().unwrap_or_else(PoisonError::into_inner);
    io::Write::flush(&mut output).map_err(Error::io("write", to))?;
    Ok(output.commit()?)
}

/// A reader that writes what is read.
struct Tee<'a> {
    file: File,
    output: &'a Mutex<OutputFile>,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        io::Write::write_all(&mut *output, &buffer[..count])?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_shared_out() {
        let of = |processors, images| threads(processors, images).get();
        assert_eq!([of(1, 12), of(2, 12), of(64, 1000)], [1, 1, 1]);
        assert_eq!([of(1, 1), of(2, 1), of(2, 3), of(8, 12), of(64, 12)], [1, 4, 2, 2, 11]);
    }
}
