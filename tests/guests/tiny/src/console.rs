//! The console: lines out, lines in, over the ring of public/io/console.h (Xen 4.17).
//!
//! A line is written whole or not at all. If the reader leaves no room for it within a second or
//! two it is dropped, so that a domain whose console nobody reads still shuts down when told to.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU8, AtomicU32};

use crate::events::SharedInfo;
use crate::hypercall::{self, Port};
use crate::ring::Ring;

/// `struct xencons_interface`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ConsolePage {
    input: [AtomicU8; 1024],
    output: [AtomicU8; OUTPUT],
    input_read: AtomicU32,
    input_written: AtomicU32,
    output_read: AtomicU32,
    output_written: AtomicU32,
}

/// This domain's console.
#[derive(Debug)]
pub(crate) struct Console<'a> {
    events: &'a SharedInfo,
    port: Port,
    input: Ring<'a>,
    output: Ring<'a>,
    after_return: bool,
}

impl<'a> Console<'a> {
    pub(crate) fn new(events: &'a SharedInfo, page: &'a ConsolePage, port: Port) -> Self {
        Self {
            events,
            port,
            input: Ring::new(&page.input, &page.input_read, &page.input_written),
            output: Ring::new(&page.output, &page.output_read, &page.output_written),
            after_return: false,
        }
    }

    pub(crate) fn port(&self) -> Port {
        self.port
    }

    /// Writes one line, cut where the ring ends.
    pub(crate) fn line(&self, text: fmt::Arguments<'_>) {
        let mut line = Line { bytes: [0; OUTPUT], len: 0 };
        // Fails when the line is full; what fits is worth showing.
        let _ = line.write_fmt(text);
        line.bytes[line.len] = b'\n';
        let bytes = &line.bytes[..=line.len];
        if self.wait_for_room(bytes.len()) {
            self.output.put(bytes);
            hypercall::notify(self.port);
        }
    }

    /// Waits until all that was written has been read, but not longer than for a line.
    pub(crate) fn drain(&self) {
        self.wait_for_room(self.output.size());
    }

    /// Takes the waiting input and says how many lines ended in it.
    ///
    /// A terminal ends a line with CR, a pipe with LF, some with both.
    pub(crate) fn take_lines(&mut self) -> Option<u32> {
        let mut lines = 0;
        let mut taken = false;
        let mut bytes = [0; 64];
        loop {
            let count = self.input.take(&mut bytes);
            if count == 0 {
                break;
            }
            taken = true;
            for &byte in &bytes[..count] {
                if byte == b'\r' || (byte == b'\n' && !self.after_return) {
                    lines += 1;
                }
                self.after_return = byte == b'\r';
            }
        }
        if !taken {
            return None;
        }
        // xenconsoled waits for room in a full ring.
        hypercall::notify(self.port);
        Some(lines)
    }

    fn wait_for_room(&self, room: usize) -> bool {
        let deadline = self.events.now() + PATIENCE;
        loop {
            self.events.clear(self.port);
            if self.output.room() >= room {
                return true;
            }
            if !self.events.wait_until(self.port, deadline) {
                return false;
            }
        }
    }
}

/// A line that is being written; the last byte is kept for its end.
struct Line {
    bytes: [u8; OUTPUT],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let count = text.len().min(OUTPUT - 1 - self.len);
        self.bytes[self.len..self.len + count].copy_from_slice(&text.as_bytes()[..count]);
        self.len += count;
        if count == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

const OUTPUT: usize = 2048;

/// In ns. The clock may be a second late, so this is a wait of one to two seconds.
const PATIENCE: u64 = 2_000_000_000;
