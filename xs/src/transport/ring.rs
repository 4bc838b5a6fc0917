//! The ring: bytes are copied into and out of a page that is shared with the store.
//!
//! ```text
//!   send     put what fits ─▶ ring                       full: the bell tells of room
//!   receive  take what is there ─▶ ring (there is room)  empty: acknowledge, look again
//! ```
//!
//! A bell that is acknowledged before the page is looked at is never missed: what is stored after
//! the look rings again.

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::signal::Signal;
use super::{Sent, Transport};
use crate::error::Lost;
use crate::proto::Features;
use crate::proto::ring::{Complaint, ERROR, Indices, REPLIES, REQUESTS};
use crate::ring::{Bell, Page, features};

pub(crate) struct Ring<P, B> {
    page: P,
    bell: B,
    /// What the producer's index of the requests is, if nobody else has set it.
    produced: Mutex<u32>,
    /// What the consumer's index of the replies is, if nobody else has set it.
    consumed: Mutex<u32>,
    signal: Signal,
}

impl<P: Page, B: Bell> Ring<P, B> {
    pub(crate) fn new(page: P, bell: B) -> io::Result<Self> {
        Ok(Self {
            signal: Signal::new(&[bell.fd()])?,
            // They need not begin at 0 (xenstore-ring.txt).
            produced: Mutex::new(page.load(REQUESTS.producer)),
            consumed: Mutex::new(page.load(REPLIES.consumer)),
            page,
            bell,
        })
    }

    /// Takes what is there and fits.
    fn take(&self, buffer: &mut [u8]) -> Result<Option<usize>, Lost> {
        let mut own = self.unchanged(&self.consumed, REPLIES.consumer)?;
        let indices = Indices::new(*own, self.page.load(REPLIES.producer))?;
        let (spans, next) = indices.take(buffer.len());
        let mut taken = 0;
        for span in spans.into_iter().filter(|span| !span.is_empty()) {
            let end = taken + span.len();
            self.page.read(REPLIES.bytes + span.start, &mut buffer[taken..end]);
            taken = end;
        }
        if taken == 0 {
            return Ok(None);
        }
        self.page.store(REPLIES.consumer, next);
        *own = next;
        self.bell.ring().map_err(Lost::by)?;
        Ok(Some(taken))
    }

    /// The own index, which the other side has no business to change: a store that sets it back has
    /// forgotten what this connection stands on.
    fn unchanged<'a>(
        &self,
        own: &'a Mutex<u32>,
        offset: usize,
    ) -> Result<MutexGuard<'a, u32>, Lost> {
        let own = own.lock().unwrap_or_else(PoisonError::into_inner);
        match self.page.load(offset) == *own {
            true => Ok(own),
            false => Err(Lost::Moved),
        }
    }

    /// Finds out whether the store has given up on this ring.
    fn look_for_complaint(&self) -> Result<(), Lost> {
        if features(&self.page).contains(Features::ERROR) {
            match Complaint(self.page.load(ERROR)) {
                Complaint::NONE => {}
                complaint => return Err(Lost::GivenUp(complaint)),
            }
        }
        Ok(())
    }
}

impl<P: Page, B: Bell> Transport for Ring<P, B> {
    fn send(&self, bytes: &[u8]) -> Result<Sent, Lost> {
        let mut own = self.unchanged(&self.produced, REQUESTS.producer)?;
        let indices = Indices::new(self.page.load(REQUESTS.consumer), *own)?;
        let (spans, next) = indices.put(bytes.len());
        let count = spans.iter().map(Range::len).sum();
        if count == 0 {
            self.look_for_complaint()?;
            return Ok(Sent::Nothing);
        }
        let mut put = 0;
        for span in spans.into_iter().filter(|span| !span.is_empty()) {
            let end = put + span.len();
            self.page.write(REQUESTS.bytes + span.start, &bytes[put..end]);
            put = end;
        }
        self.page.store(REQUESTS.producer, next);
        *own = next;
        self.bell.ring().map_err(Lost::by)?;
        Ok(Sent::Bytes(count))
    }

    fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Lost> {
        self.receive_within(buffer, Duration::ZERO)
    }

    fn receive_within(
        &self,
        buffer: &mut [u8],
        remaining: Duration,
    ) -> Result<Option<usize>, Lost> {
        if let Some(taken) = self.take(buffer)? {
            return Ok(Some(taken));
        }
        let ready = self.signal.wait([self.bell.fd()], remaining)?;
        if ready.raised {
            return Ok(Some(0));
        }
        if ready.sources == [true] {
            self.bell.acknowledge().map_err(Lost::by)?;
        }
        let taken = self.take(buffer)?;
        if taken.is_none() {
            self.look_for_complaint()?;
        }
        Ok(taken)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.signal.fd()
    }

    fn room_is_received(&self) -> bool {
        true
    }

    fn close(&self) {
        self.signal.close();
    }
}

impl<P, B> fmt::Debug for Ring<P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("produced", &self.produced)
            .field("consumed", &self.consumed)
            .finish_non_exhaustive()
    }
}
