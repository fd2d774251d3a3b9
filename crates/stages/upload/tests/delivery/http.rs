//! To servers on sockets that answer as the services do, or misbehave.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use misbehaving_depot::{Authority, Certificate};
use proto::Digest;
use upload::{Error, Event, Options, Token};

use crate::{Sample, assert_told, options, send};

/// A request as it came.
#[derive(Debug, Clone, Default)]
struct Request {
    line: String,
    head: String,
    body: Vec<u8>,
}

/// What one connection does: it may look at the request or not read it at all.
type Answer = Box<dyn FnOnce(&mut TcpStream) -> Option<Request> + Send>;

/// Answers one connection after the other, each in its own way.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    /// Whether a connection is being answered.
    busy: Arc<AtomicBool>,
}

impl Server {
    fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let busy = Arc::new(AtomicBool::new(false));
        let (ours, at_work) = (Arc::clone(&requests), Arc::clone(&busy));
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                at_work.store(true, Ordering::SeqCst);
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                if let Some(request) = answer(&mut stream) {
                    ours.lock().unwrap().push(request);
                }
                at_work.store(false, Ordering::SeqCst);
            }
        });
        Self { url, requests, busy }
    }

    /// What came. Who has an answer is quicker here than who gave it.
    fn requests(&self) -> Vec<Request> {
        let until = Instant::now() + Duration::from_secs(10);
        while self.busy.load(Ordering::SeqCst) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.requests.lock().unwrap().clone()
    }
}

/// Takes in a request as far as `most` bytes of its body.
fn take(stream: &mut TcpStream, most: u64) -> Request {
    let mut reader = BufReader::new(stream);
    let mut request = Request::default();
    reader.read_line(&mut request.line).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        request.head += &line;
    }
    let mut body = Vec::new();
    reader.take(length.min(most)).read_to_end(&mut body).unwrap();
    request.body = body;
    request
}

/// Takes in everything and answers.
fn answers(status: &'static str, body: impl Into<String>) -> Answer {
    let body = body.into();
    Box::new(move |stream| {
        let request = take(stream, u64::MAX);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        Some(request)
    })
}

fn client() -> (tokio::runtime::Runtime, fetch::Client) {
    client_with(fetch::Options::default())
}

fn client_with(options: fetch::Options) -> (tokio::runtime::Runtime, fetch::Client) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = fetch::Client::new(runtime.handle().clone(), options).unwrap();
    (runtime, client)
}

fn refusal(sample: &Sample, answer: Answer) -> Error {
    let (_runtime, client) = client();
    let server = Server::start(vec![answer]);
    send(sample, &server.url, &options(), Some(&client)).0.unwrap_err()
}

#[test]
fn wicketd_gets_every_byte_and_is_asked_for_it() {
    let sample = Sample::new();
    let (_runtime, client) = client();
    let read_back =
        |version: &str| answers("200 OK", format!("{{\"system_version\":\"{version}\"}}"));
    let server = Server::start(vec![answers("204 No Content", ""), read_back("1.2.3")]);
    let with = Options { system_version: Some("1.2.3".to_owned()), ..options() };
    let (result, events) = send(&sample, &server.url, &with, Some(&client));
    let delivered = result.unwrap();
    assert_told(&sample, &delivered, &events);
    let [put, get] = &server.requests()[..] else { panic!() };
    assert_eq!(put.line, "PUT /repository HTTP/1.1\r\n");
    assert!(put.body == sample.bytes);
    assert!(put.head.contains("content-type: application/octet-stream"), "{}", put.head);
    assert!(!put.head.contains("authorization"), "{}", put.head);
    assert_eq!(get.line, "GET /repository HTTP/1.1\r\n");

    let server = Server::start(vec![answers("204 No Content", ""), read_back("1.0.0")]);
    let error = send(&sample, &server.url, &with, Some(&client)).0.unwrap_err();
    assert!(
        matches!(&error, Error::Nonsense { problem, .. } if problem.contains("1.0.0")),
        "{error}"
    );
}

#[test]
fn nexus_is_shown_a_token_and_names_what_it_has() {
    let sample = Sample::new();
    let (_runtime, client) = client();
    let taken = |hash: &str, status: &str| {
        let repo = format!(r#"{{"hash":"{hash}","system_version":"1.2.3","file_name":"x"}}"#);
        answers("200 OK", format!(r#"{{"repo":{repo},"status":"{status}"}}"#))
    };
    let hash = Digest::of(&sample.bytes).to_string();
    let with = Options { token: Some(Token::new("oxide-token-x\n").unwrap()), ..options() };
    let server = Server::start(vec![taken(&hash, "inserted")]);
    let (result, _) = send(&sample, &server.url, &with, Some(&client));
    assert_eq!(result.unwrap().answer, "1.2.3 inserted");
    let [put] = &server.requests()[..] else { panic!() };
    assert_eq!(put.line, "PUT /v1/system/update/repositories?file_name=repo.zip HTTP/1.1\r\n");
    assert!(put.head.contains("authorization: bearer oxide-token-x"), "{}", put.head);
    assert!(put.body == sample.bytes);
    assert!(!format!("{with:?}").contains("oxide-token-x"));

    let ask = |answer| {
        let server = Server::start(vec![answer]);
        send(&sample, &server.url, &with, Some(&client)).0.unwrap_err().to_string()
    };
    let other = "0".repeat(64);
    for (answer, wanted) in [
        (taken(&other, "inserted"), "it has a repository of sha256 000"),
        (taken(&hash, "maybe"), "\"maybe\" is not known"),
        (answers("200 OK", "<html>welcome</html>"), "makes no sense"),
        (answers("204 No Content", ""), "makes no sense"),
        (
            answers(
                "409 Conflict",
                r#"{"request_id":"r7","error_code":"Conflict","message":"known with other artifacts"}"#,
            ),
            "(409 Conflict): known with other artifacts [Conflict], request r7",
        ),
        (answers("401 Unauthorized", ""), "refused the login: 401"),
    ] {
        let error = ask(answer);
        assert!(error.contains(wanted), "{error}");
    }

    for bad in ["", " \n", "two words", "no\u{7}bell", "ümlaut"] {
        assert!(Token::new(bad).is_err(), "{bad:?}");
    }
    // Nothing is asked of a host where all on the way could read the token.
    let (result, _) = send(&sample, "http://192.0.2.1", &with, Some(&client));
    assert!(matches!(result, Err(Error::Destination { .. })));
}

#[test]
fn refusals_and_nonsense_are_shown() {
    let sample = Sample::new();
    let message = r#"{"request_id":"r1","message":"Updates currently running for sled 14"}"#;
    let error = refusal(&sample, answers("400 Bad Request", message)).to_string();
    assert!(error.contains("(400 Bad Request): Updates currently running for sled 14"), "{error}");
    let error = refusal(&sample, answers("503 Service Unavailable", "")).to_string();
    assert!(error.contains("(503 Service Unavailable): it said nothing"), "{error}");
    let error = refusal(&sample, answers("200 OK", "hello")).to_string();
    assert!(error.contains("makes no sense") && error.contains("204 was expected"), "{error}");
    let error = refusal(&sample, answers("307 Temporary Redirect", "")).to_string();
    assert!(error.contains("307"), "{error}");
    let error = refusal(&sample, answers("200 OK", "x".repeat(2 << 20)));
    assert!(matches!(error, Error::Nonsense { .. }), "{error}");

    let garbage: Answer = Box::new(|stream| {
        let request = take(stream, u64::MAX);
        stream.write_all(b"220 mail.example.com ready\r\n").unwrap();
        Some(request)
    });
    let error = refusal(&sample, garbage);
    assert!(matches!(error, Error::Nonsense { .. }), "{error}");
}

/// Writes a beginning, and then the same again and again until nobody listens.
fn endless(begin: &'static str, again: &str) -> Answer {
    // so much at a time that its length ends it, and not the time it takes
    let again = again.repeat(1 + (64 << 10) / again.len());
    Box::new(move |stream| {
        let request = take(stream, u64::MAX);
        stream.write_all(begin.as_bytes()).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while stream.write_all(again.as_bytes()).is_ok() && Instant::now() < until {}
        Some(request)
    })
}

#[test]
fn answers_without_end_are_not_waited_for() {
    let sample = Sample::new();
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for (begin, again) in [
        ("HTTP/1.1 200 OK\r\n", "X-More: of the same\r\n"),
        ("HTTP/1.1 200 OK\r\nX: ", "more and more "),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk),
    ] {
        let error = refusal(&sample, endless(begin, again));
        assert!(matches!(error, Error::Nonsense { .. }), "{begin:?}: {error}");
    }
    // Every one of these announces an answer.
    let begun = Instant::now();
    let error = refusal(&sample, endless("", "HTTP/1.1 102 Processing\r\n\r\n"));
    assert!(matches!(error, Error::Silent { .. } | Error::Nonsense { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(15));
    // Asked what it has, it never ends.
    let (_runtime, client) = client();
    let more = endless("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "[[[[[[[[");
    let server = Server::start(vec![answers("204 No Content", ""), more]);
    let with = Options { system_version: Some("1.2.3".to_owned()), ..options() };
    let error = send(&sample, &server.url, &with, Some(&client)).0.unwrap_err().to_string();
    assert!(error.contains("cannot say which it has"), "{error}");
}

#[test]
fn who_did_not_take_all_of_it_cannot_be_glad() {
    let sample = Sample::new();
    let early: Answer = Box::new(|stream| {
        let request = take(stream, 1000);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        // What it was sent and did not read would end the connection before the answer is seen.
        std::thread::sleep(Duration::from_secs(1));
        Some(request)
    });
    let error = refusal(&sample, early);
    let wanted = |problem: &str| problem.contains("204") && problem.contains("of 12582912 bytes");
    assert!(matches!(&error, Error::Nonsense { problem, .. } if wanted(problem)), "{error}");

    // To ask another server is not to give it anything.
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect"]
    {
        let (_runtime, client) = client();
        let other = Server::start(vec![answers("204 No Content", "")]);
        let head =
            format!("HTTP/1.1 {status}\r\nLocation: {}/x\r\nContent-Length: 0\r\n\r\n", other.url);
        let sends_on: Answer = Box::new(move |stream| {
            let request = take(stream, u64::MAX);
            stream.write_all(head.as_bytes()).unwrap();
            Some(request)
        });
        let server = Server::start(vec![sends_on]);
        let error = send(&sample, &server.url, &options(), Some(&client)).0.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("it sends on to") || text.contains(status), "{status}: {text}");
        assert!(other.requests().iter().all(|request| request.body.is_empty()));
    }
}

#[test]
fn cut_stalled_and_silent_connections_are_told_apart() {
    let sample = Sample::new();
    let cut: Answer = Box::new(|stream| Some(take(stream, 100_000)));
    let error = refusal(&sample, cut);
    assert!(matches!(error, Error::Dropped { sent, .. } if sent > 0), "{error}");

    let waits = || std::thread::sleep(Duration::from_secs(8));
    let stall: Answer = Box::new(move |stream| {
        let request = take(stream, 100_000);
        waits();
        Some(request)
    });
    let error = refusal(&sample, stall);
    assert!(matches!(error, Error::Stalled { .. }), "{error}");

    let silent: Answer = Box::new(move |stream| {
        let request = take(stream, u64::MAX);
        waits();
        Some(request)
    });
    let (_runtime, client) = client();
    let server = Server::start(vec![silent]);
    let (result, events) = send(&sample, &server.url, &options(), Some(&client));
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    assert!(events.contains(&Event::Waiting));

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (result, _) = send(&sample, &format!("http://127.0.0.1:{port}"), &options(), Some(&client));
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
}

#[test]
fn a_cut_connection_is_begun_again_from_the_start() {
    let sample = Sample::new();
    let (_runtime, client) = client();
    let cut: Answer = Box::new(|stream| Some(take(stream, 100_000)));
    let server = Server::start(vec![cut, answers("204 No Content", "")]);
    let with = Options { attempts: 2, ..options() };
    let (result, events) = send(&sample, &server.url, &with, Some(&client));
    assert_eq!(result.unwrap().attempts, 2);
    let [_, put] = &server.requests()[..] else { panic!() };
    assert!(put.body == sample.bytes);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Again { .. })).count(), 1);
}

/// A client that trusts an authority.
fn client_trusting(
    sample: &Sample,
    authority: &Authority,
) -> (tokio::runtime::Runtime, fetch::Client) {
    let pem = sample.path().join("authority.pem");
    std::fs::write(&pem, authority.pem()).unwrap();
    client_with(fetch::Options { authorities: vec![pem], ..fetch::Options::default() })
}

#[test]
fn tls_keeps_the_token_for_whom_it_is() {
    let sample = Sample::new();
    let authority = Authority::new().unwrap();
    let (_runtime, client) = client_trusting(&sample, &authority);
    let token = Some(Token::new("secret").unwrap());
    let with = Options { token, ..options() };
    let hash = Digest::of(&sample.bytes);
    let repo = format!(r#"{{"hash":"{hash}","system_version":"1.2.3","file_name":"x"}}"#);
    let accepted = format!(r#"{{"repo":{repo},"status":"inserted"}}"#);

    let server = Server::start(vec![answers("200 OK", &*accepted)]);
    let secured = authority.secure(&server.url, Certificate::Good).unwrap();
    let (result, events) = send(&sample, &secured.url(), &with, Some(&client));
    assert_told(&sample, &result.unwrap(), &events);
    let [put] = &server.requests()[..] else { panic!() };
    assert!(put.body == sample.bytes);
    assert!(put.head.contains("authorization: bearer secret"), "{}", put.head);

    let stranger = Authority::new().unwrap();
    for (by, certificate) in [
        (&authority, Certificate::OtherHost),
        (&authority, Certificate::Expired),
        (&stranger, Certificate::Good),
    ] {
        let server = Server::start(vec![answers("200 OK", &*accepted)]);
        let secured = by.secure(&server.url, certificate).unwrap();
        let (result, events) = send(&sample, &secured.url(), &with, Some(&client));
        let error = chain(&result.unwrap_err());
        assert!(error.to_lowercase().contains("certificate"), "{certificate:?}: {error}");
        assert!(!error.contains("secret"), "{error}");
        assert!(server.requests().is_empty(), "{certificate:?}: something was sent");
        assert!(events.iter().all(|event| !matches!(event, Event::Sent(p) if p.sent > 0)));
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
