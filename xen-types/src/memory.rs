//! Amounts of memory in the four units Xen's interfaces use, and the roundings between them.
//!
//! Xen counts pages, libxenctrl takes KiB, configuration files say MiB, images have bytes. Going to
//! a smaller unit is exact and saturates (an amount near 2^64 is an error upstream anyway, and a
//! saturated one is refused by Xen instead of wrapping to a small one). Going to a larger unit
//! rounds, and the method says which way.

use std::fmt;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $suffix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name(pub u64);

        impl $name {
            /// The bare number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The sum, or `None` when it does not fit.
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// The difference, or `None` when `other` is larger.
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(rest) => Some(Self(rest)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{} ", $suffix), self.0)
            }
        }
    };
}

unit!(
    /// An amount in bytes.
    Bytes, "bytes"
);
unit!(
    /// An amount in KiB, libxenctrl's unit for memory ceilings.
    KiB, "KiB"
);
unit!(
    /// An amount in MiB, the unit of configuration files.
    MiB, "MiB"
);
unit!(
    /// A number of 4 KiB pages.
    PageCount, "pages"
);

impl Bytes {
    /// Whole pages, the last one perhaps part used.
    pub const fn to_pages_up(self) -> PageCount {
        PageCount(self.0.div_ceil(PAGE_BYTES))
    }

    /// Whole pages that fit.
    pub const fn to_pages_down(self) -> PageCount {
        PageCount(self.0 / PAGE_BYTES)
    }

    /// KiB, the last one perhaps part used.
    pub const fn to_kib_up(self) -> KiB {
        KiB(self.0.div_ceil(1024))
    }
}

impl KiB {
    /// The same in bytes.
    pub const fn to_bytes(self) -> Bytes {
        Bytes(self.0.saturating_mul(1024))
    }

    /// Whole pages, the last one perhaps part used.
    pub const fn to_pages_up(self) -> PageCount {
        PageCount(self.0.div_ceil(4))
    }

    /// Whole pages that fit.
    pub const fn to_pages_down(self) -> PageCount {
        PageCount(self.0 / 4)
    }

    /// MiB, the last one perhaps part used.
    pub const fn to_mib_up(self) -> MiB {
        MiB(self.0.div_ceil(1024))
    }

    /// Whole MiB that fit.
    pub const fn to_mib_down(self) -> MiB {
        MiB(self.0 / 1024)
    }
}

impl MiB {
    /// The same in bytes.
    pub const fn to_bytes(self) -> Bytes {
        Bytes(self.0.saturating_mul(1024 * 1024))
    }

    /// The same in KiB.
    pub const fn to_kib(self) -> KiB {
        KiB(self.0.saturating_mul(1024))
    }

    /// The same in pages.
    pub const fn to_pages(self) -> PageCount {
        PageCount(self.0.saturating_mul(256))
    }
}

impl PageCount {
    /// The same in bytes.
    pub const fn to_bytes(self) -> Bytes {
        Bytes(self.0.saturating_mul(PAGE_BYTES))
    }

    /// The same in KiB.
    pub const fn to_kib(self) -> KiB {
        KiB(self.0.saturating_mul(4))
    }

    /// MiB, the last one perhaps part used.
    pub const fn to_mib_up(self) -> MiB {
        MiB(self.0.div_ceil(256))
    }

    /// Whole MiB that fit.
    pub const fn to_mib_down(self) -> MiB {
        MiB(self.0 / 256)
    }
}

const PAGE_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_over_a_page_is_two_pages_used_and_one_free() {
        assert_eq!(Bytes(4097).to_pages_up(), PageCount(2));
        assert_eq!(Bytes(4097).to_pages_down(), PageCount(1));
    }

    #[test]
    fn a_partial_mib_rounds_as_named() {
        assert_eq!(PageCount(257).to_mib_up(), MiB(2));
        // Neither is what a remainder would be.
        assert_eq!(PageCount(3 * 256 + 1).to_mib_down(), MiB(3));
        assert_eq!(KiB(1025).to_mib_up(), MiB(2));
    }

    #[test]
    fn an_absurd_amount_saturates_instead_of_wrapping() {
        assert_eq!(MiB(u64::MAX).to_bytes(), Bytes(u64::MAX));
    }
}
