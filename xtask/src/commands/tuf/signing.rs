//! What `edit` and `merge` have in common: who signs, and what is said of the result.

use std::path::PathBuf;

use clap::Args;
use tuf::{BuildReport, Key, RootChange, SigningRoot};

use crate::failure::Failure;
use crate::printer::{self, Printer};

/// Who signs a repository again, under which root.
#[derive(Debug, Args)]
pub(super) struct Signing {
    /// A key that signs: Ed25519, ECDSA P-256 or RSA in PKCS#8 PEM or DER; repeatable
    #[arg(long = "key", value_name = "FILE", help_heading = "Signing")]
    pub(super) keys: Vec<PathBuf>,

    /// A root to sign under, taken over byte for byte; repeatable, `1.root.json` to the last
    #[arg(long = "root", value_name = "ROOT.json", help_heading = "Signing")]
    pub(super) roots: Vec<PathBuf>,

    /// Make a new root of the keys, or of a throwaway key; whoever trusts the old one will refuse
    /// the result
    #[arg(long, conflicts_with = "roots", help_heading = "Signing")]
    pub(super) new_root: bool,

    /// Days until the metadata expires
    #[arg(long, value_name = "DAYS", default_value_t = 7, help_heading = "Signing")]
    pub(super) expires: u32,

    /// The trusted root; without one the zip's own is taken on trust
    #[arg(long, value_name = "FILE", help_heading = "Signing")]
    pub(super) trust_root: Option<PathBuf>,
}

impl Signing {
    /// Refuses files that are missing, and reads the keys.
    pub(super) fn keys(&self) -> Result<Vec<Key>, Failure> {
        super::check_there(self.keys.iter().chain(&self.roots).chain(&self.trust_root))?;
        let keys = self.keys.iter().map(Key::from_file).collect::<Result<_, _>>();
        keys.map_err(super::failure)
    }

    /// The root to sign under.
    pub(super) fn root(&self) -> SigningRoot {
        match (self.new_root, self.roots.is_empty()) {
            (true, _) => SigningRoot::New,
            (false, true) => SigningRoot::Own,
            (false, false) => SigningRoot::Given(self.roots.clone()),
        }
    }
}

/// Says what was written.
pub(super) fn tell(
    word: &str,
    report: &BuildReport,
    root: &SigningRoot,
    json: bool,
    printer: &Printer,
) -> Result<(), Failure> {
    if report.throwaway_key {
        printer.warn("signed with a throwaway key: nobody can sign this repository again");
    }
    if *root != SigningRoot::Own || report.root == RootChange::New {
        printer.warn("whoever trusts only the old root refuses the repository");
    }
    let missing = report.missing();
    if !missing.is_empty() {
        let missing = missing.join("; ");
        printer.warn(format_args!("a complete repository also has: {missing}"));
    }
    if json {
        return printer.json(report);
    }
    printer.good(
        word,
        format_args!(
            "{} targets, {}, expires {}",
            report.targets.len(),
            printer::bytes(report.size),
            report.expires,
        ),
    );
    printer.result(report.path.display());
    Ok(())
}
