//! Against a server that misbehaves: nothing bad is stored, and a rerun goes on where it stopped.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fetch::{Client, Error, Fetcher, Item, Options, Problem, Proxy, Url};
use misbehaving_depot::{Authority, Certificate, Fault, MisbehavingDepot};
use store::{Name, Store};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const SIZE: usize = 300_000;

/// What a path has: bytes that follow from it.
fn content(path: &str) -> Option<Vec<u8>> {
    let seed =
        path.strip_prefix("/have/")?.bytes().fold(7u32, |sum, b| sum * 31 % 9973 + u32::from(b));
    Some((0..SIZE as u32).map(|n| (n.wrapping_mul(seed) >> 7) as u8).collect())
}

struct Bench {
    depot: MisbehavingDepot,
    directory: TempDir,
    runtime: Runtime,
    options: Options,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = Options {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(20),
            stall_timeout: Duration::from_millis(300),
            attempts: 3,
            ..Options::default()
        };
        Self {
            depot: MisbehavingDepot::start(content).unwrap(),
            directory: tempfile::tempdir().unwrap(),
            runtime,
            options,
        }
    }

    /// As a new process would make it.
    fn fetcher(&self) -> Fetcher {
        let client = Client::new(self.runtime.handle().clone(), self.options.clone()).unwrap();
        Fetcher::online(Store::open(self.directory.path()).unwrap(), client)
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&self.depot.url()).unwrap().join(path).unwrap()
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.get_from(path, vec![self.url(path)])
    }

    fn get_from(&self, path: &str, urls: Vec<Url>) -> Result<Vec<u8>, Error> {
        let right = content(path).unwrap_or_default();
        let check = |file: &mut File| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            if bytes == right { Ok(()) } else { Err("its digest is another".to_owned()) }
        };
        let item = Item {
            name: Name::new("test", path),
            what: format!("file {path}"),
            urls,
            size: Some(SIZE as u64),
            limit: 1 << 20,
            check: &check,
        };
        let fetcher = self.fetcher();
        let found = fetcher.read(&item);
        // Whatever happened, the store holds nothing but what is right.
        let stored = fetcher.store().read_name(&item.name).unwrap();
        assert_eq!(stored.as_deref(), found.as_ref().ok().map(Vec::as_slice));
        if let Some(stored) = stored {
            assert_eq!(stored, right);
        }
        assert!(fetcher.store().verify().unwrap().is_good());
        found
    }

    fn problems(error: &Error) -> Vec<Problem> {
        match error {
            Error::Failed { attempts, .. } => attempts.iter().map(|a| a.problem.clone()).collect(),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn what_is_stored_is_not_fetched_again() {
    let bench = Bench::new();
    bench.get("/have/a").unwrap();
    bench.get("/have/a").unwrap();
    assert_eq!((bench.depot.requests("/"), bench.depot.bytes("/")), (1, SIZE as u64));
}

#[test]
fn every_passing_fault_is_survived() {
    let slow = Fault::Slow { piece: 64 << 10, pause: Duration::from_millis(20) };
    let busy = Fault::Status { status: 503, retry_after: Some(3600) };
    for (number, fault) in [
        Fault::Status { status: 500, retry_after: None },
        busy,
        Fault::Truncate(1000),
        Fault::Truncate(0),
        Fault::TruncateUnannounced(1000),
        Fault::Reset(100_000),
        Fault::Wrong(b"something else".to_vec()),
        Fault::Wrong(vec![0; SIZE]),
        Fault::FlippedBit,
        Fault::Stall(5000),
        Fault::Stall(0),
        Fault::Garbage,
        slow,
    ]
    .into_iter()
    .enumerate()
    {
        let bench = Bench::new();
        let path = format!("/have/{number}");
        bench.depot.order(&path, fault.clone());
        let begin = Instant::now();
        let found = bench.get(&path);
        assert!(found.is_ok(), "{fault:?}: {found:?}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{fault:?} {:?}", begin.elapsed());
    }
}

#[test]
fn a_transfer_goes_on_where_it_stopped() {
    let bench = Bench::new();
    bench.depot.order("/have/a", Fault::Truncate(100_000));
    bench.depot.order("/have/a", Fault::Stall(50_000));
    bench.get("/have/a").unwrap();
    let served = bench.depot.served();
    let places: Vec<_> = served.iter().map(|one| (one.from, one.bytes)).collect();
    assert_eq!(places, [(0, 100_000), (100_000, 50_000), (150_000, 150_000)]);
}

#[test]
fn a_rerun_goes_on_where_it_stopped() {
    let bench = Bench::new();
    bench.depot.order("/have/a", Fault::Truncate(200_000));
    bench.depot.order_times(3, "/have/a", &Fault::Status { status: 503, retry_after: None });
    let error = bench.get("/have/a").unwrap_err();
    assert!(error.to_string().contains("ended after 200000 of 300000 bytes"), "{error}");
    assert!(error.to_string().contains("503 (it is busy) (3 times)"), "{error}");
    bench.get("/have/a").unwrap();
    // Not one byte twice.
    assert_eq!(bench.depot.bytes("/have/a"), SIZE as u64);
}

#[test]
fn servers_that_cannot_resume_are_asked_from_the_beginning() {
    for fault in [Fault::IgnoreRange, Fault::WrongRange] {
        let bench = Bench::new();
        bench.depot.order("/have/a", Fault::Truncate(1000));
        bench.depot.order("/have/a", fault.clone());
        assert!(bench.get("/have/a").is_ok(), "{fault:?}");
    }
}

#[test]
fn a_wrong_beginning_is_thrown_away() {
    let bench = Bench::new();
    // The first 100 kB are of something else; the rest is right, so that only the check finds it.
    bench.depot.order("/have/a", Fault::TruncateUnannounced(100_000));
    bench.depot.order_times(3, "/have/a", &Fault::Status { status: 500, retry_after: None });
    bench.get("/have/a").unwrap_err();
    let partial = std::fs::read_dir(bench.directory.path().join("partial")).unwrap();
    for entry in partial {
        std::fs::write(entry.unwrap().path(), vec![9; 100_000]).unwrap();
    }
    bench.get("/have/a").unwrap();
    let last = bench.depot.served().pop().unwrap();
    assert_eq!((last.from, last.bytes), (0, SIZE as u64));
}

#[test]
fn what_is_there_completely_is_only_checked() {
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let name = Name::new("test", "/have/a");
    let mut partial = fetcher.store().partial(&name).unwrap();
    std::io::Write::write_all(partial.file(), &content("/have/a").unwrap()).unwrap();
    drop(partial);
    bench.get("/have/a").unwrap();
    assert_eq!(bench.depot.bytes("/"), 0);
}

#[test]
fn final_answers_are_not_asked_for_twice() {
    for (fault, word) in [
        (Fault::Status { status: 404, retry_after: None }, "404 (it does not have it)"),
        (Fault::Status { status: 403, retry_after: None }, "credentials"),
        (Fault::Endless, "more than the 1048576 bytes"),
        (Fault::Wrong(vec![1; 2 << 20]), "more than the 1048576 bytes"),
    ] {
        let bench = Bench::new();
        bench.depot.order("/have/a", fault.clone());
        let error = bench.get("/have/a").unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(Bench::problems(&error).len(), 1, "{error}");
        assert!(!error.to_string().contains("times"), "{error}");
    }
}

#[test]
fn a_circle_of_redirections_ends() {
    let bench = Bench::new();
    bench.depot.order_times(50, "/have/a", &Fault::RedirectLoop);
    let error = bench.get("/have/a").unwrap_err();
    assert_eq!(Bench::problems(&error), [Problem::Redirections]);
    assert!(bench.depot.requests("/have/a") <= 7);
}

#[test]
fn wrong_bytes_are_given_up() {
    let bench = Bench::new();
    bench.depot.order_times(9, "/have/a", &Fault::FlippedBit);
    let error = bench.get("/have/a").unwrap_err();
    assert!(error.to_string().contains("it sent something else: its digest"), "{error}");
    assert_eq!(bench.depot.requests("/have/a"), 2);
    // Nothing of it is kept.
    assert_eq!(std::fs::read_dir(bench.directory.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn a_stop_ends_transfers_and_pauses() {
    let long = Duration::from_secs(60);
    for fault in [
        Fault::Stall(100_000),
        Fault::Slow { piece: 1000, pause: Duration::from_millis(100) },
        Fault::Status { status: 503, retry_after: Some(60) },
    ] {
        let mut bench = Bench::new();
        (bench.options.stall_timeout, bench.options.first_pause) = (long, long);
        bench.options.longest_pause = long;
        bench.depot.order("/have/a", fault.clone());
        let stop = Arc::clone(&bench.options.stop);
        let error = std::thread::scope(|scope| {
            scope.spawn(|| {
                while bench.depot.requests("/have/a") == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
                std::thread::sleep(Duration::from_millis(200));
                stop.store(true, Ordering::Relaxed);
            });
            let begin = Instant::now();
            let error = bench.get("/have/a").unwrap_err();
            assert!(begin.elapsed() < Duration::from_secs(5), "{fault:?} {:?}", begin.elapsed());
            error
        });
        assert!(matches!(error, Error::Stopped { .. }), "{fault:?} {error}");
        // Nothing begins any more, and the next run goes on.
        assert!(matches!(bench.get("/have/b").unwrap_err(), Error::Stopped { .. }));
        assert_eq!(bench.depot.requests("/have/b"), 0);
        bench.options.stop = Arc::default();
        bench.get("/have/a").unwrap();
        if fault == Fault::Stall(100_000) {
            assert_eq!(bench.depot.served().pop().unwrap().from, 100_000);
        }
    }
}

#[test]
fn mirrors_are_asked_in_order() {
    let (bench, mirror) = (Bench::new(), MisbehavingDepot::start(content).unwrap());
    let at_mirror = Url::parse(&mirror.url()).unwrap().join("/have/a").unwrap();
    let urls = vec![at_mirror, bench.url("/have/a")];
    mirror.order("/have/a", Fault::Truncate(120_000));
    bench.get_from("/have/a", urls.clone()).unwrap();
    // The origin goes on where the mirror stopped.
    assert_eq!((mirror.bytes("/"), bench.depot.bytes("/")), (120_000, 180_000));

    let gone =
        vec![mirror.url().parse::<Url>().unwrap().join("/lost").unwrap(), bench.url("/have/b")];
    bench.get_from("/have/b", gone).unwrap();
    let wrong = Bench::new();
    mirror.order_times(9, "/have/c", &Fault::Wrong(vec![3; SIZE]));
    let urls =
        vec![mirror.url().parse::<Url>().unwrap().join("/have/c").unwrap(), wrong.url("/have/c")];
    wrong.get_from("/have/c", urls).unwrap();
}

#[test]
fn nobody_listens() {
    let bench = Bench::new();
    let url = Url::parse("http://127.0.0.1:1/have/a").unwrap();
    let error = bench.get_from("/have/a", vec![url]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cannot fetch file /have/a\n  http://127.0.0.1:1/have/a: "), "{text}");
    assert!(text.contains("refused") && text.contains("run again"), "{text}");
}

#[test]
fn offline_says_what_is_missing() {
    let bench = Bench::new();
    let check = |_: &mut File| Ok(());
    let item = Item {
        name: Name::new("test", "/have/a"),
        what: "the payload a".to_owned(),
        urls: vec![bench.url("/have/a")],
        size: None,
        limit: 1 << 20,
        check: &check,
    };
    let offline = Fetcher::offline(Store::open(bench.directory.path()).unwrap());
    let error = offline.read(&item).unwrap_err();
    assert!(error.is_absent());
    assert_eq!(error.to_string(), "the payload a is not in the store, and this run is offline");
    assert_eq!(bench.depot.requests("/"), 0);
    bench.fetcher().ensure(&item).unwrap();
    assert_eq!(offline.read(&item).unwrap(), content("/have/a").unwrap());
    assert_eq!(offline.refresh(&item).unwrap(), content("/have/a").unwrap());
}

#[test]
fn damage_is_found_set_aside_and_fetched_again() {
    let bench = Bench::new();
    bench.get("/have/a").unwrap();
    let store = Store::open(bench.directory.path()).unwrap();
    let record = store.find(&Name::new("test", "/have/a")).unwrap().unwrap();
    let digest = record.digest.to_string();
    let blob = bench.directory.path().join("blobs").join(&digest[..2]).join(&digest);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[SIZE / 2] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    bench.get("/have/a").unwrap();
    assert_eq!(bench.depot.requests("/have/a"), 2);
    assert!(bench.directory.path().join("damaged").join(digest).exists());
}

#[test]
fn many_at_once() {
    let mut bench = Bench::new();
    bench.options.parallel = 10;
    bench.options.stall_timeout = Duration::from_secs(5);
    let slow = Fault::Slow { piece: SIZE, pause: Duration::from_millis(300) };
    bench.depot.order_times(10, "/have/", &slow);
    let check = |_: &mut File| Ok(());
    let items: Vec<Item<'_>> = (0..20)
        .map(|number| Item {
            name: Name::new("test", format!("{number}")),
            what: format!("file {number}"),
            // One is not there.
            urls: vec![bench.url(&if number == 7 {
                "/no".to_owned()
            } else {
                format!("/have/{number}")
            })],
            size: None,
            limit: 1 << 20,
            check: &check,
        })
        .collect();
    let begin = Instant::now();
    let answers = bench.fetcher().ensure_all(&items);
    // One after the other it would have taken 3 s.
    assert!(begin.elapsed() < Duration::from_millis(2500), "{:?}", begin.elapsed());
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_err(), number == 7, "{number}");
    }
    assert_eq!(answers.len(), 20);
}

#[test]
fn a_dead_server_is_given_up_soon() {
    let mut bench = Bench::new();
    bench.options.attempts = 2;
    let check = |_: &mut File| Ok(());
    let items: Vec<Item<'_>> = (0..500)
        .map(|number| Item {
            name: Name::new("test", format!("{number}")),
            what: format!("file {number}"),
            urls: vec!["http://127.0.0.1:1/".parse().unwrap()],
            size: None,
            limit: 1 << 20,
            check: &check,
        })
        .collect();
    let answers = bench.fetcher().ensure_all(&items);
    let tried = |answer: &&Result<_, Error>| matches!(answer, Err(Error::Failed { .. }));
    let tried = answers.iter().filter(tried).count();
    assert!((20..20 + bench.options.parallel).contains(&tried), "{tried}");
    let last = answers[499].as_ref().unwrap_err().to_string();
    assert_eq!(last, "file 499 was not tried: 20 others failed in a row before it");
}

#[test]
fn two_runs_share_one_transfer() {
    let bench = Bench::new();
    bench.depot.order("/have/a", Fault::Slow { piece: 30_000, pause: Duration::from_millis(10) });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| bench.get("/have/a").unwrap());
        }
    });
    assert_eq!(bench.depot.bytes("/"), SIZE as u64);
}

#[test]
fn a_proxy_is_asked_for_everything_but_the_exceptions() {
    // The proxy is any server: it gets the whole address as path.
    let proxy =
        MisbehavingDepot::start(|path| content(path.strip_prefix("http://packages.example.com")?))
            .unwrap();
    let mut bench = Bench::new();
    bench.options.proxies = vec![Proxy::Http(proxy.url().parse().unwrap())];
    bench.options.no_proxy = Some("127.0.0.1".to_owned());
    let far = Url::parse("http://packages.example.com/have/a").unwrap();
    bench.get_from("/have/a", vec![far]).unwrap();
    assert_eq!(proxy.requests("http://packages.example.com/have/a"), 1);
    bench.get("/have/b").unwrap();
    assert_eq!((proxy.requests(""), bench.depot.requests("/")), (1, 1));
}

#[test]
fn authorities_must_be_certificates() {
    let bench = Bench::new();
    let file = bench.directory.path().join("ca.pem");
    std::fs::write(&file, "no certificate\n").unwrap();
    let options = Options { authorities: vec![file.clone()], ..bench.options.clone() };
    let error = Client::new(bench.runtime.handle().clone(), options).unwrap_err().to_string();
    assert!(error.contains("ca.pem"), "{error}");
}

/// A bench whose client trusts an authority beside the system's, and the file with that.
fn trusting(authority: &Authority) -> (Bench, tempfile::NamedTempFile) {
    let mut bench = Bench::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, authority.pem()).unwrap();
    bench.options.authorities = vec![file.path().to_owned()];
    (bench, file)
}

#[test]
fn https_with_an_authority_of_ones_own() {
    let authority = Authority::new().unwrap();
    let (bench, _file) = trusting(&authority);
    let secured = authority.secure(&bench.depot.url(), Certificate::Good).unwrap();
    let url = Url::parse(&secured.url()).unwrap().join("/have/a").unwrap();
    // A transfer that breaks goes on over TLS as well.
    bench.depot.order("/have/a", Fault::Truncate(100_000));
    bench.get_from("/have/a", vec![url]).unwrap();
    assert_eq!(bench.depot.bytes("/have/a"), SIZE as u64);
}

#[test]
fn certificates_that_are_not_trusted_are_refused_at_once() {
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    for (certificate, known, words) in [
        (Certificate::Good, false, "no authority that is trusted here vouches for it"),
        (Certificate::OtherHost, true, "it is for other.example.com, not for 127.0.0.1"),
        (Certificate::Expired, true, "it has expired"),
    ] {
        let (bench, _file) = trusting(&authority);
        let by = if known { &authority } else { &stranger };
        let secured = by.secure(&bench.depot.url(), certificate).unwrap();
        let url = Url::parse(&secured.url()).unwrap().join("/have/a").unwrap();
        let error = bench.get_from("/have/a", vec![url]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("its certificate is not accepted: "), "{text}");
        assert!(text.contains(words) && !text.contains("times"), "{text}");
        assert!(matches!(&Bench::problems(&error)[..], [Problem::Certificate(_)]), "{text}");
        // Nothing was asked for.
        assert_eq!(bench.depot.requests("/"), 0);
    }
}

#[test]
fn https_is_not_http() {
    let bench = Bench::new();
    let url = bench.depot.url().replace("http:", "https:");
    let error = bench.get_from("/have/a", vec![url.parse().unwrap()]).unwrap_err();
    assert!(matches!(&Bench::problems(&error)[..], [Problem::Connection(_)]), "{error}");
}
