//! The bytes of a kernel, a ramdisk or firmware, which nobody can change any more.

use std::fmt;
use std::ops::Deref;

use super::sealed::Sealed;

/// The bytes of a kernel, a ramdisk or firmware, as the seam passes them on.
pub struct Content(Place);

enum Place {
    Heap(Vec<u8>),
    Sealed(Sealed),
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Place::Heap(bytes))
    }
}

impl From<Sealed> for Content {
    fn from(copy: Sealed) -> Self {
        Self(Place::Sealed(copy))
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Heap(bytes) => bytes,
            Place::Sealed(copy) => copy.bytes(),
        }
    }
}

impl fmt::Debug for Content {
    /// Its size and where it is: a kernel has millions of bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.0 {
            Place::Heap(_) => "on the heap",
            Place::Sealed(_) => "in sealed memory",
        };
        write!(f, "Content({} bytes {place})", self.len())
    }
}
