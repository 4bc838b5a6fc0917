//! The hypercalls this guest makes, through the page of stubs that Xen fills.
//!
//! Numbers and structures are those of Xen's public headers (xen.h, sched.h, `event_channel.h`,
//! memory.h, `hvm/hvm_op.h`; Xen 4.17), all of them part of the stable guest ABI.

use core::arch::asm;

/// Xen refused a hypercall. Its error number would have nowhere to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused;

/// Why a domain stops, as sched.h numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The toolstack destroys the domain.
    PowerOff = 0,
    /// The toolstack builds it anew.
    Reboot = 1,
    /// Something went wrong, or was asked to.
    Crash = 3,
}

/// One end of an event channel.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Port(pub(crate) u32);

/// Wakes the other end of `port`.
pub(crate) fn notify(port: Port) {
    // A send fails only if the other end has closed; then nobody is there to wake.
    let _ = call_with(EVENT_CHANNEL_OP, EVTCHNOP_SEND, &mut [port.0]);
}

/// Sleeps until one of `ports` is pending or Xen's clock reads `deadline`.
pub(crate) fn poll(ports: &[Port], deadline: Option<u64>) -> Result<(), Refused> {
    let count = ports.len() as u64;
    let mut arg = [ports.as_ptr().expose_provenance() as u64, count, deadline.unwrap_or(0)];
    call_with(SCHED_OP, SCHEDOP_POLL, &mut arg)
}

/// Stops this domain.
pub(crate) fn shutdown(reason: Reason) -> ! {
    let _ = call_with(SCHED_OP, SCHEDOP_SHUTDOWN, &mut [reason as u32]);
    // SAFETY: must not return, which an invalid opcode without a handler never does.
    unsafe { asm!("ud2", options(noreturn)) }
}

/// The number of this domain.
///
/// No hypercall tells it; a port offered to oneself has it as its peer. Asked of Xen and not of
/// the store, so that a guest whose store is out of order still says who it is.
pub(crate) fn own_domid() -> Result<u16, Refused> {
    let mut offer = AllocUnbound { dom: DOMID_SELF, remote: DOMID_SELF, port: 0 };
    call_with(EVENT_CHANNEL_OP, EVTCHNOP_ALLOC_UNBOUND, &mut offer)?;
    let mut status = Status { dom: DOMID_SELF, port: offer.port, ..Status::default() };
    call_with(EVENT_CHANNEL_OP, EVTCHNOP_STATUS, &mut status)?;
    call_with(EVENT_CHANNEL_OP, EVTCHNOP_CLOSE, &mut [offer.port])?;
    Ok(status.peer)
}

/// Reads an HVM parameter of this domain.
pub(crate) fn hvm_param(index: u32) -> Result<u64, Refused> {
    let mut arg = HvmParam { dom: DOMID_SELF, index, value: 0 };
    call_with(HVM_OP, HVMOP_GET_PARAM, &mut arg)?;
    Ok(arg.value)
}

/// Puts Xen's shared-info page in the place of guest frame `gfn` (PVH).
///
/// # Safety
/// What was in that frame is gone: nothing may count on it.
pub(crate) unsafe fn place_shared_info(gfn: u64) -> Result<(), Refused> {
    let mut arg = AddToPhysmap { dom: DOMID_SELF, gfn, ..AddToPhysmap::default() };
    call_with(MEMORY_OP, XENMEM_ADD_TO_PHYSMAP, &mut arg)
}

/// Maps the machine frame at `maddr` writable at `address` (PV).
///
/// # Safety
/// What was mapped there is gone: nothing may count on it.
pub(crate) unsafe fn map_machine_page(address: usize, maddr: u64) -> Result<(), Refused> {
    let entry = maddr as usize | PTE_PRESENT_WRITABLE_USER;
    // SAFETY: replaces one mapping, which the caller gave up.
    unsafe { call(UPDATE_VA_MAPPING, [address, entry, UVMF_INVLPG]) }
}

/// Makes a hypercall whose second argument is a structure that Xen reads and writes.
fn call_with<T>(op: usize, command: usize, arg: &mut T) -> Result<(), Refused> {
    // SAFETY: Xen must find the structure of `command` at the address: each caller above passes
    // the one of the header, exclusively borrowed for the duration of the call.
    unsafe { call(op, [command, (&raw mut *arg).expose_provenance(), 0]) }
}

/// # Safety
/// `args` must be what hypercall `op` takes, and what it does to memory must suit Rust.
unsafe fn call(op: usize, args: [usize; 3]) -> Result<(), Refused> {
    let stub = (&raw const hypercall_page).addr() + op * STUB_SIZE;
    let result: isize;
    // SAFETY: the stub must obey the calling convention given here: arch-x86/xen-x86_64.h says it
    // returns in rax and may change the argument registers, rcx and r11. The page was filled at entry.
    unsafe {
        asm!(
            "call {stub}",
            stub = in(reg) stub,
            lateout("rax") result,
            inlateout("rdi") args[0] => _,
            inlateout("rsi") args[1] => _,
            inlateout("rdx") args[2] => _,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if result < 0 { Err(Refused) } else { Ok(()) }
}

unsafe extern "C" {
    /// See `entry.rs`.
    static hypercall_page: [u8; 4096];
}

/// `struct evtchn_alloc_unbound`.
#[repr(C)]
struct AllocUnbound {
    dom: u16,
    remote: u16,
    port: u32,
}

/// `struct evtchn_status`, of whose union the first field is the peer's domid.
#[derive(Default)]
#[repr(C)]
struct Status {
    dom: u16,
    port: u32,
    status: u32,
    vcpu: u32,
    peer: u16,
    peer_port: u32,
}

/// `struct xen_hvm_param`.
#[repr(C)]
struct HvmParam {
    dom: u16,
    index: u32,
    value: u64,
}

/// `struct xen_add_to_physmap`; space 0 is the shared-info page.
#[derive(Default)]
#[repr(C)]
struct AddToPhysmap {
    dom: u16,
    size: u16,
    space: u32,
    index: u64,
    gfn: u64,
}

const STUB_SIZE: usize = 32;
const DOMID_SELF: u16 = 0x7ff0;

const MEMORY_OP: usize = 12;
const UPDATE_VA_MAPPING: usize = 14;
const SCHED_OP: usize = 29;
const EVENT_CHANNEL_OP: usize = 32;
const HVM_OP: usize = 34;

const XENMEM_ADD_TO_PHYSMAP: usize = 7;
const SCHEDOP_SHUTDOWN: usize = 2;
const SCHEDOP_POLL: usize = 3;
const EVTCHNOP_CLOSE: usize = 3;
const EVTCHNOP_SEND: usize = 4;
const EVTCHNOP_STATUS: usize = 5;
const EVTCHNOP_ALLOC_UNBOUND: usize = 6;
const HVMOP_GET_PARAM: usize = 1;

const UVMF_INVLPG: usize = 2;
const PTE_PRESENT_WRITABLE_USER: usize = 7;
