//! Requests and their answers.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue,
    RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use ips::{Fmri, StoredPayload};
use percent_encoding::percent_decode_str;

use crate::info;
use crate::publishers;
use crate::search::Query;
use crate::server::Shared;
use crate::status;

type Body = BoxBody<Bytes, io::Error>;

/// The operations that are answered, each with its versions.
const OPERATIONS: &[(&str, &[u32])] = &[
    ("catalog", &[1]),
    ("file", &[0, 1]),
    ("info", &[0]),
    ("manifest", &[0]),
    ("publisher", &[0, 1]),
    ("search", &[1]),
    ("status", &[0]),
    ("versions", &[0]),
];
const TEXT: &str = "text/plain; charset=utf-8";
/// Pieces in which payloads are sent.
const PIECE: usize = 64 << 10;
/// What never changes under its name may be kept for a year.
const FOREVER: &str = "must-revalidate, no-transform, max-age=31536000";
/// What does change must be asked for again.
const NOW: &str = "no-cache, no-transform, must-revalidate";

/// An answer other than what was asked for.
struct Refusal(StatusCode, String);

fn refuse(status: StatusCode, text: impl Into<String>) -> Refusal {
    Refusal(status, text.into())
}

fn bad(text: impl Into<String>) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, text)
}

fn not_found(text: impl Into<String>) -> Refusal {
    refuse(StatusCode::NOT_FOUND, text)
}

/// What is wrong with the repository is not the client's to know in detail.
impl From<ips::Error> for Refusal {
    fn from(error: ips::Error) -> Self {
        match error {
            ips::Error::NoPackage { fmri, .. } => not_found(format!("there is no package {fmri}")),
            ips::Error::NoPayload { hash, .. } => not_found(format!("there is no payload {hash}")),
            error => {
                tracing::warn!(%error, "cannot serve");
                refuse(StatusCode::INTERNAL_SERVER_ERROR, "the repository cannot be read here")
            }
        }
    }
}

pub(crate) async fn respond<B>(shared: Arc<Shared>, request: Request<B>) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    let answer = match *request.method() {
        Method::GET | Method::HEAD => {
            let path = request.uri().path().to_owned();
            let range = request.headers().get(RANGE).cloned();
            // Repositories are read by ordinary, blocking calls.
            let answer = tokio::task::spawn_blocking(move || answer(&shared, &path, range));
            answer.await.unwrap_or_else(|_| {
                Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, "this request cannot be answered"))
            })
        }
        _ => Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "this depot is read-only")),
    };
    let mut response = answer.unwrap_or_else(|Refusal(status, text)| {
        let mut response = whole(TEXT, NOW, text + "\n");
        *response.status_mut() = status;
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    });
    if head {
        *response.body_mut() = Full::default().map_err(|never| match never {}).boxed();
    }
    response
}

fn whole(kind: &'static str, cache: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let body = body.into();
    let length = body.len() as u64;
    let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(CONTENT_LENGTH, length.into());
    response
}

fn answer(
    shared: &Shared,
    path: &str,
    range: Option<HeaderValue>,
) -> Result<Response<Body>, Refusal> {
    let not_text = |_| bad("the path is not UTF-8");
    let words: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(|word| Ok(percent_decode_str(word).decode_utf8().map_err(not_text)?.into_owned()))
        .collect::<Result<_, Refusal>>()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (publisher, named, words) = match words.split_first() {
        Some((first, rest)) if shared.publishers.iter().any(|name| name == first) => {
            (*first, true, rest)
        }
        _ => (shared.default.as_str(), false, words.as_slice()),
    };
    match words {
        ["versions", "0"] => Ok(whole(TEXT, NOW, versions())),
        ["status", "0"] => {
            let publishers = names(shared, publisher, named);
            let status = status::print(&publishers, &shared.default, &shared.catalogs);
            Ok(whole("application/json; charset=utf-8", NOW, status))
        }
        ["publisher", "0" | "1"] => {
            let publishers = names(shared, publisher, named);
            Ok(whole("application/vnd.pkg5.info", NOW, publishers::print(&publishers)))
        }
        ["catalog", "1", name] => {
            let key = (publisher.to_owned(), (*name).to_owned());
            let file = shared.catalogs.get(&key).cloned();
            let missing = || not_found(format!("{publisher} has no catalog file {name}"));
            Ok(whole(TEXT, NOW, file.ok_or_else(missing)?))
        }
        // Proxies may have decoded the slashes of a name.
        ["manifest", "0", name @ ..] if !name.is_empty() => {
            let fmri = package(publisher, &name.join("/"))?;
            Ok(whole(TEXT, FOREVER, shared.origin.manifest_text(&fmri)?))
        }
        ["info", "0", name @ ..] if !name.is_empty() => {
            let fmri = package(publisher, &name.join("/"))?;
            Ok(whole(TEXT, FOREVER, info::describe(&*shared.origin, &fmri)?))
        }
        // A path that is looked for may have come with its slashes.
        ["search", "1", query @ ..] if !query.is_empty() => {
            let query = Query::parse(&query.join("/")).map_err(bad)?;
            let found = query.answer(&*shared.origin, publisher)?;
            let is_empty = found.is_empty();
            let mut response = whole(
                TEXT,
                NOW,
                match is_empty {
                    true => String::new(),
                    false => format!("Return from search v1\n{found}"),
                },
            );
            if is_empty {
                *response.status_mut() = StatusCode::NO_CONTENT;
                response.headers_mut().remove(CONTENT_LENGTH);
            }
            Ok(response)
        }
        ["file", "0" | "1", sha1] => {
            let is_hash = sha1.len() == 40 && sha1.bytes().all(|b| b.is_ascii_hexdigit());
            if !is_hash {
                return Err(not_found(format!("there is no payload {sha1}")));
            }
            let stored = match shared.origin.stored_payload(publisher, sha1) {
                // Whoever names no publisher may want the payload of any.
                Err(ips::Error::NoPayload { .. }) if !named => shared
                    .publishers
                    .iter()
                    .find_map(|other| shared.origin.stored_payload(other, sha1).ok())
                    .ok_or_else(|| not_found(format!("there is no payload {sha1}")))?,
                stored => stored?,
            };
            payload(stored, range)
        }
        words => Err(unknown(path, words)),
    }
}

/// The publisher that a request is for, or all of them.
fn names(shared: &Shared, publisher: &str, named: bool) -> Vec<String> {
    match named {
        true => vec![publisher.to_owned()],
        false => shared.publishers.clone(),
    }
}

/// `versions/0`: one operation a line.
fn versions() -> String {
    let mut text = format!("pkg-server cargo-xtask-{}\n", env!("CARGO_PKG_VERSION"));
    for (operation, versions) in OPERATIONS {
        text += operation;
        for version in *versions {
            text += &format!(" {version}");
        }
        text += "\n";
    }
    text
}

/// Why there is nothing at a path. Clients take *not found* for *not supported*, and try another
/// version; everything else is their mistake.
fn unknown(path: &str, words: &[&str]) -> Refusal {
    let operation = words.first().copied().unwrap_or_default();
    let Some((_, versions)) = OPERATIONS.iter().find(|(name, _)| *name == operation) else {
        return not_found(format!("there is no operation {path} here; see versions/0"));
    };
    match words.get(1).map(|version| version.parse::<u32>()) {
        None => bad(format!("the version of the operation {operation} is missing")),
        Some(Err(_)) => bad(format!("the version of the operation {operation} is no number")),
        Some(Ok(version)) if !versions.contains(&version) => {
            not_found(format!("version {version} of the operation {operation} is not supported"))
        }
        Some(Ok(_)) => bad(format!("the operation {operation} has no such operands")),
    }
}

/// `STEM@VERSION`, or a whole FMRI.
fn package(publisher: &str, name: &str) -> Result<Fmri, Refusal> {
    let fmri = Fmri::parse(name).map_err(|error| bad(error.to_string()))?;
    if fmri.version.is_none() {
        return Err(bad(format!("{name} has no version")));
    }
    Ok(if fmri.publisher.is_some() { fmri } else { fmri.with_publisher(publisher) })
}

/// Sends a payload from a thread that reads it.
fn payload(stored: StoredPayload, range: Option<HeaderValue>) -> Result<Response<Body>, Refusal> {
    let StoredPayload { size, mut reader } = stored;
    let wanted = range.and_then(|range| part(range.to_str().ok()?, size));
    let (from, to) = match wanted {
        Some(Part::Within(from, to)) => (from, to),
        Some(Part::Outside) => {
            let mut response = whole(TEXT, NOW, "");
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                response.headers_mut().insert(CONTENT_RANGE, value);
            }
            return Ok(response);
        }
        None => (0, size),
    };
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(2);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let skipped = io::copy(&mut (&mut reader).take(from), &mut io::sink());
        let mut rest = to - from;
        let send = || -> io::Result<()> {
            skipped?;
            while rest > 0 {
                let mut piece = Vec::with_capacity(PIECE);
                let most = rest.min(PIECE as u64);
                let count = (&mut reader).take(most).read_to_end(&mut piece)? as u64;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                rest -= count;
                if runtime.block_on(sender.send_data(piece.into())).is_err() {
                    // The client left.
                    return Ok(());
                }
            }
            Ok(())
        };
        if let Err(error) = send() {
            tracing::warn!(%error, "cannot read a payload");
            sender.abort(error);
        }
    });
    let mut response = Response::new(body.boxed());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/data"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOREVER));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, (to - from).into());
    if wanted.is_some()
        && let Ok(value) = HeaderValue::try_from(format!("bytes {from}-{}/{size}", to - 1))
    {
        headers.insert(CONTENT_RANGE, value);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// Which bytes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// From one up to another that is not asked for; at least one byte.
    Within(u64, u64),
    /// Bytes that there are none of.
    Outside,
}

/// Reads one range: `bytes=FROM-`, `bytes=FROM-LAST`, `bytes=-COUNT`. Anything else is no range,
/// and the whole is the answer.
fn part(text: &str, size: u64) -> Option<Part> {
    let (from, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from.trim(), last.trim()) {
        ("", count) => (size.saturating_sub(count.parse().ok()?), size),
        (from, "") => (from.parse().ok()?, size),
        (from, last) => {
            let (from, last): (u64, u64) = (from.parse().ok()?, last.parse().ok()?);
            if last < from {
                return None;
            }
            (from, size.min(last.saturating_add(1)))
        }
    };
    Some(if from < to { Part::Within(from, to) } else { Part::Outside })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let within = |from, to| Some(Part::Within(from, to));
        assert_eq!(part("bytes=0-", 10), within(0, 10));
        assert_eq!(part("bytes=3-", 10), within(3, 10));
        assert_eq!(part("bytes=3-3", 10), within(3, 4));
        assert_eq!(part("bytes=3-99", 10), within(3, 10));
        assert_eq!(part("bytes=-4", 10), within(6, 10));
        assert_eq!(part("bytes=-40", 10), within(0, 10));
        for outside in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
            assert_eq!(part(outside, 10), Some(Part::Outside), "{outside}");
        }
        assert_eq!(part("bytes=0-", 0), Some(Part::Outside));
        for whole in ["", "bytes", "bytes=", "bytes=-", "bytes=5-3", "lines=1-2", "bytes=1-2,4-5"] {
            assert_eq!(part(whole, 10), None, "{whole}");
        }
    }
}
