//! `cargo xtask tuf refresh`: a new expiry for a repository.

use std::path::PathBuf;

use clap::Args;
use tuf::{Key, RefreshOptions, RootChange, SigningRoot};

use crate::environment::BuildClock;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::{self, Printer};

/// Give a repository a new expiry: metadata only, targets are taken over as they are.
///
/// Only the end of the zip is written, in place, if its metadata is there, else all of it beside it
/// and renamed. Its roots stay, so whoever trusts one of them accepts the result;
/// a next version with the new expiry is added when the last one expires too soon. The time is
/// SOURCE_DATE_EPOCH, else now.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask tuf refresh --key key.pem --expires 30 repo.zip
  cargo xtask tuf refresh --key key.pem --trust-root root.json --out fresh.zip repo.zip")]
pub(super) struct Refresh {
    /// A key that signs: one of the root's, in PKCS#8 PEM or DER; repeatable
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,

    /// Days until the metadata expires
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    expires: u32,

    /// Make a new root of the keys; whoever trusts the old one will refuse the repository
    #[arg(long)]
    new_root: bool,

    /// The trusted root; without one the zip's own is taken on trust
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,

    /// Write another zip instead of replacing this one
    #[arg(long, value_name = "ZIP")]
    out: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    /// The repository
    zip: PathBuf,
}

impl Refresh {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        super::check_there(self.keys.iter().chain(&self.trust_root).chain([&self.zip]))?;
        let keys = self.keys.iter().map(Key::from_file).collect::<Result<_, _>>();
        let options = RefreshOptions {
            out: self.out.unwrap_or_else(|| self.zip.clone()),
            zip: self.zip,
            trust_root: self.trust_root,
            keys: keys.map_err(super::failure)?,
            root: if self.new_root { SigningRoot::New } else { SigningRoot::Own },
            expires_days: self.expires,
            build_time: BuildClock::read()?.time,
            digest: self.json,
        };
        let report = tuf::refresh(&options).map_err(super::failure)?;
        if report.root == RootChange::New {
            printer.warn("the repository has a new root; whoever trusts the old one refuses it");
        }
        if report.root == RootChange::Kept && report.expires < expiry(&options) {
            printer.warn("its root expires first; give the root's keys to renew it too");
        }
        if self.json {
            printer.json(&report)?;
        } else {
            printer.good(
                "refreshed",
                format_args!(
                    "version {}, expires {}, {}",
                    report.version,
                    report.expires,
                    printer::bytes(report.size)
                ),
            );
            printer.result(report.path.display());
        }
        Ok(ExitStatus::Success)
    }
}

/// What was asked for.
fn expiry(options: &RefreshOptions) -> jiff::Timestamp {
    let days = jiff::SignedDuration::from_hours(i64::from(options.expires_days) * 24);
    options.build_time.checked_add(days).unwrap_or(jiff::Timestamp::MAX)
}
