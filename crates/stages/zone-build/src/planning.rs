//! From a manifest to a plan.

mod elsewhere;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use fetch::{Fetcher, Url};
use omicron_zone_package::config::{PackageName, PresetName};
use omicron_zone_package::package::{
    InterpolatedMappedPath, Package as Described, PackageOutput, PackageSource, RustPackage,
};
use omicron_zone_package::target::TargetMap;
use proto::ProtoPath;

use crate::artifact::Finder;
use crate::consistency::{check_pins, choose, circles, compose, same_files};
use crate::download;
use crate::manifest::{self, Manifest};
use crate::pins::Pins;
use crate::plan::{Archive, From, Kind, Output, Package, Part, Plan, Source};
use crate::{Error, Problem, Request, local};

/// Plans what is asked for. Nothing is fetched, built or written.
///
/// What keeps single packages from being built is in the plan; an error is what makes the whole
/// manifest or request useless.
pub fn plan(request: Request, fetcher: &Fetcher) -> Result<Plan, Error> {
    let pins = Pins::new(&request.tools);
    let manifest = manifest::read(&request.manifest, &pins, &request.pins)?;
    check_pins(&manifest, &request)?;
    let target = target(&manifest, &request)?;
    let finder = Finder { fetcher: fetcher.clone(), directories: request.directories.clone() };
    let mut planner = Planner {
        request: &request,
        target: &target,
        pins,
        finder,
        archives: BTreeMap::new(),
        broken: Vec::new(),
    };
    let mut packages = BTreeMap::new();
    for (name, described) in &manifest.config.packages {
        packages.insert(name.to_string(), planner.package(name, described)?);
    }
    let Planner { archives, mut broken, .. } = planner;
    compose(&manifest, &mut packages, &mut broken);
    if broken.is_empty() {
        circles(&packages, &mut broken);
        same_files(&packages, &mut broken);
    }
    if !broken.is_empty() {
        let Manifest { path, warnings, .. } = manifest;
        return Err(Error::Broken { path, problems: broken, warnings });
    }
    choose(&manifest, &request, &mut packages)?;
    Ok(Plan { target: target.0, packages, warnings: manifest.warnings, archives, request })
}

/// The target: a preset, and what is said besides.
fn target(manifest: &Manifest, request: &Request) -> Result<TargetMap, Error> {
    let presets = &manifest.config.target.presets;
    let mut target = match &request.preset {
        None => TargetMap::default(),
        Some(name) => {
            let found = PresetName::new(name.clone()).ok().and_then(|name| presets.get(&name));
            found.cloned().ok_or_else(|| {
                let known: Vec<_> = presets.keys().map(PresetName::as_str).collect();
                let only = match &known[..] {
                    [] => "; the manifest has none".to_owned(),
                    known => format!(", only {}", known.join(", ")),
                };
                let problem = format!("there is no preset `{name}`{only}");
                Error::Choice { path: manifest.path.clone(), problem }
            })?
        }
    };
    target.0.extend(request.target.iter().cloned());
    Ok(target)
}

struct Planner<'a> {
    request: &'a Request,
    target: &'a TargetMap,
    pins: Pins,
    finder: Finder,
    archives: BTreeMap<String, Archive>,
    /// What is wrong with the manifest itself.
    broken: Vec<Problem>,
}

impl Planner<'_> {
    fn package(&mut self, name: &PackageName, described: &Described) -> Result<Package, Error> {
        let (output, intermediate_only) = match described.output {
            PackageOutput::Zone { intermediate_only } => (Output::Zone, intermediate_only),
            PackageOutput::Tarball => (Output::Tarball, false),
        };
        let source = match &described.source {
            PackageSource::Local { .. } => Source::Local,
            PackageSource::Prebuilt { .. } => Source::Prebuilt,
            PackageSource::Composite { .. } => Source::Composite,
            PackageSource::Manual => Source::Manual,
        };
        let mut package = Package {
            file: described.get_output_file(name),
            service: described.service_name.to_string(),
            source,
            output,
            intermediate_only,
            wanted: false,
            excluded: self.excluded(described),
            components: Vec::new(),
            parts: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        if package.excluded.is_some() {
            return Ok(package);
        }
        let name = name.as_str();
        let hint = described.setup_hint.as_deref();
        match &described.source {
            PackageSource::Local { blobs, buildomat_blobs, rust, paths } => {
                for path in paths {
                    self.path(name, &mut package, path, hint)?;
                }
                if let Some(rust) = rust {
                    self.programs(name, &mut package, rust);
                }
                self.blobs(name, &mut package, blobs.as_deref().unwrap_or_default())?;
                self.published(name, &mut package, buildomat_blobs.as_deref().unwrap_or_default())?;
            }
            PackageSource::Prebuilt { repo, commit, sha256 } => {
                self.prebuilt(name, &mut package, repo, commit, sha256)?;
            }
            PackageSource::Manual => self.manual(name, &mut package, hint),
            PackageSource::Composite { packages } => {
                if output == Output::Tarball {
                    self.broken.push(Problem::new(
                        name,
                        "only zone images can be composed, and its output is a tarball",
                    ));
                }
                // File names still; `compose` makes packages of them.
                package.components.clone_from(packages);
            }
        }
        Ok(package)
    }

    /// Why the target does not have a package.
    fn excluded(&self, described: &Described) -> Option<String> {
        let only = described.only_for_targets.as_ref()?;
        let differs = |(key, wanted): (&String, &String)| match self.target.0.get(key) {
            Some(value) if value == wanted => None,
            Some(value) => Some(format!("only for {key}={wanted}, and the target has {value}")),
            None => Some(format!("only for {key}={wanted}, which the target does not say")),
        };
        only.0.iter().find_map(differs)
    }

    /// Where something goes. What leads out of an image breaks the manifest.
    fn to(&mut self, name: &str, output: Output, to: &str) -> Option<ProtoPath> {
        let problem = match (output, to.starts_with('/')) {
            (Output::Zone, false) => {
                format!("`to = \"{to}\"` is relative; in a zone image paths begin with `/`")
            }
            (Output::Tarball, true) => {
                format!("`to = \"{to}\"` is absolute; in a tarball paths are relative")
            }
            _ => match ProtoPath::new(to) {
                Ok(path) => return Some(path),
                Err(error) => format!("`to = \"{to}\"` {}", error.reason),
            },
        };
        self.broken.push(Problem::new(name, problem));
        None
    }

    /// A place below the service's own directory of a zone, or below the top of a tarball.
    fn own(&mut self, name: &str, package: &Package, below: &str) -> Option<ProtoPath> {
        let to = match package.output {
            Output::Zone => format!("/opt/oxide/{}/{below}", package.service),
            Output::Tarball => below.to_owned(),
        };
        self.to(name, package.output, &to)
    }

    fn path(
        &mut self,
        name: &str,
        package: &mut Package,
        path: &InterpolatedMappedPath,
        hint: Option<&str>,
    ) -> Result<(), Error> {
        let texts = path.from.interpolate(self.target).and_then(|from| {
            let to = path.to.interpolate(self.target)?;
            Ok((from, to))
        });
        let (from, to) = match texts {
            Ok(texts) => texts,
            Err(error) => {
                let problem = Problem::new(name, error.to_string());
                // The other mistake is one of the text: a brace that is missing.
                let unknown = error.to_string().contains("not found");
                let remedy = "name a preset that has the key, or give it with --set KEY=VALUE";
                package.problems.push(if unknown { problem.remedy(remedy) } else { problem });
                return Ok(());
            }
        };
        let Some(at) = self.to(name, package.output, &to) else { return Ok(()) };
        let on_disk = self.on_disk(&from);
        if on_disk.symlink_metadata().is_ok() {
            match local::walk(&on_disk, &at) {
                Ok(found) => {
                    let files = || found.iter().filter_map(|one| one.file.as_ref());
                    package.parts.push(Part::Path {
                        from: on_disk,
                        to,
                        files: files().count(),
                        bytes: files().map(|file| file.size).sum(),
                        found,
                    });
                }
                Err(problem) => package.problems.push(Problem::new(name, problem)),
            }
            return Ok(());
        }
        if let Some(found) = download::find(&from)
            && self.download(name, package, &found, &at)?
        {
            return Ok(());
        }
        let missing = Problem::new(name, format!("{} is missing", on_disk.display()));
        // The manifest's hint is about what does not come with the source.
        let foreign = from.starts_with('/') || from.starts_with("out/");
        package.problems.push(match hint {
            Some(hint) if foreign => missing.remedy(hint),
            None if from.starts_with('/') => missing.remedy(
                "it is a path of the system that omicron is built on; give the root of one with \
                 --sysroot",
            ),
            _ => missing.remedy("take a whole checkout, or give its directory with --source"),
        });
        Ok(())
    }

    fn on_disk(&self, from: &str) -> PathBuf {
        match (from.strip_prefix('/'), &self.request.sysroot) {
            (Some(below), Some(sysroot)) => sysroot.join(below),
            _ => self.request.source.join(from),
        }
    }

    /// Takes something that omicron downloads, if it is pinned; whether it is.
    fn download(
        &mut self,
        name: &str,
        package: &mut Package,
        found: &download::Match,
        at: &ProtoPath,
    ) -> Result<bool, Error> {
        let Some((url, digest)) = found.download.pinned(&self.pins)? else { return Ok(false) };
        let url = match Url::parse(&url) {
            Ok(url) => url,
            Err(error) => {
                package.problems.push(Problem::new(name, format!("{url} is no address: {error}")));
                return Ok(true);
            }
        };
        let file = url.path_segments().and_then(Iterator::last).unwrap_or_default().to_owned();
        let Some(artifact) = self.artifact(name, package, &file, digest, url)? else {
            return Ok(true);
        };
        let joined = found.maps.iter().filter_map(|(archive, below)| {
            let to = match below.is_root() {
                true => at.clone(),
                false => at.join(below.as_bytes()).ok()?,
            };
            Some((archive.clone(), to))
        });
        let (maps, key) = (joined.collect(), format!("download.{}", found.download.name));
        let kind = Kind::Download(found.download.form);
        self.archives.insert(key.clone(), Archive { from: From::Artifact(artifact.clone()), kind });
        package.parts.push(Part::Archive { archive: key, artifact: Some(artifact), maps });
        Ok(true)
    }

    fn programs(&mut self, name: &str, package: &mut Package, rust: &RustPackage) {
        let programs = &self.request.programs;
        let mut missing = Vec::new();
        for binary in &rust.binary_names {
            let below = match package.output {
                Output::Zone => format!("bin/{binary}"),
                Output::Tarball => binary.clone(),
            };
            if binary.contains('/') {
                let problem = format!("`{binary}` is no name of a program");
                self.broken.push(Problem::new(name, problem));
                continue;
            }
            let from = programs.path(binary, rust.release);
            let Some(at) = self.own(name, package, &below) else { continue };
            let build = programs.cargo.is_some();
            if build || from.is_file() {
                package.warnings.extend(foreign(&from, build));
                let to = format!("/{at}").replace("//", "/");
                package.parts.push(Part::Program { from, to, build, at });
                continue;
            }
            missing.push(from.display().to_string());
        }
        if missing.is_empty() {
            return;
        }
        let release = if rust.release { " --release" } else { "" };
        let what = format!("{}: not built", missing.join(", "));
        package.problems.push(Problem::new(name, what).remedy(format!(
            "run `cargo build{release} -p {name}` on illumos and give its target directory with \
             --binaries, or have them built here with --cargo --target x86_64-unknown-illumos, \
             which needs that target's standard library and a sysroot"
        )));
    }
}

/// What should be known of a program that no illumos zone can run.
fn foreign(path: &Path, build: bool) -> Option<String> {
    let file = File::open(path).ok().filter(|_| !build)?;
    let interpreter = elf::read(file).ok()??.interpreter?;
    let here = ["/lib/ld.so.1", "/usr/lib/ld.so.1", "/lib/amd64/ld.so.1", "/lib/64/ld.so.1"];
    let native = here.contains(&interpreter.as_str()) || interpreter.ends_with("/amd64/ld.so.1");
    (!native).then(|| {
        format!("{} is no program of illumos: its interpreter is {interpreter}", path.display())
    })
}
