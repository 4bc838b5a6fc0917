//! The files a guest boots from, read and looked at before any domain exists.

use xg::{Kernel, KernelCache, Ramdisk};

use crate::config::{DomainConfig, GuestKind};

/// A kernel and perhaps a ramdisk, in memory.
#[derive(Debug)]
pub(crate) struct Images {
    pub(super) kernel: Kernel,
    pub(super) ramdisk: Option<Ramdisk>,
}

impl Images {
    /// Reads the files, unpacks the kernel and refuses one that cannot be what the configuration says.
    pub(super) fn load(config: &DomainConfig, cache: &KernelCache) -> Result<Self, xg::Error> {
        let kernel = cache.unpack(&Kernel::load_in_place(&config.kernel)?)?.kernel;
        kernel.check(hypervisor_kind(config.kind))?;
        let ramdisk = config.ramdisk.as_ref().map(Ramdisk::load_in_place).transpose()?;
        Ok(Self { kernel, ramdisk })
    }
}

/// What the hypervisor and the builder call it.
pub(super) fn hypervisor_kind(kind: GuestKind) -> xc::GuestKind {
    match kind {
        GuestKind::Pv => xc::GuestKind::Pv,
        GuestKind::Pvh => xc::GuestKind::Pvh,
    }
}
