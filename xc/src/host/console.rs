//! The hypervisor's console: the ring of what it printed, and the keys that have it print more.
//!
//! Xen keeps the last part of its output, of a size that its option `conring_size` sets. Positions are
//! counted from boot on, modulo 2³²; a reader that knows where it stopped gets what came since.

use std::ffi::CString;

use crate::backend::CallError;
use crate::error::Cause;
use crate::{Error, Result, Xc};

/// Output of the hypervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsoleText {
    /// The bytes, which guests have a part in: dom0 prints here too.
    pub text: Vec<u8>,
    /// Where what follows starts.
    pub next: ConsoleIndex,
}

/// A place in the hypervisor's output, good until the host reboots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConsoleIndex(u32);

impl Xc {
    /// All that the ring holds. It stays there.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_readconsolering")]
    pub fn console_ring(&self) -> Result<ConsoleText> {
        self.read_ring(None).map_err(|e| Error::new("read the console ring", e))
    }

    /// What came after `from`. If the ring has lost or cleared a part of it, what is left.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_readconsolering")]
    pub fn console_ring_since(&self, from: ConsoleIndex) -> Result<ConsoleText> {
        self.read_ring(Some(from.0))
            .map_err(|e| Error::new("read what is new in the console ring", e))
    }

    /// All that the ring holds, taken out of it: nobody else will read it.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege. What was taken before an error is
    /// lost.
    #[doc(alias = "xc_readconsolering")]
    pub fn take_console_ring(&self) -> Result<ConsoleText> {
        self.take_ring().map_err(|e| Error::new("read and clear the console ring", e))
    }

    /// Has the hypervisor act as if these keys had been pressed on its console, in order. Most print
    /// something there: `h` lists them. Some end things: `R` reboots the host at once, `C` crashes it.
    /// Keys that it does not know are ignored.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if there is a NUL among them,
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_send_debug_keys")]
    pub fn send_debug_keys(&self, keys: &str) -> Result<()> {
        let fail = |e| Error::new(format!("send debug keys {keys:?}"), e);
        let text = CString::new(keys).map_err(|_| fail(Cause::Argument("NUL is no debug key")))?;
        self.backend.send_debug_keys(&text).map_err(|e| fail(e.into()))
    }

    /// Reads until a buffer is not filled. Each is twice as large as the one before, so that one will
    /// be larger than the ring, however fast that is written to.
    fn read_ring(&self, mut from: Option<u32>) -> Result<ConsoleText, CallError> {
        let mut text = Vec::new();
        let mut room = FIRST_ROOM;
        loop {
            let (full, next) = self.append(&mut text, room, false, from)?;
            if !full {
                return Ok(ConsoleText { text, next: ConsoleIndex(next) });
            }
            (from, room) = (Some(next), 2 * room);
        }
    }

    /// The same, with every read clearing what it read.
    fn take_ring(&self) -> Result<ConsoleText, CallError> {
        let mut text = Vec::new();
        let mut room = FIRST_ROOM;
        loop {
            let (full, next) = self.append(&mut text, room, true, None)?;
            if !full {
                return Ok(ConsoleText { text, next: ConsoleIndex(next) });
            }
            room *= 2;
        }
    }

    /// Reads once; whether there may be more, and where.
    fn append(
        &self,
        text: &mut Vec<u8>,
        room: usize,
        clear: bool,
        from: Option<u32>,
    ) -> Result<(bool, u32), CallError> {
        let before = text.len();
        text.resize(before + room, 0);
        let (count, next) = self.backend.readconsolering(&mut text[before..], clear, from)?;
        text.truncate(before + count);
        Ok((count == room, next))
    }
}

/// The size of the ring if nobody sets another (`CONFIG_CONRING_SIZE`, `xen/drivers/char/console.c`),
/// plus one so that it does not fill it.
const FIRST_ROOM: usize = (16 << 10) + 1;
