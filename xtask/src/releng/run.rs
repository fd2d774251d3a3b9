//! A run: the graph is carried out, and its results take the place of the last ones.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use jobs::Stop;
use store::Collected;

use super::graph::graph;
use super::image::Which;
use super::pool::PoolRecord;
use super::progress::{Mode, Progress};
use super::result_set::ResultSet;
use super::settings::{Request, Settings};
use super::summary::{self, Summary};
use super::{lock, repository_v1};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::{self, Printer};

/// Builds everything that a request asks for.
pub(crate) fn run(request: Request, mode: Mode, printer: &Printer) -> Result<ExitStatus, Failure> {
    let start = Instant::now();
    let limit = request
        .jobs
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    // One pool of threads for all jobs: the limit holds for the whole run. A second call in one
    // process keeps the first pool, which changes no output.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(limit).build_global();
    let stop = Stop::new();
    stop_on_signals(&stop)?;
    let set = ResultSet::begin(&request.out)?;
    let mut settings = Settings::resolve(request, &set.work())?;
    settings.network.stop_with(&stop);
    let unless_stopped = |failure| if stop.requested() { interrupted() } else { failure };
    let logs = set.directory().join("logs");
    let (lock, changes) = lock::settle(&settings).map_err(unless_stopped)?;
    for change in changes {
        printer.warn(change);
    }
    let (graph, mut notices) = graph(&settings, &set, lock).map_err(unless_stopped)?;
    let progress = Progress::new(mode, printer);
    let done = graph
        .run(limit, &logs, &stop, &progress)
        .map_err(|error| explain(error, &settings, &set))?;

    let mut images = BTreeMap::new();
    for name in Which::ALL.map(Which::name) {
        if let Some(record) = PoolRecord::load(&set.directory().join(name))? {
            notices.extend(record.warning.iter().map(|warning| format!("{name} image: {warning}")));
            images.insert(name, record);
        }
    }
    let summary = Summary {
        v: 1,
        tool: env!("CARGO_PKG_VERSION"),
        sample: settings.sample,
        system_version: settings.version.clone(),
        build_time: settings.clock.seconds(),
        source: settings.checkout.clone(),
        notices,
        jobs: summary::job_records(&done, &logs, settings.clock.given)?,
        images,
        files: summary::file_records(&set.directory())?,
    };
    summary.write(&set.directory().join("summary.json"))?;
    let out = set.publish()?;
    if let Some(most) = settings.config.packages.cache_max_size {
        collect(&settings.network, most.0, &progress, printer);
    }
    if progress.talks() {
        tell(&summary, &out, start, printer);
    }
    // Whatever else is shown, nobody gets results without hearing this.
    for notice in &summary.notices {
        progress.notice(notice);
    }
    printer.result(out.join("repo.zip").display());
    if settings.request.v1 {
        printer.result(out.join(repository_v1::ZIP).display());
    }
    Ok(ExitStatus::Success)
}

/// Keeps the store of what was fetched within its limit. The results are there: whatever happens
/// now does not take them back.
fn collect(network: &Network, most: u64, progress: &Progress<'_>, printer: &Printer) {
    match network.leave(most) {
        Ok(Some(collected)) if collected.removed.count == 0 || !progress.talks() => {}
        Ok(Some(Collected { removed, kept, .. })) => printer.say(format_args!(
            "removed {} from the store, which has {} now (cache-max-size)",
            printer::bytes(removed.bytes),
            printer::bytes(kept.bytes)
        )),
        Ok(None) => progress.notice("the store was left as it is: another run uses it"),
        Err(failure) => {
            progress.notice(&format!("the store was left as it is: {}", failure.error));
        }
    }
}

fn interrupted() -> Failure {
    Failure::new("interrupted; the previous results are untouched")
        .with_status(ExitStatus::Interrupted)
}

/// Turns a failed run into what its user should read.
fn explain(error: jobs::Error, settings: &Settings, set: &ResultSet) -> Failure {
    match error {
        jobs::Error::Stopped => interrupted(),
        jobs::Error::Failed { ref job, ref log, ref tail, .. } => {
            let installs = job.ends_with("/os") && settings.config.packages.install.is_empty();
            let log = Some((tail.clone(), set.keep_logs(log)));
            let lacks = lacks_packages(&error);
            let mut failure = Failure { log, ..Failure::new(error) };
            if lacks {
                failure = failure.with_status(ExitStatus::Missing);
                if settings.request.offline {
                    failure = failure.hint("run once without --offline: what is fetched is kept");
                }
            }
            if installs {
                failure = failure.hint(
                    "the templates' own list of packages is installed unless `install` in \
                     [packages] gives another",
                );
            }
            let previous = set.out().join("summary.json").is_file();
            if previous {
                failure
                    .hint(format!("the previous results in {} are untouched", set.out().display()))
            } else {
                failure
            }
        }
        jobs::Error::NoInput { .. } => Failure::missing(error),
        other => Failure::new(other),
    }
}

/// Whether something failed because packages or their payloads cannot be had.
fn lacks_packages(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(ips::Error::Missing(_))) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Has the usual signals ask for a stop.
pub(crate) fn stop_on_signals(stop: &Stop) -> Result<(), Failure> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second signal ends the program at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())?;
        signal_hook::flag::register(signal, stop.flag())?;
    }
    Ok(())
}

fn tell(summary: &Summary, out: &Path, start: Instant, printer: &Printer) {
    printer.good(
        "finished",
        format_args!(
            "{} in {}, {} files in {}",
            summary.system_version,
            printer::seconds(start.elapsed()),
            summary.files.len(),
            out.display()
        ),
    );
    for name in ["brand/omicron1-brand.p5p", "baseline/files.tar.gz", "host/os.tar.gz"]
        .into_iter()
        .chain(["trampoline/os.tar.gz", "repo.zip"])
    {
        if let Some(file) = summary.files.get(name) {
            printer.say(format_args!(
                "          {name:<26} {:>10}  {}",
                printer::bytes(file.size),
                &file.sha256[..16]
            ));
        }
    }
}
