//! Durations as `"10s"` and sizes as `"256KiB"`: a whole number and its unit.

use std::fmt;
use std::time::Duration;

use super::mistake::quote;

/// Milliseconds of each unit, largest first.
const DURATIONS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Bytes of each unit, largest first.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(u64);

impl Bytes {
    pub(crate) const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&largest_unit(self.0, &SIZES, "B"))
    }
}

/// Read `"500ms"`, `"10s"`, `"5m"`, `"1h"` or `"2d"`. The error says what is wrong with it, and what to write.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let millis = number_and_unit(text, &DURATIONS)
        .ok_or_else(|| format!("{} is not a duration: write a whole number and ms, s, m, h or d", quote(text)))?;
    Ok(Duration::from_millis(millis))
}

/// Read `"100B"`, `"256KiB"`, `"1MiB"` or `"1GiB"`. The error says what is wrong with it, and what to write.
pub(crate) fn parse_bytes(text: &str) -> Result<Bytes, String> {
    let bytes = number_and_unit(text, &SIZES)
        .ok_or_else(|| format!("{} is not a size: write a whole number and B, KiB, MiB or GiB", quote(text)))?;
    Ok(Bytes(bytes))
}

/// The way `parse_duration` reads it; below a millisecond nothing is kept.
pub(crate) fn show_duration(duration: Duration) -> String {
    largest_unit(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATIONS, "s")
}

fn number_and_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn largest_unit(amount: u64, units: &[(&str, u64)], of_zero: &str) -> String {
    match units.iter().find(|(_, factor)| amount.is_multiple_of(*factor)) {
        Some((unit, factor)) if amount > 0 => format!("{}{unit}", amount / factor),
        _ => format!("0{of_zero}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_back_as_it_is_shown() {
        for text in ["0s", "1ms", "500ms", "10s", "90s", "5m", "1h", "2d"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(show_duration(parse_duration("60s").unwrap()), "1m");
        assert_eq!(show_duration(parse_duration("0d").unwrap()), "0s");
    }

    #[test]
    fn a_size_reads_back_as_it_is_shown() {
        for text in ["0B", "1B", "1000B", "256KiB", "3MiB", "1GiB"] {
            assert_eq!(parse_bytes(text).unwrap().to_string(), text);
        }
        assert_eq!(parse_bytes("1024KiB").unwrap(), Bytes::new(1 << 20));
    }

    #[test]
    fn what_has_no_unit_a_sign_a_fraction_or_no_end_is_refused() {
        for text in
            ["", "10", "s", "-1s", "+1s", "1.5s", "1 s", "10S", "10sec", "1h30m", "１s", "99999999999999999999s"]
        {
            assert!(parse_duration(text).unwrap_err().contains("not a duration"), "{text}");
        }
        assert!(parse_duration("18446744073709551615d").is_err());
        for text in ["", "256", "256K", "256KB", "1.5MiB", "18446744073709551615GiB"] {
            assert!(parse_bytes(text).unwrap_err().contains("not a size"), "{text}");
        }
    }
}
