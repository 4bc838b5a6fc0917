//! Safe libxenguest: putting a kernel into a new domain, so that it can run; saving a domain and
//! restoring it.
//!
//! A kernel is read and looked at before any domain exists, so that a wrong path or a truncated
//! file costs nothing:
//!
//! ```
//! use xg::{GuestKind, Kernel};
//!
//! let not_a_kernel = Kernel::from_bytes("notes.txt", b"buy milk".to_vec())?;
//! let error = not_a_kernel.inspect().unwrap_err();
//! assert_eq!(error.to_string(), "kernel notes.txt");
//! let cause = std::error::Error::source(&error).map(ToString::to_string);
//! assert_eq!(cause.as_deref(), Some("neither an ELF file nor a bzImage"));
//! # Ok::<(), xg::Error>(())
//! ```
//!
//! [`Xg::build`] then does what libxl's `libxl__build_dom` does, with the libxenguest of the
//! running Xen. The order around it, which is libxl's (`libxl__build_pre` and after, 4.17 and
//! 4.20):
//!
//! 1. `xc`: create the domain, create its virtual CPUs, set the memory ceiling, allocate the store
//!    and console ports; for PVH and HVM the timer mode; for PV the memory-map limit; the TSC mode;
//!    for PVH and HVM the paging pool, without which populating its memory fails.
//! 2. [`Xg::apply_cpu_policy`].
//! 3. [`Xg::build`], which gives the frames of the store and console rings.
//! 4. The caller writes them to the store, introduces the domain to xenstored and unpauses it;
//!    before that, HVM needs its device model running.
//!
//! [`Xg::restore`] takes the place of steps 2 and 3 for a domain that [`Xg::save`] wrote to a stream: its
//! CPU policy and its memory are in there.
//!
//! Beside that: the policies that say what CPUID and model-specific registers tell a domain
//! ([`CpuPolicy`]), featuresets, and core dumps ([`Xg::dump_core`]). Saved images are read without
//! any domain: [`inspect`] says what one holds, [`image`] keeps them from being damaged unseen,
//! [`stream`] is the reader below both.
//!
//! What it does for you: every call of the sequence checked, with libxenguest's own explanation in
//! the error; the image released on every path; kernels and ramdisks shared between builds; compressed
//! kernels [unpacked](Kernel::unpack) in Rust, and [once for many guests](KernelCache).
//!
//! What it does not do: create or destroy domains (a failed build or restore leaves the domain for
//! the caller to destroy), touch the store, ask a guest to suspend, start or save device models;
//! virtual NUMA, memory that devices reserve (RDM), the boot ROMs that only `rombios` starts.
//!
//! # HVM
//!
//! The kernel of an HVM guest is Xen's `hvmloader`; [`HvmConfig`] has what that loads. A guest
//! built here has the HVM parameters, the `hvm_info_table`, the memory map and the number of pages
//! of one with the same configuration under `xl` (compared on 4.17 and 4.20), if the caller sets
//! what libxl sets between creating the domain and building it (`hvm_set_conf_params`,
//! `libxl_x86.c`):
//!
//! | parameter | libxl's default | set by |
//! |---|---|---|
//! | `TIMER_MODE` | 1 | [`Xc::set_timer_mode`] |
//! | `HPET_ENABLED`, `VPT_ALIGN` | 1 | [`Xc::set_hpet`], [`Xc::set_timer_alignment`] |
//! | `VIRIDIAN` | not set | [`Xc::set_viridian`] |
//! | `MCA_CAP` | not set | [`Xc::set_hvm_param`] |
//! | `ALTP2M`, before 4.19 | 0 | [`Xc::set_hvm_param`] |
//! | ports, rings, pages of the device model, `IDENT_PT` | | [`Xg::build`] |
//!
//! Guests of its own are a matter of [`CreateConfig::nested_virt`](xc::CreateConfig::nested_virt)
//! and [`CpuOptions::nested_virt`]. `PAE_ENABLED` and `NESTEDHVM` have gone from Xen.
//!
//! Below the guest's home in the store `hvmloader` looks for `hvmloader/bios` (`seabios`, `ovmf`),
//! `platform/acpi` and, of what [`Built`] names, address and length ([`HvmModule`]). It asks Xen for
//! the memory map and makes the guest's of it. With [`HvmConfig::hole`] above 256 MiB the device
//! model must be told too (QEMU: `-machine xenfv,max-ram-below-4g=BYTES`).
//!
//! # PVH and ACPI
//!
//! Xen makes no ACPI tables for a PVH guest and libxenguest only places what it is given, so this
//! crate makes the few that Linux needs. Without them Linux 6.1 prints its first lines, on one CPU,
//! but does not start its Xen timer (no "installing Xen timer" in its log, Xen 4.17 and 4.20), and
//! cannot power itself off.
//!
//! A guest finds the RAM, the reserved ranges and the CPUs that it finds under libxl. Its tables
//! are others: they declare the machine hardware-reduced, as it is, have processor objects for the
//! CPUs that the guest has and not for 128, and no page through which a device model would change
//! them.

mod acpi;
mod build;
mod cache;
mod cpu;
mod dump;
mod error;
mod format;
mod layout;
mod payload;
mod policy;
mod restore;
mod resume;
mod save;
mod unpack;

pub mod backend;
pub mod image;
pub mod stream;

use std::sync::Arc;

use xc::Xc;
use xc::foreign::ForeignMemory;

pub use build::{BuildConfig, Built, HvmConfig, HvmModule, RingFrame};
pub use cache::{KernelCache, Origin, Prepared};
pub use cpu::CpuOptions;
pub use error::{Error, HvmInfoError, InvalidConfig, Result, StreamFailure};
pub use format::{Compression, Elf, Format, ImageError};
pub use image::inspect;
pub use payload::{Firmware, Kernel, MAX_BYTES, PayloadError, Ramdisk};
pub use policy::{Compatibility, CpuPolicy, CpuidLeaf, FeatureMask, FeatureSet, Msr};
pub use policy::{PolicyEntry, SystemPolicy};
pub use restore::{RestoreOptions, Restored};
pub use save::{Checkpoint, SaveOptions, SavePhase, Saved, Saving, Stopped, StreamKind};
pub use save::{Precopied, Precopy, PrecopyLimits};
pub use unpack::UnpackError;
pub use xc::GuestKind;
pub use xen_types::Kind;

use backend::{Backend, LibXenGuest};

/// A handle to the domain builder.
///
/// Clones share it; it may be used from any number of threads at once. Each build, and each call
/// outside of one, opens a hypervisor handle of its own, so that errors do not mix; a build that
/// was under way at a fork fails in the child.
#[derive(Debug, Clone)]
pub struct Xg {
    backend: Arc<dyn Backend>,
    /// What memory of HVM guests is mapped with, instead of the machine's own device.
    foreign: Option<ForeignMemory>,
}

impl Xg {
    /// Opens the libxenguest that belongs to the Xen under `xc`, from where its libxenctrl is.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] if it is not installed or of a release not known here,
    /// [`Kind::Denied`] without the privilege.
    #[doc(alias = "xc_interface_open")]
    pub fn open(xc: &Xc) -> Result<Self> {
        let backend = match xc.library() {
            Some(library) => LibXenGuest::beside(Arc::clone(library)),
            None => LibXenGuest::open(xc.release()),
        };
        let backend = backend.map_err(|source| Error::Open { source })?;
        Ok(Self::with_backend(Arc::new(backend)))
    }

    /// A handle over calls made elsewhere, such as by a simulated machine.
    pub fn with_backend(backend: Arc<dyn Backend>) -> Self {
        Self { backend, foreign: None }
    }

    /// The same handle, which maps memory of the HVM guests that it builds through `foreign`, such
    /// as that of a simulated machine, and not through `/dev/xen/privcmd`.
    #[must_use]
    pub fn with_foreign_memory(self, foreign: ForeignMemory) -> Self {
        Self { foreign: Some(foreign), ..self }
    }
}

/// Of a PV domain with more, libxenguest would read the list of lists beyond its one page
/// (`xc_core_arch_map_p2m_tree_rw`, `tools/libs/guest/xg_core_x86.c`): 512 times 512 times 512
/// frames, 512 GiB. The guest itself says how many it has.
const MOST_PV_FRAMES: u64 = 1 << 27;
