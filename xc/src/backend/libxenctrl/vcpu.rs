//! Virtual CPUs.

use rustix::io::Errno;
use xen_types::DomId;
use xenctrl_sys::{VcpuContext, VcpuInfo};

use super::{LibXenCtrl, call, check, last_errno};
use crate::backend::{CallError, VcpuCalls};

impl VcpuCalls for LibXenCtrl {
    fn domain_max_vcpus(&self, dom: DomId, max: u32) -> Result<(), CallError> {
        call!(self, vcpu.domain_max_vcpus(dom, max)).map(drop)
    }

    fn vcpu_getinfo(&self, dom: DomId, vcpu: u32) -> Result<VcpuInfo, CallError> {
        let mut info = VcpuInfo::default();
        call!(self, vcpu.vcpu_getinfo(dom, vcpu, &mut info))?;
        Ok(info)
    }

    fn domain_get_cpu_usage(&self, dom: DomId, vcpu: i32) -> Result<u64, CallError> {
        let function = self.functions().vcpu.domain_get_cpu_usage;
        let (function, handle) = self.callable("xc_domain_get_cpu_usage", function)?;
        // SAFETY: nothing beyond the head of `super`: it takes numbers.
        let returned = unsafe { function(handle, dom.into(), vcpu) };
        u64::try_from(returned).map_err(|_| last_errno().into())
    }

    fn vcpu_getcontext(&self, dom: DomId, vcpu: u32) -> Result<Box<VcpuContext>, CallError> {
        let mut context = Box::<VcpuContext>::default();
        call!(self, vcpu.vcpu_getcontext(dom, vcpu, &mut *context))?;
        Ok(context)
    }

    fn vcpu_setcontext(
        &self,
        dom: DomId,
        vcpu: u32,
        context: &VcpuContext,
    ) -> Result<(), CallError> {
        let mut context = Box::new(*context);
        call!(self, vcpu.vcpu_setcontext(dom, vcpu, &mut *context)).map(drop)
    }

    fn vcpu_getaffinity(
        &self,
        dom: DomId,
        vcpu: i32,
        flags: u32,
    ) -> Result<(Vec<u8>, Vec<u8>), CallError> {
        let function = self.functions().vcpu.vcpu_getaffinity;
        let (function, handle) = self.callable("xc_vcpu_getaffinity", function)?;
        let (mut hard, mut soft) = (self.bitmap(&[])?, self.bitmap(&[])?);
        let (one, other) = (hard.as_mut_ptr().cast(), soft.as_mut_ptr().cast());
        // SAFETY: both must be writable for xc_get_cpumap_size bytes (xc_domain.c): `bitmap` made
        // them so.
        check(unsafe { function(handle, dom.into(), vcpu, one, other, flags) })?;
        Ok((hard, soft))
    }

    fn vcpu_setaffinity(
        &self,
        dom: DomId,
        vcpu: i32,
        hard: &[u8],
        soft: &[u8],
        flags: u32,
    ) -> Result<(Vec<u8>, Vec<u8>), CallError> {
        let function = self.functions().vcpu.vcpu_setaffinity;
        let (function, handle) = self.callable("xc_vcpu_setaffinity", function)?;
        let (mut hard, mut soft) = (self.bitmap(hard)?, self.bitmap(soft)?);
        let (one, other) = (hard.as_mut_ptr().cast(), soft.as_mut_ptr().cast());
        // SAFETY: both must be readable and writable for xc_get_cpumap_size bytes (xc_domain.c):
        // `bitmap` made them so.
        check(unsafe { function(handle, dom.into(), vcpu, one, other, flags) })?;
        Ok((hard, soft))
    }

    fn get_max_cpus(&self) -> Result<u32, CallError> {
        call!(self, vcpu.get_max_cpus())
    }

    fn get_cpumap_size(&self) -> Result<u32, CallError> {
        call!(self, vcpu.get_cpumap_size())
    }
}

impl LibXenCtrl {
    /// A bitmap as long as libxc takes and writes them, that starts with these bytes.
    fn bitmap(&self, from: &[u8]) -> Result<Vec<u8>, CallError> {
        let size = self.get_cpumap_size()? as usize;
        if from.len() > size {
            return Err(Errno::RANGE.into()); // a processor that the host cannot have
        }
        let mut bitmap = from.to_vec();
        bitmap.resize(size, 0);
        Ok(bitmap)
    }
}
