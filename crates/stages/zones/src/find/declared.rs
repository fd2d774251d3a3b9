//! What files of the zone declare: plug-ins, locales and time zones, programs of services.

use std::collections::BTreeMap;

use elf::Class;
use proto::ProtoPath;

use super::{Finder, candidates, name_of};
use crate::closure::Reason;
use crate::feature::Feature;
use crate::plugins::ENVIRONMENT;
use crate::{Error, linker, plugins};

/// Where svc.startd looks for the programs of methods.
const METHOD_PATH: &str = "/usr/sbin:/usr/bin";

impl Finder<'_> {
    /// The classes of the members with a file name, and the first such member of each.
    fn users_of(&self, library: &str) -> BTreeMap<Class, ProtoPath> {
        let mut users = BTreeMap::new();
        for path in self.closure.members.keys() {
            if name_of(path).as_deref() == Some(library)
                && let Some(Some(elf)) = self.elves.get(path)
            {
                users.entry(elf.class).or_insert_with(|| path.clone());
            }
        }
        users
    }

    pub(super) fn pam(&mut self) -> Result<(), Error> {
        for (class, user) in self.users_of("libpam.so.1") {
            let mut found = Vec::new();
            if let Some((file, text)) = self.root.text("etc/pam.conf")? {
                found.push((file, plugins::pam_conf(&text, &self.services)));
            }
            for service in self.services.clone() {
                if let Some((file, text)) = self.root.text(&format!("etc/pam.d/{service}"))? {
                    found.push((file, plugins::pam_d(&text)));
                }
            }
            for (file, modules) in found {
                self.require(&file.to_string(), Some(&user), Reason::Configuration)?;
                for module in modules {
                    let path = plugins::pam_path(&module.path, class.wide);
                    let there = self.search(std::slice::from_ref(&path), class)?;
                    if module.optional && there.is_err() {
                        self.closure
                            .warnings
                            .insert(format!("{path}: optional in {file}, and not there"));
                        continue;
                    }
                    self.require(&path, Some(&user), Reason::Plugin(file.clone()))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn nss(&mut self) -> Result<(), Error> {
        let Some((file, text)) = self.root.text("etc/nsswitch.conf")? else { return Ok(()) };
        let mut sources = plugins::nss_sources(&text);
        let dns = self.features.contains(&Feature::Dns);
        if dns {
            sources.insert("dns".to_owned());
        }
        for (class, user) in self.users_of("libc.so.1") {
            self.require(&file.to_string(), Some(&user), Reason::Configuration)?;
            for source in &sources {
                let name = format!("nss_{source}.so.1");
                let directories: Vec<String> = linker::default_directories(class)
                    .iter()
                    .chain(linker::fallback_directories(class))
                    .map(|&directory| directory.to_owned())
                    .collect();
                let reason = Reason::Plugin(file.clone());
                if let Ok(found) = self.search(&candidates(&name, &directories, &user), class)? {
                    self.require(&found, Some(&user), reason)?;
                } else if dns && source == "dns" {
                    self.library(&name, class, &directories, &user, reason)?;
                } else {
                    self.closure.warnings.insert(format!(
                        "{name}: {file} names it, and there is no {} one",
                        class.words()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Adds the libraries that `netconfig` declares for names and addresses of transports.
    pub(super) fn netconfig(&mut self) -> Result<(), Error> {
        let Some((file, text)) = self.root.text("etc/netconfig")? else { return Ok(()) };
        if !self.closure.members.contains_key(&file) {
            return Ok(());
        }
        for class in self.users_of("libnsl.so.1").into_keys() {
            for name in plugins::netconfig_libraries(&text) {
                let directories: Vec<String> = linker::default_directories(class)
                    .iter()
                    .chain(linker::fallback_directories(class))
                    .map(|&directory| directory.to_owned())
                    .collect();
                match self.search(&candidates(&name, &directories, &file), class)? {
                    Ok(found) => {
                        self.require(&found, Some(&file), Reason::Plugin(file.clone()))?;
                    }
                    Err(_) => {
                        let words = class.words();
                        let warning =
                            format!("{name}: {file} names it, and there is no {words} one");
                        self.closure.warnings.insert(warning);
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds the locale and the time zone that init sets for everything.
    pub(super) fn environment(&mut self) -> Result<(), Error> {
        let Some((file, text)) = self.root.text(ENVIRONMENT)? else { return Ok(()) };
        let Some(user) = self.users_of("libc.so.1").into_values().next() else { return Ok(()) };
        for (directory, name) in plugins::environment(&text) {
            let path = format!("{directory}/{name}");
            self.require(&file.to_string(), Some(&user), Reason::Configuration)?;
            if !self.require_if_there(&path, Some(&file), Reason::Plugin(file.clone()))? {
                let warning = format!("{path}: {file} names it, and it is not there");
                self.closure.warnings.insert(warning);
            }
        }
        Ok(())
    }

    /// Adds a service manifest and the programs of its methods.
    pub(super) fn manifest(&mut self, wanted: &str) -> Result<(), Error> {
        let path = self.require(wanted, None, Reason::Program)?;
        let text = self.root.text(&path.to_string())?.map(|(_, text)| text).unwrap_or_default();
        let bundle = smf::Bundle::parse(text.as_bytes(), &path.to_string())?;
        for command in bundle.services.iter().flat_map(smf::Service::commands) {
            for program in command.programs() {
                match program.starts_with('/') {
                    true => self.require(program, Some(&path), Reason::Method).map(drop)?,
                    false => self.command(program, command.method, &path)?,
                }
            }
            if command.text.starts_with("%{") {
                let warning = format!(
                    "{}: a method of {path} runs it, and the manifest has no value for it",
                    command.text
                );
                self.closure.warnings.insert(warning);
            }
        }
        Ok(())
    }

    /// Adds a program that a method names without a directory. If it is nowhere, it may be a word of
    /// the shell.
    fn command(&mut self, name: &str, method: &smf::Method, from: &ProtoPath) -> Result<(), Error> {
        let mut variables = method.context.iter().flat_map(|context| &context.environment);
        let set = variables.find(|(variable, _)| variable == "PATH");
        let directories = set.map_or(METHOD_PATH, |(_, value)| value.as_str());
        for directory in directories.split(':').filter(|directory| directory.starts_with('/')) {
            let path = format!("{directory}/{name}");
            if self.require_if_there(&path, Some(from), Reason::Method)? {
                return Ok(());
            }
        }
        let warning = format!("{name}: a method of {from} runs it, and it is not in {directories}");
        self.closure.warnings.insert(warning);
        Ok(())
    }
}
