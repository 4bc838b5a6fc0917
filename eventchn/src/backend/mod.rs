//! The seam: the calls of the event-channel device.

mod dev;

use std::fmt::Debug;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use xen_types::{Clock, Deadline, DomId, Port};

pub use dev::Device;

/// What an open `/dev/xen/evtchn` does, call by call.
///
/// Implementations take calls from many threads at once.
pub trait Backend: Debug + Send + Sync {
    /// `IOCTL_EVTCHN_BIND_INTERDOMAIN`.
    fn bind_interdomain(&self, dom: DomId, remote: Port) -> Result<Port, Errno>;
    /// `IOCTL_EVTCHN_BIND_UNBOUND_PORT`.
    fn bind_unbound_port(&self, dom: DomId) -> Result<Port, Errno>;
    /// `IOCTL_EVTCHN_BIND_VIRQ`.
    fn bind_virq(&self, virq: u32) -> Result<Port, Errno>;
    /// `IOCTL_EVTCHN_UNBIND`.
    fn unbind(&self, port: Port) -> Result<(), Errno>;
    /// `IOCTL_EVTCHN_NOTIFY`.
    fn notify(&self, port: Port) -> Result<(), Errno>;
    /// The clock that deadlines are on.
    fn clock(&self) -> Clock {
        Clock::real()
    }
    /// `poll` for reading: whether there is something to read before `deadline`.
    fn poll(&self, deadline: Deadline) -> Result<bool, Errno>;
    /// `read` without blocking: fills in ports that are pending and now masked, says how many;
    /// `EAGAIN` if none is, `EFBIG` from the moment on that the kernel could keep no more of them,
    /// until a reset.
    fn read(&self, ports: &mut [u32]) -> Result<usize, Errno>;
    /// `write` of one port: unmasks it.
    fn unmask(&self, port: Port) -> Result<(), Errno>;
    /// `IOCTL_EVTCHN_RESET`: forgets the ports that are pending, and that there were too many.
    fn reset(&self) -> Result<(), Errno>;
    /// `IOCTL_EVTCHN_RESTRICT_DOMID`.
    fn restrict(&self, dom: DomId) -> Result<(), Errno>;
    /// The open file, readable when ports are pending.
    fn fd(&self) -> BorrowedFd<'_>;
}
