//! From files to needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use ips::{Action, ActionKind, Attributes, Line, Manifest, link_target};
use proto::ProtoPath;

use crate::combinations::Variants;
use crate::links::Delivered;
use crate::need::{BYPASS, Need, PREFIX, Wanted, bypass};
use crate::service_needs::{self, Services};
use crate::{Error, Finding, Severity, elf_needs};

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct GenerateOptions {
    /// Proto directories with the files; the first that has a file wins.
    pub content: Vec<PathBuf>,
    /// Further roots with service manifests that the ones of the package may depend on.
    pub systems: Vec<PathBuf>,
    /// Values of tokens in run paths, by name without `$`: `PLATFORM`, `ISALIST` and the like.
    pub tokens: BTreeMap<String, Vec<String>>,
    /// A run path in place of those of the files; `$PKGDEPEND_RUNPATH` in it stands for the file's
    /// own. Empty means none. `pkg.depend.runpath` of a manifest or file goes before.
    pub run_path: Vec<String>,
    /// Whether needs are kept that the package itself satisfies.
    pub keep_internal: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generated {
    /// Needs, as `depend fmri=__TBD`, sorted.
    pub dependencies: Vec<Action>,
    /// What is known of the package besides: `org.opensolaris.smf.fmri`, and what was passed over.
    pub sets: Vec<Action>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// The attribute with a run path.
const RUN_PATH: &str = "pkg.depend.runpath";

/// Finds what the files of a manifest need.
pub fn generate(manifest: &Manifest, options: &GenerateOptions) -> Result<Generated, Error> {
    let mut roots = options.content.clone();
    roots.extend(options.systems.iter().cloned());
    let mut generator = Generator {
        manifest,
        options,
        services: None,
        roots,
        findings: Vec::new(),
        fmris: BTreeSet::new(),
        passed_over: BTreeSet::new(),
    };
    let mut found: Vec<(&Line, Need)> = Vec::new();
    for line in &manifest.lines {
        match line.action.kind {
            ActionKind::File => {
                for mut need in generator.file(line)? {
                    if generator.keep(line, &mut need)? {
                        found.push((line, need));
                    }
                }
            }
            ActionKind::Hardlink => {
                let path = line.action.path().unwrap_or_default();
                let target = link_target(path, line.action.get("target").unwrap_or_default());
                found.push((line, Need::of_path("hardlink", &target)));
            }
            _ => {}
        }
    }
    let dependencies = generator.external(&found)?;
    let mut sets = Vec::new();
    for (name, values) in [
        ("org.opensolaris.smf.fmri", generator.fmris),
        ("pkg.debug.depend.bypassed", generator.passed_over),
    ] {
        if !values.is_empty() {
            let mut attributes = Attributes::new();
            attributes.set("name", name);
            attributes.set_list("value", values.into_iter().collect());
            sets.push(Action::new(ActionKind::Set, attributes));
        }
    }
    Ok(Generated { dependencies, sets, findings: generator.findings })
}

struct Generator<'a> {
    manifest: &'a Manifest,
    options: &'a GenerateOptions,
    roots: Vec<PathBuf>,
    services: Option<Services>,
    findings: Vec<Finding>,
    fmris: BTreeSet<String>,
    passed_over: BTreeSet<String>,
}

impl Generator<'_> {
    fn find(&mut self, line: &Line, severity: Severity, problem: String) {
        let manifest = self.manifest.source.clone();
        self.findings.push(Finding { manifest, line: line.number, severity, problem });
    }

    fn refuse(&self, line: &Line, problem: String) -> Error {
        Error::Manifest { path: self.manifest.source.clone(), line: line.number, problem }
    }

    /// What a manifest says of a file: by the action, else for all.
    fn setting(&self, action: &Action, name: &str) -> Vec<String> {
        match action.attributes.list(name) {
            [] => self.manifest.values(name).to_vec(),
            own => own.to_vec(),
        }
    }

    /// The needs of a file.
    fn file(&mut self, line: &Line) -> Result<Vec<Need>, Error> {
        let action = &line.action;
        let path = action.path().unwrap_or_default().trim_start_matches('/').to_owned();
        let passed = self.setting(action, BYPASS);
        if passed.iter().any(|pattern| pattern == ".*" || pattern == "^.*$") {
            self.passed_over.insert(format!("{path}:.*"));
            return Ok(Vec::new());
        }
        let Some((place, mut file)) = self.open(line, &path)? else { return Ok(Vec::new()) };
        if service_needs::is_manifest_path(&path) {
            if self.services.is_none() {
                self.services = Some(Services::read(&self.roots)?);
            }
            let services = self.services.as_ref().unwrap_or(const { &Services::none() });
            let (needs, fmris, problems) = match service_needs::parse(&place) {
                Ok(bundle) => service_needs::needs(&bundle, &path, services),
                Err(problem) => (Vec::new(), Vec::new(), vec![format!("{path}: {problem}")]),
            };
            self.fmris.extend(fmris);
            for problem in problems {
                self.find(line, Severity::Error, problem);
            }
            return Ok(needs);
        }
        let mut start = Vec::new();
        (&mut file).take(1024).read_to_end(&mut start).map_err(Error::io("read", &place))?;
        if start.starts_with(b"#!") {
            return Ok(self.script(line, &path, &start).into_iter().collect());
        }
        if !start.starts_with(b"\x7fELF") {
            return Ok(Vec::new());
        }
        let given = self.run_path(line)?;
        match elf::read(file) {
            Ok(Some(elf)) => {
                let (needs, problems) =
                    elf_needs::needs(&elf, &path, &self.options.tokens, given.as_deref());
                for problem in problems {
                    self.find(line, Severity::Error, format!("{path}: {problem}"));
                }
                Ok(needs)
            }
            Ok(None) => Ok(Vec::new()),
            Err(problem) => {
                self.find(line, Severity::Error, format!("{}: {problem}", place.display()));
                Ok(Vec::new())
            }
        }
    }

    fn run_path(&self, line: &Line) -> Result<Option<Vec<String>>, Error> {
        let given = self.setting(&line.action, RUN_PATH);
        let directories: Vec<String> = match &given[..] {
            [] => self.options.run_path.clone(),
            [one] => one.split(':').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            _ => {
                let problem = format!("{RUN_PATH} takes one value, directories between colons");
                return Err(self.refuse(line, problem));
            }
        };
        if directories.is_empty() && !given.is_empty() {
            return Err(self.refuse(line, format!("{RUN_PATH} names no directory")));
        }
        Ok(Some(directories).filter(|directories| !directories.is_empty()))
    }

    fn open(&mut self, line: &Line, path: &str) -> Result<Option<(PathBuf, File)>, Error> {
        let named = line.action.payload.as_deref().filter(|payload| *payload != "NOHASH");
        for name in named.into_iter().chain([path]) {
            let name = ProtoPath::new(name.trim_start_matches('/'))
                .map_err(|error| self.refuse(line, error.to_string()))?;
            for directory in &self.options.content {
                let place = name.below(directory);
                match File::open(&place) {
                    Ok(file) if file.metadata().is_ok_and(|m| m.is_file()) => {
                        return Ok(Some((place, file)));
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(Error::io("read", &place)(error)),
                }
            }
        }
        let searched: Vec<String> =
            self.options.content.iter().map(|d| d.display().to_string()).collect();
        let problem = format!("{path} is in no content directory ({})", searched.join(", "));
        self.find(line, Severity::Error, problem);
        Ok(None)
    }

    /// The interpreter of a script that can be run.
    fn script(&mut self, line: &Line, path: &str, start: &[u8]) -> Option<Need> {
        let mode = u32::from_str_radix(line.action.get("mode").unwrap_or("0"), 8).unwrap_or(0);
        if mode & 0o111 == 0 {
            return None;
        }
        let first = start[2..].split(|&byte| byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        let interpreter = first.split_whitespace().next()?;
        let Some(absolute) = interpreter.strip_prefix('/') else {
            let problem = format!("{path} is to be run by {interpreter}, a relative path");
            self.find(line, Severity::Error, problem);
            return None;
        };
        // The link from /bin is everywhere and nobody shall need it.
        let below_usr = absolute.starts_with("bin/").then(|| format!("usr/{absolute}"));
        Some(Need::of_path("script", below_usr.as_deref().unwrap_or(absolute)))
    }

    /// Takes away what shall not be needed; false if nothing is left.
    fn keep(&mut self, line: &Line, need: &mut Need) -> Result<bool, Error> {
        let patterns = self.setting(&line.action, BYPASS);
        let gone = bypass(need, &patterns).map_err(|problem| self.refuse(line, problem))?;
        self.passed_over.extend(gone);
        Ok(!need.paths().is_empty())
    }

    /// The needs that the package does not satisfy itself, as actions.
    fn external(&mut self, found: &[(&Line, Need)]) -> Result<Vec<Action>, Error> {
        let declared = Variants::declared(self.manifest);
        let mut variants = declared.clone();
        variants.add_carried(self.manifest);
        if variants != declared {
            self.undeclared(&declared);
        }
        let mut delivered = Delivered::default();
        delivered.add(self.manifest);
        let names: BTreeSet<&str> = self
            .manifest
            .of_kind(ActionKind::File)
            .filter_map(|action| action.path()?.rsplit('/').next())
            .collect();
        let mut dependencies = BTreeSet::new();
        for (line, need) in found {
            let mut combinations = variants
                .combinations(&line.action.attributes)
                .map_err(|problem| self.refuse(line, problem))?;
            let paths = need.paths();
            if !self.options.keep_internal {
                combinations.retain(|combination| {
                    paths.iter().all(|path| delivered.routes(path, combination).is_empty())
                });
            }
            let mut action = need.action(line.action.path().unwrap_or_default());
            for (name, values) in line.action.attributes.with_prefix("variant.") {
                action.attributes.set_list(name, values.to_vec());
            }
            // The library may be found by a run path that is set from outside.
            if let (Wanted::In { file, .. }, "elf") = (&need.wanted, need.kind)
                && names.contains(&file[..])
            {
                action.attributes.set(format!("{PREFIX}.severity"), "warning");
            }
            for combination in variants.simplify(&combinations) {
                let mut action = action.clone();
                for (name, value) in combination {
                    action.attributes.set(name, value);
                }
                dependencies.insert(action.to_string());
            }
        }
        let parse = |text: &String| {
            Action::parse(text).map_err(|error| Error::Manifest {
                path: self.manifest.source.clone(),
                line: 0,
                problem: format!("{}: {text}", error.problem),
            })
        };
        dependencies.iter().map(parse).collect()
    }

    /// Says which variants actions have that the package does not say it supports.
    fn undeclared(&mut self, declared: &Variants) {
        let mut said = BTreeSet::new();
        for line in &self.manifest.lines {
            for (name, values) in line.action.attributes.with_prefix("variant.") {
                for value in values {
                    let one = Attributes::from_iter([(name, value.as_str())]);
                    let combination = [(name.to_owned(), value.clone())].into();
                    let known =
                        declared.names(name) && declared.cover(&Attributes::new(), &combination);
                    if !known && said.insert(one) {
                        self.find(
                            line,
                            Severity::Warning,
                            format!(
                                "{name}={value} is not among the variants that the package says it \
                             supports; add `set name={name} value={value}`"
                            ),
                        );
                    }
                }
            }
        }
    }
}
