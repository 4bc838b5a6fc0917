//! A virtio-serial port: a byte stream to whoever holds the host's end.
//!
//! Linux's driver (`drivers/char/virtio_console.c`, 6.1) makes `read` return 0 and `poll` report a
//! hang-up for as long as the host's end is closed, so a level-triggered wait would spin. An
//! edge-triggered one sleeps: opening the host's end wakes the port's queue.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fs::OFlags;

#[derive(Debug)]
pub(crate) struct Port {
    file: File,
    writing: Mutex<()>,
}

impl Port {
    /// Opens all ports whose name begins with `prefix`.
    pub(crate) fn all(prefix: &str) -> io::Result<Vec<Self>> {
        let mut ports = Vec::new();
        for entry in fs::read_dir("/sys/class/virtio-ports")? {
            let entry = entry?;
            // A port without a name has no such file.
            let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            if name.starts_with(prefix) {
                let device = std::path::Path::new("/dev").join(entry.file_name());
                let flags = OFlags::NONBLOCK.bits().cast_signed();
                let file =
                    OpenOptions::new().read(true).write(true).custom_flags(flags).open(device)?;
                ports.push(Self { file, writing: Mutex::new(()) });
            }
        }
        Ok(ports)
    }

    /// Hands everything that arrives to `on`; returns when the port fails.
    pub(crate) fn read_for_ever(&self, mut on: impl FnMut(Arrival<'_>)) -> io::Error {
        let wait = match self.edge_triggered() {
            Ok(epoll) => epoll,
            Err(error) => return error,
        };
        let mut buffer = vec![0; 128 * 1024];
        let mut connected = false;
        loop {
            match (&self.file).read(&mut buffer) {
                Ok(0) => {
                    connected = false;
                    on(Arrival::HostGone);
                }
                Ok(n) => {
                    if !connected {
                        self.wait_for_host();
                        connected = true;
                    }
                    on(Arrival::Bytes(&buffer[..n]));
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => (),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return error,
            }
            let mut events = Vec::with_capacity(1);
            match epoll::wait(&wait, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => (),
                Err(error) => return error.into(),
            }
        }
    }

    fn edge_triggered(&self) -> io::Result<rustix::fd::OwnedFd> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let interest = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &self.file, epoll::EventData::new_u64(0), interest)?;
        Ok(epoll)
    }

    /// Writes all of `bytes`, in one piece as far as other writers are concerned, for as long as
    /// `wanted`.
    pub(crate) fn write(&self, bytes: &[u8], wanted: &AtomicBool) -> io::Result<()> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = bytes;
        while !rest.is_empty() {
            if !wanted.load(Ordering::Acquire) {
                return Err(ErrorKind::BrokenPipe.into());
            }
            match (&self.file).write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait_for_room()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The first bytes of a host may overtake the word that it is there, which the driver handles
    /// in a work queue; until then writes would block and reads would tell of a loss.
    fn wait_for_host(&self) {
        let give_up = Instant::now() + HOST_ARRIVES;
        while self.hung_up() && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn hung_up(&self) -> bool {
        let mut fds = [PollFd::new(&self.file, PollFlags::OUT)];
        let looked = poll(&mut fds, Some(&Timespec::default()));
        looked.is_ok() && fds[0].revents().contains(PollFlags::HUP)
    }

    fn wait_for_room(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.file, PollFlags::OUT)];
        poll(&mut fds, None)?;
        if fds[0].revents().contains(PollFlags::HUP) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

/// Bytes from a host that does not arrive in this time are those of one that has gone again.
const HOST_ARRIVES: Duration = Duration::from_secs(2);

/// What a read of a port brought.
#[derive(Debug)]
pub(crate) enum Arrival<'a> {
    Bytes(&'a [u8]),
    /// The host's end is closed.
    HostGone,
}
