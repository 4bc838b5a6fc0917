//! Grants: pages that one domain lets another one map or copy.
//!
//! [`Shares`] allocates pages of this domain's kernel and grants them to another domain; [`Grants`]
//! maps or copies what others have granted to this one. Both speak to Linux's devices
//! (`/dev/xen/gntalloc`, `/dev/xen/gntdev`), whose interface does not depend on the release of Xen.
//!
//! ```
//! use xc::grant::{Access, Grants, Shares};
//! use xc::Kind;
//! use xen_types::DomId;
//!
//! fn greet_myself() -> xc::Result<()> {
//!     let share = Shares::open()?.share(DomId::DOM0, 1, Access::Write)?;
//!     let mapped = Grants::open()?.map(DomId::DOM0, share.refs(), Access::Read)?;
//!     share.write(0, b"hello")?;
//!     let mut seen = [0; 5];
//!     mapped.read(0, &mut seen)
//! }
//!
//! match greet_myself() {
//!     Err(e) if e.kind() == Kind::Unavailable => println!("no Xen here: {e}"),
//!     other => println!("{other:?}"),
//! }
//! ```
//!
//! What it does for you: a mapping ends with its guard, and with the process in any case; what is
//! then to be told to the other side ([`OnUnmap`]) the kernel does even when the process is killed.
//!
//! What it does not do: tell the other domain the references (that is what the xenstore is for),
//! grant memory that exists already, or transfer pages.

pub mod backend;
mod copy;
mod map;
mod share;
mod slot;

use xen_types::Port;

pub use crate::shared::{Access, CopyFailure, GrantStatus, SharedMemory};
pub use copy::{GrantCopy, Place};
pub use map::{Grants, MappedGrants};
pub use share::{Share, Shares};

use crate::shared::Fault;
use backend::{UNMAP_NOTIFY_CLEAR_BYTE, UNMAP_NOTIFY_SEND_EVENT, UnmapNotify};

/// What the kernel does when pages are unmapped, also because the process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OnUnmap {
    clear: Option<usize>,
    send: Option<Port>,
}

impl OnUnmap {
    /// Nothing; takes back what was asked for before.
    pub const NOTHING: Self = Self { clear: None, send: None };

    /// Sets the byte at `offset` to zero.
    pub const fn clear(offset: usize) -> Self {
        Self { clear: Some(offset), send: None }
    }

    /// Sends an event through a port of this domain, which a process must have bound: the kernel
    /// keeps it open for this.
    pub const fn send(port: Port) -> Self {
        Self { clear: None, send: Some(port) }
    }

    /// Sets the byte at `offset` to zero, then sends an event through `port`.
    pub const fn clear_and_send(offset: usize, port: Port) -> Self {
        Self { clear: Some(offset), send: Some(port) }
    }

    /// The request for pages that lie at `index` of the device and are `len` bytes long.
    fn request(self, index: u64, len: usize) -> Result<UnmapNotify, Fault> {
        let clear = self.clear.map_or(0, |_| UNMAP_NOTIFY_CLEAR_BYTE);
        let send = self.send.map_or(0, |_| UNMAP_NOTIFY_SEND_EVENT);
        let offset = self.clear.unwrap_or(0);
        if offset >= len {
            return Err(Fault::Invalid("the byte to clear lies beyond the pages"));
        }
        let Port(event_channel_port) = self.send.unwrap_or(Port(0));
        Ok(UnmapNotify { index: index + offset as u64, action: clear | send, event_channel_port })
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
