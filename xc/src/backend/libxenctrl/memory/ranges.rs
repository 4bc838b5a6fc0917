//! Memory maps.

use rustix::io::Errno;
use xen_types::DomId;
use xenctrl_sys::{E820Entry, ReservedDeviceMemory};

use super::super::{LibXenCtrl, check};
use crate::backend::CallError;

impl LibXenCtrl {
    pub(super) fn set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError> {
        let function = self.functions().memory.domain_set_memory_map;
        let (function, handle) = self.callable("xc_domain_set_memory_map", function)?;
        let count = u32::try_from(map.len()).map_err(|_| Errno::TOOBIG)?;
        // SAFETY: `count` entries must be readable: as many as the slice has. They are not written,
        // though the prototype allows it: the buffer is bounced inwards only (xc_domain.c).
        check(unsafe { function(handle, dom.into(), map.as_ptr().cast_mut().cast(), count) })
            .map(drop)
    }

    pub(super) fn machine_memory_map(&self, max: u32) -> Result<Vec<E820Entry>, CallError> {
        let function = self.functions().memory.get_machine_memory_map;
        let (function, handle) = self.callable("xc_get_machine_memory_map", function)?;
        let mut map = vec![E820Entry::default(); max as usize];
        // SAFETY: `max` entries must be writable, all of which libxc overwrites (xc_domain.c): the
        // vector has as many. Any bytes are a valid entry.
        let written = check(unsafe { function(handle, map.as_mut_ptr().cast(), max) })?;
        map.truncate(written as usize);
        Ok(map)
    }

    pub(super) fn reserved_device_memory(
        &self,
        flags: u32,
        segment: u16,
        bus: u8,
        devfn: u8,
        count: &mut u32,
    ) -> Result<Vec<ReservedDeviceMemory>, CallError> {
        let function = self.functions().memory.reserved_device_memory_map;
        let (function, handle) = self.callable("xc_reserved_device_memory_map", function)?;
        let mut ranges = vec![ReservedDeviceMemory::default(); *count as usize];
        let start = ranges.as_mut_ptr().cast();
        // SAFETY: as many entries must be writable as the number says at the time of the call, all of
        // which libxc overwrites (xc_domain.c): the vector was made for it. Any bytes are valid.
        let done = check(unsafe { function(handle, flags, segment, bus, devfn, start, count) });
        ranges.truncate(*count as usize);
        done.map(|_| ranges)
    }
}
