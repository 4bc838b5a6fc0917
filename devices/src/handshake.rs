//! The xenbus handshake, as the toolstack sees it from outside. Pure.
//!
//! Both ends of a device have a node `state` that only they write. The toolstack goes by the
//! backend's, because a guest may write whatever it likes into its own, and by `online`, with which
//! it tells the backend whether the device shall stay:
//!
//! ```text
//!                 ┌───────── comes back ──────────┐
//!                 ▼                               │
//! (written) ──▶ Waiting ──▶ Connected ──▶ Closing ──▶ Closed       while online is 1
//!                 │  │       ▲     │        ▲
//!                 │  │       └─ Reconfiguring
//!                 │  └─── closes before it connected
//!                 ▼
//!              Leaving ──Closed──▶ Left                            once online is 0
//!
//! node vanished, from everywhere ──▶ Gone, which stays
//! ```
//!
//! Ends skip states, and looks at a store miss some, so while the device is online every move that
//! the diagram allows in several steps is allowed in one. Once `online` is 0 nothing but `Closed`
//! counts: a driver may still write a state that crossed the request. The numbers have no order:
//! `Reconfiguring` is larger than `Closed`. States are those of `io/xenbus.h`, which has no words on
//! who moves when; that is Linux's (`xen-blkback/xenbus.c`, `xenbus/xenbus_probe.c`), as it was
//! observed with 6.1.

use std::fmt;

use thiserror::Error;

/// The state of one end (`enum xenbus_state`, `io/xenbus.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum XenbusState {
    /// 0, says nothing.
    Unknown,
    /// 1, written by the toolstack: nobody has looked at the device yet.
    Initialising,
    /// 2, the backend has said what it offers and waits for the other end, or for hotplug.
    InitWait,
    /// 3, the frontend has said where its rings are.
    Initialised,
    /// 4, in use.
    Connected,
    /// 5, letting go of the other end.
    Closing,
    /// 6, the other end is let go.
    Closed,
    /// 7, changing while in use.
    Reconfiguring,
    /// 8, changed; the other end has to follow.
    Reconfigured,
    /// A number that `io/xenbus.h` does not have, kept as it is.
    Other(u32),
}

impl XenbusState {
    /// The state of a number.
    pub const fn from_raw(number: u32) -> Self {
        match number {
            0 => Self::Unknown,
            1 => Self::Initialising,
            2 => Self::InitWait,
            3 => Self::Initialised,
            4 => Self::Connected,
            5 => Self::Closing,
            6 => Self::Closed,
            7 => Self::Reconfiguring,
            8 => Self::Reconfigured,
            other => Self::Other(other),
        }
    }

    /// The number of a state.
    pub const fn raw(self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::Initialising => 1,
            Self::InitWait => 2,
            Self::Initialised => 3,
            Self::Connected => 4,
            Self::Closing => 5,
            Self::Closed => 6,
            Self::Reconfiguring => 7,
            Self::Reconfigured => 8,
            Self::Other(number) => number,
        }
    }

    /// The state that a node holds. What is not a decimal number says nothing.
    ///
    /// ```
    /// use devices::XenbusState;
    ///
    /// assert_eq!(XenbusState::parse(b"4"), XenbusState::Connected);
    /// assert_eq!(XenbusState::parse(b"9"), XenbusState::Other(9));
    /// assert_eq!(XenbusState::parse(b"-1"), XenbusState::Unknown);
    /// ```
    pub fn parse(value: &[u8]) -> Self {
        let digits = value.iter().all(u8::is_ascii_digit);
        let number = str::from_utf8(value).ok().filter(|_| digits).and_then(|v| v.parse().ok());
        number.map_or(Self::Unknown, Self::from_raw)
    }
}

impl fmt::Display for XenbusState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(number) => write!(f, "state {number}"),
            known => fmt::Debug::fmt(known, f),
        }
    }
}

/// How far a backend is, for the toolstack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// It is not connected to a frontend, and has not begun to close.
    Waiting,
    /// It is in use.
    Connected,
    /// It is in use and changes.
    Reconfiguring,
    /// It lets go of the frontend, which may come back.
    Closing,
    /// It has let go of the frontend, which may come back.
    Closed,
    /// The toolstack wants it to go, and it has not let go of the frontend.
    Leaving,
    /// It has let go of the frontend for good.
    Left,
    /// Its nodes have vanished.
    Gone,
}

/// What a look at a backend's nodes found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its `state`; `None` if the node is missing.
    pub state: Option<XenbusState>,
    /// Whether its `online` says that it shall stay.
    pub online: bool,
}

/// A backend did what no backend does: another device stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{from:?} before and {to} now, so it is another device")]
pub struct OtherDevice {
    /// How far it was.
    pub from: Link,
    /// What it shows now.
    pub to: XenbusState,
}

impl Link {
    /// How far the backend is after a look at it.
    ///
    /// # Errors
    /// [`OtherDevice`] if it came back from where no device comes back.
    pub const fn next(self, seen: Seen) -> Result<Self, OtherDevice> {
        let Some(state) = seen.state else { return Ok(Self::Gone) };
        match (self, seen.online) {
            (Self::Gone, _) | (Self::Leaving | Self::Left, true) => {
                Err(OtherDevice { from: self, to: state })
            }
            (Self::Left, false) => Ok(Self::Left),
            (_, false) => Ok(match state {
                XenbusState::Closed => Self::Left,
                _ => Self::Leaving,
            }),
            (_, true) => Ok(match state {
                XenbusState::Unknown | XenbusState::Other(_) => self,
                XenbusState::Initialising | XenbusState::InitWait | XenbusState::Initialised => {
                    Self::Waiting
                }
                XenbusState::Connected => Self::Connected,
                XenbusState::Reconfiguring | XenbusState::Reconfigured => Self::Reconfiguring,
                XenbusState::Closing => Self::Closing,
                XenbusState::Closed => Self::Closed,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn online(state: XenbusState) -> Seen {
        Seen { state: Some(state), online: true }
    }

    fn leaving(state: XenbusState) -> Seen {
        Seen { state: Some(state), online: false }
    }

    const VANISHED: Seen = Seen { state: None, online: false };

    #[test]
    fn numbers_are_those_of_the_header() {
        assert_eq!(XenbusState::from_raw(5), XenbusState::Closing);
        assert_eq!(XenbusState::from_raw(7), XenbusState::Reconfiguring);
        assert_eq!(XenbusState::Closed.raw(), 6);
        assert_eq!(XenbusState::Reconfigured.raw(), 8);
    }

    #[test]
    fn a_number_not_known_here_is_kept() {
        assert_eq!(XenbusState::parse(b"4294967295").raw(), u32::MAX);
        assert_eq!(XenbusState::parse(b"17").to_string(), "state 17");
    }

    #[test]
    fn what_is_no_number_says_nothing() {
        assert_eq!(XenbusState::parse(b""), XenbusState::Unknown);
        assert_eq!(XenbusState::parse(b"+4"), XenbusState::Unknown);
        assert_eq!(XenbusState::parse(b"4\0"), XenbusState::Unknown);
        assert_eq!(XenbusState::parse(b"4294967296"), XenbusState::Unknown);
    }

    #[test]
    fn a_backend_may_skip_the_states_before_it_connects() {
        let next = Link::Waiting.next(online(XenbusState::Connected));
        assert_eq!(next, Ok(Link::Connected));
    }

    #[test]
    fn a_backend_may_close_before_it_ever_connected() {
        assert_eq!(Link::Waiting.next(online(XenbusState::Closing)), Ok(Link::Closing));
        assert_eq!(Link::Waiting.next(online(XenbusState::Closed)), Ok(Link::Closed));
    }

    #[test]
    fn an_online_backend_comes_back_after_its_frontend_did() {
        assert_eq!(Link::Closed.next(online(XenbusState::InitWait)), Ok(Link::Waiting));
        // The close itself was missed.
        assert_eq!(Link::Connected.next(online(XenbusState::InitWait)), Ok(Link::Waiting));
    }

    #[test]
    fn a_backend_that_leaves_never_connects_again() {
        // A driver that wrote this just before it saw the request.
        assert_eq!(Link::Leaving.next(leaving(XenbusState::Connected)), Ok(Link::Leaving));
        assert_eq!(Link::Leaving.next(leaving(XenbusState::Closed)), Ok(Link::Left));
        assert_eq!(Link::Left.next(leaving(XenbusState::Closing)), Ok(Link::Left));
    }

    #[test]
    fn a_backend_that_somebody_wants_to_go_leaves_from_everywhere() {
        assert_eq!(Link::Waiting.next(leaving(XenbusState::InitWait)), Ok(Link::Leaving));
        assert_eq!(Link::Connected.next(leaving(XenbusState::Closing)), Ok(Link::Leaving));
        assert_eq!(Link::Connected.next(leaving(XenbusState::Closed)), Ok(Link::Left));
    }

    #[test]
    fn what_is_online_where_a_backend_was_leaving_is_another_device() {
        let (from, to) = (Link::Leaving, XenbusState::Initialising);
        assert_eq!(from.next(online(to)), Err(OtherDevice { from, to }));
        let from = Link::Left;
        assert_eq!(from.next(online(to)), Err(OtherDevice { from, to }));
    }

    #[test]
    fn a_reconfiguration_is_not_an_end_although_its_number_is_larger() {
        let changing = Link::Connected.next(online(XenbusState::Reconfiguring));
        assert_eq!(changing, Ok(Link::Reconfiguring));
        let changed = Link::Reconfiguring.next(online(XenbusState::Reconfigured));
        assert_eq!(changed, Ok(Link::Reconfiguring));
        assert_eq!(Link::Reconfiguring.next(online(XenbusState::Connected)), Ok(Link::Connected));
    }

    #[test]
    fn vanished_nodes_are_the_end_whatever_was_before() {
        assert_eq!(Link::Waiting.next(VANISHED), Ok(Link::Gone));
        assert_eq!(Link::Connected.next(VANISHED), Ok(Link::Gone));
        assert_eq!(Link::Gone.next(VANISHED), Ok(Link::Gone));
    }

    #[test]
    fn what_stands_where_a_backend_has_gone_is_another_device() {
        let to = XenbusState::Initialising;
        let from = Link::Gone;
        assert_eq!(from.next(online(to)), Err(OtherDevice { from, to }));
    }

    #[test]
    fn a_state_that_says_nothing_changes_nothing() {
        assert_eq!(Link::Connected.next(online(XenbusState::Unknown)), Ok(Link::Connected));
        assert_eq!(Link::Closing.next(online(XenbusState::Other(42))), Ok(Link::Closing));
    }
}
