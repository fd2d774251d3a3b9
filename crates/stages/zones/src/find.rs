//! Finds the closure.

mod declared;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read as _;

use proto::{Proto, ProtoPath};

use crate::boot::Boot;
use crate::closure::{Closure, Member, Reason};
use crate::feature::Feature;
use crate::plugins::{ENVIRONMENT, LOCALES};
use crate::root::Root;
use crate::{Error, linker};
use elf::{Class, Elf};

/// The longest `#!` line that is read, as in the illumos kernel.
const LONGEST_SCRIPT_LINE: u64 = 1024;

/// Where `env` looks for a program.
const COMMAND_PATH: &[&str] = &["/usr/bin", "/usr/sbin", "/sbin"];

/// The program that starts the best of `bin/amd64/NAME` and `bin/i86/NAME`.
const ISAEXEC: &str = "usr/lib/isaexec";

/// What a zone shall have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// Paths in the proto root: programs, data files, directories with all that is in them.
    pub programs: &'a [String],
    /// What it shall be able to do besides.
    pub features: &'a [Feature],
    /// Service manifests in the proto root whose methods are wanted.
    pub manifests: &'a [String],
    /// Locales, by name.
    pub locales: &'a [String],
    /// How it starts, if that is without services.
    pub boot: Option<&'a Boot>,
}

/// Finds what a zone needs in a proto root.
///
/// From each ELF file: interpreter, needed libraries, filtees; from each script its interpreter;
/// from `pam.conf`, `pam.d`, `nsswitch.conf`, `netconfig` and `default/init` the plug-ins, locales
/// and the time zone, once something links with their users. Whatever is needed and not in the
/// proto root is an error that names the chain; a name service, locale or time zone that is
/// configured and not there only a warning, for the C library does without.
pub fn closure(proto: &Proto, request: &Request<'_>) -> Result<Closure, Error> {
    let mut finder = Finder {
        root: Root { proto },
        closure: Closure::default(),
        queue: VecDeque::new(),
        elves: BTreeMap::new(),
        services: BTreeSet::from(["other".to_owned()]),
        features: request.features,
    };
    for program in request.programs {
        let path = finder.require(program, None, Reason::Program)?;
        finder.services.extend(name_of(&path));
        finder.services.extend(program.rsplit('/').next().map(str::to_owned));
    }
    if let Some(boot) = request.boot {
        finder.boot(boot)?;
    }
    for feature in request.features {
        let reason = || Reason::Feature(feature.name());
        for path in feature.required() {
            finder.require(path, None, reason())?;
        }
        for path in feature.optional() {
            finder.require_if_there(path, None, reason())?;
        }
        finder.services.extend(feature.pam_services().iter().map(|&name| name.to_owned()));
    }
    for manifest in request.manifests {
        finder.manifest(manifest)?;
    }
    for locale in request.locales {
        finder.require(&format!("{LOCALES}/{locale}"), None, Reason::Locale)?;
    }
    // Plug-ins bring libraries, and libraries may bring users of further plug-ins.
    loop {
        while let Some(path) = finder.queue.pop_front() {
            finder.examine(&path)?;
        }
        finder.pam()?;
        finder.nss()?;
        finder.netconfig()?;
        finder.environment()?;
        if finder.queue.is_empty() {
            return Ok(finder.closure);
        }
    }
}

struct Finder<'a> {
    root: Root<'a>,
    closure: Closure,
    queue: VecDeque<ProtoPath>,
    /// ELF files that were read, candidates included.
    elves: BTreeMap<ProtoPath, Option<Elf>>,
    /// PAM services that are used.
    services: BTreeSet<String>,
    features: &'a [Feature],
}

impl Finder<'_> {
    /// Adds a path that must be there, with the links on the way; gives where it really is.
    fn require(
        &mut self,
        wanted: &str,
        from: Option<&ProtoPath>,
        reason: Reason,
    ) -> Result<ProtoPath, Error> {
        let resolved = self.root.resolve(wanted).map_err(|problem| Error::Missing {
            wanted: wanted.to_owned(),
            reason: reason.to_string(),
            problem,
            chain: self.chain(from),
        })?;
        for link in &resolved.directory_links {
            self.insert(link, from, Reason::DirectoryLink);
        }
        let mut from = from.cloned();
        let mut reason = reason;
        for link in &resolved.links {
            self.insert(link, from.as_ref(), reason);
            from = Some(link.clone());
            reason = Reason::Link;
        }
        self.insert(&resolved.path, from.as_ref(), reason);
        Ok(resolved.path)
    }

    fn require_if_there(
        &mut self,
        wanted: &str,
        from: Option<&ProtoPath>,
        reason: Reason,
    ) -> Result<bool, Error> {
        let there = self.root.resolve(wanted).is_ok();
        if there {
            self.require(wanted, from, reason)?;
        }
        Ok(there)
    }

    /// Adds what init and the scripts that it starts need.
    fn boot(&mut self, boot: &Boot) -> Result<(), Error> {
        boot.check()?;
        for path in ["sbin/init", "sbin/sh"] {
            self.require(path, None, Reason::Boot)?;
        }
        // zlogin -S has the brand call getent
        for path in ["usr/bin/getent", ENVIRONMENT] {
            self.require_if_there(path, None, Reason::Boot)?;
        }
        // scripts know the shell by this name too
        if let Ok(link) = ProtoPath::new("bin")
            && self.root.proto.manifest.get(&link).is_some_and(|e| e.kind.word() == "symlink")
        {
            self.insert(&link, None, Reason::Boot);
        }
        let program = boot.command.split_whitespace().next().unwrap_or_default();
        if program.starts_with('/') {
            let path = self.require(program, None, Reason::Boot)?;
            self.services.extend(name_of(&path));
        }
        for script in &boot.scripts {
            if let Some(interpreter) = script.interpreter() {
                self.require(&interpreter, None, Reason::Script(script.name.clone()))?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, path: &ProtoPath, from: Option<&ProtoPath>, reason: Reason) {
        let Some(entry) = self.root.proto.manifest.get(path) else { return };
        if self.closure.members.contains_key(path) || path.is_root() {
            return;
        }
        let size = self.root.file(path).map_or(0, |(_, content)| content.size);
        let member = Member { from: from.cloned(), reason, size, kind: entry.kind.word() };
        self.closure.members.insert(path.clone(), member);
        self.queue.push_back(path.clone());
        if entry.is_directory() {
            let manifest = &self.root.proto.manifest;
            for (below, _) in manifest.subtree(path) {
                if below.parent().as_ref() == Some(path) {
                    self.insert(below, Some(path), Reason::Below);
                }
            }
        }
    }

    fn chain(&self, from: Option<&ProtoPath>) -> String {
        let chain = from.map(|path| self.closure.chain(path)).unwrap_or_default();
        let steps = chain.iter().map(|(path, _)| path.to_string());
        steps.collect::<Vec<_>>().join(" -> ")
    }

    /// Adds what one member needs.
    fn examine(&mut self, path: &ProtoPath) -> Result<(), Error> {
        match self.elf(path)? {
            Some(elf) => self.libraries(path, &elf),
            None => self.script(path),
        }
    }

    fn elf(&mut self, path: &ProtoPath) -> Result<Option<Elf>, Error> {
        if let Some(known) = self.elves.get(path) {
            return Ok(known.clone());
        }
        let Some(file) = self.root.open(path)? else { return Ok(None) };
        let read = elf::read(file).map_err(|problem| Error::Elf { path: path.clone(), problem })?;
        self.elves.insert(path.clone(), read.clone());
        Ok(read)
    }

    fn libraries(&mut self, path: &ProtoPath, elf: &Elf) -> Result<(), Error> {
        if let Some(interpreter) = &elf.interpreter {
            self.require(interpreter, Some(path), Reason::Interpreter)?;
        }
        let directories = linker::directories(elf, path);
        let needed = elf.needed.iter().map(|name| (name, Reason::Needed(name.clone())));
        let filters = elf.filters.iter().map(|name| (name, Reason::Filter(name.clone())));
        for (name, reason) in needed.chain(filters) {
            self.library(name, elf.class, &directories, path, reason)?;
        }
        for name in &elf.auxiliaries {
            let candidates = candidates(name, &directories, path);
            if let Ok(found) = self.search(&candidates, elf.class)? {
                self.require(&found, Some(path), Reason::Auxiliary(name.clone()))?;
            }
        }
        self.isaexec(path)
    }

    /// Adds a library by name; one that is nowhere is an error.
    fn library(
        &mut self,
        name: &str,
        class: Class,
        directories: &[String],
        from: &ProtoPath,
        reason: Reason,
    ) -> Result<(), Error> {
        let tried = match self.search(&candidates(name, directories, from), class)? {
            Ok(found) => return self.require(&found, Some(from), reason).map(drop),
            Err(tried) => tried,
        };
        let fallback: Vec<String> =
            linker::fallback_directories(class).iter().map(|&d| d.to_owned()).collect();
        if let Ok(found) = self.search(&candidates(name, &fallback, from), class)? {
            self.closure.warnings.insert(format!(
                "{found} was found for {from}, but the runtime linker looks in {}: the proto \
                 root lacks the links `64`",
                linker::default_directories(class).join(" and ")
            ));
            return self.require(&found, Some(from), reason).map(drop);
        }
        Err(Error::Missing {
            wanted: name.to_owned(),
            reason: format!("{} {}", class.words(), reason),
            problem: tried.join("; "),
            chain: self.chain(Some(from)),
        })
    }

    /// The first candidate that is an ELF file of the class, or what was wrong with each.
    fn search(
        &mut self,
        candidates: &[String],
        class: Class,
    ) -> Result<Result<String, Vec<String>>, Error> {
        let mut tried = Vec::new();
        for candidate in candidates {
            match self.root.resolve(candidate) {
                Err(problem) => tried.push(problem),
                Ok(resolved) => match self.elf(&resolved.path)? {
                    Some(elf) if elf.class == class => return Ok(Ok(candidate.clone())),
                    Some(elf) => tried.push(format!(
                        "{} is {} for machine {}",
                        resolved.path,
                        elf.class.words(),
                        elf.class.machine
                    )),
                    None => tried.push(format!("{} is no ELF file", resolved.path)),
                },
            }
        }
        tried.dedup();
        Ok(Err(tried))
    }

    /// Programs that are hard links of isaexec start another of the same name.
    fn isaexec(&mut self, path: &ProtoPath) -> Result<(), Error> {
        let Ok(isaexec) = self.root.resolve(ISAEXEC) else { return Ok(()) };
        let same = self.root.file(path).map(|(file, _)| file)
            == self.root.file(&isaexec.path).map(|(file, _)| file);
        let (Some(parent), Some(name)) = (path.parent(), name_of(path)) else { return Ok(()) };
        if !same || *path == isaexec.path {
            return Ok(());
        }
        let mut found = false;
        for isa in ["amd64", "i86"] {
            let program = format!("{parent}/{isa}/{name}");
            if self.root.resolve(&program).is_ok() {
                self.require(&program, Some(path), Reason::Isaexec)?;
                found = true;
            }
        }
        if !found {
            return Err(Error::Missing {
                wanted: format!("{parent}/amd64/{name} or {parent}/i86/{name}"),
                reason: Reason::Isaexec.to_string(),
                problem: "neither is there".to_owned(),
                chain: self.chain(Some(path)),
            });
        }
        Ok(())
    }

    /// Adds the interpreter if it is a script.
    fn script(&mut self, path: &ProtoPath) -> Result<(), Error> {
        let Some(file) = self.root.open(path)? else { return Ok(()) };
        let mut start = Vec::new();
        file.take(LONGEST_SCRIPT_LINE)
            .read_to_end(&mut start)
            .map_err(Error::io("read", path.to_string()))?;
        let Some(line) = start.strip_prefix(b"#!") else { return Ok(()) };
        let line = line.split(|&b| b == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        let mut words = line.split_whitespace();
        let Some(interpreter) = words.next() else { return Ok(()) };
        self.require(interpreter, Some(path), Reason::Interpreter)?;
        if interpreter.ends_with("/env") {
            let command = words.find(|word| !word.starts_with('-') && !word.contains('='));
            if let Some(command) = command {
                let candidates: Vec<_> =
                    COMMAND_PATH.iter().map(|directory| format!("{directory}/{command}")).collect();
                let there = candidates.iter().find(|path| self.root.resolve(path).is_ok());
                let wanted = there.or(candidates.first()).cloned().unwrap_or_default();
                self.require(&wanted, Some(path), Reason::Interpreter)?;
            }
        }
        Ok(())
    }
}

/// The paths where a name may be found. A name with a slash is a path.
fn candidates(name: &str, directories: &[String], path: &ProtoPath) -> Vec<String> {
    if name.contains('/') {
        return linker::expand(name, path);
    }
    directories.iter().map(|directory| format!("{directory}/{name}")).collect()
}

fn name_of(path: &ProtoPath) -> Option<String> {
    path.file_name().map(|name| String::from_utf8_lossy(name).into_owned())
}
