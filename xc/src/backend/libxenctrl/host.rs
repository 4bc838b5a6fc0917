//! The host and its hypervisor.

use std::ffi::CStr;

use rustix::io::Errno;
use xenctrl_sys::{
    CompileInfo, CpuInfo, CpuTopology, CpuVersion, NodeMemory, PciDevice, PhysInfo, PhysInfoLayout,
    v4_15,
};

use super::{LibXenCtrl, call, check};
use crate::backend::{CallError, HostCalls};

impl HostCalls for LibXenCtrl {
    fn version(&self) -> Result<u32, CallError> {
        self.ask_version()
    }

    fn extra_version(&self) -> Result<Vec<u8>, CallError> {
        self.ask_extra_version()
    }

    fn version_compile_info(&self) -> Result<CompileInfo, CallError> {
        self.ask_compile_info()
    }

    fn version_capabilities(&self) -> Result<Vec<u8>, CallError> {
        self.ask_capabilities()
    }

    fn version_changeset(&self) -> Result<Vec<u8>, CallError> {
        self.ask_changeset()
    }

    fn version_platform_parameters(&self) -> Result<u64, CallError> {
        self.ask_platform_parameters()
    }

    fn version_features(&self) -> Result<u32, CallError> {
        self.ask_features()
    }

    fn version_pagesize(&self) -> Result<u32, CallError> {
        self.ask_pagesize()
    }

    fn version_guest_handle(&self) -> Result<[u8; 16], CallError> {
        self.ask_guest_handle()
    }

    fn version_commandline(&self) -> Result<Vec<u8>, CallError> {
        self.ask_commandline()
    }

    fn version_build_id(&self, room: u32) -> Result<Vec<u8>, CallError> {
        self.ask_build_id(room)
    }

    fn xenver_extraversion(&self) -> Result<Vec<u8>, CallError> {
        self.ask_string("xc_xenver_extraversion", self.functions().host.xenver_extraversion)
    }

    fn xenver_capabilities(&self) -> Result<Vec<u8>, CallError> {
        self.ask_string("xc_xenver_capabilities", self.functions().host.xenver_capabilities)
    }

    fn xenver_changeset(&self) -> Result<Vec<u8>, CallError> {
        self.ask_string("xc_xenver_changeset", self.functions().host.xenver_changeset)
    }

    fn xenver_commandline(&self) -> Result<Vec<u8>, CallError> {
        self.ask_string("xc_xenver_commandline", self.functions().host.xenver_commandline)
    }

    fn physinfo(&self) -> Result<PhysInfo, CallError> {
        match self.library().profile().phys_info {
            PhysInfoLayout::V4_15 => self.read_physinfo::<v4_15::PhysInfo>().map(Into::into),
            PhysInfoLayout::V4_17 => self.read_physinfo(),
        }
    }

    fn get_online_cpus(&self) -> Result<u32, CallError> {
        call!(self, host.get_online_cpus())
    }

    fn get_max_nodes(&self) -> Result<u32, CallError> {
        call!(self, host.get_max_nodes())
    }

    fn cputopoinfo(&self, max: u32) -> Result<Vec<CpuTopology>, CallError> {
        let function = self.functions().host.cputopoinfo;
        let (function, handle) = self.callable("xc_cputopoinfo", function)?;
        let mut entries = vec![CpuTopology::default(); max as usize];
        let mut count = max;
        // SAFETY: `count` entries must be writable, all of which libxc overwrites (xc_misc.c): the
        // Vec has as many. Any bytes are valid entries, structures of integers.
        check(unsafe { function(handle, &raw mut count, entries.as_mut_ptr().cast()) })?;
        entries.truncate(count as usize);
        Ok(entries)
    }

    fn numainfo(&self, max: u32) -> Result<(Vec<NodeMemory>, Vec<u32>), CallError> {
        let (function, handle) = self.callable("xc_numainfo", self.functions().host.numainfo)?;
        let mut nodes = vec![NodeMemory::default(); max as usize];
        let square = nodes.len().checked_mul(nodes.len()).ok_or(Errno::TOOBIG)?;
        let mut distances = vec![0_u32; square];
        let (mut count, memory) = (max, nodes.as_mut_ptr().cast());
        let distance = distances.as_mut_ptr().cast();
        // SAFETY: `count` entries and the square of `count` distances must be writable, all of which
        // libxc overwrites (xc_misc.c): the Vecs have as many. Any bytes are valid integers.
        check(unsafe { function(handle, &raw mut count, memory, distance) })?;
        nodes.truncate(count as usize);
        distances.truncate(nodes.len() * nodes.len());
        Ok((nodes, distances))
    }

    fn pcitopoinfo(&self, devices: &[PciDevice]) -> Result<Vec<u32>, CallError> {
        let function = self.functions().host.pcitopoinfo;
        let (function, handle) = self.callable("xc_pcitopoinfo", function)?;
        let count = u32::try_from(devices.len()).map_err(|_| Errno::TOOBIG)?;
        let mut nodes = vec![0_u32; devices.len()];
        let (from, into) = (devices.as_ptr().cast_mut().cast(), nodes.as_mut_ptr().cast());
        // SAFETY: `count` devices must be readable and as many nodes readable and writable: slice and
        // Vec have them. Devices are not written: they are bounced inwards only (xc_misc.c).
        check(unsafe { function(handle, count, from, into) })?;
        Ok(nodes)
    }

    fn getcpuinfo(&self, max: u32) -> Result<Vec<u64>, CallError> {
        let (function, handle) =
            self.callable("xc_getcpuinfo", self.functions().host.getcpuinfo)?;
        let mut entries = vec![CpuInfo::default(); max as usize];
        let room = i32::try_from(max).map_err(|_| Errno::TOOBIG)?;
        let mut written = 0;
        // SAFETY: `room` entries must be writable, all of which libxc overwrites (xc_misc.c): the Vec
        // has as many. Any bytes are valid entries, structures of integers.
        check(unsafe { function(handle, room, entries.as_mut_ptr().cast(), &raw mut written) })?;
        let written = usize::try_from(written).unwrap_or(0);
        Ok(entries.into_iter().take(written).map(|entry| entry.idletime).collect())
    }

    fn get_cpu_version(&self, cpu: u32) -> Result<CpuVersion, CallError> {
        let mut version = CpuVersion { xen_cpuid: cpu, ..CpuVersion::default() };
        call!(self, host.get_cpu_version(&mut version))?;
        Ok(version)
    }

    fn readconsolering(
        &self,
        buffer: &mut [u8],
        clear: bool,
        from: Option<u32>,
    ) -> Result<(usize, u32), CallError> {
        let function = self.functions().host.readconsolering;
        let (function, handle) = self.callable("xc_readconsolering", function)?;
        let mut count = u32::try_from(buffer.len()).map_err(|_| Errno::TOOBIG)?;
        let (clear, incremental, mut index) =
            (clear.into(), from.is_some().into(), from.unwrap_or(0));
        let (into, count_at, index_at) =
            (buffer.as_mut_ptr().cast(), &raw mut count, &raw mut index);
        // SAFETY: `count` bytes must be writable, all of which libxc overwrites (xc_misc.c): the slice
        // has as many. Any bytes are valid ones.
        check(unsafe { function(handle, into, count_at, clear, incremental, index_at) })?;
        Ok(((count as usize).min(buffer.len()), index))
    }

    fn send_debug_keys(&self, keys: &CStr) -> Result<(), CallError> {
        let function = self.functions().host.send_debug_keys;
        let (function, handle) = self.callable("xc_send_debug_keys", function)?;
        // SAFETY: must be a C string, which is only read: `keys` is one.
        check(unsafe { function(handle, keys.as_ptr()) }).map(drop)
    }
}

impl LibXenCtrl {
    /// Reads a structure of the layout `T`, which the profile must name.
    fn read_physinfo<T: Default>(&self) -> Result<T, CallError> {
        let (function, handle) = self.callable("xc_physinfo", self.functions().host.physinfo)?;
        let mut info = T::default();
        // SAFETY: one structure must be writable: `info`, of the layout that the canary measured.
        // Any bytes are a valid `T`, a C structure of integers.
        check(unsafe { function(handle, (&raw mut info).cast()) })?;
        Ok(info)
    }
}
