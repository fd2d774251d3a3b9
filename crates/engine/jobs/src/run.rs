//! Running a graph.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Context, Error, Graph, Job, JobError, Stop};

/// How many of a failed job's last lines are kept for the report.
const TAIL: usize = 20;

/// A job that ended well.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its name.
    pub name: String,
    /// How long it ran.
    pub time: Duration,
    /// Its log file.
    pub log: PathBuf,
}

/// Is told what happens; the calls come from one thread, in order.
pub trait Reporter {
    /// A job starts.
    fn started(&self, name: &str);
    /// A job ended; `done` of `total` have ended well now.
    fn finished(&self, name: &str, time: Duration, end: End, done: usize, total: usize);
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It did what it said.
    Done,
    /// It failed.
    Failed,
    /// It was stopped, because another one failed or somebody asked.
    Stopped,
}

/// A reporter that says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Reporter for Quiet {
    fn started(&self, _: &str) {}
    fn finished(&self, _: &str, _: Duration, _: End, _: usize, _: usize) {}
}

struct Ended {
    job: usize,
    time: Duration,
    result: Result<(), JobError>,
}

struct Running {
    name: String,
    outputs: Vec<PathBuf>,
    context: Context,
}

impl Graph {
    /// Runs every job, at most `limit` (at least one) at once, with logs in `logs/NAME.log`.
    /// Returns the jobs in the order they ended.
    pub fn run(
        self,
        limit: usize,
        logs: &Path,
        stop: &Stop,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Finished>, Error> {
        let mut waits = self.waits()?;
        fs::create_dir_all(logs).map_err(|source| Error::Log { path: logs.to_owned(), source })?;
        let total = self.jobs.len();
        let mut jobs: Vec<Option<Job>> = self.jobs.into_iter().map(Some).collect();
        let mut running: Vec<Option<Running>> = jobs.iter().map(|_| None).collect();
        let mut in_flight = 0;
        let mut done = Vec::with_capacity(total);
        let mut failure = None;
        let (sender, ended) = mpsc::channel();
        thread::scope(|scope| {
            loop {
                // Start what can start, in the order of the graph.
                while failure.is_none() && !stop.requested() && in_flight < limit.max(1) {
                    let Some(next) = (0..total).find(|&j| jobs[j].is_some() && waits[j].is_empty())
                    else {
                        break;
                    };
                    let Some(job) = jobs[next].take() else { break };
                    let log = logs.join(format!("{}.log", job.name.replace('/', "-")));
                    let context = match Context::create(log, stop.clone()) {
                        Ok(context) => context,
                        Err(error) => {
                            failure = Some(error);
                            stop.request();
                            break;
                        }
                    };
                    reporter.started(&job.name);
                    in_flight += 1;
                    running[next] = Some(Running {
                        name: job.name,
                        outputs: job.outputs,
                        context: context.clone(),
                    });
                    let (sender, action) = (sender.clone(), job.action);
                    scope.spawn(move || {
                        let start = Instant::now();
                        let result = catch_unwind(AssertUnwindSafe(|| action(&context)))
                            .unwrap_or_else(|panic| Err(panic_text(&*panic).into()));
                        // The receiver lives until the last job has ended.
                        let _ = sender.send(Ended { job: next, time: start.elapsed(), result });
                    });
                }
                if in_flight == 0 {
                    break;
                }
                // Wake up now and then to see a request to stop.
                let ended = match ended.recv_timeout(Duration::from_millis(100)) {
                    Ok(ended) => ended,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                in_flight -= 1;
                let Some(job) = running[ended.job].take() else { continue };
                for before in &mut waits {
                    before.retain(|&b| b != ended.job);
                }
                let result = settle(&job, ended.result, stop);
                let end = match &result {
                    Ok(()) => End::Done,
                    Err(Error::Stopped) => End::Stopped,
                    Err(_) => End::Failed,
                };
                let count = done.len() + usize::from(end == End::Done);
                reporter.finished(&job.name, ended.time, end, count, total);
                match result {
                    Ok(()) => done.push(Finished {
                        log: job.context.log_path().to_owned(),
                        name: job.name,
                        time: ended.time,
                    }),
                    // The first failure is the cause; what others say once they are stopped is not.
                    Err(error) => {
                        failure.get_or_insert(error);
                        stop.request();
                    }
                }
            }
        });
        match failure {
            Some(error) => Err(error),
            None if done.len() < total => Err(Error::Stopped),
            None => Ok(done),
        }
    }
}

fn settle(job: &Running, result: Result<(), JobError>, stop: &Stop) -> Result<(), Error> {
    match result {
        Ok(()) => match job.outputs.iter().find(|path| !path.exists()) {
            Some(path) => Err(Error::NotMade { job: job.name.clone(), path: path.clone() }),
            None => Ok(()),
        },
        Err(_) if stop.requested() => Err(Error::Stopped),
        Err(source) => {
            let tail = job.context.tail(TAIL);
            job.context.log(format_args!("failed: {}", chain(&*source)));
            Err(Error::Failed {
                job: job.name.clone(),
                log: job.context.log_path().to_owned(),
                tail,
                source,
            })
        }
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("a bug in this program: panicked with `{text}`")
}
