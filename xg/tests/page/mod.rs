//! The page of a guest's memory in which its firmware finds `hvm_info_table`, for the tests of this
//! crate and those through the C boundary.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{Errno, pread, pwrite};
use xc::foreign::{ForeignDevice, ForeignMemory, MappedFrames, Mapping, ResourceOf};

#[derive(Debug, Clone)]
pub(crate) struct Page(Arc<OwnedFd>);

impl Page {
    /// As libxenguest leaves it: head, one of 128 virtual CPUs.
    pub(crate) fn of_libxenguest() -> Self {
        let page = Self::empty();
        let mut table = [0; 48];
        table[..8].copy_from_slice(b"HVM INFO");
        (table[8], table[13], table[16]) = (48, 1, 1);
        table[32..].fill(0xff);
        pwrite(&*page.0, &table, 0x800).unwrap();
        page
    }

    pub(crate) fn empty() -> Self {
        let memory = memfd_create("page", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&memory, 4096).unwrap();
        Self(Arc::new(memory))
    }

    pub(crate) fn foreign(&self) -> ForeignMemory {
        ForeignMemory::with_device(Arc::new(self.clone()))
    }

    pub(crate) fn bytes(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        assert_eq!(pread(&*self.0, &mut bytes, offset), Ok(length));
        bytes
    }
}

impl ForeignDevice for Page {
    fn map_frames(&self, _: u16, frames: &[u64], writable: bool) -> Result<MappedFrames, Errno> {
        assert_eq!(frames, [0x9f]);
        let mapping = Mapping::new(self.0.as_fd(), 0, 1, writable)?;
        Ok(MappedFrames { mapping, failures: vec![0] })
    }
    fn map_resource(&self, _: ResourceOf, _: u32, _: usize, _: bool) -> Result<Mapping, Errno> {
        Err(Errno::NOSYS)
    }
    fn resource_size(&self, _: ResourceOf) -> Result<u64, Errno> {
        Err(Errno::NOSYS)
    }
    fn restrict(&self, _: u16) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }
}
