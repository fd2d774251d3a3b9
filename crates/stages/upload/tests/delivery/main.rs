//! Delivers to real far sides: OpenSSH's server with a forced command, and servers on sockets that
//! answer as wicketd and Nexus do, or misbehave. Everything stays on the loopback.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod http;
mod ssh;

use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::Digest;
use upload::{Delivered, Destination, Error, Event, Options};

/// Larger than what pipes and windows of SSH hold together.
const SIZE: usize = 12 << 20;

/// A file to send, and where it is.
struct Sample {
    directory: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl Sample {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> =
            (0..SIZE as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        std::fs::write(directory.path().join("repo.zip"), &bytes).unwrap();
        Self { directory, bytes }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn zip(&self) -> PathBuf {
        self.path().join("repo.zip")
    }
}

/// Little patience, and one attempt.
fn options() -> Options {
    Options {
        stall: Duration::from_secs(3),
        answer: Duration::from_secs(3),
        attempts: 1,
        pause: Duration::from_millis(50),
        ..Options::default()
    }
}

/// What came of it, with everything that was told.
fn send(
    sample: &Sample,
    to: &str,
    options: &Options,
    client: Option<&fetch::Client>,
) -> (Result<Delivered, Error>, Vec<Event>) {
    let destination = Destination::parse(to, None, options.token.is_some()).unwrap();
    let mut events = Vec::new();
    let mut tell = |event| events.push(event);
    let result = upload::upload(&sample.zip(), &destination, options, client, &mut tell);
    (result, events)
}

/// What is told of a transfer that succeeds.
fn assert_told(sample: &Sample, delivered: &Delivered, events: &[Event]) {
    assert_eq!(delivered.size, SIZE as u64);
    assert_eq!(delivered.sha256, Digest::of(&sample.bytes));
    let sent: Vec<u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Sent(progress) => Some(progress.sent),
            _ => None,
        })
        .collect();
    assert!(sent.is_sorted(), "{sent:?}");
    assert!(sent.iter().all(|sent| *sent <= SIZE as u64));
}

#[test]
fn what_no_rack_takes_is_refused_before_anything_is_sent() {
    let sample = Sample::new();
    let file = std::fs::File::create(sample.zip()).unwrap();
    file.set_len(upload::LIMIT + 1).unwrap();
    // Nobody listens there: it would be another error if anybody were asked.
    for to in ["ssh://127.0.0.1:1", "http://127.0.0.1:1"] {
        let (result, events) = send(&sample, to, &options(), None);
        assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
        assert_eq!(events, []);
    }
}
