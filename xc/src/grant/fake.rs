//! Both grant devices over one file of pages, with a note of what they were asked.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;

use super::backend::*;
use super::{Grants, Shares};

/// Pages 0 to 15; page n is granted as reference 100 + n, and lies at n pages in both devices.
#[derive(Debug)]
pub(crate) struct Machine {
    file: OwnedFd,
    calls: Mutex<Vec<String>>,
    next: Mutex<u32>,
}

impl Machine {
    pub(crate) fn new() -> Arc<Self> {
        let file = memfd_create("machine", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 16 * 4096).unwrap();
        Arc::new(Self { file, calls: Mutex::default(), next: Mutex::new(0) })
    }

    pub(crate) fn grants(self: &Arc<Self>) -> Grants {
        Grants::with_device(self.clone())
    }

    pub(crate) fn shares(self: &Arc<Self>) -> Shares {
        Shares::with_device(self.clone())
    }

    /// What was asked since the last time.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }
}

impl GrantDevice for Machine {
    fn map_grant_ref(&self, grants: &[GrantOf]) -> Result<u64, Errno> {
        let first = grants.first().ok_or(Errno::INVAL)?;
        self.note(format!("map {} of {}", grants.len(), first.domid));
        Ok(u64::from(first.reference.saturating_sub(100)) * 4096)
    }
    fn mmap(&self, index: u64, pages: usize, writable: bool) -> Result<Mapping, Errno> {
        if index >= 16 * 4096 {
            return Err(Errno::INVAL);
        }
        Mapping::new(self.file.as_fd(), index, pages, writable)
    }
    fn unmap_grant_ref(&self, index: u64, count: u32) -> Result<(), Errno> {
        self.note(format!("unmap {count} at {index}"));
        Ok(())
    }
    fn set_unmap_notify(&self, notify: UnmapNotify) -> Result<(), Errno> {
        let UnmapNotify { index, action, event_channel_port } = notify;
        self.note(format!("on unmap of {index}: {action}, port {event_channel_port}"));
        Ok(())
    }
    fn grant_copy(&self, copies: &mut [GrantCopy<'_>]) -> Result<Vec<i16>, Errno> {
        self.note(format!("copy {}", copies.len()));
        let status = |copy: &mut GrantCopy<'_>| match (&copy.source, &mut copy.dest) {
            (CopySource::Grant(PartOfGrant { reference: 13, .. }), _) => -3,
            (_, CopyDest::Grant(PartOfGrant { domid: 9, .. })) => -8,
            (CopySource::Grant(from), CopyDest::Local(bytes)) => {
                bytes.fill(from.offset as u8);
                0
            }
            _ => 0,
        };
        Ok(copies.iter_mut().map(status).collect())
    }
}

impl ShareDevice for Machine {
    fn alloc_gref(&self, domid: u16, writable: bool, count: u32) -> Result<(u64, Vec<u32>), Errno> {
        if count == 0 {
            return Err(Errno::INVAL);
        }
        let mut next = self.next.lock().unwrap();
        let first = *next;
        if first + count > 16 {
            return Err(Errno::NOSPC);
        }
        *next += count;
        self.note(format!("grant {count} to {domid}, writable {writable}"));
        Ok((u64::from(first) * 4096, (first..first + count).map(|page| 100 + page).collect()))
    }
    fn mmap(&self, index: u64, pages: usize) -> Result<Mapping, Errno> {
        Mapping::new(self.file.as_fd(), index, pages, true)
    }
    fn dealloc_gref(&self, index: u64, count: u32) -> Result<(), Errno> {
        self.note(format!("end {count} at {index}"));
        Ok(())
    }
    fn set_unmap_notify(&self, notify: UnmapNotify) -> Result<(), Errno> {
        GrantDevice::set_unmap_notify(self, notify)
    }
}
