//! A toolstack's own policy: a guest that crashes is started again, unless it does so too often.
//!
//! ```text
//!   the store says that a domain ended ─▶ how did it end?
//!     by itself ─────────────────────────────────────────▶ take it away: Stopped
//!     it crashed ─▶ was the last restart a while ago? yes ▶ take it away, start it: Restarted
//!                                                     no ─▶ take it away: TooFast
//! ```
//!
//! The rule is that of the first xend: a restart within a minimum time of the restart before would be
//! a loop, and is refused. It rests on `xc` and `xs` alone; how a guest is started is another's matter.

use std::error::Error;
use std::time::{Duration, Instant};

use xc::Xc;
use xen_types::{Deadline, DomId, ShutdownReason};
use xs::{Client, Kind, Path, Store as _};

/// What became of a guest that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It crashed, and runs again under this number.
    Restarted(DomId),
    /// It crashed so soon after its last restart that it is not started again.
    TooFast,
    /// It stopped for this reason, and that is well.
    Stopped(ShutdownReason),
    /// Somebody else took it away.
    Gone,
}

/// Starts a guest, under whatever number it gets.
pub(crate) type Start<'a> = dyn FnMut() -> Result<DomId, Box<dyn Error>> + 'a;

/// Who looks after a guest.
pub(crate) struct Keeper<'a> {
    xc: Xc,
    store: Client,
    /// The least time between two restarts.
    least: Duration,
    last: Option<Instant>,
    start: &'a mut Start<'a>,
}

impl<'a> Keeper<'a> {
    pub(crate) fn new(xc: Xc, store: Client, least: Duration, start: &'a mut Start<'a>) -> Self {
        Self { xc, store, least, last: None, start }
    }

    /// Waits until the guest ends, and does what is to be done then; `None` if it has not by the
    /// deadline.
    pub(crate) fn look_after(
        &mut self,
        dom: DomId,
        deadline: Deadline,
    ) -> Result<Option<Outcome>, Box<dyn Error>> {
        // Watched first: an end after the look is told.
        let mut ends = self.store.watch(&Path::RELEASE_DOMAIN)?;
        loop {
            let reason = match self.xc.info(dom) {
                Err(error) if error.kind() == Kind::NotFound => return Ok(Some(Outcome::Gone)),
                info => info?.shutdown,
            };
            if let Some(reason) = reason {
                return self.ended(dom, reason).map(Some);
            }
            match ends.wait(deadline) {
                Err(error) if error.kind() == Kind::TimedOut => return Ok(None),
                event => event?,
            };
        }
    }

    fn ended(&mut self, dom: DomId, reason: ShutdownReason) -> Result<Outcome, Box<dyn Error>> {
        self.xc.destroy_domain(dom)?;
        self.store.rm_if_exists(&Path::domain(dom))?;
        if reason != ShutdownReason::Crash {
            return Ok(Outcome::Stopped(reason));
        }
        // By the clock of the connection, which is the real one but in tests.
        let now = self.store.clock().now();
        if self.last.is_some_and(|last| now.duration_since(last) < self.least) {
            return Ok(Outcome::TooFast);
        }
        self.last = Some(now);
        (self.start)().map(Outcome::Restarted)
    }
}
