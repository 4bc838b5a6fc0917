//! What the hypervisor says of itself: version, build, command line, features.
//!
//! Up to Xen 4.19 texts come in fields of fixed sizes and are cut off there; from 4.20 on they come
//! whole. They are the bytes that were compiled in or typed: nobody checked that they are UTF-8.

use rustix::io::Errno;
use xen_types::{Bytes, DomainUuid};
use xenctrl_sys as sys;

use crate::backend::CallError;
use crate::{Error, Release, Result, Xc};

/// Who built the hypervisor, when and with what (`struct xen_compile_info`,
/// `xen/include/public/version.h`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileInfo {
    /// The compiler's version, at most 63 bytes.
    pub compiler: Vec<u8>,
    /// The user, at most 15 bytes.
    pub by: Vec<u8>,
    /// The domain of the building host, at most 31 bytes.
    pub domain: Vec<u8>,
    /// The time, at most 31 bytes.
    pub date: Vec<u8>,
}

bitflags::bitflags! {
    /// What the calling domain may use (`XENFEAT_*`, `xen/include/public/features.h`). Bits not
    /// known here are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Features: u32 {
        /// Its page tables need not be read-only.
        const WRITABLE_PAGE_TABLES = 1 << sys::XENFEAT_WRITABLE_PAGE_TABLES;
        /// Its descriptor tables need not be read-only.
        const WRITABLE_DESCRIPTOR_TABLES = 1 << sys::XENFEAT_WRITABLE_DESCRIPTOR_TABLES;
        /// Xen translates its frame numbers.
        const AUTO_TRANSLATED_PHYSMAP = 1 << sys::XENFEAT_AUTO_TRANSLATED_PHYSMAP;
        /// Its kernel runs in ring 0.
        const SUPERVISOR_MODE_KERNEL = 1 << sys::XENFEAT_SUPERVISOR_MODE_KERNEL;
        /// Its page directories may lie above 4 GiB.
        const PAE_PGDIR_ABOVE_4GB = 1 << sys::XENFEAT_PAE_PGDIR_ABOVE_4GB;
        /// Its page-table updates can keep the accessed and dirty bits.
        const MMU_PT_UPDATE_PRESERVE_AD = 1 << sys::XENFEAT_MMU_PT_UPDATE_PRESERVE_AD;
        /// Xen clears and copies pages of high memory for it.
        const HIGHMEM_ASSIST = 1 << sys::XENFEAT_HIGHMEM_ASSIST;
        /// Its mappings of grants carry the available bits.
        const GNTTAB_MAP_AVAIL_BITS = 1 << sys::XENFEAT_GNTTAB_MAP_AVAIL_BITS;
        /// Events can arrive at a vector of each virtual CPU.
        const HVM_CALLBACK_VECTOR = 1 << sys::XENFEAT_HVM_CALLBACK_VECTOR;
        /// The paravirtual clock is safe in HVM domains.
        const HVM_SAFE_PVCLOCK = 1 << sys::XENFEAT_HVM_SAFE_PVCLOCK;
        /// HVM domains can use physical interrupts.
        const HVM_PIRQS = 1 << sys::XENFEAT_HVM_PIRQS;
        /// It is the hardware domain.
        const DOM0 = 1 << sys::XENFEAT_DOM0;
        /// Its memory can be allocated by virtual node.
        const MEMORY_OP_VNODE_SUPPORTED = 1 << sys::XENFEAT_MEMORY_OP_VNODE_SUPPORTED;
        /// The calling convention for services of ARM is supported.
        const ARM_SMCCC_SUPPORTED = 1 << sys::XENFEAT_ARM_SMCCC_SUPPORTED;
        /// Linux may be given its ACPI root pointer anywhere.
        const LINUX_RSDP_UNRESTRICTED = 1 << sys::XENFEAT_LINUX_RSDP_UNRESTRICTED;
        /// It is not mapped one to one; reported from 4.16.
        const NOT_DIRECT_MAPPED = 1 << sys::XENFEAT_NOT_DIRECT_MAPPED;
        /// It is mapped one to one; reported from 4.16.
        const DIRECT_MAPPED = 1 << sys::XENFEAT_DIRECT_MAPPED;
        /// Its run-state area can be registered by physical address; from 4.18.
        const RUNSTATE_PHYS_AREA = 1 << sys::XENFEAT_RUNSTATE_PHYS_AREA;
        /// Its time area can be registered by physical address; from 4.18.
        const VCPU_TIME_PHYS_AREA = 1 << sys::XENFEAT_VCPU_TIME_PHYS_AREA;
        /// Device models see all writes to the MSI-X table; from 4.19.
        const DM_MSIX_ALL_WRITES = 1 << sys::XENFEAT_DM_MSIX_ALL_WRITES;
    }
}

impl Xc {
    /// The full version of the hypervisor, such as `4.17.5`. The part behind the release has at most
    /// 15 bytes before 4.20.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) from 4.20 on where a security policy hides the version;
    /// before, the text says `<denied>` then.
    #[doc(alias = "xc_version")]
    #[doc(alias = "xc_xenver_extraversion")]
    pub fn version(&self) -> Result<String> {
        self.read_version().map_err(|e| Error::new("read the hypervisor's version", e))
    }

    fn read_version(&self) -> Result<String, CallError> {
        let release = Release::from_version(self.backend.version()?);
        let extra =
            whole_or_cut(self.backend.xenver_extraversion(), || self.backend.extra_version())?;
        Ok(format!("{release}{}", String::from_utf8_lossy(&extra)))
    }

    /// Who built the hypervisor, when and with what.
    ///
    /// # Errors
    /// None that is known; where a security policy hides them the texts are `<denied>`.
    #[doc(alias = "xc_version")]
    pub fn compile_info(&self) -> Result<CompileInfo> {
        let raw = self.backend.version_compile_info();
        let raw = raw.map_err(|e| Error::new("read how the hypervisor was built", e))?;
        Ok(CompileInfo {
            compiler: before_nul(&raw.compiler),
            by: before_nul(&raw.compile_by),
            domain: before_nul(&raw.compile_domain),
            date: before_nul(&raw.compile_date),
        })
    }

    /// The interfaces that guests may be built for, words such as `xen-3.0-x86_64`, with a space
    /// behind each. At most 1023 bytes before 4.20.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) from 4.20 on where a security policy hides them; before,
    /// there are none then.
    #[doc(alias = "xc_version")]
    #[doc(alias = "xc_xenver_capabilities")]
    pub fn guest_interfaces(&self) -> Result<Vec<u8>> {
        let whole = self.backend.xenver_capabilities();
        whole_or_cut(whole, || self.backend.version_capabilities())
            .map_err(|e| Error::new("read the interfaces for guests", e))
    }

    /// The revision that the hypervisor was built from, as its builder spelt it. At most 63 bytes
    /// before 4.20.
    ///
    /// # Errors
    /// As [`Xc::version`].
    #[doc(alias = "xc_version")]
    #[doc(alias = "xc_xenver_changeset")]
    pub fn changeset(&self) -> Result<Vec<u8>> {
        let whole = self.backend.xenver_changeset();
        whole_or_cut(whole, || self.backend.version_changeset())
            .map_err(|e| Error::new("read the hypervisor's changeset", e))
    }

    /// The command line of the hypervisor. At most 1023 bytes before 4.20.
    ///
    /// # Errors
    /// As [`Xc::version`].
    #[doc(alias = "xc_version")]
    #[doc(alias = "xc_xenver_commandline")]
    pub fn command_line(&self) -> Result<Vec<u8>> {
        let whole = self.backend.xenver_commandline();
        whole_or_cut(whole, || self.backend.version_commandline())
            .map_err(|e| Error::new("read the hypervisor's command line", e))
    }

    /// What the linker computed over the hypervisor's contents, usually 20 bytes: live patches name
    /// the build that they are for by it. `None` if it was linked without.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) where a security policy hides it.
    #[doc(alias = "xc_version")]
    #[doc(alias = "xc_xenver_buildid")]
    pub fn build_id(&self) -> Result<Option<Vec<u8>>> {
        match self.backend.version_build_id(BUILD_ID_ROOM) {
            Ok(id) => Ok(Some(id)),
            Err(CallError::Errno(Errno::NODATA)) => Ok(None),
            Err(e) => Err(Error::new("read the hypervisor's build id", e)),
        }
    }

    /// The size of a page.
    ///
    /// # Errors
    /// None that is known; where a security policy hides it, it is 0.
    #[doc(alias = "xc_version")]
    pub fn page_size(&self) -> Result<Bytes> {
        let size = self.backend.version_pagesize();
        size.map(|size| Bytes(size.into())).map_err(|e| Error::new("read the size of a page", e))
    }

    /// Where the hypervisor starts in the address space of a PV domain. 0 for other callers from 4.20
    /// on.
    ///
    /// # Errors
    /// None that is known.
    #[doc(alias = "xc_version")]
    pub fn virtual_start(&self) -> Result<u64> {
        self.backend
            .version_platform_parameters()
            .map_err(|e| Error::new("read where the hypervisor starts", e))
    }

    /// What the calling domain may use.
    ///
    /// # Errors
    /// None that is known.
    #[doc(alias = "xc_version")]
    pub fn features(&self) -> Result<Features> {
        let bits = self.backend.version_features();
        bits.map(Features::from_bits_retain)
            .map_err(|e| Error::new("read what this domain may use", e))
    }

    /// The UUID of the calling domain; all zero in domain 0, unless a toolstack gave it one.
    ///
    /// # Errors
    /// None that is known; where a security policy hides it, it is all zero.
    #[doc(alias = "xc_version")]
    pub fn own_uuid(&self) -> Result<DomainUuid> {
        let handle = self.backend.version_guest_handle();
        handle.map(DomainUuid::from_bytes).map_err(|e| Error::new("read this domain's UUID", e))
    }
}

/// What the release tells whole, or, if it has no call for that, what it cuts off.
fn whole_or_cut(
    whole: Result<Vec<u8>, CallError>,
    cut: impl FnOnce() -> Result<Vec<u8>, CallError>,
) -> Result<Vec<u8>, CallError> {
    match whole {
        Err(CallError::Unsupported { .. }) => cut(),
        whole => whole,
    }
}

fn before_nul(text: &[u8]) -> Vec<u8> {
    text.iter().copied().take_while(|&byte| byte != 0).collect()
}

/// Linkers make at most 64 bytes (SHA-512).
const BUILD_ID_ROOM: u32 = 1024;
