//! `cargo xtask pkg contents`: what packages deliver.

use std::path::PathBuf;

use clap::Args;
use ips::ActionKind;
use packages::ContentsOptions;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::Printer;

/// Show what packages of an image, a repository, a package archive or a depot deliver.
///
/// Of an image, only what its variants and facets let in is shown. Besides the attributes of
/// actions there are action.name, action.key, action.hash, action.raw, pkg.name, pkg.fmri,
/// pkg.shortfmri and pkg.publisher.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask pkg contents packages.p5p zones
  cargo xtask pkg contents -m repo system/kernel
  cargo xtask pkg contents -t file,link -o path,target,pkg.name proto/root
  cargo xtask pkg contents -t depend -o type,fmri repo zones")]
pub(super) struct Contents {
    /// Print whole manifests, byte for byte
    #[arg(short = 'm', long, conflicts_with_all = ["attributes", "kinds", "matching", "sort"])]
    manifests: bool,

    /// Show these attributes
    #[arg(short = 'o', long = "attributes", value_name = "NAME", value_delimiter = ',')]
    attributes: Vec<String>,

    /// Only actions of these kinds
    #[arg(short = 't', long = "type", value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    kinds: Vec<ActionKind>,

    /// Only actions with an attribute that matches a shell pattern (repeatable: one is enough)
    #[arg(short = 'a', long = "match", value_name = "NAME=PATTERN", value_parser = super::name_and_value)]
    matching: Vec<(String, String)>,

    /// Sort by these attributes
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    sort: Vec<String>,

    /// Leave the headings out and put tabs between columns
    #[arg(short = 'H', long)]
    no_headings: bool,

    /// Print a list of objects
    #[arg(long, conflicts_with = "manifests")]
    json: bool,

    /// An image, a repository, a package archive or the address of a depot
    place: PathBuf,

    /// Only these packages
    patterns: Vec<String>,
}

fn kind(name: &str) -> Result<ActionKind, String> {
    ActionKind::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = ActionKind::ALL.iter().map(|kind| kind.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

impl Contents {
    pub(super) fn run(self, network: &Network, printer: &Printer) -> Result<ExitStatus, Failure> {
        let packages = super::open(&self.place, network)?;
        if self.manifests {
            let text = packages::manifests(&packages, &self.patterns).map_err(super::failure)?;
            printer.result(text.strip_suffix('\n').unwrap_or(&text));
            return Ok(ExitStatus::Success);
        }
        let options = ContentsOptions {
            attributes: self.attributes,
            kinds: self.kinds,
            matching: self.matching,
            sort: self.sort,
        };
        let contents =
            packages::contents(&packages, &self.patterns, &options).map_err(super::failure)?;
        if self.json {
            printer.json(&contents)?;
        } else if !contents.rows.is_empty() {
            let table = contents.table(!self.no_headings);
            printer.result(table.trim_end_matches('\n'));
        }
        Ok(ExitStatus::Success)
    }
}
