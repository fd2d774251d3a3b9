//! Republishing: packages of an origin, passed through transforms, become packages of a
//! repository. Payloads are copied as they are stored.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::prelude::*;

use crate::located::Located;
use crate::mogrify::Mogrify;
use crate::validate::{validate, validate_package};
use crate::{Action, ActionKind, Error, Fmri, Manifest, Origin, Repository, Timestamp};

/// How to republish.
#[derive(Debug, Clone)]
pub struct Republication {
    /// Files with transforms, applied to every manifest, in order.
    pub transforms: Vec<PathBuf>,
    /// Macros and include directories of those files.
    pub mogrify: Mogrify,
    /// The publisher of all packages; without one, the one they have (or a transform gives).
    pub publisher: Option<String>,
    /// The timestamp of every package's version; without one, each keeps its own.
    pub timestamp: Option<Timestamp>,
    /// The time of the catalogs.
    pub date: Timestamp,
}

/// What was republished.
#[derive(Debug, Clone, Default)]
pub struct Republished {
    /// Each package's old name and its new one; none if a transform said `abort`.
    pub packages: Vec<(Fmri, Option<Fmri>)>,
    /// Packages, by their old names, that were signed and are not any more: whoever changes a
    /// manifest cannot keep its signatures.
    pub unsigned: Vec<Fmri>,
    /// What transforms printed.
    pub printed: Vec<String>,
}

/// A package as it will be published.
struct Prepared {
    old: Fmri,
    new: Fmri,
    text: String,
    payloads: Vec<String>,
    /// Whether it lost signatures.
    unsigned: bool,
}

/// Republishes packages of an origin. Dependencies stay as they are unless a transform changes
/// them. What is the same as before, to its name and publisher, keeps its signatures; anything else
/// loses them, as they would be wrong. Everything is read and checked before the repository
/// changes.
pub fn republish(
    repository: &mut Repository,
    from: &dyn Origin,
    packages: &[Fmri],
    options: &Republication,
) -> Result<Republished, Error> {
    let prepared: Vec<(Option<Prepared>, Vec<String>)> =
        packages.par_iter().map(|fmri| prepare(from, fmri, options)).collect::<Result<_, _>>()?;

    let mut seen = BTreeMap::new();
    for package in prepared.iter().filter_map(|(package, _)| package.as_ref()) {
        if let Some(first) = seen.insert(&package.new, &package.old) {
            let problem = format!("{} and {first} would both become {}", package.old, package.new);
            return Err(Error::damaged(from.location(), problem));
        }
        repository.check_manifest(&package.new, &package.text)?;
    }

    let store = &*repository;
    let mut wanted = BTreeMap::new();
    for package in prepared.iter().filter_map(|(package, _)| package.as_ref()) {
        let new = package.new.publisher.as_deref().unwrap_or_default();
        let old = package.old.publisher.as_deref().unwrap_or_default();
        for sha1 in &package.payloads {
            wanted.entry((new, sha1.as_str())).or_insert(old);
        }
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    wanted
        .par_iter()
        .try_for_each(|((new, sha1), old)| store.copy_payload(new, sha1, from, old))?;

    let mut result = Republished::default();
    for ((package, printed), old) in prepared.into_iter().zip(packages) {
        result.printed.extend(printed);
        if let Some(package) = &package {
            repository.add_manifest(&package.new, &package.text)?;
            result.unsigned.extend(package.unsigned.then(|| old.clone()));
        }
        result.packages.push((old.clone(), package.map(|package| package.new)));
    }
    repository.write_catalogs(options.date)?;
    Ok(result)
}

fn prepare(
    from: &dyn Origin,
    old: &Fmri,
    options: &Republication,
) -> Result<(Option<Prepared>, Vec<String>), Error> {
    let manifest = from.manifest(old)?;
    let mogrified = options.mogrify.run_published(&manifest, &options.transforms)?;
    let Some(mut actions) = mogrified.actions else { return Ok((None, mogrified.printed)) };
    let is_signature = |located: &Located| located.action.kind == ActionKind::Signature;
    let signatures: Vec<Action> =
        actions.extract_if(.., |located| is_signature(located)).map(|found| found.action).collect();
    for located in &actions {
        validate(located)?;
    }
    validate_package(&actions)?;

    let is_name = |located: &&Located| {
        located.action.kind == ActionKind::Set && located.action.get("name") == Some("pkg.fmri")
    };
    let Some(named) = actions.iter().find(is_name) else {
        let problem = format!("{old}: no transform may take away its pkg.fmri");
        return Err(Error::damaged(from.location(), problem));
    };
    let mut new = Fmri::parse(named.action.get("value").unwrap_or_default())
        .map_err(|error| named.refuse(error.to_string()))?;
    let Some(version) = &mut new.version else {
        return Err(named.refuse("the package has no version"));
    };
    if let Some(timestamp) = options.timestamp {
        version.timestamp = Some(timestamp);
    }
    let theirs = old.version.as_ref();
    version.timestamp = version.timestamp.or(theirs.and_then(|version| version.timestamp));
    if version.build.is_none() {
        version.build = crate::Version::DEFAULT_BUILD.parse().ok();
    }
    new.publisher = options.publisher.clone().or(new.publisher).or(old.publisher.clone());

    let mut payloads = Vec::new();
    for located in actions.iter().filter(|located| located.action.kind.has_payload()) {
        let payload = located.action.payload.clone().filter(|payload| payload != "NOHASH");
        payloads.push(payload.ok_or_else(|| {
            located.refuse("a published file or licence names its payload by hash; this has none")
        })?);
    }
    let others = actions.iter().filter(|located| !is_name(located));
    let actions = std::iter::once(Action::set("pkg.fmri", new.long()))
        .chain(others.map(|located| located.action.clone()));
    let mut actions: Vec<Action> = actions.collect();
    let others = manifest.actions().filter(|action| action.kind != ActionKind::Signature);
    let same = actions.iter().eq(others);
    let unsigned = !same && !signatures.is_empty();
    if same {
        payloads.extend(signatures.iter().flat_map(Action::stored).map(str::to_owned));
        actions.extend(signatures);
    }
    let text = Manifest::from_actions("", actions).to_string();
    let prepared = Prepared { old: old.clone(), new, text, payloads, unsigned };
    Ok((Some(prepared), mogrified.printed))
}
