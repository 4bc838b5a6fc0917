//! How much a network interface may send: so many bytes, and new ones after every interval.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A limit on what a network interface sends, in the notation of xl's `rate=`
/// (xl-network-configuration(5), `libxlu_vif.c`).
///
/// ```
/// use devices::Rate;
///
/// let rate: Rate = "10Mb/s@20ms".parse()?;
/// assert_eq!((rate.bytes(), rate.interval_us()), (25_000, 20_000));
/// assert_eq!(rate.to_string(), "25000,20000"); // as netback reads it
/// # Ok::<(), devices::InvalidRate>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    bytes: u64,
    interval_us: u32,
}

/// Why something is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidRate {
    /// It is not written as one.
    #[error("not a rate (such as 10Mb/s, 1MB/s@20ms)")]
    Form,
    /// It, or the interval, does not fit.
    #[error("the rate or its interval is too large")]
    TooLarge,
    /// Not one byte may be sent in an interval, or the interval is over at once.
    #[error("the rate allows no byte in an interval")]
    Nothing,
}

impl Rate {
    /// The interval if none is said, 50 ms.
    pub const USUAL_INTERVAL_US: u32 = 50_000;

    /// So many bytes in every interval of so many microseconds.
    ///
    /// # Errors
    /// [`InvalidRate::Nothing`] if either is 0.
    pub const fn new(bytes: u64, interval_us: u32) -> Result<Self, InvalidRate> {
        if bytes == 0 || interval_us == 0 {
            return Err(InvalidRate::Nothing);
        }
        Ok(Self { bytes, interval_us })
    }

    /// So many bytes a second, in portions for every interval of so many microseconds, rounded down.
    ///
    /// # Errors
    /// [`InvalidRate::TooLarge`], [`InvalidRate::Nothing`].
    pub fn per_second(bytes: u64, interval_us: u32) -> Result<Self, InvalidRate> {
        let portion = bytes.checked_mul(interval_us.into()).ok_or(InvalidRate::TooLarge)?;
        Self::new(portion / 1_000_000, interval_us)
    }

    /// How many bytes there are for an interval.
    pub const fn bytes(self) -> u64 {
        self.bytes
    }

    /// How long an interval is, in microseconds.
    pub const fn interval_us(self) -> u32 {
        self.interval_us
    }

    /// Reads what is in the store: bytes and microseconds with a comma between.
    ///
    /// # Errors
    /// As for parsing.
    pub fn from_node(value: &str) -> Result<Self, InvalidRate> {
        let (bytes, interval) = value.split_once(',').ok_or(InvalidRate::Form)?;
        let ((bytes, ""), (interval, "")) = (number(bytes)?, number(interval)?) else {
            return Err(InvalidRate::Form);
        };
        Self::new(bytes, interval.try_into().map_err(|_| InvalidRate::TooLarge)?)
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    /// Parses `N[G|M|K](B|b)/s[@N[m|u][s]]`: decimal multiples of bytes (`B`) or bits (`b`), and an
    /// interval in seconds, milliseconds or microseconds.
    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (speed, interval) = match text.split_once('@') {
            Some((speed, interval)) => (speed, Some(interval)),
            None => (text, None),
        };
        let interval = interval.map_or(Ok(Self::USUAL_INTERVAL_US), parse_interval)?;
        Self::per_second(parse_speed(speed)?, interval)
    }
}

fn parse_speed(text: &str) -> Result<u64, InvalidRate> {
    let (number, unit) = number(text)?;
    let (multiple, unit) = match unit.as_bytes() {
        [b'G', unit @ ..] => (1_000_000_000, unit),
        [b'M', unit @ ..] => (1_000_000, unit),
        [b'K', unit @ ..] => (1_000, unit),
        unit => (1, unit),
    };
    let of_these = within_u32(number)? * multiple;
    match unit {
        b"B/s" => Ok(of_these),
        b"b/s" => Ok(of_these / 8),
        _ => Err(InvalidRate::Form),
    }
}

fn parse_interval(text: &str) -> Result<u32, InvalidRate> {
    let (number, unit) = number(text)?;
    let multiple = match unit {
        "" | "s" => 1_000_000,
        "m" | "ms" => 1_000,
        "u" | "us" => 1,
        _ => return Err(InvalidRate::Form),
    };
    (within_u32(number)? * multiple).try_into().map_err(|_| InvalidRate::TooLarge)
}

/// What xl takes before a unit; with a unit it always fits a `u64`.
fn within_u32(number: u64) -> Result<u64, InvalidRate> {
    u32::try_from(number).map(u64::from).map_err(|_| InvalidRate::TooLarge)
}

/// The number that a text starts with, and the rest. It does not start with a needless 0, which would
/// make it octal for xl.
fn number(text: &str) -> Result<(u64, &str), InvalidRate> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return Err(InvalidRate::Form);
    }
    Ok((digits.parse().map_err(|_| InvalidRate::TooLarge)?, rest))
}

impl fmt::Display for Rate {
    /// As the store has it: bytes and microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.bytes, self.interval_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Result<String, InvalidRate> {
        text.parse::<Rate>().map(|rate| rate.to_string())
    }

    #[test]
    fn rates_are_those_of_the_manual_page() {
        assert_eq!(rate("10Mb/s").as_deref(), Ok("62500,50000"));
        assert_eq!(rate("250KB/s").as_deref(), Ok("12500,50000"));
        assert_eq!(rate("1MB/s@20ms").as_deref(), Ok("20000,20000"));
        assert_eq!(rate("1GB/s@1s").as_deref(), Ok("1000000000,1000000"));
        assert_eq!(rate("1000B/s@5").as_deref(), Ok("5000,5000000"));
        assert_eq!(rate("8Kb/s@1000us").as_deref(), Ok("1,1000"));
        assert_eq!(rate("1MB/s@20m").as_deref(), Ok("20000,20000"));
    }

    #[test]
    fn a_kilobyte_of_openxt_has_1024_bytes() {
        // B6-10: bytes = kbytes * 1024 * timeslice / 1000000.
        assert_eq!(Rate::per_second(1000 * 1024, 50_000).unwrap().to_string(), "51200,50000");
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        assert_eq!(rate(""), Err(InvalidRate::Form));
        assert_eq!(rate("10"), Err(InvalidRate::Form));
        assert_eq!(rate("10Mb"), Err(InvalidRate::Form));
        assert_eq!(rate("10TB/s"), Err(InvalidRate::Form));
        assert_eq!(rate("010KB/s"), Err(InvalidRate::Form));
        assert_eq!(rate("-1KB/s"), Err(InvalidRate::Form));
        assert_eq!(rate("1KB/s@"), Err(InvalidRate::Form));
        assert_eq!(rate("1KB/s@1h"), Err(InvalidRate::Form));
        assert_eq!(rate("1KB/s@1s@1s"), Err(InvalidRate::Form));
    }

    #[test]
    fn a_rate_allows_something_and_fits() {
        assert_eq!(rate("0KB/s"), Err(InvalidRate::Nothing));
        assert_eq!(rate("1B/s@1us"), Err(InvalidRate::Nothing));
        assert_eq!(rate("4294967296B/s"), Err(InvalidRate::TooLarge));
        assert_eq!(rate("1B/s@4295s"), Err(InvalidRate::TooLarge));
        assert_eq!(rate("4294967295GB/s@4294s"), Err(InvalidRate::TooLarge));
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Rate::from_node("25000,20000"), Rate::new(25_000, 20_000));
        assert_eq!(Rate::from_node("25000"), Err(InvalidRate::Form));
        assert_eq!(Rate::from_node("25000,20000,"), Err(InvalidRate::Form));
        assert_eq!(Rate::from_node("1,4294967296"), Err(InvalidRate::TooLarge));
    }
}
