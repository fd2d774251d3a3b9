//! `cargo xtask image build`: a pool image from a tree, a tree with its manifest, or a tar.

mod description;
mod pool;
mod source;

use std::path::{Path, PathBuf};

use clap::Args;
use footprint::{Built, Footprint, Standing, Wish};
use proto::{Proto, ProtoPath};
use serde_json::json;
use zpool_image::{Draft, Feature, PoolOptions};

use self::source::Owners;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Make a ZFS pool image of files, without ZFS and without privileges.
///
/// What goes in is a directory tree (`--tree`), a tree whose owners, modes, times, links and
/// devices stand in an mtree(5) manifest (`--tree` with `--manifest`), or a tar (`--tar`: ustar,
/// pax or GNU, perhaps in gzip; of two members of the same name and type the last wins). The same
/// input gives the same image on any machine.
///
/// Nothing is lost silently: files with extended attributes or access control lists are refused
/// unless `--drop-xattrs` is given. Labels that a system puts on every file (security.selinux,
/// security.ima, overlays' own) are always left behind. Sparse files stay sparse, in all forms that
/// tars have them. The contents of a tar are kept in a temporary directory beside the image, or
/// in TMPDIR for `--plan`.
///
/// Without further options the pool is that of a ramdisk, rpool with ROOT/ramdisk. Options come
/// from `--template` or `--description`, and flags override them.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask image build --tree root --out zfs.img
  cargo xtask image build --tree root --manifest root.mtree --compression gzip-9 --out zfs.img
  tar -c -C / etc usr | cargo xtask image build --tar - --compression auto --out zfs.img
  cargo xtask image build --tree root --template image-templates/templates/sled/zfs.json --plan
  cargo xtask image build --description pool.toml --budget 1200 --record last.json --out zfs.img

A description is TOML; every key may be left out, and paths are relative to it:
  [pool]
  name = \"tank\"
  version = 5000                # or 28
  features = [\"lz4_compress\"]
  size = \"auto\"                 # or MiB
  headroom = 64                 # MiB
  ashift = 12
  compression = \"gzip-9\"        # off, lz4, zle, gzip-1 to gzip-9, auto
  record-size = \"128K\"
  failmode = \"wait\"
  autoexpand = true
  bootfs = \"ROOT/one\"
  [[dataset]]
  name = \"ROOT/one\"
  tree = \"root\"                 # or tar = \"root.tar\"
  manifest = \"root.mtree\"
  owners = \"root\"               # or \"from-disk\"
  compression = \"off\"
  record-size = \"8K\"
  snapshot = \"initial\"
  properties = { mountpoint = \"legacy\", canmount = \"noauto\", \"org.example:key\" = \"value\" }")]
pub(super) struct Build {
    /// The directory that goes into the pool
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    tree: Option<PathBuf>,

    /// An mtree(5) file that says everything about the tree but the bytes of its files
    #[arg(long, value_name = "FILE", requires = "tree", help_heading = "Input")]
    manifest: Option<PathBuf>,

    /// Whose the files of a tree without a manifest are
    #[arg(
        long,
        value_enum,
        default_value_t = Owners::Root,
        requires = "tree",
        conflicts_with = "manifest",
        help_heading = "Input"
    )]
    owners: Owners,

    /// The tar that goes into the pool; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "tree", help_heading = "Input")]
    tar: Option<PathBuf>,

    /// Leave extended attributes and access control lists behind
    #[arg(long, help_heading = "Input")]
    drop_xattrs: bool,

    /// The dataset that the tree or tar goes into (default: that of bootfs, else the first)
    #[arg(long, value_name = "DATASET", help_heading = "Input")]
    into: Option<String>,

    #[command(flatten)]
    pool: pool::Flags,

    /// The image
    #[arg(long, value_name = "FILE", required_unless_present = "plan", help_heading = "Output")]
    out: Option<PathBuf>,

    /// Say exactly what the image would be, and write nothing
    #[arg(long, conflicts_with = "out", help_heading = "Output")]
    plan: bool,

    /// The largest the image may be; from 85 % on there is a warning
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Output")]
    budget: Option<u64>,

    /// What an earlier build or plan recorded, to say what grew; or a summary.json (its host
    /// image) or size.json of `releng`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    record: Option<PathBuf>,

    /// Record where the bytes go
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    write_record: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// The time of what has none of its own, seconds since 1970
    #[arg(
        long,
        env = "SOURCE_DATE_EPOCH",
        value_name = "SECONDS",
        default_value_t = 0,
        help_heading = "Output"
    )]
    source_date_epoch: u32,
}

impl Build {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let earlier = match &self.record {
            Some(path) if !path.is_file() => {
                return Err(Failure::missing(format!("{} is missing", path.display())));
            }
            // Of an earlier run's images the host's is compared with, unless its file is named.
            Some(path) => Some(crate::releng::pool::earlier(path, "host")?),
            None => None,
        };
        let given = source::Source::given(
            self.tree.as_deref(),
            self.manifest.as_deref(),
            self.tar.as_deref(),
            self.owners,
        );
        let pool::Wanted { options, choice, sources } =
            self.pool.wanted(given, self.into.as_deref(), self.source_date_epoch)?;
        if sources.is_empty() {
            return Err(Failure::usage("there is nothing to put into the pool")
                .hint("give --tree or --tar, or a --description whose datasets have one"));
        }
        let wish = Wish {
            compression: choice,
            budget: self.budget.map(|mebibytes| mebibytes << 20),
            zones: footprint::Zones::default(),
            earlier,
        };

        let beside = self.out.as_deref().map(|out| match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        });
        let mut temporary = tempfile::Builder::new();
        let temporary = temporary.prefix(".image-build.");
        let work = match &beside {
            Some(directory) => temporary.tempdir_in(directory).map_err(|error| {
                format!("cannot create a directory in {}: {error}", directory.display())
            })?,
            None => temporary.tempdir()?,
        };
        let mut protos = Vec::new();
        for (index, (dataset, source)) in sources.iter().enumerate() {
            let store = work.path().join(index.to_string());
            let attributes = match self.drop_xattrs {
                true => proto::ExtendedAttributes::Drop,
                false => proto::ExtendedAttributes::Refuse,
            };
            protos.push((dataset, source.read(&store, attributes, self.source_date_epoch)?));
        }
        let trees: Vec<(&str, &Proto)> =
            protos.iter().map(|(dataset, proto)| (dataset.as_str(), proto)).collect();

        let (built, draft) = match self.out.as_deref() {
            None => (plan(&trees, &options, &wish)?, None),
            Some(out) => {
                let (built, draft) = write(&trees, &options, &wish, out)?;
                (built, Some(draft))
            }
        };
        self.finish(&built, draft, &wish, &options, printer)
    }

    /// Puts the image under its name and says what it is.
    fn finish(
        &self,
        built: &Built,
        draft: Option<Draft>,
        wish: &Wish,
        options: &PoolOptions,
        printer: &Printer,
    ) -> Result<ExitStatus, Failure> {
        let footprint = &built.footprint;
        if let Some(draft) = draft {
            draft.keep()?;
        }
        if let Some(path) = &self.write_record {
            footprint.write(path)?;
        }
        if let Some(reason) = &built.smallest {
            printer.say(reason);
        }
        if let (Some(Standing::Near { percent }), Some(budget)) = (built.standing, self.budget) {
            printer.warn(format_args!("{percent} % of the budget of {budget} MiB are taken"));
            printer.say(footprint.explain(wish.earlier.as_ref()));
        }
        if self.json {
            let growth = wish.earlier.as_ref().map(|earlier| footprint.growth(earlier));
            let features: Vec<&str> = options.features.iter().copied().map(Feature::name).collect();
            let smallest = built.smallest.map(|smallest| {
                json!({
                    "compression": smallest.compression.to_string(),
                    "compressed_bytes": smallest.compressed,
                    "plain_bytes": smallest.plain,
                    "reason": smallest.to_string(),
                })
            });
            printer.json(&json!({
                "image": self.out,
                "pool": options.name,
                "guid": built.outcome.report.guid.to_string(),
                "version": options.version.number(),
                "features": features,
                "compression": built.compression.to_string(),
                "auto": smallest,
                "files": built.outcome.report.files,
                "directories": built.outcome.report.directories,
                "content_bytes": built.outcome.report.content,
                "budget_bytes": wish.budget,
                "footprint": footprint,
                "growth": growth,
            }))?;
        } else if let Some(out) = &self.out {
            printer.good("written", summary(built));
            printer.result(out.display());
        } else {
            printer.result(footprint.table().trim_end());
            if let Some(earlier) = &wish.earlier {
                printer.result(growth_table(footprint, earlier));
            }
        }
        Ok(ExitStatus::Success)
    }
}

fn plan(trees: &[(&str, &Proto)], options: &PoolOptions, wish: &Wish) -> Result<Built, Failure> {
    // There is no file; this is what errors call it.
    let name = Path::new("the image");
    footprint::build(trees, options, wish, name, |options| zpool_image::plan(trees, options, name))
        .map_err(failure)
}

fn write(
    trees: &[(&str, &Proto)],
    options: &PoolOptions,
    wish: &Wish,
    out: &Path,
) -> Result<(Built, Draft), Failure> {
    let mut kept = None;
    let built = footprint::build(trees, options, wish, out, |options| {
        // A draft from before is gone before the next one takes its space.
        kept = None;
        let draft = zpool_image::draft(trees, options, out)?;
        let outcome = draft.outcome().clone();
        kept = Some(draft);
        Ok(outcome)
    })
    .map_err(failure)?;
    Ok((built, kept.ok_or("no image was written")?))
}

/// The exit status that an error means.
fn failure(error: footprint::Error) -> Failure {
    use zpool_image::Error;
    let status = match &error {
        footprint::Error::Budget { .. } => ExitStatus::Findings,
        footprint::Error::Pool(Error::Option { .. }) => ExitStatus::Usage,
        _ => ExitStatus::Failed,
    };
    Failure::new(error).with_status(status)
}

fn summary(built: &Built) -> String {
    let report = &built.outcome.report;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    format!(
        "{} files and {} directories with {:.1} MiB in a pool of {:.1} MiB: {:.1} MiB taken, \
         {:.1} MiB can be written",
        report.files,
        report.directories,
        mebibytes(report.content),
        mebibytes(report.size),
        mebibytes(report.allocated),
        mebibytes(report.available)
    )
}

fn growth_table(now: &Footprint, earlier: &Footprint) -> String {
    let mut text = String::from("\nsince the earlier record");
    let changes = now.growth(earlier);
    if changes.is_empty() {
        text += "\n  nothing changed";
    }
    for change in changes {
        let kibibytes = change.bytes() as f64 / 1024.0;
        text += &format!("\n{kibibytes:>+12.1} KiB  {}", change.part);
    }
    text
}

/// The root of a tree that has no entry for it.
fn complete(proto: &mut Proto, metadata: proto::Metadata) {
    if !proto.manifest.contains(&ProtoPath::root()) {
        proto.manifest.replace(ProtoPath::root(), proto::Entry::directory(metadata));
    }
}
