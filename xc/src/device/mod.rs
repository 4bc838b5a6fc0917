//! Hardware that domains are given: the right to use it, its place in the guest, its interrupts, and
//! whole PCI functions.
//!
//! The order of these calls is told at the head of the crate. Left out is
//! `xc_physdev_pci_access_modify`: in every release known here it does nothing but fail with `ENOSYS`
//! (`tools/libs/ctrl/xc_physdev.c`).

mod access;
mod assign;
mod interrupt;

use std::ops::RangeInclusive;

pub use assign::RdmPolicy;
pub use interrupt::{Gsi, GuestIrq, GuestMsi, MsiDelivery, MsiSource, Pirq};

use crate::backend::CallError;

/// Whether a domain may use something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// It may.
    Allow,
    /// It may not, from now on; what it already uses is not taken away.
    Forbid,
}

impl Permission {
    fn is_allowed(self) -> bool {
        self == Self::Allow
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Forbid => "forbid",
        }
    }
}

/// The first port and the number of ports. Xen refuses the empty range, which has number 0.
fn ports(range: &RangeInclusive<u16>) -> (u32, u32) {
    let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
    (first, (last + 1).saturating_sub(first))
}

/// A number that the call carries in a narrower type.
fn narrow<T: TryFrom<u32>>(number: u32) -> Result<T, CallError> {
    T::try_from(number).map_err(|_| CallError::Errno(rustix::io::Errno::RANGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_includes_its_end() {
        assert_eq!(ports(&(0x3f8..=0x3ff)), (0x3f8, 8));
        assert_eq!(ports(&(0..=0xffff)), (0, 0x1_0000));
        assert_eq!(ports(&(0x60..=0x60)), (0x60, 1));
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges, reason = "the subject")]
    fn an_empty_range_of_ports_is_no_port() {
        assert_eq!(ports(&(8..=7)), (8, 0));
        assert_eq!(ports(&(8..=2)), (8, 0));
    }

    #[test]
    fn a_number_too_wide_for_the_call_is_refused() {
        assert_eq!(narrow::<u8>(255), Ok(255));
        assert_eq!(narrow::<u8>(256), Err(CallError::Errno(rustix::io::Errno::RANGE)));
        assert_eq!(narrow::<i32>(1 << 31), Err(CallError::Errno(rustix::io::Errno::RANGE)));
    }
}
