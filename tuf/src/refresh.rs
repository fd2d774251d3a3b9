//! Gives a repository a new lease: fresh metadata over targets that stay as they are.

use std::fs::File;
use std::path::PathBuf;

use jiff::Timestamp;
use proto::Digest;
use serde::Serialize;
use tough::schema::Targets;

use crate::in_place::Held;
use crate::metadata::{self, Files, RootChange, Written};
use crate::output::Output;
use crate::signing::{Lease, Signing, SigningRoot};
use crate::verify::{Opened, open_zip};
use crate::zip::hash_only;
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
    /// The keys that sign.
    pub keys: Vec<Key>,
    /// The root to sign under. Who trusts the old one refuses the result under another.
    pub root: SigningRoot,
    /// Days from the build time until the metadata expires.
    pub expires_days: u32,
    /// The time of the refresh; whole seconds count.
    pub build_time: Timestamp,
    /// Whether the SHA-256 of the whole zip is computed for the report.
    pub digest: bool,
}

/// What was refreshed.
#[derive(Debug, Clone, Serialize)]
pub struct RefreshReport {
    /// The zip that was written.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, when asked for.
    pub sha256: Option<Digest>,
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
/// Where the zip has its metadata behind its targets, as those that are written here have, and is
/// replaced, only its end is written, whatever its size; should that be interrupted, the next
/// refresh begins by undoing it. Otherwise targets are taken over in their compressed form. They are
/// not looked at; the new metadata signs for
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
    let held = match options.out == options.zip {
        true => Held::open(&options.zip)?,
        false => None,
    };
    let opened = open_zip(&options.zip, options.trust_root.as_deref())?;
    let lease = Lease::new(options.build_time, options.expires_days)?
        .after(opened.version)
        .map_err(|problem| unsigned(options, problem))?;
    let role: Targets = serde_json::from_value(opened.role.clone()).map_err(|error| {
        unsigned(options, format!("its targets role is of no known form: {error}"))
    })?;
    let signing = Signing::again(&options.keys, &options.root, &opened, &options.zip)?;
    signing.check(lease)?;
    if signing.consistent() != opened.consistent {
        let problem = match opened.consistent {
            true => "it names files by hash and version, which the new root does not",
            false => "the root names files by hash and version, which it does not",
        };
        return Err(unsigned(options, problem.to_owned()));
    }
    let Written { files, root, expires } = signing.sign(role, lease)?;
    let is_metadata = |name: &str| name.starts_with("repo/metadata/");
    let in_place = held.zip(opened.archive.split(is_metadata));
    let (size, sha256) = match in_place {
        Some((held, before)) => {
            let size = held.replace_tail(before, options.build_time, &files)?;
            (size, digest(options)?)
        }
        None => copy(options, &opened, &files)?,
    };
    Ok(RefreshReport {
        path: options.out.clone(),
        size,
        sha256,
        version: lease.version.get(),
        expires,
        root,
        key_ids: metadata::key_ids(signing.keys())?,
    })
}

/// The digest of the whole zip, if it is wanted.
fn digest(options: &RefreshOptions) -> Result<Option<Digest>, Error> {
    if !options.digest {
        return Ok(None);
    }
    let mut file = File::open(&options.out).map_err(Error::io("read", &options.out))?;
    let hashed = hash_only(&mut file).map_err(Error::io("read", &options.out))?;
    Ok(Some(hashed.sha256))
}

/// Writes another zip with the same targets. Returns its length and, if wanted, its digest.
fn copy(
    options: &RefreshOptions,
    opened: &Opened,
    files: &Files,
) -> Result<(u64, Option<Digest>), Error> {
    let mut output = Output::create(&options.out, options.build_time)?;
    let mut targets: Vec<_> = opened.targets.values().collect();
    targets.sort_by_key(|target| target.entry.header);
    for target in targets {
        output.take_over(&target.entry.name, &opened.archive, &target.entry, target.sha256)?;
    }
    for (name, text) in files {
        output.bytes(&format!("repo/metadata/{name}"), text)?;
    }
    output.finish(options.digest)
}

fn unsigned(options: &RefreshOptions, problem: String) -> Error {
    Error::Unsigned { path: options.zip.clone(), problem }
}
