//! One item, with patience.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, HeaderMap, RANGE};
use store::Partial;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::certificate::refused;
use crate::client::causes;
use crate::pause::{pause, retry_after};
use crate::{Attempt, Client, Error, Item, Problem};

/// How one attempt ended that did not bring everything.
enum Stop {
    /// The address failed; the server may have asked for a pause.
    Problem(Problem, Option<Duration>),
    /// This machine failed.
    Error(Error),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem, None)
    }
}

/// How long a transfer goes on after it was asked to stop.
const PROMPT: Duration = Duration::from_millis(50);

impl Client {
    /// Fills a file with an item, from what is there on, until its check is content.
    pub(crate) fn fill(&self, item: &Item<'_>, partial: &mut Partial) -> Result<(), Error> {
        let options = &self.options;
        let mut urls: Vec<&Url> = item.urls.iter().collect();
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut fruitless = 0;
        let mut most = partial.size()?;
        let mut next = 0;
        let mut refused: Vec<&Url> = Vec::new();
        while !urls.is_empty() && fruitless < options.attempts {
            let url = urls[next % urls.len()];
            let started = partial.size()?;
            let transferred = self.unless_stopped(item, self.transfer(url, item, partial))?;
            let (problem, asked) = match transferred {
                Ok(()) => match check(item, partial)? {
                    Ok(()) => return Ok(()),
                    Err(problem) => {
                        partial.clear()?;
                        most = 0;
                        // What went before may have come from elsewhere, or from another time.
                        // Twice from the beginning is enough.
                        if started == 0 {
                            if refused.contains(&url) {
                                urls.retain(|other| *other != url);
                            }
                            refused.push(url);
                        }
                        (Problem::Content(problem), None)
                    }
                },
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Problem(problem, asked)) => {
                    if problem.is_final() {
                        urls.retain(|other| *other != url);
                    }
                    if matches!(problem, Problem::Long { .. } | Problem::Range { .. }) {
                        partial.clear()?;
                        most = 0;
                    }
                    (problem, asked)
                }
            };
            tracing::debug!(%url, %problem, "a transfer failed");
            let size = partial.size()?;
            // Only bytes that never were there before count as success: a server that begins
            // anew each time would be asked for ever.
            fruitless = if size > most { 0 } else { fruitless + 1 };
            most = most.max(size);
            let is_final = problem.is_final();
            note(&mut attempts, url, problem);
            // An address that is out leaves its place to the next one.
            if !is_final {
                next += 1;
            }
            if !urls.is_empty() && fruitless < options.attempts && !is_final {
                let pause = pause(options, &item.what, fruitless, asked);
                self.unless_stopped(item, async { sleep(pause).await })?;
            }
        }
        Err(Error::Failed { what: item.what.clone(), attempts })
    }

    /// Waits for something, unless a stop is asked for before or meanwhile.
    fn unless_stopped<T>(
        &self,
        item: &Item<'_>,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let stopped = async {
            while !self.options.stop.load(Ordering::Relaxed) {
                sleep(PROMPT).await;
            }
        };
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = stopped => Err(Error::Stopped { what: item.what.clone() }),
                done = work => Ok(done),
            }
        })
    }

    async fn transfer(
        &self,
        url: &Url,
        item: &Item<'_>,
        partial: &mut Partial,
    ) -> Result<(), Stop> {
        let write = |source| Stop::Error(Error::Write { what: item.what.clone(), source });
        let stalled = || Problem::Stalled {
            slowest: self.options.slowest,
            seconds: self.options.stall_timeout.as_secs(),
        };
        let there = partial.size().map_err(|error| Stop::Error(error.into()))?;
        // Bytes are stored as they are: a server must not compress them on the way.
        let mut request = self.http.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if there > 0 {
            request = request.header(RANGE, format!("bytes={there}-"));
        }
        let patience = self.options.connect_timeout + self.options.stall_timeout;
        let mut response = timeout(patience, request.send())
            .await
            .map_err(|_| stalled())?
            .map_err(|error| connection(&error))?;

        let file = partial.file();
        let status = response.status();
        let range = ContentRange::of(response.headers());
        let mut size = match status {
            StatusCode::PARTIAL_CONTENT if there > 0 => {
                if range.is_none_or(|range| range.from != Some(there)) {
                    return Err(Problem::Range { asked: there }.into());
                }
                file.seek(SeekFrom::Start(there)).map_err(write)?
            }
            StatusCode::RANGE_NOT_SATISFIABLE if there > 0 => {
                // Everything is there, or more than everything.
                return match range.and_then(|range| range.length) {
                    Some(length) if length == there => Ok(()),
                    _ => Err(Problem::Range { asked: there }.into()),
                };
            }
            StatusCode::OK => {
                file.set_len(0).and_then(|()| file.rewind()).map_err(write)?;
                0
            }
            _ => {
                let pause = retry_after(response.headers(), SystemTime::now());
                let problem = Problem::Status { status: status.as_u16() };
                return Err(Stop::Problem(problem, pause));
            }
        };
        let announced = response.content_length().map(|rest| size.saturating_add(rest));
        if announced.is_some_and(|size| size > item.limit) {
            return Err(Problem::Long { limit: item.limit }.into());
        }

        let (mut since, mut came) = (Instant::now(), 0);
        loop {
            let chunk = timeout(self.options.stall_timeout, response.chunk())
                .await
                .map_err(|_| stalled())?
                .map_err(|error| match announced {
                    Some(expected) if error.is_body() || error.is_decode() => {
                        Problem::Short { got: size, expected }
                    }
                    _ => connection(&error),
                })?;
            let Some(chunk) = chunk else { break };
            size += chunk.len() as u64;
            if size > item.limit {
                return Err(Problem::Long { limit: item.limit }.into());
            }
            file.write_all(&chunk).map_err(write)?;
            came += chunk.len() as u64;
            let passed = since.elapsed();
            if passed >= self.options.stall_timeout {
                if (came as f64) < self.options.slowest as f64 * passed.as_secs_f64() {
                    return Err(stalled().into());
                }
                (since, came) = (Instant::now(), 0);
            }
        }
        match announced.or(item.size) {
            Some(expected) if size < expected => Err(Problem::Short { got: size, expected }.into()),
            _ => Ok(()),
        }
    }
}

fn check(item: &Item<'_>, partial: &mut Partial) -> Result<Result<(), String>, Error> {
    let file: &mut File = partial.file();
    file.rewind().map_err(|source| Error::Write { what: item.what.clone(), source })?;
    Ok((item.check)(file))
}

/// The same answer of the same address is told once.
fn note(attempts: &mut Vec<Attempt>, url: &Url, problem: Problem) {
    let same = |attempt: &&mut Attempt| {
        attempt.url == *url
            && std::mem::discriminant(&attempt.problem) == std::mem::discriminant(&problem)
    };
    match attempts.iter_mut().find(same) {
        Some(attempt) => {
            attempt.times += 1;
            attempt.problem = problem;
        }
        None => attempts.push(Attempt { url: url.clone(), problem, times: 1 }),
    }
}

fn connection(error: &reqwest::Error) -> Problem {
    if error.is_redirect() {
        return Problem::Redirections;
    }
    match refused(error) {
        Some(problem) => Problem::Certificate(problem),
        None => Problem::Connection(causes(error)),
    }
}

/// `bytes FROM-TO/LENGTH`, `bytes FROM-TO/*` or `bytes */LENGTH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ContentRange {
    from: Option<u64>,
    length: Option<u64>,
}

impl ContentRange {
    fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(CONTENT_RANGE)?.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (range, length) = text.strip_prefix("bytes ")?.split_once('/')?;
        let from = match range {
            "*" => None,
            range => Some(range.split_once('-')?.0.parse().ok()?),
        };
        let length = match length {
            "*" => None,
            length => Some(length.parse().ok()?),
        };
        Some(Self { from, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = |text| ContentRange::parse(text).map(|range| (range.from, range.length));
        assert_eq!(range("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(range("bytes */10"), Some((None, Some(10))));
        for bad in ["", "bytes", "bytes 5/10", "bytes a-9/10", "bytes 5-9/x", "lines 5-9/10"] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
