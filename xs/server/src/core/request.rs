//! Taking the payload of a request apart.

use xs::proto::ErrorCode;

/// The strings of a payload: each is ended by a NUL; what follows the last NUL is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strings<'a>(&'a [u8]);

impl<'a> Strings<'a> {
    pub(super) const fn new(payload: &'a [u8]) -> Self {
        Self(payload)
    }

    /// The one string that is the whole payload.
    pub(super) fn only(self) -> Result<&'a [u8], ErrorCode> {
        match self.0.split_last() {
            Some((0, string)) if !string.contains(&0) => Ok(string),
            _ => Err(ErrorCode::Einval),
        }
    }

    /// The first string, and all that follows its NUL.
    pub(super) fn first(self) -> Result<(&'a [u8], &'a [u8]), ErrorCode> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(ErrorCode::Einval)?;
        Ok((&self.0[..end], &self.0[end + 1..]))
    }

    /// All strings.
    pub(super) fn all(self) -> Vec<&'a [u8]> {
        let mut strings: Vec<_> = self.0.split(|byte| *byte == 0).collect();
        strings.pop();
        strings
    }
}

/// The decimal number at the start of a string, as C's `atoi` reads it: white space and a sign may
/// stand before it, what is no number is 0, and what is too large for 32 bits loses its upper ones.
pub(super) fn leading_number(string: &[u8]) -> u32 {
    let (negative, string) = sign(string);
    let (number, _) = digits(string, 10);
    wrapped(negative, number)
}

/// A string that is a number as C's `strtol` reads it, and nothing else: `0x` makes it hexadecimal,
/// another `0` octal.
pub(super) fn number(string: &[u8]) -> Result<u32, ErrorCode> {
    let (negative, string) = sign(string);
    let (string, base) = match string {
        [b'0', b'x' | b'X', rest @ ..] => (rest, 16),
        [b'0', ..] => (string, 8),
        _ => (string, 10),
    };
    match digits(string, base) {
        (number, count) if count > 0 && count == string.len() => Ok(wrapped(negative, number)),
        _ => Err(ErrorCode::Einval),
    }
}

/// Takes white space and a sign off. Returns whether that was a minus.
fn sign(string: &[u8]) -> (bool, &[u8]) {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0B;
    let spaces = string.iter().take_while(|byte| is_space(byte)).count();
    match &string[spaces..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    }
}

/// The number that a string starts with, and how many digits it has.
fn digits(string: &[u8], base: u32) -> (i64, usize) {
    let digits = string.iter().map_while(|byte| char::from(*byte).to_digit(base));
    digits.fold((0_i64, 0), |(number, count), digit| {
        let number = number.saturating_mul(i64::from(base)).saturating_add(i64::from(digit));
        (number, count + 1)
    })
}

/// The lower half of a number: all that the store keeps of one.
fn wrapped(negative: bool, number: i64) -> u32 {
    let number = if negative { -number } else { number };
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_string_ends_with_the_payload() {
        assert_eq!(Strings::new(b"a\0").only(), Ok(&b"a"[..]));
        assert_eq!(Strings::new(b"a").only(), Err(ErrorCode::Einval));
        assert_eq!(Strings::new(b"a\0b\0").only(), Err(ErrorCode::Einval));
        assert_eq!(Strings::new(b"").only(), Err(ErrorCode::Einval));
    }

    #[test]
    fn what_has_no_nul_is_no_string() {
        assert_eq!(Strings::new(b"a\0b\0c").all(), [b"a", b"b"]);
        assert_eq!(Strings::new(b"").all(), [b""; 0]);
        assert_eq!(Strings::new(b"a\0bc").first(), Ok((&b"a"[..], &b"bc"[..])));
    }

    #[test]
    fn a_leading_number_is_as_atoi_has_it() {
        assert_eq!(leading_number(b"12x"), 12);
        assert_eq!(leading_number(b"x"), 0);
        assert_eq!(leading_number(b" \t+7"), 7);
        assert_eq!(leading_number(b"-1"), u32::MAX);
        assert_eq!(leading_number(b"4294967298"), 2);
        assert_eq!(leading_number(b"0x10"), 0);
    }

    #[test]
    fn a_whole_number_is_as_strtol_has_it() {
        assert_eq!(number(b"12"), Ok(12));
        assert_eq!(number(b"0"), Ok(0));
        assert_eq!(number(b"0x1f"), Ok(31));
        assert_eq!(number(b"010"), Ok(8));
        assert_eq!(number(b"-1"), Ok(u32::MAX));
        assert_eq!(number(b""), Err(ErrorCode::Einval));
        assert_eq!(number(b"-"), Err(ErrorCode::Einval));
        assert_eq!(number(b"0x"), Err(ErrorCode::Einval));
        assert_eq!(number(b"08"), Err(ErrorCode::Einval));
        assert_eq!(number(b"1 "), Err(ErrorCode::Einval));
    }
}
