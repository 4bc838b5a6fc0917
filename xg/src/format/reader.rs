//! Little-endian numbers and strings at offsets that nobody has checked.
//!
//! There is no reading up to the next zero: where that is, the file decides, and it may ask for it
//! 65535 times over.

/// Bytes that may say anything. Every read beyond the end is `None`; nothing overflows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn size(self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn bytes(self, at: u64, size: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(at).ok()?;
        let end = usize::try_from(at.checked_add(size)?).ok()?;
        self.0.get(start..end)
    }

    pub(super) fn starts_with(self, at: u64, magic: &[u8]) -> bool {
        self.bytes(at, magic.len() as u64) == Some(magic)
    }

    pub(super) fn u8(self, at: u64) -> Option<u8> {
        self.array(at).map(u8::from_le_bytes)
    }

    pub(super) fn u16(self, at: u64) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(self, at: u64) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn u64(self, at: u64) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    fn array<const N: usize>(self, at: u64) -> Option<[u8; N]> {
        self.bytes(at, N as u64)?.try_into().ok()
    }
}
