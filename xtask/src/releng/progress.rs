//! What a run shows while it runs.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jobs::{End, Reporter};
use serde_json::json;

use crate::printer::{self, Printer};

/// How progress is shown, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Live on a terminal, else plain
    Auto,
    /// One line per finished job
    Plain,
    /// One JSON object per event
    Json,
    /// Nothing
    None,
}

/// Shows what jobs do.
pub(crate) struct Progress<'a> {
    printer: &'a Printer,
    show: Show,
}

enum Show {
    Live { bars: MultiProgress, running: Mutex<HashMap<String, ProgressBar>> },
    Plain,
    Json,
    None,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(mode: Mode, printer: &'a Printer) -> Self {
        let show = match mode {
            Mode::Auto if std::io::stderr().is_terminal() => {
                Show::Live { bars: MultiProgress::new(), running: Mutex::default() }
            }
            Mode::Auto | Mode::Plain => Show::Plain,
            Mode::Json => Show::Json,
            Mode::None => Show::None,
        };
        Self { printer, show }
    }

    /// Says what must be heard in every mode.
    pub(crate) fn notice(&self, text: &str) {
        match &self.show {
            Show::Json => self.printer.event(&json!({ "v": 1, "event": "notice", "text": text })),
            Show::Live { .. } | Show::Plain | Show::None => self.printer.warn(text),
        }
    }

    /// Whether people read along.
    pub(crate) fn talks(&self) -> bool {
        matches!(self.show, Show::Live { .. } | Show::Plain)
    }
}

fn word(end: End) -> &'static str {
    match end {
        End::Done => "done",
        End::Failed => "failed",
        End::Stopped => "stopped",
    }
}

fn line(name: &str, time: Duration, end: End, done: usize, total: usize) -> String {
    let word = word(end);
    format!("[{done:>2}/{total}] {name:<28} {word:<7} {:>8}", printer::seconds(time))
}

impl Reporter for Progress<'_> {
    fn started(&self, name: &str) {
        match &self.show {
            Show::Live { bars, running } => {
                let style = ProgressStyle::with_template("        {spinner} {msg} {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner());
                let bar = bars.add(ProgressBar::new_spinner().with_style(style));
                bar.set_message(name.to_owned());
                bar.enable_steady_tick(Duration::from_millis(120));
                running.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), bar);
            }
            Show::Json => {
                self.printer.event(&json!({ "v": 1, "event": "started", "job": name }));
            }
            Show::Plain | Show::None => {}
        }
    }

    fn finished(&self, name: &str, time: Duration, end: End, done: usize, total: usize) {
        match &self.show {
            Show::Live { bars, running } => {
                let bar = running.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                    bars.remove(&bar);
                }
                bars.suspend(|| self.printer.say(line(name, time, end, done, total)));
            }
            Show::Plain => self.printer.say(line(name, time, end, done, total)),
            Show::Json => self.printer.event(&json!({
                "v": 1,
                "event": "finished",
                "job": name,
                "end": word(end),
                "milliseconds": time.as_millis() as u64,
                "done": done,
                "total": total,
            })),
            Show::None => {}
        }
    }
}
