//! How far a transfer is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What happens while a repository is sent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Bytes went out; a few times a second.
    Sent(Progress),
    /// All is sent; the far side looks at it.
    Waiting,
    /// A line that the far side wrote.
    Said(String),
    /// It failed and begins again, from the start.
    Again {
        /// Why.
        problem: String,
        /// After this pause.
        pause: Duration,
    },
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Bytes that went out.
    pub sent: u64,
    /// Bytes that will have to.
    pub total: u64,
    /// Bytes a second, over the last seconds.
    pub rate: f64,
}

impl Progress {
    /// How long it will take at this rate; unknown while nothing moves.
    pub fn remaining(&self) -> Option<Duration> {
        let left = self.total.saturating_sub(self.sent) as f64;
        Duration::try_from_secs_f64(left / self.rate).ok().filter(|_| self.rate > 0.0)
    }
}

/// The window of time that the rate is taken over.
const WINDOW: Duration = Duration::from_secs(5);

/// Watches bytes go out.
#[derive(Debug)]
pub(crate) struct Meter {
    total: u64,
    seen: VecDeque<(Instant, u64)>,
    moved: Instant,
}

impl Meter {
    pub(crate) fn new(total: u64, now: Instant) -> Self {
        Self { total, seen: VecDeque::from([(now, 0)]), moved: now }
    }

    /// Notes how much went out so far.
    pub(crate) fn note(&mut self, sent: u64, now: Instant) -> Progress {
        if self.seen.back().is_none_or(|(_, last)| *last != sent) {
            self.moved = now;
        }
        self.seen.push_back((now, sent));
        while self.seen.len() > 2 && now.duration_since(self.seen[1].0) > WINDOW {
            self.seen.pop_front();
        }
        let (then, before) = self.seen[0];
        let time = now.duration_since(then).as_secs_f64();
        let rate = if time > 0.0 { sent.saturating_sub(before) as f64 / time } else { 0.0 };
        Progress { sent, total: self.total, rate }
    }

    /// For how long nothing went out.
    pub(crate) fn still(&self, now: Instant) -> Duration {
        now.duration_since(self.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_forget_and_stalls_are_seen() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut meter = Meter::new(1000, start);
        let progress = meter.note(100, at(1));
        assert_eq!((progress.rate, progress.remaining()), (100.0, Some(Duration::from_secs(9))));
        for second in 2..=6 {
            meter.note(100 + (second - 1) * 20, at(second));
        }
        let progress = meter.note(220, at(7));
        assert!((progress.rate - 20.0).abs() < 4.1, "{progress:?}");
        assert_eq!(meter.still(at(7)), Duration::ZERO);
        let progress = meter.note(220, at(30));
        assert_eq!(meter.still(at(30)), Duration::from_secs(23));
        assert_eq!(progress.rate, 0.0);
        assert_eq!(progress.remaining(), None);
    }
}
