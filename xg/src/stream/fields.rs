//! Little-endian fields, one after the other, of bytes that may be too few.

use super::error::{LengthRule, Reason};

/// What is left of some bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    left: &'a [u8],
    whole: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, whole: bytes.len() }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let Some((field, left)) = self.left.split_first_chunk() else {
            let read = self.whole - self.left.len();
            let found = self.whole as u64;
            let bound = (read + N) as u64;
            return Err(Reason::Length { found, rule: LengthRule::AtLeast, bound });
        };
        self.left = left;
        Ok(*field)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Reason> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Reason> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Reason> {
        self.array().map(u64::from_le_bytes)
    }

    /// The headers of both streams are in network order.
    pub(super) fn big_u16(&mut self) -> Result<u16, Reason> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn big_u32(&mut self) -> Result<u32, Reason> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn big_u64(&mut self) -> Result<u64, Reason> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.left
    }
}
