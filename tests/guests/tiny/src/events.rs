//! Sleeping on event channels without interrupts.
//!
//! All ports stay masked and no callback is registered: an event sets its bit in the shared-info
//! page, and `SCHEDOP_poll` returns while the bit of one of its ports is set. Whoever waits does it
//! in this order, else a wake-up is lost: clear the bit, look at the ring, sleep.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::hypercall::{self, Port, Reason};

/// The page that Xen shares with every domain, `struct shared_info` (public/xen.h).
///
/// Xen writes it at any moment, hence atomics throughout.
#[derive(Debug)]
#[repr(C, align(4096))]
pub(crate) struct SharedInfo {
    vcpus: [VcpuInfo; 32],
    pending: [AtomicU64; 64],
    mask: [AtomicU64; 64],
}

/// `struct vcpu_info`, the head of which tells of interrupts and the tail of time.
#[derive(Debug)]
#[repr(C)]
struct VcpuInfo {
    upcall_pending: AtomicU8,
    upcall_mask: AtomicU8,
    pending_sel: AtomicU64,
    arch: [AtomicU64; 2],
    time_version: AtomicU32,
    tsc: AtomicU64,
    system_time: AtomicU64,
    scale: AtomicU64,
}

impl SharedInfo {
    /// A page that Xen has not taken over yet.
    pub(crate) const fn blank() -> Self {
        Self {
            vcpus: [const { VcpuInfo::blank() }; 32],
            pending: [const { AtomicU64::new(0) }; 64],
            mask: [const { AtomicU64::new(0) }; 64],
        }
    }

    /// Masks every port: events are to be polled for, never delivered.
    pub(crate) fn mask_all(&self) {
        for word in &self.mask {
            word.store(u64::MAX, Ordering::SeqCst);
        }
    }

    /// Forgets what happened on `port` so far. Look at its ring after this, not before.
    pub(crate) fn clear(&self, port: Port) {
        let (word, bit) = self.pending(port);
        word.fetch_and(!bit, Ordering::SeqCst);
    }

    /// Sleeps until something happens on one of `ports`; returns at once if it has since `clear`.
    pub(crate) fn wait(&self, ports: &[Port]) {
        poll(ports, None);
    }

    /// As [`wait`](Self::wait) for one port, but not past `deadline` on the clock of
    /// [`now`](Self::now). Says whether something happened.
    pub(crate) fn wait_until(&self, port: Port, deadline: u64) -> bool {
        poll(&[port], Some(deadline));
        // Not by the clock, which may still read less than the deadline that passed.
        let (word, bit) = self.pending(port);
        word.load(Ordering::SeqCst) & bit != 0
    }

    /// Xen's clock in ns, up to a second late.
    ///
    /// It is read as Xen last wrote it, once a second (`EPOCH` in xen/arch/x86/time.c, 4.17), and
    /// not carried forward with the TSC: good enough to give up on a console that nobody reads.
    pub(crate) fn now(&self) -> u64 {
        let vcpu = &self.vcpus[0];
        loop {
            let before = vcpu.time_version.load(Ordering::SeqCst);
            let time = vcpu.system_time.load(Ordering::SeqCst);
            // Odd while Xen writes.
            if before & 1 == 0 && vcpu.time_version.load(Ordering::SeqCst) == before {
                return time;
            }
        }
    }

    /// The word and the bit of `port`. Ports of this ABI end at 4096; Xen gives no others unasked.
    fn pending(&self, port: Port) -> (&AtomicU64, u64) {
        (&self.pending[port.0 as usize / 64], 1 << (port.0 % 64))
    }
}

fn poll(ports: &[Port], deadline: Option<u64>) {
    // Refused only if a port is closed. A guest that lost its console or store for good must not
    // spin on it.
    if hypercall::poll(ports, deadline).is_err() {
        hypercall::shutdown(Reason::Crash);
    }
}

impl VcpuInfo {
    const fn blank() -> Self {
        Self {
            upcall_pending: AtomicU8::new(0),
            upcall_mask: AtomicU8::new(0),
            pending_sel: AtomicU64::new(0),
            arch: [const { AtomicU64::new(0) }; 2],
            time_version: AtomicU32::new(0),
            tsc: AtomicU64::new(0),
            system_time: AtomicU64::new(0),
            scale: AtomicU64::new(0),
        }
    }
}

const _: () = {
    assert!(core::mem::offset_of!(VcpuInfo, system_time) == 48);
    assert!(size_of::<VcpuInfo>() == 64);
    assert!(core::mem::offset_of!(SharedInfo, pending) == 2048);
    assert!(core::mem::offset_of!(SharedInfo, mask) == 2560);
};
