//! Service bundles as data.

use crate::{Finding, ServiceFmri};

/// A service bundle: a manifest or a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The name of the file, as it was given to [`Bundle::parse`].
    pub file: String,
    /// What kind of bundle it is.
    pub kind: BundleKind,
    /// The bundle's own name.
    pub name: String,
    /// Its services and those of the bundles nested in it, in order.
    pub services: Vec<Service>,
    /// Files that it includes.
    pub includes: Vec<Include>,
    /// What is wrong with it, by line.
    pub findings: Vec<Finding>,
}

/// The kinds of bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleKind {
    /// Defines services.
    Manifest,
    /// Changes properties of services that are defined elsewhere.
    Profile,
    /// Written by `svccfg archive`.
    Archive,
    /// Something that svccfg does not know either.
    Other(String),
}

/// An `xi:include`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// What is included, a path or URI.
    pub href: String,
    /// The line, from 1.
    pub line: usize,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name, without `svc:/`.
    pub name: String,
    /// `service`, `restarter` or `milestone`.
    pub kind: String,
    /// The version of its definition.
    pub version: String,
    /// Whether at most one instance may run.
    pub single_instance: bool,
    /// What holds for all instances.
    pub common: Common,
    /// Its instances; `create_default_instance` makes the instance `default`.
    pub instances: Vec<Instance>,
    /// Its declared stability.
    pub stability: Option<String>,
    /// The line, from 1.
    pub line: usize,
}

/// An instance of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Whether it is enabled; none if the bundle does not say.
    pub enabled: Option<bool>,
    /// What holds for it alone.
    pub common: Common,
    /// The line, from 1.
    pub line: usize,
}

/// What a service and an instance may both have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Common {
    /// The FMRI of another restarter than startd, as written.
    pub restarter: Option<String>,
    /// What this waits for.
    pub dependencies: Vec<Dependency>,
    /// What is made to wait for this.
    pub dependents: Vec<Dependent>,
    /// How it is started, stopped and so on.
    pub methods: Vec<Method>,
    /// Where and as whom methods run, unless they say otherwise.
    pub context: Option<MethodContext>,
    /// Further properties.
    pub property_groups: Vec<PropertyGroup>,
    /// Its name in the C locale, from the template.
    pub common_name: Option<String>,
}

/// A dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Its name; also that of its property group.
    pub name: String,
    /// `require_all`, `require_any`, `exclude_all` or `optional_all`.
    pub grouping: String,
    /// `error`, `restart`, `refresh` or `none`.
    pub restart_on: String,
    /// `service` or `path`.
    pub kind: String,
    /// Service FMRIs or `file:` URIs as written, in order.
    pub entities: Vec<String>,
    /// Whether it is to be taken away.
    pub delete: bool,
    /// The line, from 1.
    pub line: usize,
}

/// A dependency given to another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// Its name; also that of its property group in the other service.
    pub name: String,
    /// As in [`Dependency`].
    pub grouping: String,
    /// As in [`Dependency`].
    pub restart_on: String,
    /// The other service, as written.
    pub target: String,
    /// Whether it is to be taken away.
    pub delete: bool,
    /// The line, from 1.
    pub line: usize,
}

/// A method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Its name, usually `start`, `stop` or `refresh`.
    pub name: String,
    /// `method` or `monitor`.
    pub kind: String,
    /// The command, with its `%` tokens.
    pub exec: String,
    /// Seconds, as written; `0` and `-1` mean for ever.
    pub timeout_seconds: String,
    /// Where and as whom it runs.
    pub context: Option<MethodContext>,
    /// Whether it is to be taken away.
    pub delete: bool,
    /// The line, from 1.
    pub line: usize,
}

/// Where and as whom methods run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MethodContext {
    /// The working directory.
    pub working_directory: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The group.
    pub group: Option<String>,
    /// The privileges.
    pub privileges: Option<String>,
    /// An execution profile instead of user, group and privileges.
    pub profile: Option<String>,
    /// Environment variables, in order.
    pub environment: Vec<(String, String)>,
}

/// A property group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyGroup {
    /// Its name.
    pub name: String,
    /// Its type; profiles may leave it out.
    pub kind: Option<String>,
    /// Its properties.
    pub properties: Vec<Property>,
    /// Whether it is to be taken away.
    pub delete: bool,
    /// The line, from 1.
    pub line: usize,
}

/// A property, whether written as `propval` or `property`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its type; profiles may leave it out.
    pub kind: Option<String>,
    /// Its values, in order.
    pub values: Vec<String>,
    /// The line, from 1.
    pub line: usize,
}

impl Bundle {
    /// The service of that name, without `svc:/`.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }
}

impl Service {
    /// Its FMRI.
    pub fn fmri(&self) -> ServiceFmri {
        ServiceFmri::service(&self.name)
    }

    /// The instance of that name.
    pub fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == name)
    }

    /// The service's own part and that of each instance.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &Common> {
        std::iter::once(&self.common).chain(self.instances.iter().map(|i| &i.common))
    }

    /// Every method of the service and its instances.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.scopes().flat_map(|scope| &scope.methods)
    }
}

impl BundleKind {
    /// The word that stands in the bundle.
    pub fn word(&self) -> &str {
        match self {
            BundleKind::Manifest => "manifest",
            BundleKind::Profile => "profile",
            BundleKind::Archive => "archive",
            BundleKind::Other(word) => word,
        }
    }
}
