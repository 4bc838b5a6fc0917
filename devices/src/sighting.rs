//! What both ends of a device show at one moment.
//!
//! Errors and the frontend's state are words of others, a guest's among them: they are shown to
//! people, cut to a length and without control characters, and decide nothing but that an operation
//! failed. What is decided on is what the control domain and the serving domain write.

use std::fmt;

use xs::{Path, View};

use crate::handshake::{Seen, XenbusState};
use crate::id::Ends;

/// The nodes of both ends that tell how far they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sighting {
    /// The backend's state; `None` if the node is missing.
    pub backend: Option<XenbusState>,
    /// The frontend's state, in the guest's own words.
    pub frontend: Option<XenbusState>,
    /// Whether the toolstack wants the device to stay.
    pub online: bool,
    /// What a hotplug script, or who stands in for it, has said.
    pub hotplug_status: Option<String>,
    /// Why a hotplug script failed.
    pub hotplug_error: Option<String>,
    /// Why the backend's driver failed.
    pub backend_error: Option<String>,
    /// Why the frontend's driver failed, in the guest's own words.
    pub frontend_error: Option<String>,
}

/// How far a device is that has been written into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plug {
    /// The backend's driver has not answered.
    Pending,
    /// The backend's driver has it.
    Taken,
    /// It failed, for this reason if one is given.
    Failed(Option<String>),
}

impl Sighting {
    /// Looks at a device, in one flight.
    ///
    /// # Errors
    /// As for [`View::read`].
    pub fn read(store: &impl View, ends: &Ends) -> xs::Result<Self> {
        Ok(Self::of(store.read_each(&Self::nodes(ends))?))
    }

    /// The nodes that are looked at.
    pub fn nodes(ends: &Ends) -> [Path; 7] {
        let (front, back) = (ends.frontend(), ends.backend());
        [
            back.join("state"),
            front.join("state"),
            back.join("online"),
            back.join("hotplug-status"),
            back.join("hotplug-error"),
            ends.error(),
            ends.device.error(),
        ]
    }

    /// What the values of [`Sighting::nodes`] say, in the same order, whatever they are; `None` stands
    /// for a node that is missing.
    pub fn of(values: impl IntoIterator<Item = Option<Vec<u8>>>) -> Self {
        let mut values = values.into_iter();
        let mut next = || values.next().flatten();
        let state = |value: Option<Vec<u8>>| value.map(|value| XenbusState::parse(&value));
        Self {
            backend: state(next()),
            frontend: state(next()),
            online: next().as_deref() == Some(b"1"),
            hotplug_status: words(next()),
            hotplug_error: words(next()),
            backend_error: words(next()),
            frontend_error: words(next()),
        }
    }

    /// What the handshake goes by.
    pub fn seen(&self) -> Seen {
        Seen { state: self.backend, online: self.online }
    }

    /// How far a device is that was written a moment ago.
    pub fn plug(&self) -> Plug {
        let complaint = self.hotplug_error.as_ref().or(self.backend_error.as_ref());
        let failed = matches!(self.hotplug_status.as_deref(), Some("error" | "busy"));
        match self.backend {
            _ if complaint.is_some() || failed => Plug::Failed(complaint.cloned()),
            None | Some(XenbusState::Closing | XenbusState::Closed) => Plug::Failed(None),
            Some(XenbusState::Unknown | XenbusState::Initialising | XenbusState::Other(_)) => {
                Plug::Pending
            }
            Some(_) => Plug::Taken,
        }
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = |state: Option<XenbusState>| match state {
            Some(state) => state.to_string(),
            None => "missing".to_owned(),
        };
        write!(f, "backend {}, frontend {}", state(self.backend), state(self.frontend))?;
        for (what, words) in [
            ("hotplug-status", &self.hotplug_status),
            ("hotplug-error", &self.hotplug_error),
            ("the backend's error", &self.backend_error),
            ("the frontend's error", &self.frontend_error),
        ] {
            if let Some(words) = words {
                write!(f, ", {what} {words:?}")?;
            }
        }
        Ok(())
    }
}

/// A value as words for people; `None` if it is missing or empty. What stands for a byte that is no
/// text is longer than the byte, so the words are cut, not the value.
fn words(value: Option<Vec<u8>>) -> Option<String> {
    let value = value?;
    let mut text = String::new();
    for c in String::from_utf8_lossy(&value).chars() {
        let c = if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        if text.len() + c.len_utf8() > WORDS_MAX {
            break;
        }
        text.push(c);
    }
    (!text.is_empty()).then_some(text)
}

/// How much of somebody's words is kept, in bytes.
const WORDS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(state: XenbusState) -> Sighting {
        Sighting { backend: Some(state), online: true, ..Sighting::default() }
    }

    #[test]
    fn a_backend_that_waits_for_the_frontend_has_taken_the_device() {
        assert_eq!(backend(XenbusState::InitWait).plug(), Plug::Taken);
        assert_eq!(backend(XenbusState::Connected).plug(), Plug::Taken);
        assert_eq!(backend(XenbusState::Initialising).plug(), Plug::Pending);
        assert_eq!(backend(XenbusState::Other(99)).plug(), Plug::Pending);
    }

    #[test]
    fn a_backend_that_closes_or_vanishes_has_failed() {
        assert_eq!(backend(XenbusState::Closing).plug(), Plug::Failed(None));
        assert_eq!(Sighting::default().plug(), Plug::Failed(None));
    }

    #[test]
    fn a_scripts_complaint_counts_before_the_state() {
        let mut sighting = backend(XenbusState::InitWait);
        sighting.hotplug_status = Some("busy".into());
        assert_eq!(sighting.plug(), Plug::Failed(None));
        sighting.hotplug_error = Some("in use".into());
        assert_eq!(sighting.plug(), Plug::Failed(Some("in use".into())));
    }

    #[test]
    fn what_a_guest_says_about_an_error_fails_nothing() {
        let mut sighting = backend(XenbusState::InitWait);
        sighting.frontend_error = Some("no such device".into());
        sighting.frontend = Some(XenbusState::Closed);
        assert_eq!(sighting.plug(), Plug::Taken);
    }

    #[test]
    fn words_of_others_are_cut_and_cannot_move_the_cursor() {
        assert_eq!(words(Some(b"a\x1b[2Jb".to_vec())).as_deref(), Some("a\u{fffd}[2Jb"));
        assert_eq!(words(Some(vec![b'x'; 4000])).map(|text| text.len()), Some(256));
        assert_eq!(words(Some(Vec::new())), None);
    }

    #[test]
    fn words_that_are_no_text_are_no_longer_than_others() {
        assert_eq!(words(Some(vec![0xff; 4000])), Some("\u{fffd}".repeat(85)));
        assert_eq!(words(Some(vec![7; 4000])), Some("\u{fffd}".repeat(85)));
        assert_eq!(words(Some("é".repeat(200).into_bytes())), Some("é".repeat(128)));
    }

    #[test]
    fn a_sighting_says_both_states_and_what_went_wrong() {
        let sighting = Sighting {
            frontend: Some(XenbusState::Initialising),
            hotplug_error: Some("no such file".into()),
            ..backend(XenbusState::InitWait)
        };
        assert_eq!(
            sighting.to_string(),
            "backend InitWait, frontend Initialising, hotplug-error \"no such file\""
        );
    }
}
