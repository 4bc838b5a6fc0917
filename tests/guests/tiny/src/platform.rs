//! What the toolstack handed over, found the PV way or the PVH way.
//!
//! [`Boot::attach`] may be called again: after a restore the ports and frames are new.

use crate::console::{Console, ConsolePage};
use crate::events::SharedInfo;
use crate::hypercall::{self, Port, Refused};
use crate::store::{Store, StorePage};

/// How this domain was started, and the structure its first register pointed to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Boot {
    /// A paravirtualised domain.
    Pv(&'static StartInfo),
    /// A domain in a hardware container, without a firmware.
    Pvh(&'static HvmStartInfo),
}

/// The two services that every domain has.
#[derive(Debug)]
pub(crate) struct Services {
    /// The console.
    pub(crate) console: Console<'static>,
    /// The store.
    pub(crate) store: Store<'static>,
    /// Where their events arrive.
    pub(crate) events: &'static SharedInfo,
}

/// `struct start_info` (public/xen.h), without what this guest does not use.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct StartInfo {
    magic: [u8; 32],
    pages: u64,
    shared_info: u64,
    flags: u32,
    store_mfn: u64,
    store_port: u32,
    console_mfn: u64,
    console_port: u32,
    page_table: u64,
    page_table_frames: u64,
    frame_list: u64,
    module: u64,
    module_len: u64,
    command_line: [u8; 1024],
}

/// `struct hvm_start_info` (public/arch-x86/hvm/start_info.h), its first version.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct HvmStartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
    command_line: u64,
}

impl Boot {
    /// `pv` or `pvh`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pv(_) => "pv",
            Self::Pvh(_) => "pvh",
        }
    }

    /// The command line, without its terminating NUL.
    pub(crate) fn command_line(self) -> &'static [u8] {
        match self {
            Self::Pv(info) => until_nul(&info.command_line),
            Self::Pvh(info) if info.command_line == 0 => b"",
            Self::Pvh(info) => {
                let start = info.command_line as usize as *const core::ffi::c_char;
                // SAFETY: must point to a NUL-terminated string that stays: start_info.h says so of
                // a non-zero `cmdline_paddr`, it lies in mapped memory, and this guest allocates none.
                unsafe { core::ffi::CStr::from_ptr(start) }.to_bytes()
            }
        }
    }

    /// Maps what is shared with Xen and dom0.
    ///
    /// # Errors
    /// Xen refused: the domain was not built as this guest expects.
    pub(crate) fn attach(self) -> Result<Services, Refused> {
        let (console, console_port, store, store_port) = match self {
            Self::Pv(info) => {
                // SAFETY: nothing may count on what was there: `SHARED_INFO` was made for this.
                unsafe { hypercall::map_machine_page(shared_info_address(), info.shared_info)? };
                let (console, store) =
                    (address_of_machine(info.console_mfn), address_of_machine(info.store_mfn));
                (console, info.console_port, store, info.store_port)
            }
            Self::Pvh(_) => {
                // SAFETY: nothing may count on what was there: `SHARED_INFO` was made for this.
                unsafe { hypercall::place_shared_info((shared_info_address() / PAGE) as u64)? };
                (
                    hypercall::hvm_param(HVM_PARAM_CONSOLE_PFN)? as usize * PAGE,
                    hypercall::hvm_param(HVM_PARAM_CONSOLE_EVTCHN)? as u32,
                    hypercall::hvm_param(HVM_PARAM_STORE_PFN)? as usize * PAGE,
                    hypercall::hvm_param(HVM_PARAM_STORE_EVTCHN)? as u32,
                )
            }
        };
        let events = &SHARED_INFO;
        events.mask_all();

        // SAFETY: must be a mapped page that is shared as its type says, for good: the toolstack
        // made it the console's before it started this domain, and the type is all atomics.
        let console = unsafe { &*(console as *const ConsolePage) };
        // SAFETY: as above; the page is the store's.
        let store = unsafe { &*(store as *const StorePage) };
        Ok(Services {
            console: Console::new(events, console, Port(console_port)),
            store: Store::new(events, store, Port(store_port)),
            events,
        })
    }
}

/// Where this (PV) guest sees machine frame `mfn`: the builder mapped all of it from address 0 on.
fn address_of_machine(mfn: u64) -> usize {
    let entry = (MACHINE_TO_PHYS as *const u64).wrapping_add(mfn as usize);
    // SAFETY: must be readable: Xen maps its table of all machine frames there for every 64-bit PV
    // domain (arch-x86/xen-x86_64.h), and the frame, which the builder gave, is one of them.
    let pfn = unsafe { entry.read() };
    pfn as usize * PAGE
}

fn shared_info_address() -> usize {
    (&raw const SHARED_INFO).expose_provenance()
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or(bytes)
}

/// Gives up its memory to the page that Xen shares.
static SHARED_INFO: SharedInfo = SharedInfo::blank();

const PAGE: usize = 4096;

/// `MACH2PHYS_VIRT_START` of a 64-bit PV guest.
const MACHINE_TO_PHYS: usize = 0xffff_8000_0000_0000;

// public/hvm/params.h
const HVM_PARAM_STORE_PFN: u32 = 1;
const HVM_PARAM_STORE_EVTCHN: u32 = 2;
const HVM_PARAM_CONSOLE_PFN: u32 = 17;
const HVM_PARAM_CONSOLE_EVTCHN: u32 = 18;

const _: () = {
    assert!(core::mem::offset_of!(StartInfo, console_mfn) == 72);
    assert!(core::mem::offset_of!(StartInfo, command_line) == 128);
    assert!(core::mem::offset_of!(HvmStartInfo, command_line) == 24);
};
