//! To wicketd and Nexus.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use proto::Digest;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tokio::sync::mpsc;
use url::Url;

use crate::destination::endpoint;
use crate::payload::Payload;
use crate::progress::Meter;
use crate::send::Sent;
use crate::{Api, Error, Event, Options};

/// What shows Nexus who sends. It is never printed.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// Takes a token as it is in a file: one word.
    ///
    /// # Errors
    ///
    /// When it is empty or could not stand in a header.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err("a token is one word of visible ASCII characters".to_owned());
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}"))
            .map_err(|_| "a token is one word of visible ASCII characters".to_owned())?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Answers are small.
const ANSWER_LIMIT: usize = 1 << 20;
/// How often the transfer is looked at.
const TICK: Duration = Duration::from_millis(100);

/// What the reader of the file, the request and the watch share.
#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    closed: AtomicBool,
}

pub(crate) fn send(
    payload: &Payload,
    api: Api,
    base: &Url,
    options: &Options,
    client: &fetch::Client,
    tell: &mut dyn FnMut(Event),
) -> Result<Sent, Error> {
    let mut url = endpoint(api, base);
    let to = url.to_string();
    if api == Api::Nexus {
        let given = options.file_name.clone();
        let own = || payload.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = given.or_else(own).unwrap_or_else(|| "repo.zip".to_owned());
        url.query_pairs_mut().append_pair("file_name", &name);
    }
    let shared = Arc::new(Shared::default());
    // Two chunks wait for the network at most.
    let (chunk, chunks) = mpsc::channel(2);
    let body = FileBody { chunks, left: payload.size, shared: Arc::clone(&shared) };
    let mut request = client
        .http()
        .put(url.clone())
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(USER_AGENT, concat!("cargo xtask upload/", env!("CARGO_PKG_VERSION")))
        .body(reqwest::Body::wrap(body));
    if let Some(Token(value)) = &options.token {
        request = request.header(AUTHORIZATION, value.clone());
    }
    let (event, events) = sync_channel(64);
    let unreadable = Mutex::new(None);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut chunks = payload.chunks();
            loop {
                match chunks.next() {
                    Ok(Some(bytes)) => {
                        // A request that ended wants no more.
                        if chunk.blocking_send(Ok(bytes.into())).is_err() {
                            break;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        let _ = chunk.blocking_send(Err(std::io::Error::other(error.to_string())));
                        *unreadable.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        break;
                    }
                }
            }
            drop(chunk);
            chunks.sha256()
        });
        let shared = &shared;
        let worker = scope.spawn(|| {
            let event = event;
            client.runtime().block_on(async {
                tokio::select! {
                    error = watch(shared, payload.size, &to, options, &event) => Err(error),
                    answer = exchange(request, &url, shared, payload.size, &to) => answer,
                }
            })
        });
        events.iter().for_each(&mut *tell);
        let answer = join(worker);
        let sha256 = join(reader);
        if let Some(error) = unreadable.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let (status, text) = answer?;
        let answer = judge(api, status, &text, sha256, &to)?;
        if api == Api::Wicketd {
            read_back(&url, options, client, &to)?;
        }
        Ok(Sent { sha256, answer })
    })
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sends, and takes in the answer.
async fn exchange(
    request: reqwest::RequestBuilder,
    url: &Url,
    shared: &Shared,
    total: u64,
    to: &str,
) -> Result<(StatusCode, String), Error> {
    let broke = |error: reqwest::Error| {
        let (to, problem) = (to.to_owned(), fetch::causes(&error));
        let sent = shared.sent.load(Ordering::Relaxed);
        if error.is_connect() {
            Error::Connect { to, problem }
        } else if ["invalid HTTP", "parse", "unexpected message", "head is too large"]
            .iter()
            .any(|w| problem.contains(w))
        {
            Error::Nonsense { to, problem: format!("it does not speak HTTP: {problem}") }
        } else {
            Error::Dropped { to, sent, total, problem }
        }
    };
    let nonsense = |problem| Error::Nonsense { to: to.to_owned(), problem };
    let response = request.send().await.map_err(broke)?;
    let status = response.status();
    check_place(&response, url).map_err(nonsense)?;
    let bytes = body(response).await.map_err(|stopped| match stopped {
        Stopped::Broke(error) => broke(error),
        Stopped::TooLong => nonsense(format!("more than {ANSWER_LIMIT} bytes ({status})")),
    })?;
    let sent = shared.sent.load(Ordering::Relaxed);
    if status.is_success() && sent < total {
        return Err(nonsense(format!("{status} after it took {sent} of {total} bytes")));
    }
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Where a request was sent on to, nobody has the repository: what is sent on has no body.
fn check_place(response: &Response, url: &Url) -> Result<(), String> {
    let there = response.url();
    if there == url {
        return Ok(());
    }
    Err(format!("it sends on to {there}; if that is right, give its address"))
}

/// Why an answer was not read to its end.
enum Stopped {
    Broke(reqwest::Error),
    TooLong,
}

/// The body of an answer, which is small.
async fn body(mut response: Response) -> Result<Vec<u8>, Stopped> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Stopped::Broke)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_LIMIT {
            return Err(Stopped::TooLong);
        }
    }
    Ok(bytes)
}

/// Tells what goes out; comes to an end only when nothing does for too long.
async fn watch(
    shared: &Shared,
    total: u64,
    to: &str,
    options: &Options,
    event: &SyncSender<Event>,
) -> Error {
    let mut meter = Meter::new(total, Instant::now());
    let mut waiting = None;
    loop {
        tokio::time::sleep(TICK).await;
        let now = Instant::now();
        let sent = shared.sent.load(Ordering::Relaxed);
        let progress = meter.note(sent, now);
        // Whoever listens slowly misses some; nothing here waits for them.
        let say = |what| match event.try_send(what) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        };
        if shared.closed.load(Ordering::Relaxed) {
            if waiting.is_none() {
                say(Event::Sent(progress));
                say(Event::Waiting);
            }
            if now.duration_since(*waiting.get_or_insert(now)) > options.answer {
                let seconds = options.answer.as_secs();
                return Error::Silent { to: to.to_owned(), total, seconds };
            }
            continue;
        }
        say(Event::Sent(progress));
        if meter.still(now) > options.stall {
            let seconds = options.stall.as_secs();
            return Error::Stalled { to: to.to_owned(), sent, total, seconds };
        }
    }
}

/// A body of known length, whose bytes come from the thread that reads the file.
struct FileBody {
    chunks: mpsc::Receiver<Result<Bytes, std::io::Error>>,
    left: u64,
    shared: Arc<Shared>,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.chunks.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(bytes))) => {
                self.left -= bytes.len() as u64;
                self.shared.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if self.left == 0 {
                    self.shared.closed.store(true, Ordering::Relaxed);
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// What both services say when they refuse.
#[derive(Deserialize)]
struct Refusal {
    message: String,
    error_code: Option<String>,
    request_id: Option<String>,
}

/// What Nexus says when it has a repository.
#[derive(Deserialize)]
struct Taken {
    repo: TakenRepository,
    status: String,
}

#[derive(Deserialize)]
struct TakenRepository {
    hash: String,
    system_version: String,
}

/// What an answer means: its words, or why it is none.
fn judge(
    api: Api,
    status: StatusCode,
    text: &str,
    sha256: Digest,
    to: &str,
) -> Result<String, Error> {
    let to = to.to_owned();
    if !status.is_success() {
        let text = match serde_json::from_str::<Refusal>(text) {
            Ok(Refusal { message, error_code, request_id }) => {
                let code = error_code.map(|code| format!(" [{code}]")).unwrap_or_default();
                let id = request_id.map(|id| format!(", request {id}")).unwrap_or_default();
                format!("{message}{code}{id}")
            }
            Err(_) if text.trim().is_empty() => "it said nothing".to_owned(),
            Err(_) => shown(text),
        };
        return Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Error::Login { to, problem: format!("{status}: {text}") }
            }
            _ => Error::Refused { to, status: status.to_string(), text },
        });
    }
    let nonsense = |problem: String| Err(Error::Nonsense { to: to.clone(), problem });
    match api {
        Api::Wicketd if status == StatusCode::NO_CONTENT => Ok(String::new()),
        Api::Wicketd => nonsense(format!("204 was expected, it said {status}: {}", shown(text))),
        Api::Nexus => match serde_json::from_str::<Taken>(text) {
            Ok(Taken { repo, .. }) if repo.hash != sha256.to_string() => {
                nonsense(format!("it has a repository of sha256 {}, sent was {sha256}", repo.hash))
            }
            Ok(Taken { repo, status }) if ["inserted", "already_exists"].contains(&&status[..]) => {
                Ok(format!("{} {}", repo.system_version, status.replace('_', " ")))
            }
            Ok(Taken { status, .. }) => nonsense(format!("the status {status:?} is not known")),
            Err(error) => nonsense(format!("{error}: {}", shown(text))),
        },
    }
}

/// The beginning of an answer, in one line.
fn shown(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    match line.char_indices().nth(300) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => format!("{line:?}"),
    }
}

/// Asks wicketd whether it has now what was sent.
fn read_back(url: &Url, options: &Options, client: &fetch::Client, to: &str) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct There {
        system_version: Option<String>,
    }

    let Some(wanted) = &options.system_version else { return Ok(()) };
    let unable =
        |problem: String| format!("it took the repository and cannot say which it has: {problem}");
    let ask = async {
        let request = client.http().get(url.clone()).timeout(options.answer);
        let response = request.send().await.and_then(Response::error_for_status);
        let response = response.map_err(|error| fetch::causes(&error))?;
        check_place(&response, url)?;
        body(response).await.map_err(|stopped| match stopped {
            Stopped::Broke(error) => fetch::causes(&error),
            Stopped::TooLong => format!("more than {ANSWER_LIMIT} bytes"),
        })
    };
    let problem = match client.runtime().block_on(ask) {
        Err(problem) => unable(problem),
        Ok(bytes) => match serde_json::from_slice::<Option<There>>(&bytes) {
            Ok(Some(There { system_version: Some(there) })) if there == *wanted => return Ok(()),
            Ok(Some(There { system_version: Some(there) })) => {
                format!("it says it has the system version {there}, sent was {wanted}")
            }
            _ => format!("asked what it has, it said {}", shown(&String::from_utf8_lossy(&bytes))),
        },
    };
    Err(Error::Nonsense { to: to.to_owned(), problem })
}
