//! The addresses of network cards.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The address of one network card (MAC): not a group's, not the one of nobody.
///
/// ```
/// use devices::Mac;
///
/// let mac: Mac = "00:16:3E:01:02:03".parse()?;
/// assert_eq!(mac.to_string(), "00:16:3e:01:02:03");
/// assert!("01:00:5e:00:00:01".parse::<Mac>().is_err()); // of a group
/// # Ok::<(), devices::InvalidMac>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

/// Why something is not the address of a network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidMac {
    /// It is not written as six bytes in hexadecimal, two digits each, with colons between.
    #[error("not an address (such as 00:16:3e:01:02:03)")]
    Form,
    /// It is the address of a group of cards.
    #[error("an address with the lowest bit of its first byte set is a group's")]
    Group,
    /// It is zero.
    #[error("the address 00:00:00:00:00:00 is nobody's")]
    Zero,
}

impl Mac {
    /// The address of these bytes.
    ///
    /// # Errors
    /// [`InvalidMac::Group`] and [`InvalidMac::Zero`].
    pub const fn new(bytes: [u8; 6]) -> Result<Self, InvalidMac> {
        match bytes {
            [0, 0, 0, 0, 0, 0] => Err(InvalidMac::Zero),
            [first, ..] if first & 1 == 1 => Err(InvalidMac::Group),
            _ => Ok(Self(bytes)),
        }
    }

    /// An address of the range that is Xen's, 00:16:3e, from random bytes, as libxl makes one
    /// (`libxl__device_nic_setdefault`): the upper half of the range stays free.
    ///
    /// ```
    /// assert_eq!(devices::Mac::of_xen([0xff, 2, 3]).to_string(), "00:16:3e:7f:02:03");
    /// ```
    pub const fn of_xen(random: [u8; 3]) -> Self {
        Self([0x00, 0x16, 0x3e, random[0] & 0x7f, random[1], random[2]])
    }

    /// The bytes, in the order in which they are sent.
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for Mac {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let mut bytes = [0; 6];
        let mut words = text.split(':');
        for byte in &mut bytes {
            *byte = words.next().and_then(two_digits).ok_or(InvalidMac::Form)?;
        }
        if words.next().is_some() {
            return Err(InvalidMac::Form);
        }
        Self::new(bytes)
    }
}

/// `from_str_radix` alone would take a sign.
fn two_digits(word: &str) -> Option<u8> {
    let digits = word.len() == 2 && word.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(word, 16).ok()).flatten()
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_bytes_of_two_digits_make_an_address() {
        let mac = "00:16:3e:0a:Bc:ff".parse::<Mac>().unwrap();
        assert_eq!(mac.bytes(), [0x00, 0x16, 0x3e, 0x0a, 0xbc, 0xff]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let parse = |text: &str| text.parse::<Mac>();
        assert_eq!(parse(""), Err(InvalidMac::Form));
        assert_eq!(parse("00:16:3e:01:02"), Err(InvalidMac::Form));
        assert_eq!(parse("00:16:3e:01:02:03:04"), Err(InvalidMac::Form));
        assert_eq!(parse("0:16:3e:01:02:03"), Err(InvalidMac::Form));
        assert_eq!(parse("00-16-3e-01-02-03"), Err(InvalidMac::Form));
        assert_eq!(parse("+0:16:3e:01:02:03"), Err(InvalidMac::Form));
        assert_eq!(parse("00:00:00:00:00:00"), Err(InvalidMac::Zero));
        assert_eq!(parse("ff:ff:ff:ff:ff:ff"), Err(InvalidMac::Group));
    }
}
