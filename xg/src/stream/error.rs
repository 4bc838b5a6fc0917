//! Why an image was refused, and where.

use std::fmt;

use super::record::Head;

/// Bytes that are no image, or not a whole one, or not one that could be restored.
///
/// The text says where; the [source](std::error::Error::source) says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// The byte at which the piece begins that is wrong.
    pub offset: u64,
    /// The record it belongs to, unless it is a header.
    pub record: Option<Head>,
    /// What is wrong with it.
    pub reason: Reason,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.record {
            Some(head) => write!(f, "{head} at byte {}", self.offset),
            None => write!(f, "byte {}", self.offset),
        }
    }
}

impl std::error::Error for StreamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The first bytes are those of no image.
    #[error("neither a stream of libxc or libxl nor a file of xl")]
    UnknownFormat,
    /// An image of a kind that is known and not read here.
    #[error("{0} is not read here")]
    Unsupported(&'static str),
    /// A header with another number than the one it is known by.
    #[error("the {part} is {found:#x}: {wanted:#x} expected")]
    Magic {
        /// Which number.
        part: &'static str,
        /// What it is.
        found: u64,
        /// What it should be.
        wanted: u64,
    },
    /// A version that is not known.
    #[error("version {found} of {part}: {known} known here")]
    Version {
        /// Of what.
        part: &'static str,
        /// The version.
        found: u32,
        /// Those that are known.
        known: &'static str,
    },
    /// A type of guest that Xen on x86 does not have.
    #[error("unknown type of guest {0:#x}")]
    GuestType(u32),
    /// Pages of another size than 4096 bytes.
    #[error("pages of 2^{0} bytes: 2^12 expected")]
    PageShift(u16),
    /// A length that the kind of record cannot have.
    #[error("a length of {found}: {rule} {bound} expected")]
    Length {
        /// The length.
        found: u64,
        /// How it relates to the bound.
        rule: LengthRule,
        /// The bound.
        bound: u64,
    },
    /// A kind of record that is not known and must not be passed over.
    #[error("an unknown mandatory record")]
    UnknownRecord,
    /// A record that has no place here.
    #[error("it has no place {0}")]
    Misplaced(&'static str),
    /// A record that must come once.
    #[error("it comes a second time")]
    Repeated,
    /// The image ends, or is to be consistent, without something that a restore needs.
    #[error("no {0} before it")]
    Missing(&'static str),
    /// `PAGE_DATA` with nothing in it.
    #[error("no page in it")]
    NoPages,
    /// A page of a type that does not exist.
    #[error("unknown type {kind:#x} of page {pfn:#x}")]
    PageType {
        /// The page's number.
        pfn: u64,
        /// Its type.
        kind: u8,
    },
    /// A page beyond the end of the domain.
    #[error("page {pfn:#x} is beyond the domain's last one, {last:#x}")]
    PageRange {
        /// The page's number.
        pfn: u64,
        /// The number of the last.
        last: u64,
    },
    /// A PV guest of an impossible shape.
    #[error("words of {width} bytes with {levels} levels of page tables")]
    PvShape {
        /// The size of its words.
        width: u8,
        /// How many levels its page tables have.
        levels: u8,
    },
    /// A range of pages that ends before it begins.
    #[error("pages {first:#x} to {last:#x}")]
    EmptyRange {
        /// The first.
        first: u32,
        /// The last.
        last: u32,
    },
    /// A virtual CPU above what Xen can have.
    #[error("virtual CPU {0}: below 8192 expected")]
    Vcpu(u32),
    /// More segment descriptors than Xen leaves to a guest.
    #[error("{0} segment descriptors: at most 7168 expected")]
    GdtEntries(u64),
    /// The state of an HVM or PVH domain that Xen would refuse.
    #[error("the state of the domain: {0}")]
    HvmContext(&'static str),
    /// A parameter that no release has.
    #[error("parameter {0:#x}: below 2^32 expected")]
    HvmParam(u64),
    /// A model-specific register with flags that Xen does not know.
    #[error("flags {flags:#x} of register {index:#x}")]
    MsrFlags {
        /// The register.
        index: u32,
        /// Its flags.
        flags: u32,
    },
    /// Keys and values of an emulator that are not such.
    #[error("the emulator's store data: {0}")]
    EmulatorStore(&'static str),
    /// Bytes after the end.
    #[error("bytes follow the end of the image")]
    Trailing,
    /// The bytes end before the image does.
    #[error("truncated: {missing} bytes or more are missing")]
    Truncated {
        /// How many at least.
        missing: u64,
    },
}

/// What a length has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum LengthRule {
    AtLeast,
    AtMost,
    Exactly,
    MultipleOf,
}

impl fmt::Display for LengthRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtLeast => "at least",
            Self::AtMost => "at most",
            Self::Exactly => "exactly",
            Self::MultipleOf => "a positive multiple of",
        })
    }
}

impl LengthRule {
    pub(super) fn check(self, found: u64, bound: u64) -> Result<(), Reason> {
        let holds = match self {
            Self::AtLeast => found >= bound,
            Self::AtMost => found <= bound,
            Self::Exactly => found == bound,
            Self::MultipleOf => found > 0 && found.is_multiple_of(bound),
        };
        if holds { Ok(()) } else { Err(Reason::Length { found, rule: self, bound }) }
    }
}
