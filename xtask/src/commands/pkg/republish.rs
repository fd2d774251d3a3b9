//! `cargo xtask pkg republish`: packages go from one repository through transforms to another.

use std::path::PathBuf;

use clap::Args;
use ips::{Mogrify, Packages, Repository, Republication, Timestamp};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// Publish the newest packages of a repository in another one, changed by transforms.
///
/// Payloads are copied as they are stored, dependencies stay as they are. Packages that stay the
/// same keep their signatures; the others lose them, and each of those is named. Packages keep their times unless another is given; so the same inputs give the same packages.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask pkg republish --from nightly --to release --transform no-debug.mog
  cargo xtask pkg republish --from on.p5p --to repo --publisher helios-dev 'system/*'")]
pub(super) struct Republish {
    /// The repository or package archive to take packages from
    #[arg(long, value_name = "PLACE")]
    from: PathBuf,

    /// The repository to publish them in; made if it is not there
    #[arg(long, value_name = "REPO")]
    to: PathBuf,

    /// A file with transforms (repeatable; they apply in order)
    #[arg(long = "transform", value_name = "FILE")]
    transforms: Vec<PathBuf>,

    /// Give a macro of these files its value (repeatable)
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE", value_parser = super::name_and_value)]
    define: Vec<(String, String)>,

    /// Look for included files there (repeatable)
    #[arg(short = 'I', long = "include", value_name = "DIR")]
    include: Vec<PathBuf>,

    /// The publisher of all packages; else each keeps its own, or the one a transform gives it
    #[arg(long, value_name = "NAME")]
    publisher: Option<String>,

    /// All versions, not only the newest
    #[arg(long)]
    all_versions: bool,

    /// The time of all packages and of the catalogs, seconds since 1970
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "SECONDS")]
    source_date_epoch: Option<i64>,

    /// Only these packages
    patterns: Vec<String>,
}

impl Republish {
    pub(super) fn run(self, network: &Network, printer: &Printer) -> Result<ExitStatus, Failure> {
        let packages = super::open(&self.from, network)?;
        let Packages::Origin(origin) = &packages else {
            let problem = format!(
                "{} is an image, which has no payloads to publish; give the repository or package \
                 archive it was installed from",
                self.from.display()
            );
            return Err(Failure::usage(problem));
        };
        let selected: Vec<ips::Fmri> =
            packages.select(&self.patterns).map_err(super::failure)?.into_iter().cloned().collect();
        let selected = if self.all_versions { selected } else { ips::newest(&selected) };
        let timestamp = self.source_date_epoch.map(super::timestamp).transpose()?;
        // The catalogs are as old as the newest package.
        let newest = selected.iter().filter_map(|fmri| fmri.version.as_ref()?.timestamp).max();
        let date: Option<Timestamp> = timestamp.or(newest);
        let Some(date) = date.or(Timestamp::from_epoch(0)) else {
            return Err(Failure::usage("no package has a time; give --source-date-epoch"));
        };
        let publisher = self.publisher.clone().or_else(|| selected.first()?.publisher.clone());
        let Some(publisher) = publisher else {
            return Err(Failure::missing(format!("{} has no packages", self.from.display())));
        };
        let options = Republication {
            transforms: self.transforms,
            mogrify: Mogrify {
                macros: self.define.into_iter().collect(),
                include_directories: self.include,
                ..Mogrify::default()
            },
            publisher: self.publisher,
            timestamp,
            date,
        };
        let mut repository = Repository::create(&self.to, &publisher).map_err(super::failure)?;
        let done = ips::republish(&mut repository, origin.as_ref(), &selected, &options)
            .map_err(super::failure)?;
        for text in &done.printed {
            printer.say(text);
        }
        let mut published = 0;
        for (old, new) in &done.packages {
            match new {
                Some(new) => {
                    published += 1;
                    printer.result(new);
                }
                None => printer.good("left out", format_args!("{old}: a transform says so")),
            }
        }
        for old in &done.unsigned {
            printer
                .warn(format_args!("{old}: is no longer signed, as it is not the same any more"));
        }
        printer.good("published", format_args!("{published} packages in {}", self.to.display()));
        Ok(ExitStatus::Success)
    }
}
