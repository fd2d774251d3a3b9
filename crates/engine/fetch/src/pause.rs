//! How long to wait before an address is asked again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::Options;

/// The pause after so many attempts in a row that brought nothing (at least one): twice as long
/// each time, less a part of up to one half that differs from item to item and from run to run,
/// so that many that failed at once do not all come back at once; and not less than a server
/// asked for.
pub(crate) fn pause(
    options: &Options,
    what: &str,
    fruitless: u32,
    asked: Option<Duration>,
) -> Duration {
    let doubled = 2u32.saturating_pow(fruitless.saturating_sub(1));
    let whole = options.first_pause.saturating_mul(doubled).min(options.longest_pause);
    let mut hasher = DefaultHasher::new();
    (options.seed, what, fruitless).hash(&mut hasher);
    let part = f64::from((hasher.finish() >> 32) as u32) / f64::from(u32::MAX);
    let ours = whole - whole.mul_f64(part / 2.0);
    ours.max(asked.unwrap_or_default()).min(options.longest_pause)
}

/// How long a server asks to wait for: seconds, or a date, which is counted from the server's own
/// clock if it tells the time.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    // What has passed needs no pause.
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(1),
            seed: 7,
            ..Options::default()
        }
    }

    #[test]
    fn pauses_double_and_differ_within_their_half() {
        let all = |seed| {
            let options = Options { seed, ..options() };
            (1..=6).map(|n| pause(&options, "a file", n, None)).collect::<Vec<_>>()
        };
        for (at, found) in all(7).iter().enumerate() {
            let whole = Duration::from_millis(100 << at).min(Duration::from_secs(1));
            assert!((whole / 2..=whole).contains(found), "{at}: {found:?}");
        }
        // The same seed waits as long; another one, or another item, does not.
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
        assert_ne!(pause(&options(), "a", 1, None), pause(&options(), "b", 1, None));
        let spread: Vec<Duration> =
            (0..100).map(|n| pause(&options(), &n.to_string(), 1, None)).collect();
        let (least, most) = (spread.iter().min(), spread.iter().max());
        assert!(
            least < Some(&Duration::from_millis(55)) && most > Some(&Duration::from_millis(95))
        );
    }

    #[test]
    fn servers_can_ask_for_more_but_not_for_too_much() {
        let asked = |seconds| pause(&options(), "a", 1, Some(Duration::from_secs_f64(seconds)));
        assert_eq!(asked(0.5), Duration::from_millis(500));
        assert_eq!(asked(3600.0), Duration::from_secs(1));
        assert!(asked(0.0) >= Duration::from_millis(50));
        assert_eq!(pause(&options(), "a", u32::MAX, None).as_secs_f64().max(1.0), 1.0);
    }

    #[test]
    fn seconds_and_dates() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let read = |pairs: &[(HeaderName, &str)]| {
            let headers = pairs.iter().map(|(name, text)| (name.clone(), text.parse().unwrap()));
            retry_after(&headers.collect(), now).map(|pause| pause.as_secs())
        };
        assert_eq!(read(&[(RETRY_AFTER, "120")]), Some(120));
        assert_eq!(read(&[(RETRY_AFTER, "Sun, 06 Nov 1994 08:49:40 GMT")]), Some(3));
        // The two older forms of dates.
        assert_eq!(read(&[(RETRY_AFTER, "Sunday, 06-Nov-94 08:49:40 GMT")]), Some(3));
        assert_eq!(read(&[(RETRY_AFTER, "Sun Nov  6 08:49:40 1994")]), Some(3));
        assert_eq!(read(&[(RETRY_AFTER, "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(0));
        // The server's clock is ten seconds ahead.
        let ahead = (DATE, "Sun, 06 Nov 1994 08:49:47 GMT");
        assert_eq!(read(&[(RETRY_AFTER, "Sun, 06 Nov 1994 08:49:57 GMT"), ahead]), Some(10));
        for nonsense in ["soon", "-1", "", "Sun, 99 Nov 1994 08:49:40 GMT"] {
            assert_eq!(read(&[(RETRY_AFTER, nonsense)]), None, "{nonsense}");
        }
        assert_eq!(read(&[]), None);
    }
}
