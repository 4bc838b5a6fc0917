//! Memory shared with other domains, as grants and foreign mappings hand it out.

mod fault;

use xenctrl_sys::shared::{AccessError, Mapping};

use crate::error::{Error, Result};
pub(crate) use fault::Fault;
pub use fault::{CopyFailure, FrameFailure, GrantStatus};

/// Whether mapped memory, or a share's other domain, may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

impl Access {
    pub(crate) fn is_write(self) -> bool {
        self == Self::Write
    }
}

/// Mapped pages that others change at any time; the guard that derefs to it keeps them mapped.
///
/// There are only copies and single accesses, never a reference into it: what is read twice may
/// differ, so copy first and look at the copy. Two copies at the same time to the same place may
/// mix.
///
/// Every access fails with [`Kind::Invalid`](crate::Kind::Invalid) beyond the end or where it writes
/// memory mapped for reading, and with [`Kind::Gone`](crate::Kind::Gone) in a forked child, which
/// does not have the mapping.
#[derive(Debug)]
pub struct SharedMemory {
    mapping: Mapping,
    /// Pages that are not there, ascending.
    holes: Vec<FrameFailure>,
}

impl SharedMemory {
    pub(crate) fn new(mapping: Mapping) -> Self {
        Self { mapping, holes: Vec::new() }
    }

    pub(crate) fn with_holes(mapping: Mapping, holes: Vec<FrameFailure>) -> Self {
        Self { mapping, holes }
    }

    pub(crate) fn holes(&self) -> &[FrameFailure] {
        &self.holes
    }

    pub(crate) fn unmap(self) -> Result<(), Fault> {
        self.mapping.unmap().map_err(Fault::Errno)
    }

    /// Its length in bytes, whole pages.
    #[allow(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.mapping.len()
    }

    /// Whether it may be written through this mapping.
    pub fn is_writable(&self) -> bool {
        self.mapping.is_writable()
    }

    /// Copies the bytes from `offset` on out of the memory.
    ///
    /// # Errors
    /// See the type.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.whole(offset, bytes.len())
            .and_then(|()| Ok(self.mapping.read(offset, bytes)?))
            .map_err(|fault| Self::failed("read", offset, bytes.len(), fault))
    }

    /// Copies bytes into the memory, from `offset` on.
    ///
    /// # Errors
    /// See the type.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.whole(offset, bytes.len())
            .and_then(|()| Ok(self.mapping.write(offset, bytes)?))
            .map_err(|fault| Self::failed("write", offset, bytes.len(), fault))
    }

    /// The byte at `offset`. Nothing that the caller accesses afterwards is accessed before
    /// (acquire).
    ///
    /// # Errors
    /// See the type.
    pub fn load_u8(&self, offset: usize) -> Result<u8> {
        self.access("read", offset, 1, |mapping| mapping.load_u8(offset))
    }

    /// The number at `offset`, a multiple of 4, in one access, with acquire.
    ///
    /// # Errors
    /// See the type; [`Kind::Invalid`](crate::Kind::Invalid) also off a multiple of 4.
    pub fn load_u32(&self, offset: usize) -> Result<u32> {
        self.access("read", offset, 4, |mapping| mapping.load_u32(offset))
    }

    /// Sets the byte at `offset`. Everything that the caller accessed before is accessed before
    /// (release).
    ///
    /// # Errors
    /// See the type.
    pub fn store_u8(&self, offset: usize, value: u8) -> Result<()> {
        self.access("write", offset, 1, |mapping| mapping.store_u8(offset, value))
    }

    /// Sets the number at `offset`, a multiple of 4, in one access, with release.
    ///
    /// # Errors
    /// As for [`SharedMemory::load_u32`].
    pub fn store_u32(&self, offset: usize, value: u32) -> Result<()> {
        self.access("write", offset, 4, |mapping| mapping.store_u32(offset, value))
    }

    /// Sets bits of the byte at `offset`; what it was. No access of the caller moves over it in
    /// either direction.
    ///
    /// # Errors
    /// See the type.
    pub fn fetch_or_u8(&self, offset: usize, bits: u8) -> Result<u8> {
        self.access("write", offset, 1, |mapping| mapping.fetch_or_u8(offset, bits))
    }

    /// Keeps only these bits of the byte at `offset`; what it was. Ordered as
    /// [`SharedMemory::fetch_or_u8`].
    ///
    /// # Errors
    /// See the type.
    pub fn fetch_and_u8(&self, offset: usize, bits: u8) -> Result<u8> {
        self.access("write", offset, 1, |mapping| mapping.fetch_and_u8(offset, bits))
    }

    fn access<T>(
        &self,
        verb: &'static str,
        offset: usize,
        len: usize,
        access: impl FnOnce(&Mapping) -> Result<T, AccessError>,
    ) -> Result<T> {
        self.whole(offset, len)
            .and_then(|()| Ok(access(&self.mapping)?))
            .map_err(|fault| Self::failed(verb, offset, len, fault))
    }

    /// Whether no page of these bytes is missing: touching one would end the process.
    fn whole(&self, offset: usize, len: usize) -> Result<(), Fault> {
        if self.holes.is_empty() || len == 0 {
            return Ok(());
        }
        let (first, last) =
            (offset / Mapping::PAGE, offset.saturating_add(len - 1) / Mapping::PAGE);
        let next = self.holes.partition_point(|hole| hole.index < first);
        match self.holes.get(next) {
            Some(hole) if hole.index <= last => Err(Fault::Frames(vec![*hole])),
            _ => Ok(()),
        }
    }

    fn failed(verb: &'static str, offset: usize, len: usize, fault: Fault) -> Error {
        Error::new(format!("{verb} {len} bytes at {offset:#x} of shared memory"), fault)
    }
}
