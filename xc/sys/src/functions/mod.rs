//! The calls we use, as tables of pointers filled from the library: one table a subject.

mod device;
mod domain;
mod dump;
mod event;
mod flask;
mod handle;
mod host;
mod hvm;
mod memory;
mod scheduler;
mod vcpu;

pub use device::DeviceFunctions;
pub use domain::DomainFunctions;
pub use dump::{DumpFunctions, dumpcore_rtn_t};
pub use event::EventFunctions;
pub use flask::FlaskFunctions;
pub use handle::{HandleFunctions, xc_interface};
pub use host::HostFunctions;
pub use hvm::HvmFunctions;
pub use memory::MemoryFunctions;
pub use scheduler::SchedulerFunctions;
pub use vcpu::VcpuFunctions;

use crate::{DeclaredFunction, Profile, Release};

/// The calls of libxenctrl.
///
/// A call may be made with a handle that [`HandleFunctions::interface_open`] of the same library gave
/// and that is not closed, and with pointers to as much memory of the given layout as the C header
/// asks for. Structures whose layout differs between releases are passed as `*mut c_void`:
/// [`Profile`] says which one the library reads. A pointer to several values, or to a buffer, is one to
/// an array of no length, so that no reference to a single value is taken for it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the tables say what they are")]
pub struct Functions {
    pub handle: HandleFunctions,
    pub host: HostFunctions,
    pub domain: DomainFunctions,
    pub memory: MemoryFunctions,
    pub vcpu: VcpuFunctions,
    pub scheduler: SchedulerFunctions,
    pub event: EventFunctions,
    pub hvm: HvmFunctions,
    pub device: DeviceFunctions,
    pub flask: FlaskFunctions,
    pub dump: DumpFunctions,
}

macro_rules! tables {
    ($($field:ident: $table:ident,)*) => {
        impl Functions {
            /// Everything that is declared.
            pub fn declared() -> impl Iterator<Item = &'static DeclaredFunction> {
                [$($table::DECLARED),*].into_iter().flatten()
            }

            /// Looks every call up in `library`, with the prototypes of `release`: for one newer
            /// than those known, of the newest known.
            ///
            /// # Safety
            /// `library` must be libxenctrl of that release, or one with the same prototypes, and
            /// must never be unloaded.
            pub(crate) unsafe fn load(
                library: &libloading::os::unix::Library,
                release: Release,
            ) -> Self {
                let minor = release.min(Profile::NEWEST).minor;
                Self {
                    $(
                    // SAFETY: must be libxenctrl with these prototypes, for good: the caller promises it.
                    $field: unsafe { $table::load(library, minor) },
                    )*
                }
            }
        }
    };
}

tables! {
    handle: HandleFunctions,
    host: HostFunctions,
    domain: DomainFunctions,
    memory: MemoryFunctions,
    vcpu: VcpuFunctions,
    scheduler: SchedulerFunctions,
    event: EventFunctions,
    hvm: HvmFunctions,
    device: DeviceFunctions,
    flask: FlaskFunctions,
    dump: DumpFunctions,
}
