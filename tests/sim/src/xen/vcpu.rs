//! Virtual CPUs, where they may run, and the time they have.

use rustix::io::Errno;
use xc::backend::VcpuInfo;
use xen_types::DomId;
use xenctrl_sys::{XEN_VCPUAFFINITY_HARD, XEN_VCPUAFFINITY_SOFT};

use super::domain::{Domain, Tsc, Vcpu};
use super::host::{KHZ, bitmap};
use super::{Outcome, Xen};

impl Xen {
    /// `XEN_DOMCTL_max_vcpus`: creates as many as the domain was created for.
    pub(crate) fn create_vcpus(&mut self, dom: DomId, count: u32) -> Outcome<()> {
        let domain = self.other(dom)?;
        if count != domain.config.max_vcpus {
            return Err(Errno::INVAL);
        }
        domain.vcpus.resize(usize::try_from(count).map_err(|_| Errno::NOMEM)?, Vcpu::OFFLINE);
        Ok(())
    }

    /// `XEN_DOMCTL_getvcpuinfo`.
    pub(crate) fn vcpu_info(&mut self, dom: DomId, number: u32) -> Outcome<VcpuInfo> {
        let vcpu = vcpu(self.dom(dom)?, number)?;
        Ok(VcpuInfo {
            vcpu: number,
            online: vcpu.online.into(),
            blocked: vcpu.blocked.into(),
            running: vcpu.running.into(),
            cpu_time: vcpu.time,
            cpu: 0,
        })
    }

    /// `XEN_DOMCTL_getvcpuaffinity`: the hard and the soft bitmap.
    pub(crate) fn affinity(
        &mut self,
        dom: DomId,
        number: u32,
        flags: u32,
    ) -> Outcome<(Vec<u8>, Vec<u8>)> {
        let (size, all) = (self.cpumap_size(), self.all_cpus());
        let vcpu = vcpu(self.dom(dom)?, number)?;
        let asked = |flag, cpus: u64| if flags & flag != 0 { cpus & all } else { 0 };
        let hard = asked(XEN_VCPUAFFINITY_HARD, vcpu.hard);
        let soft = asked(XEN_VCPUAFFINITY_SOFT, vcpu.soft);
        Ok((bytes(hard, size), bytes(soft, size)))
    }

    /// `XEN_DOMCTL_setvcpuaffinity`: what it comes to.
    pub(crate) fn set_affinity(
        &mut self,
        dom: DomId,
        number: u32,
        (hard, soft): (&[u8], &[u8]),
        flags: u32,
    ) -> Outcome<(Vec<u8>, Vec<u8>)> {
        let (size, online) = (self.cpumap_size(), self.all_cpus());
        let vcpu = vcpu(self.dom(dom)?, number)?;
        let (mut new_hard, mut new_soft) = (bitmap(hard), bitmap(soft));
        if flags & XEN_VCPUAFFINITY_HARD != 0 {
            if new_hard & online == 0 {
                return Err(Errno::INVAL);
            }
            vcpu.hard = new_hard;
            new_hard &= online;
        }
        if flags & XEN_VCPUAFFINITY_SOFT != 0 {
            vcpu.soft = new_soft;
            new_soft &= online & vcpu.hard;
        }
        Ok((bytes(new_hard, size), bytes(new_soft, size)))
    }

    /// In bytes.
    pub(crate) fn cpumap_size(&self) -> usize {
        usize::try_from(self.cpus.div_ceil(8)).unwrap_or(1)
    }

    fn all_cpus(&self) -> u64 {
        (1 << self.cpus) - 1
    }

    /// `tsc_get_info`: mode, nanoseconds elapsed, frequency in kHz, incarnation.
    pub(crate) fn tsc(&mut self, dom: DomId) -> Outcome<(u32, u64, u32, u32)> {
        let now = self.clock;
        let Tsc { mode, khz, incarnation, offset } = self.other(dom)?.tsc;
        if mode == NATIVE {
            return Ok((mode, 0, 0, incarnation));
        }
        let elapsed = u64::try_from(i128::from(now) + offset).unwrap_or(0);
        Ok((mode, elapsed, khz, incarnation))
    }

    /// `tsc_set_info`.
    pub(crate) fn set_tsc(
        &mut self,
        dom: DomId,
        mode: u32,
        elapsed: u64,
        (khz, incarnation): (u32, u32),
    ) -> Outcome<()> {
        let now = self.clock;
        let tsc = &mut self.other(dom)?.tsc;
        if mode > NATIVE {
            return Err(Errno::INVAL);
        }
        if mode != NATIVE {
            tsc.khz = if khz == 0 { KHZ } else { khz };
            tsc.offset = i128::from(elapsed) - i128::from(now);
        }
        tsc.mode = mode;
        tsc.incarnation = incarnation.wrapping_add(1);
        Ok(())
    }
}

fn vcpu(domain: &mut Domain, number: u32) -> Outcome<&mut Vcpu> {
    if number >= domain.config.max_vcpus {
        return Err(Errno::INVAL);
    }
    let place = usize::try_from(number).map_err(|_| Errno::INVAL)?;
    domain.vcpus.get_mut(place).ok_or(Errno::SRCH)
}

fn bytes(bitmap: u64, size: usize) -> Vec<u8> {
    bitmap.to_le_bytes().into_iter().chain(std::iter::repeat(0)).take(size).collect()
}

/// `TSC_MODE_NEVER_EMULATE` (`xen/arch/x86/include/asm/time.h`).
const NATIVE: u32 = 2;
