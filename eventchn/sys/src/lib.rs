//! The numbers and structures of Linux's `/dev/xen/evtchn` (`include/uapi/xen/evtchn.h`).
//!
//! A read of the device gives the pending ports, 32 bits each, and masks them; writing a port to it
//! unmasks that port. What this crate does not do: open the device or make a call.
//!
//! ```
//! assert_eq!(evtchn::IOCTL_EVTCHN_NOTIFY, 0x4_4504);
//! ```

#![forbid(unsafe_code)]

/// Where Linux offers event channels.
pub const DEVICE: &str = "/dev/xen/evtchn";

/// Argument of [`IOCTL_EVTCHN_BIND_VIRQ`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindVirq {
    /// The virtual interrupt.
    pub virq: u32,
}

/// Argument of [`IOCTL_EVTCHN_BIND_INTERDOMAIN`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindInterdomain {
    /// The domain at the other end.
    pub remote_domain: u32,
    /// The port that it allocated for the caller's domain.
    pub remote_port: u32,
}

/// Argument of [`IOCTL_EVTCHN_BIND_UNBOUND_PORT`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindUnboundPort {
    /// The domain that may bind the new port.
    pub remote_domain: u32,
}

/// Argument of [`IOCTL_EVTCHN_UNBIND`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unbind {
    /// The local port.
    pub port: u32,
}

/// Argument of [`IOCTL_EVTCHN_NOTIFY`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    /// The local port.
    pub port: u32,
}

/// Argument of [`IOCTL_EVTCHN_RESTRICT_DOMID`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestrictDomid {
    /// The only domain whose ports may still be bound.
    pub domid: u16,
}

/// Binds a virtual interrupt; returns the local port.
pub const IOCTL_EVTCHN_BIND_VIRQ: u32 = number::<BindVirq>(0);
/// Binds to another domain's port; returns the local port.
pub const IOCTL_EVTCHN_BIND_INTERDOMAIN: u32 = number::<BindInterdomain>(1);
/// Allocates a port for another domain to bind; returns the local port.
pub const IOCTL_EVTCHN_BIND_UNBOUND_PORT: u32 = number::<BindUnboundPort>(2);
/// Unbinds a local port and closes it.
pub const IOCTL_EVTCHN_UNBIND: u32 = number::<Unbind>(3);
/// Sends an event through a local port.
pub const IOCTL_EVTCHN_NOTIFY: u32 = number::<Notify>(4);
/// Forgets pending events and the overflow condition.
pub const IOCTL_EVTCHN_RESET: u32 = number::<()>(5);
/// Restricts the open file to one domain, for good.
pub const IOCTL_EVTCHN_RESTRICT_DOMID: u32 = number::<RestrictDomid>(6);

/// The virtual interrupt raised when a domain shuts down or dies. One binder per host: where
/// xenstored runs it is xenstored, and others get `EEXIST`.
pub const VIRQ_DOM_EXC: u32 = 3;
/// The virtual interrupt raised when the console ring has new text.
pub const VIRQ_CON_RING: u32 = 8;
/// The virtual interrupt raised when a processor goes on or off line.
pub const VIRQ_PCPU_STATE: u32 = 9;

/// `_IOC(_IOC_NONE, 'E', nr, sizeof(T))`: the header encodes no direction, though data goes in.
const fn number<T>(nr: u32) -> u32 {
    (size_of::<T>() as u32) << 16 | (b'E' as u32) << 8 | nr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_numbers_are_those_a_c_compiler_computes() {
        assert_eq!(IOCTL_EVTCHN_BIND_VIRQ, 279_808);
        assert_eq!(IOCTL_EVTCHN_BIND_INTERDOMAIN, 541_953);
        assert_eq!(IOCTL_EVTCHN_BIND_UNBOUND_PORT, 279_810);
        assert_eq!(IOCTL_EVTCHN_UNBIND, 279_811);
        assert_eq!(IOCTL_EVTCHN_NOTIFY, 279_812);
        assert_eq!(IOCTL_EVTCHN_RESET, 17_669);
        assert_eq!(IOCTL_EVTCHN_RESTRICT_DOMID, 148_742);
    }
}
