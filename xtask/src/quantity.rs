//! Sizes and times as people write them.

use std::time::Duration;

/// A number with a unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Bytes: a number with K, M, G or T (powers of 1000) or Ki, Mi, Gi, Ti.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let units = [
        ("", 1),
        ("K", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
    ];
    quantity(text, &units).ok_or_else(|| "a size was expected, like 20G or 500Mi".to_owned())
}

/// A time: a number with s, min, h, d or w.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    const DAY: u64 = 86_400;
    let units = [("s", 1), ("min", 60), ("h", 3600), ("d", DAY), ("w", 7 * DAY)];
    quantity(text, &units)
        .map(Duration::from_secs)
        .ok_or_else(|| "an age was expected, like 30d or 12h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("20G"), Ok(20_000_000_000));
        assert_eq!(size("500mi"), Ok(500 << 20));
        assert_eq!(age("2w"), Ok(Duration::from_secs(1_209_600)));
        for bad in ["", "G", "1X", "-1", "1.5G", "99999999999T"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bad in ["", "5", "5m", "d"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
