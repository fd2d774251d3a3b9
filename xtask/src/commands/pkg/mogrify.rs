//! `cargo xtask pkg mogrify`: manifests in source form become plain ones.

use std::path::PathBuf;

use clap::Args;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Apply macros, includes and transforms to a manifest, as pkgmogrify(1) does.
///
/// All files are read one after the other, the manifest and those with transforms; each transform
/// then sees every action. The result is printed in canonical form, what transforms print goes to
/// standard error. A manifest that a transform aborts gives no output.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cargo xtask pkg mogrify -D ARCH=i386 -D PKGVERS=0.5.11 -I transforms zones.p5m defaults")]
pub(super) struct Mogrify {
    /// Give a macro its value (repeatable)
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE", value_parser = super::name_and_value)]
    define: Vec<(String, String)>,

    /// Say in comments what transforms did to each action
    #[arg(short, long)]
    verbose: bool,

    /// Refuse macros that have no value; without this they stay as they are
    #[arg(long)]
    strict: bool,

    /// Look for included files there, after the directory of the file that includes (repeatable)
    #[arg(short = 'I', long = "include", value_name = "DIR")]
    include: Vec<PathBuf>,

    /// Write the result there
    #[arg(short = 'O', long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Write what transforms print there
    #[arg(short = 'P', long, value_name = "FILE")]
    printed: Option<PathBuf>,

    /// The manifest, and files with transforms
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Mogrify {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        let mogrify = ips::Mogrify {
            macros: self.define.into_iter().collect(),
            include_directories: self.include,
            keep_unknown: !self.strict,
            explain: self.verbose,
        };
        let result = mogrify.run(&self.files).map_err(super::failure)?;
        match &self.printed {
            Some(file) => {
                let text: String = result.printed.iter().map(|text| format!("{text}\n")).collect();
                super::write(file, &text)?;
            }
            None => result.printed.iter().for_each(|text| printer.say(text)),
        }
        match (result.source_text(), &self.out) {
            (Some(text), Some(file)) => super::write(file, &text)?,
            (Some(text), None) => printer.result(text.trim_end()),
            (None, _) => printer.good("aborted", "a transform says that this is not wanted"),
        }
        Ok(ExitStatus::Success)
    }
}
