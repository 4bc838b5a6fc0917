//! What kind of failure an error is.

/// The kind of a failure, the same in every layer: what a caller decides on.
///
/// Each layer's error has more to tell, to people; this is for programs. A kind goes up through the
/// layers unchanged: what the hypervisor calls `NoMemory` is `NoMemory` of the whole creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The domain, node, file or object does not exist.
    NotFound,
    /// Not now; the same call may succeed later.
    Again,
    /// The caller lacks a right.
    Denied,
    /// It exists already.
    Exists,
    /// It is in use.
    Busy,
    /// The request, the file or the configuration makes no sense.
    Invalid,
    /// Not enough free memory, a ceiling reached or a quota used up.
    NoMemory,
    /// The deadline passed. What was asked for may still be carried out later.
    TimedOut,
    /// It was there and has gone.
    Gone,
    /// Xen, its libraries or a daemon is missing, or does not offer it.
    Unavailable,
    /// The caller asked to stop.
    Cancelled,
    /// None of the above.
    Other,
}
