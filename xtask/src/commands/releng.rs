//! `cargo xtask releng`: the main job.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::releng::{self, Mode, Request};

use super::tuf::Format;

/// Build everything: brand packages, baseline, host and trampoline images, update repository.
///
/// Without a config the embedded sample is built. Results appear in the output directory all at
/// once, when everything has succeeded.
///
/// With a lock file (`helios.lock` beside the config, written by `cargo xtask lock`) the images get
/// the packages that it names. One that does not fit the config any more is changed as little as
/// possible.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask releng
  cargo xtask releng --config releng.toml --key release.pem --version 20.0.0
  cargo xtask releng --config releng.toml --frozen
  cargo xtask releng --config releng.toml --key release.pem --format v1
  SOURCE_DATE_EPOCH=1795187505 cargo xtask releng --key test.pem --out /tmp/releng

Environment:
  SOURCE_DATE_EPOCH  the time of the build, seconds since 1970 (default: now)
  CI                 if set, the default system version says `ci` and not `local`")]
pub(crate) struct Arguments {
    /// What to build; releng.example.toml explains every key
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where results go
    #[arg(long, value_name = "DIR", default_value = "out/releng")]
    out: PathBuf,

    /// A private key to sign with: Ed25519, ECDSA P-256 or RSA in PKCS#8, PEM or DER (repeatable)
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,

    /// A root to sign under, taken over byte for byte (repeatable, `1.root.json` to the last)
    #[arg(long = "root", value_name = "ROOT.json", requires = "keys")]
    roots: Vec<PathBuf>,

    /// Refuse to begin what cannot be a release: the sample, a throwaway key, stand-ins for ROMs,
    /// a brand built for this machine
    #[arg(long)]
    release: bool,

    /// The system version (default: BASE-0.local+gitCOMMIT)
    #[arg(long, value_name = "V")]
    version: Option<String>,

    /// Days until the repository's metadata expires (default: 7, or the config's)
    #[arg(long, value_name = "DAYS")]
    expires: Option<u32>,

    /// The format: `repo.zip` is v2; with v1 there is `repo-v1.zip` too, of the same inputs, for
    /// racks that read only that
    #[arg(long, value_enum, default_value_t = Format::V2)]
    format: Format,

    /// Jobs at once, and threads within them (default: one per processor)
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Compress images with the least time: for development, they come out larger
    #[arg(long)]
    fast: bool,

    /// Refuse to begin unless the lock file is there and fits the config
    #[arg(long, help_heading = "Lock file and network")]
    locked: bool,

    /// Fetch nothing: what is not there already is missing
    #[arg(long, help_heading = "Lock file and network")]
    offline: bool,

    /// Both --locked and --offline
    #[arg(long, help_heading = "Lock file and network")]
    frozen: bool,

    /// What is shown while it runs, on standard error
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    progress: Mode,

    /// Print the helios-build command lines that make the same images on a Helios machine, and stop
    #[arg(long)]
    print_helios_build: bool,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let request = Request {
            config: self.config,
            out: self.out,
            keys: self.keys,
            roots: self.roots,
            release: self.release,
            version: self.version,
            expires: self.expires,
            jobs: self.jobs,
            fast: self.fast,
            v1: self.format == Format::V1,
            locked: self.locked || self.frozen,
            offline: self.offline || self.frozen,
        };
        if self.print_helios_build {
            for line in releng::helios_build_lines(&request)? {
                printer.result(line);
            }
            return Ok(ExitStatus::Success);
        }
        releng::run(request, self.progress, printer)
    }
}
