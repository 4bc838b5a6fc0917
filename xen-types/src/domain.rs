//! Who a domain is: its short-lived number and its lasting UUID.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A domain id: the number the hypervisor gave to a running domain, 0 to 32751.
///
/// Ids from `DOMID_FIRST_RESERVED` (0x7FF0, `xen/include/public/xen.h`) on have special meanings in
/// single calls and are not domains, so they are not representable here. An id is reused after its
/// domain is gone: whoever keeps one across time compares the [`DomainUuid`] too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DomId(u16);

impl DomId {
    /// The control domain.
    pub const DOM0: Self = Self(0);

    /// The domain with this number, unless the number is reserved.
    pub const fn new(id: u16) -> Option<Self> {
        if id < FIRST_RESERVED { Some(Self(id)) } else { None }
    }

    /// The number as Xen's interfaces carry it (`domid_t`).
    pub const fn raw(self) -> u16 {
        self.0
    }
}

impl TryFrom<u32> for DomId {
    type Error = InvalidDomId;

    fn try_from(id: u32) -> Result<Self, InvalidDomId> {
        u16::try_from(id).ok().and_then(Self::new).ok_or(InvalidDomId)
    }
}

impl From<DomId> for u32 {
    fn from(dom: DomId) -> Self {
        dom.0.into()
    }
}

impl FromStr for DomId {
    type Err = InvalidDomId;

    /// Parses plain decimal digits, as xenstore and command lines write a domain id.
    fn from_str(s: &str) -> Result<Self, InvalidDomId> {
        if !s.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidDomId); // `parse` alone would take "+7"
        }
        s.parse().ok().and_then(Self::new).ok_or(InvalidDomId)
    }
}

impl fmt::Display for DomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}", self.0)
    }
}

/// The number given is not the id of any domain: reserved, too large or not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidDomId;

impl fmt::Display for InvalidDomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a domain id (0 to 32751)")
    }
}

impl std::error::Error for InvalidDomId {}

/// The UUID of a domain, its identity over reboots and migrations (`xen_domain_handle_t`).
///
/// Xen stores the 16 bytes in the order in which they are written as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DomainUuid(pub Uuid);

impl DomainUuid {
    /// The UUID from the 16 bytes of a domain handle.
    pub const fn from_bytes(handle: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(handle))
    }

    /// The 16 bytes of the domain handle.
    pub const fn to_bytes(self) -> [u8; 16] {
        *self.0.as_bytes()
    }
}

impl FromStr for DomainUuid {
    type Err = uuid::Error;

    fn from_str(s: &str) -> Result<Self, uuid::Error> {
        s.parse().map(Self)
    }
}

impl fmt::Display for DomainUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for DomainUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// `DOMID_FIRST_RESERVED`, `xen/include/public/xen.h`.
const FIRST_RESERVED: u16 = 0x7FF0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ids_are_not_domains() {
        assert_eq!(DomId::new(0x7FEF).map(DomId::raw), Some(0x7FEF));
        assert_eq!(DomId::new(0x7FF0), None);
        assert_eq!(DomId::try_from(0x1_0000_u32), Err(InvalidDomId));
    }

    #[test]
    fn a_domain_id_is_plain_digits() {
        assert_eq!("12".parse(), Ok(DomId(12)));
        assert_eq!("+12".parse::<DomId>(), Err(InvalidDomId));
        assert_eq!("".parse::<DomId>(), Err(InvalidDomId));
        assert_eq!("32752".parse::<DomId>(), Err(InvalidDomId));
    }

    #[test]
    fn handle_bytes_stand_in_text_order() {
        let uuid: DomainUuid = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        assert_eq!(uuid.to_bytes()[..4], [0x00, 0x11, 0x22, 0x33]);
        assert_eq!(uuid.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    }
}
