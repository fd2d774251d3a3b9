//! Puts several repositories into one.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::assemble::{self, BuildReport, Frame};
use crate::edit::Targets;
use crate::plan::Plan;
use crate::signing::{Lease, Signing, SigningRoot};
use crate::verify::open_zip;
use crate::{Error, Key};

/// What to put together.
#[derive(Debug)]
pub struct MergeOptions {
    /// The repositories; their order has no effect but that the first one's root may sign.
    pub zips: Vec<PathBuf>,
    /// The zip to write; may be one of them. It appears when it is complete.
    pub out: PathBuf,
    /// The root to trust for all; without one their own are taken on trust.
    pub trust_root: Option<PathBuf>,
    /// The system version of the whole; needed where theirs differ. OS artifacts get it.
    pub system_version: Option<String>,
    /// The keys that sign; only under a new root may there be none, for a throwaway key.
    pub keys: Vec<Key>,
    /// The root to sign under; their own is that of the first.
    pub root: SigningRoot,
    /// Days from the build time until the metadata expires.
    pub expires_days: u32,
    /// The time of the merge; whole seconds count.
    pub build_time: Timestamp,
    /// Whether the SHA-256 of the whole zip is computed for the report.
    pub digest: bool,
}

/// Makes one repository of everything that several hold.
///
/// Targets are taken over in their compressed form. One that several hold must be the same in all;
/// two artifacts with the same tags are an error. The documents are made anew.
///
/// # Errors
///
/// When one of the repositories is not good or of format v1, they contradict each other, the keys
/// are not those of the root, or the result cannot be written. Nothing is left behind then.
pub fn merge(options: &MergeOptions) -> Result<BuildReport, Error> {
    let refuse = |path: &PathBuf, problem: String| Error::Edit { path: path.clone(), problem };
    let Some(first) = options.zips.first() else {
        return Err(refuse(&options.out, "there is nothing to merge".to_owned()));
    };
    let mut opened = Vec::new();
    for zip in &options.zips {
        opened.push(open_zip(zip, options.trust_root.as_deref())?);
    }
    let newest = opened.iter().map(|opened| opened.version).max().unwrap_or(0);
    let lease = Lease::new(options.build_time, options.expires_days)?
        .after(newest)
        .map_err(|problem| refuse(first, problem))?;
    let signing = Signing::again(&options.keys, &options.root, &opened[0], first)?;
    signing.check(lease)?;

    let mut all = Vec::new();
    for (zip, opened) in options.zips.iter().zip(&opened) {
        all.push(Targets::of(opened, zip)?);
    }
    let version = match &options.system_version {
        Some(version) => version.clone(),
        None => all[0].system_version.clone(),
    };
    let mut plan = Plan::default();
    let mut metadata = std::collections::BTreeMap::new();
    for (zip, mut targets) in options.zips.iter().zip(all) {
        if options.system_version.is_none() && targets.system_version != version {
            let problem = format!(
                "its system version is {}, that of {} is {version}; say which the whole shall have",
                targets.system_version,
                first.display()
            );
            return Err(refuse(zip, problem));
        }
        targets.set_system_version(&version);
        metadata.extend(targets.metadata);
        for planned in targets.targets.into_values() {
            plan.add(planned)?;
        }
    }
    let frame = Frame {
        system_version: &version,
        installinator_document: true,
        metadata,
        out: &options.out,
        digest: options.digest,
    };
    assemble::write(&plan, frame, &signing, lease)
}
