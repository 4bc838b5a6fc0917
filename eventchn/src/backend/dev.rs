//! The calls, made to Linux's `/dev/xen/evtchn`. The only file of this crate with `unsafe`.

#![allow(unsafe_code, reason = "ioctls")]

use std::ffi::c_void;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use evtchn::{BindInterdomain, BindUnboundPort, BindVirq, Notify, RestrictDomid, Unbind};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};
use xen_types::{Deadline, DomId, Port};

use crate::backend::Backend;

/// An open `/dev/xen/evtchn`.
#[derive(Debug)]
pub struct Device {
    file: OwnedFd,
}

impl Device {
    /// Opens the device.
    ///
    /// # Errors
    /// The kernel's: `ENOENT` where there is no such device.
    pub fn open() -> Result<Self, Errno> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(Self { file: rustix::fs::open(evtchn::DEVICE, flags, Mode::empty())? })
    }

    /// Makes the request `NUMBER`, whose argument must be the structure `T` of the header.
    fn request<const NUMBER: Opcode, T>(&self, argument: T) -> Result<u32, Errno> {
        // SAFETY: the driver must take the request for what `Request` says it is: the file is
        // evtchn, opened by `open`, and number and structure are paired as in the header by the
        // methods below, the only callers.
        let returned = unsafe { rustix::ioctl::ioctl(&self.file, Request::<NUMBER, T>(argument)) };
        returned.map(|port| port.unsigned_abs())
    }
}

impl Backend for Device {
    fn bind_interdomain(&self, dom: DomId, remote: Port) -> Result<Port, Errno> {
        let argument = BindInterdomain { remote_domain: dom.into(), remote_port: remote.0 };
        self.request::<{ evtchn::IOCTL_EVTCHN_BIND_INTERDOMAIN }, _>(argument).map(Port)
    }

    fn bind_unbound_port(&self, dom: DomId) -> Result<Port, Errno> {
        let argument = BindUnboundPort { remote_domain: dom.into() };
        self.request::<{ evtchn::IOCTL_EVTCHN_BIND_UNBOUND_PORT }, _>(argument).map(Port)
    }

    fn bind_virq(&self, virq: u32) -> Result<Port, Errno> {
        let argument = BindVirq { virq };
        self.request::<{ evtchn::IOCTL_EVTCHN_BIND_VIRQ }, _>(argument).map(Port)
    }

    fn unbind(&self, port: Port) -> Result<(), Errno> {
        let argument = Unbind { port: port.0 };
        self.request::<{ evtchn::IOCTL_EVTCHN_UNBIND }, _>(argument).map(drop)
    }

    fn notify(&self, port: Port) -> Result<(), Errno> {
        let argument = Notify { port: port.0 };
        self.request::<{ evtchn::IOCTL_EVTCHN_NOTIFY }, _>(argument).map(drop)
    }

    fn poll(&self, deadline: Deadline) -> Result<bool, Errno> {
        loop {
            let left = deadline.remaining(Instant::now());
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut files = [PollFd::new(&self.file, PollFlags::IN)];
            match rustix::event::poll(&mut files, Some(&timeout)) {
                Err(Errno::INTR) => {} // a signal: the deadline stands
                // POLLERR, the ring having overflowed, is told by the read.
                done => return done.map(|ready| ready > 0),
            }
        }
    }

    fn read(&self, ports: &mut [u32]) -> Result<usize, Errno> {
        let mut buffer = [0; READ_AT_ONCE * size_of::<u32>()];
        let room = buffer.len().min(size_of_val(ports));
        let bytes = rustix::io::read(&self.file, &mut buffer[..room])?;
        let (read, _) = buffer[..bytes].as_chunks::<{ size_of::<u32>() }>();
        for (port, bytes) in ports.iter_mut().zip(read) {
            *port = u32::from_ne_bytes(*bytes);
        }
        Ok(read.len())
    }

    fn unmask(&self, port: Port) -> Result<(), Errno> {
        rustix::io::write(&self.file, &port.0.to_ne_bytes()).map(drop)
    }

    fn reset(&self) -> Result<(), Errno> {
        self.request::<{ evtchn::IOCTL_EVTCHN_RESET }, _>(()).map(drop)
    }

    fn restrict(&self, dom: DomId) -> Result<(), Errno> {
        let argument = RestrictDomid { domid: dom.raw() };
        self.request::<{ evtchn::IOCTL_EVTCHN_RESTRICT_DOMID }, _>(argument).map(drop)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// One request with its argument; the kernel returns a port or 0.
struct Request<const NUMBER: Opcode, T>(T);

// SAFETY: the implementation must describe the request truly: every request of this device reads the
// structure it is given, writes nothing back and returns a small number.
unsafe impl<const NUMBER: Opcode, T> Ioctl for Request<NUMBER, T> {
    type Output = i32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        NUMBER
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut self.0).cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
        Ok(out)
    }
}

const READ_AT_ONCE: usize = 64;
