//! Times to the second, as package versions carry them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp as Instant;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A moment in UTC, to the second, written `YYYYMMDDThhmmssZ`.
///
/// It never comes from the clock: whoever publishes names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime);

/// Why a text is no timestamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time of the form YYYYMMDDThhmmssZ")]
pub struct TimestampError(String);

impl Timestamp {
    /// The moment `seconds` after 1970-01-01T00:00:00Z (what `SOURCE_DATE_EPOCH` holds); none
    /// outside of the years 0 to 9999, which the written form cannot express.
    pub fn from_epoch(seconds: i64) -> Option<Self> {
        let moment = Instant::from_second(seconds).ok()?.to_zoned(TimeZone::UTC).datetime();
        (0..=9999).contains(&moment.year()).then_some(Self(moment))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn epoch(self) -> i64 {
        TimeZone::UTC.to_timestamp(self.0).map_or(0, Instant::as_second)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.0;
        write!(
            f,
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        )
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let refuse = || TimestampError(text.to_owned());
        let bytes = text.as_bytes();
        let shape = bytes.len() == 16
            && bytes[8] == b'T'
            && bytes[15] == b'Z'
            && bytes[..8].iter().chain(&bytes[9..15]).all(u8::is_ascii_digit);
        if !shape {
            return Err(refuse());
        }
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().fold(0i16, |sum, digit| sum * 10 + i16::from(digit - b'0'))
        };
        let small = |from: usize| number(from, from + 2) as i8;
        DateTime::new(number(0, 4), small(4), small(6), small(9), small(11), small(13), 0)
            .map(Self)
            .map_err(|_| refuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        let moment: Timestamp = "20260102T030405Z".parse().unwrap();
        assert_eq!(moment.to_string(), "20260102T030405Z");
        assert_eq!(moment.epoch(), 1_767_323_045);
        assert_eq!(Timestamp::from_epoch(1_767_323_045), Some(moment));
        assert_eq!(Timestamp::from_epoch(0).unwrap().to_string(), "19700101T000000Z");
    }

    #[test]
    fn refuses_what_is_no_date() {
        for bad in ["20260230T000000Z", "20260102T250000Z", "20260102T030405", "2026-102T030405Z"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }
}
