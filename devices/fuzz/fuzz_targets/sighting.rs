//! Any values of the nodes that both ends of a device write, as two looks at it see them: the words
//! are short and hold nothing that a terminal obeys, a number is kept as it is, and a device that has
//! left or gone never comes back.
//!
//! Each look is seven lines, in the order of `Sighting::nodes`. A line that begins with `=` is the
//! value of a node, without it; any other stands for a node that is missing.

#![no_main]

use devices::{Link, Sighting, XenbusState};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut values =
        input.split(|byte| *byte == b'\n').map(|line| line.strip_prefix(b"=").map(<[u8]>::to_vec));
    let looks = [(); 2].map(|()| {
        let values: Vec<_> = values.by_ref().take(7).collect();
        let seen = Sighting::of(values.clone());
        check(&seen, values.first().and_then(Option::as_deref));
        seen
    });
    for from in LINKS {
        let Ok(first) = from.next(looks[0].seen()) else { continue };
        let Ok(second) = first.next(looks[1].seen()) else { continue };
        match first {
            Link::Gone => assert_eq!(second, Link::Gone),
            Link::Left => assert!(matches!(second, Link::Left | Link::Gone)),
            Link::Leaving => assert!(matches!(second, Link::Leaving | Link::Left | Link::Gone)),
            _ => {}
        }
    }
});

/// A look, and the value of the backend's state that it read.
fn check(seen: &Sighting, backend: Option<&[u8]>) {
    let said =
        [&seen.hotplug_status, &seen.hotplug_error, &seen.backend_error, &seen.frontend_error];
    for words in said.into_iter().flatten() {
        assert!(!words.is_empty() && words.len() <= 256, "{} bytes", words.len());
        assert!(!words.contains(char::is_control), "{words:?}");
    }
    for text in [seen.to_string(), format!("{:?}", seen.plug())] {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    assert_eq!(seen.backend.is_some(), backend.is_some());
    if let Some(state) = seen.backend {
        assert_eq!(XenbusState::from_raw(state.raw()), state);
        let number = backend.and_then(|value| str::from_utf8(value).ok()?.parse::<u32>().ok());
        // `parse` of an integer takes a sign, which a state has none of.
        assert!(state == XenbusState::Unknown || number == Some(state.raw()));
    }
}

const LINKS: [Link; 8] = [
    Link::Waiting,
    Link::Connected,
    Link::Reconfiguring,
    Link::Closing,
    Link::Closed,
    Link::Leaving,
    Link::Left,
    Link::Gone,
];
