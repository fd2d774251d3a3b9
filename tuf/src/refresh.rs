//! Gives a repository a new lease: fresh metadata over targets that stay as they are.

use std::num::NonZeroU64;
use std::path::PathBuf;

use jiff::Timestamp;
use proto::Digest;
use serde::Serialize;
use tough::schema::Targets;

use crate::metadata::{self, Files, RootChange, Written};
use crate::output::Output;
use crate::verify::{Opened, open};
use crate::{Error, Key};

/// How to refresh a repository.
#[derive(Debug)]
pub struct RefreshOptions {
    /// The repository.
    pub zip: PathBuf,
    /// The zip to write; may be the same. It appears when it is complete.
    pub out: PathBuf,
    /// The root to trust; without one the repository's own is taken on trust.
    pub trust_root: Option<PathBuf>,
    /// The keys that sign. They are those of the repository's root, unless a new root is made.
    pub keys: Vec<Key>,
    /// Whether to make a new root of these keys. Who trusts the old one will refuse the result.
    pub new_root: bool,
    /// Days from the build time until the metadata expires.
    pub expires_days: u32,
    /// The time of the refresh; whole seconds count.
    pub build_time: Timestamp,
}

/// What was refreshed.
#[derive(Debug, Clone, Serialize)]
pub struct RefreshReport {
    /// The zip that was written.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// The new version of timestamp, snapshot and targets.
    pub version: u64,
    /// When the first metadata file expires.
    pub expires: Timestamp,
    /// What happened to the root.
    pub root: RootChange,
    /// The ids of the keys that signed, sorted.
    pub key_ids: Vec<String>,
}

/// Signs a repository again: new versions, new expiry, the same targets.
///
/// Targets are taken over in their compressed form and not looked at; the new metadata signs for
/// the hashes that the old, whose signatures are checked, signed for. The roots stay byte for byte,
/// so that whoever trusts one of them accepts the result; where the last expires too soon and the
/// keys may sign for it, a next version with the new expiry is added. An expired repository can be
/// refreshed.
///
/// The version is the build time in seconds, or one more than the version that was there.
///
/// # Errors
///
/// When the repository is not good, the keys are not those of its root, or the result cannot be
/// written. What was there is left alone then.
pub fn refresh(options: &RefreshOptions) -> Result<RefreshReport, Error> {
    let (expires, version) = metadata::expiry(options.build_time, options.expires_days)?;
    let opened = open(&options.zip, options.trust_root.as_deref())?;
    let version = next_version(options, &opened, version)?;
    let role: Targets = serde_json::from_value(opened.role.clone()).map_err(|error| {
        unsigned(options, format!("its targets role is of no known form: {error}"))
    })?;
    if options.keys.is_empty() {
        return Err(unsigned(options, "no key was given".to_owned()));
    }
    let Written { files, root, expires } = if options.new_root {
        if opened.consistent {
            let problem = "it names files by hash and version, which a new root of ours does not";
            return Err(unsigned(options, problem.to_owned()));
        }
        metadata::write(&options.keys, role, expires, version)?
    } else {
        let (roots, last) = roots(options, &opened)?;
        let times = (options.build_time, expires);
        metadata::write_again(&options.keys, roots, &last, role, times, version)?
            .map_err(|problem| unsigned(options, problem))?
    };

    let mut output = Output::create(&options.out, options.build_time)?;
    let mut targets: Vec<_> = opened.targets.values().collect();
    targets.sort_by_key(|target| target.entry.header);
    for target in targets {
        output.take_over(&opened.archive, &target.entry, target.sha256)?;
    }
    for (name, text) in &files {
        output.bytes(&format!("repo/metadata/{name}"), text)?;
    }
    let (size, sha256) = output.finish()?;
    Ok(RefreshReport {
        path: options.out.clone(),
        size,
        sha256,
        version: version.get(),
        expires,
        root,
        key_ids: metadata::key_ids(&options.keys)?,
    })
}

/// The version after the one that is there, and not before the build time.
fn next_version(
    options: &RefreshOptions,
    opened: &Opened,
    version: NonZeroU64,
) -> Result<NonZeroU64, Error> {
    let next = opened.version.checked_add(1).and_then(NonZeroU64::new).ok_or_else(|| {
        unsigned(options, format!("no version comes after its version {}", opened.version))
    })?;
    Ok(version.max(next))
}

/// The roots as they are, and the name of the last.
fn roots(options: &RefreshOptions, opened: &Opened) -> Result<(Files, String), Error> {
    let mut roots = Files::new();
    let mut last = String::new();
    for version in 1..=opened.root_version {
        let name = format!("{version}.root.json");
        let entry = opened.archive.entries().get(&format!("repo/metadata/{name}"));
        let mut text = Vec::new();
        if let Some(entry) = entry {
            opened
                .archive
                .stream(entry, |chunk| text.extend_from_slice(chunk))
                .map_err(Error::io("read", &options.zip))?
                .map_err(|problem| unsigned(options, format!("{name}: {problem}")))?;
        }
        roots.insert(name.clone(), text);
        last = name;
    }
    Ok((roots, last))
}

fn unsigned(options: &RefreshOptions, problem: String) -> Error {
    Error::Unsigned { path: options.zip.clone(), problem }
}
