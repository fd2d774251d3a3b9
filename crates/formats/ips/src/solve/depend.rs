//! What a package asks of others.

use super::version_pattern::VersionPattern;
use crate::{Action, ActionKind, Facets, Fmri, Manifest, Variants, Version};

/// What a `parent` dependency names if it means the very package that has it.
pub(crate) const SELF: &str = "feature/package/dependency/self";

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Depend {
    pub(crate) kind: DependKind,
    /// The packages it is about: one, or several for `require-any` and the group kinds.
    pub(crate) on: Vec<Fmri>,
    /// What a `conditional` waits for.
    pub(crate) predicate: Option<Fmri>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DependKind {
    /// The package must be there, at this version or a newer one.
    Require,
    /// One of them must be there.
    RequireAny,
    /// If the package is there, then at this version or a newer one.
    Optional,
    /// If the package is there, then within this version.
    Incorporate,
    /// The package must not be there (at this version or a newer one).
    Exclude,
    /// Required if another package is there.
    Conditional,
    /// Required, unless there is no such package or the image avoids it. A version says nothing.
    Group,
    /// One of them is required, but for those that are not there or that the image avoids.
    GroupAny,
    /// If the image has the package before it is changed, then at this version or a newer one.
    Origin,
    /// The image that a zone belongs to must have the package within this version.
    Parent,
}

impl DependKind {
    /// Whether it may bring in a package that nobody asked for.
    pub(super) fn draws_in(self) -> bool {
        matches!(
            self,
            Self::Require | Self::RequireAny | Self::Group | Self::GroupAny | Self::Conditional
        )
    }
}

/// What the solver must know of one version of a package.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) depends: Vec<Depend>,
    pub(crate) obsolete: bool,
    pub(crate) renamed: bool,
    /// Whether it is only installed when it is asked for by name.
    pub(crate) explicit: bool,
    /// Why the image cannot take it at all.
    pub(crate) unsupported: Option<String>,
}

impl Facts {
    /// Reads them from a manifest, for an image with these variants and facets.
    pub(crate) fn of(
        manifest: &Manifest,
        variants: &Variants,
        facets: &Facets,
    ) -> Result<Self, String> {
        let unsupported = variants.supported_by(manifest).err().map(|(name, values)| {
            let ours = variants.get(name).unwrap_or_default();
            format!("is only for {name}={}, this image has {ours}", values.join(" or "))
        });
        let mut depends = Vec::new();
        for action in manifest.of_kind(ActionKind::Depend) {
            if variants.allow(&action.attributes) && facets.allow(&action.attributes) {
                depends.push(Depend::of(action)?);
            }
        }
        Ok(Self {
            depends,
            obsolete: manifest.is_obsolete(),
            renamed: manifest.is_renamed(),
            explicit: manifest.says("pkg.depend.explicit-install"),
            unsupported,
        })
    }

    /// The limits on the version of a package.
    pub(crate) fn limits_on(&self, stem: &str) -> impl Iterator<Item = Limit> {
        let depends = self.depends.iter();
        depends.flat_map(move |depend| {
            let targets = depend.on.iter().filter(move |target| target.stem == stem);
            targets.filter_map(move |target| depend.limit_on(target))
        })
    }

    /// Whether it holds others at versions.
    pub(crate) fn is_incorporation(&self) -> bool {
        self.depends.iter().any(|depend| depend.kind == DependKind::Incorporate)
    }
}

impl Depend {
    /// Whether a renamed package stays where a package that is installed names it like this.
    pub(super) fn keeps_renamed(&self) -> bool {
        !matches!(self.kind, DependKind::Incorporate | DependKind::Optional | DependKind::Origin)
    }

    /// Whether it is about a package.
    pub(super) fn names(&self, stem: &str) -> bool {
        self.on.iter().any(|target| target.stem == stem)
    }

    /// The limit that it sets on the version of a package that may be there for other reasons.
    pub(crate) fn limit_on(&self, target: &Fmri) -> Option<Limit> {
        let version = target.version.clone();
        match self.kind {
            DependKind::Require | DependKind::Optional => version.map(Limit::AtLeast),
            DependKind::Incorporate => version.map(Limit::Within),
            DependKind::Exclude => Some(Limit::Not(version)),
            _ => None,
        }
    }

    pub(crate) fn of(action: &Action) -> Result<Self, String> {
        let refuse = |problem: String| format!("`{action}`: {problem}");
        let kind = match action.get("type").unwrap_or_default() {
            "require" => DependKind::Require,
            "require-any" => DependKind::RequireAny,
            "optional" => DependKind::Optional,
            "incorporate" => DependKind::Incorporate,
            "exclude" => DependKind::Exclude,
            "conditional" => DependKind::Conditional,
            "group" => DependKind::Group,
            "group-any" => DependKind::GroupAny,
            "origin" => DependKind::Origin,
            "parent" => DependKind::Parent,
            other => return Err(refuse(format!("dependency type `{other}` is unknown"))),
        };
        let fmri = |text: &str| Fmri::parse(text).map_err(|error| refuse(error.to_string()));
        let on = action.attributes.list("fmri");
        if on.is_empty() {
            return Err(refuse("names no package".to_owned()));
        }
        let on: Vec<Fmri> = on.iter().map(|text| fmri(text)).collect::<Result<_, _>>()?;
        let several = [DependKind::RequireAny, DependKind::Group, DependKind::GroupAny];
        if on.len() > 1 && !several.contains(&kind) {
            return Err(refuse(
                "names several packages, which only require-any and group do".to_owned(),
            ));
        }
        let predicate = action.get("predicate").map(fmri).transpose()?;
        // The root image is the running system, of which a build knows nothing.
        if kind == DependKind::Origin && action.get("root-image") == Some("true") {
            return Ok(Self { kind, on: Vec::new(), predicate });
        }
        if kind == DependKind::Conditional && predicate.is_none() {
            return Err(refuse("has no `predicate`".to_owned()));
        }
        Ok(Self { kind, on, predicate })
    }
}

/// A limit on the version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Limit {
    /// This version or a newer one.
    AtLeast(Version),
    /// Within this version.
    Within(Version),
    /// A version with wildcards.
    Like(VersionPattern),
    /// Not this version or a newer one; not at all.
    Not(Option<Version>),
}

impl Limit {
    pub(crate) fn allows(&self, version: &Version) -> bool {
        match self {
            Self::AtLeast(least) => version >= least,
            Self::Within(constraint) => version.within(constraint),
            Self::Like(pattern) => pattern.matches(version),
            Self::Not(None) => false,
            Self::Not(Some(first)) => version < first,
        }
    }

    /// The version it names, and in which direction.
    pub(crate) fn version(&self) -> String {
        match self {
            Self::AtLeast(version) => format!("{} or newer", version.short()),
            Self::Within(version) => version.short(),
            Self::Like(pattern) => pattern.to_string(),
            Self::Not(None) => "no version".to_owned(),
            Self::Not(Some(version)) => format!("a version before {}", version.short()),
        }
    }

    /// As a sentence about who sets it and for what.
    pub(crate) fn sentence(&self, who: &str, what: &str) -> String {
        match self {
            Self::AtLeast(version) => format!("{who} needs {what} at {} or newer", version.short()),
            Self::Within(version) => format!("{who} holds {what} at {}", version.short()),
            Self::Like(pattern) => format!("{who} holds {what} at {pattern}"),
            Self::Not(None) => format!("{who} excludes {what}"),
            Self::Not(Some(version)) => {
                format!("{who} excludes {what} at {} or newer", version.short())
            }
        }
    }
}
