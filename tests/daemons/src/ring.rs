//! A guest's end of the ring that it shares with the daemon.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use xen_types::DomId;

use crate::daemon::in_context;
use crate::machine::{available, daemons_port, open_fifo, ring, towards_daemon, towards_domain};

/// The shared page and its event channel, seen by the guest.
///
/// The page is a file that the daemon has mapped: reading and writing the file reaches the same
/// memory, without a mapping on this side. Offsets are those of `struct xenstore_domain_interface`
/// (`xen/include/public/io/xs_wire.h`).
///
/// A number is whole for the daemon as far as the kernel's copy of four bytes is one move, which it is
/// on processors with fast short moves (`fsrm` in `/proc/cpuinfo`; measured) and need not be on others.
///
/// Its file descriptor ([`AsFd`]) becomes readable when the daemon notifies. Two of these for one
/// domain would take each other's notifications.
#[derive(Debug)]
pub struct Ring {
    page: File,
    port: u32,
    towards_daemon: File,
    from_daemon: File,
}

impl Ring {
    pub(crate) fn open(id: DomId, folder: &Path) -> io::Result<Self> {
        let context = |error| in_context(error, format!("open the ring of domain {id}"));
        let page = File::options().read(true).write(true).open(ring(folder, id));
        Ok(Self {
            page: page.map_err(context)?,
            port: daemons_port(id),
            towards_daemon: open_fifo(&towards_daemon(folder)).map_err(context)?,
            from_daemon: open_fifo(&towards_domain(folder, id)).map_err(context)?,
        })
    }

    /// The number at `offset`.
    ///
    /// # Errors
    /// If `offset` is not in the page.
    pub fn load(&self, offset: usize) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    /// Sets the number at `offset`.
    ///
    /// # Errors
    /// If `offset` is not in the page.
    pub fn store(&self, offset: usize, value: u32) -> io::Result<()> {
        self.write(offset, &value.to_ne_bytes())
    }

    /// The bytes from `offset` on.
    ///
    /// # Errors
    /// If they are not all in the page.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        let offset = within(offset, bytes.len())?;
        self.page.read_exact_at(bytes, offset)
    }

    /// Sets the bytes from `offset` on.
    ///
    /// # Errors
    /// If they are not all in the page.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let offset = within(offset, bytes.len())?;
        self.page.write_all_at(bytes, offset)
    }

    /// Notifies the daemon.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] after 16384 notifications that the daemon did not look at.
    pub fn notify(&self) -> io::Result<()> {
        (&self.towards_daemon).write_all(&self.port.to_ne_bytes())
    }

    /// Takes what the daemon notified so far, so that the descriptor waits for the next. Look at the
    /// ring afterwards, not before.
    ///
    /// # Errors
    /// If the kernel refuses, which it has no reason for.
    pub fn acknowledge(&self) -> io::Result<()> {
        let mut notifications = [0; 4096];
        while available((&self.from_daemon).read(&mut notifications))? > 0 {}
        Ok(())
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from_daemon.as_fd()
    }
}

/// A write past the page would lengthen the file.
fn within(offset: usize, length: usize) -> io::Result<u64> {
    match offset.checked_add(length) {
        Some(end) if end <= PAGE => Ok(offset as u64),
        _ => {
            let beyond = format!("{length} bytes at {offset} are not in the page");
            Err(io::Error::new(ErrorKind::InvalidInput, beyond))
        }
    }
}

const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_of_the_page_are_within() {
        assert_eq!(within(4092, 4).unwrap(), 4092);
        within(4093, 4).unwrap_err();
        within(usize::MAX, 4).unwrap_err();
    }
}
