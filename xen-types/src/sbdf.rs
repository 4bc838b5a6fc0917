//! Where a PCI function sits.

use std::fmt;
use std::str::FromStr;

/// The address of a PCI function: segment, bus, device, function.
///
/// Written as Linux and libxl write it, `0000:03:00.1`; the segment may be left out and is 0 then.
///
/// ```
/// use xen_types::Sbdf;
///
/// let nic: Sbdf = "03:10.2".parse()?;
/// assert_eq!((nic.segment(), nic.bus(), nic.device(), nic.function()), (0, 3, 16, 2));
/// assert_eq!(nic.to_string(), "0000:03:10.2");
/// # Ok::<(), xen_types::InvalidSbdf>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sbdf(u32);

impl Sbdf {
    /// The function at these numbers; `None` for a device above 31 or a function above 7.
    pub const fn new(segment: u16, bus: u8, device: u8, function: u8) -> Option<Self> {
        if device > 0x1f || function > 7 {
            return None;
        }
        let devfn = (device << 3) | function;
        Some(Self::from_devfn(segment, bus, devfn))
    }

    /// The same with device and function in one byte, device in the upper five bits.
    pub const fn from_devfn(segment: u16, bus: u8, devfn: u8) -> Self {
        Self(((segment as u32) << 16) | ((bus as u32) << 8) | devfn as u32)
    }

    /// From the number that Xen's interfaces carry: segment in the upper half, then bus, then device
    /// and function (`machine_sbdf`, `xen/include/public/domctl.h`).
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The number that Xen's interfaces carry.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The segment, which Linux calls domain.
    pub const fn segment(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The bus.
    pub const fn bus(self) -> u8 {
        self.0.to_le_bytes()[1]
    }

    /// Device and function in one byte.
    pub const fn devfn(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    /// The device, 0 to 31.
    pub const fn device(self) -> u8 {
        self.devfn() >> 3
    }

    /// The function, 0 to 7.
    pub const fn function(self) -> u8 {
        self.devfn() & 7
    }
}

impl FromStr for Sbdf {
    type Err = InvalidSbdf;

    /// Parses `SSSS:BB:DD.F` or `BB:DD.F`, hexadecimal digits, at most so many of each.
    fn from_str(s: &str) -> Result<Self, InvalidSbdf> {
        let parse = || {
            let (place, function) = s.rsplit_once('.')?;
            let (bus, device) = place.rsplit_once(':')?;
            let (segment, bus) = bus.rsplit_once(':').unwrap_or(("0", bus));
            let (segment, bus) = (hex(segment, 4)?, u8::try_from(hex(bus, 2)?).ok()?);
            let device = u8::try_from(hex(device, 2)?).ok()?;
            let function = u8::try_from(hex(function, 1)?).ok()?;
            Self::new(segment, bus, device, function)
        };
        parse().ok_or(InvalidSbdf)
    }
}

/// At most `most` hexadecimal digits and nothing else: `from_str_radix` alone would take a sign.
fn hex(digits: &str, most: usize) -> Option<u16> {
    if digits.len() > most || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

impl fmt::Display for Sbdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (segment, bus) = (self.segment(), self.bus());
        write!(f, "{segment:04x}:{bus:02x}:{:02x}.{}", self.device(), self.function())
    }
}

impl fmt::Debug for Sbdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the address of a PCI function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSbdf;

impl fmt::Display for InvalidSbdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a PCI address (such as 0000:03:00.1)")
    }
}

impl std::error::Error for InvalidSbdf {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_address_reads_as_the_address() {
        let last = Sbdf::new(0xffff, 0xff, 0x1f, 7).unwrap();
        assert_eq!(last.to_string(), "ffff:ff:1f.7");
        assert_eq!("ffff:ff:1f.7".parse(), Ok(last));
        assert_eq!("1:2:3.4".parse(), Ok(Sbdf::new(1, 2, 3, 4).unwrap()));
        assert_eq!("02:03.4".parse(), Ok(Sbdf::new(0, 2, 3, 4).unwrap()));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let parse = |text: &str| text.parse::<Sbdf>();
        assert_eq!(parse(""), Err(InvalidSbdf));
        assert_eq!(parse("00:20.0"), Err(InvalidSbdf));
        assert_eq!(parse("00:1f.8"), Err(InvalidSbdf));
        assert_eq!(parse("10000:00:00.0"), Err(InvalidSbdf));
        assert_eq!(parse("0:100:00.0"), Err(InvalidSbdf));
        assert_eq!(parse("00:+1.0"), Err(InvalidSbdf));
        assert_eq!(parse("00:.0"), Err(InvalidSbdf));
        assert_eq!(parse("0000:00:00.0:1"), Err(InvalidSbdf));
    }

    #[test]
    fn the_number_has_the_bits_where_xen_has_them() {
        let address = Sbdf::new(0x1234, 0x56, 0x1e, 5).unwrap();
        assert_eq!(address.raw(), 0x1234_56f5);
        assert_eq!(Sbdf::from_raw(0x1234_56f5), address);
        assert_eq!((address.segment(), address.bus(), address.devfn()), (0x1234, 0x56, 0xf5));
    }
}
