//! The bytes of a kernel, a ramdisk or firmware, which nobody changes while they are used.

use std::fmt;
use std::ops::Deref;

use super::held::Held;
use super::sealed::Sealed;

/// The bytes of a kernel, a ramdisk or firmware, as the seam passes them on.
pub struct Content(Place);

enum Place {
    Heap(Vec<u8>),
    Sealed(Sealed),
    /// A file, without so many bytes at its start.
    Held(Held, usize),
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

impl From<Held> for Content {
    fn from(file: Held) -> Self {
        Self(Place::Held(file, 0))
    }
}

impl Content {
    /// A file without so many bytes at its start; `None` if it has fewer.
    pub(crate) fn held(file: Held, skip: usize) -> Option<Self> {
        (skip <= file.bytes().len()).then_some(Self(Place::Held(file, skip)))
    }

    /// Whether it stays as it is for as long as a build takes, and was so far.
    pub(crate) fn is_intact(&self) -> bool {
        match &self.0 {
            Place::Heap(_) | Place::Sealed(_) => true,
            Place::Held(file, _) => file.is_intact(),
        }
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Heap(bytes) => bytes,
            Place::Sealed(copy) => copy.bytes(),
            Place::Held(file, skip) => &file.bytes()[*skip..],
        }
    }
}

impl fmt::Debug for Content {
    /// Its size and where it is: a kernel has millions of bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.0 {
            Place::Heap(_) => "on the heap",
            Place::Sealed(_) => "in sealed memory",
            Place::Held(..) => "in a file under a lease",
        };
        write!(f, "Content({} bytes {place})", self.len())
    }
}
