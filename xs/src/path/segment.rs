//! What [`Path::join`](super::Path::join) takes: things that are path segments by their type.

use std::borrow::Cow;

use xen_types::DomId;

use super::{Name, check_segments};

/// Something that is always one or more well-formed path segments.
///
/// A `&'static str` counts, because it is a literal: a wrong one is a mistake in the program, and
/// panics where it is joined.
pub trait Segment: sealed::Sealed {
    /// The text between the slashes.
    fn segment(&self) -> Cow<'_, str>;
}

impl Segment for &'static str {
    fn segment(&self) -> Cow<'_, str> {
        assert!(check_segments(self.as_bytes()).is_ok(), "{self:?} is not made of path segments");
        Cow::Borrowed(self)
    }
}

impl Segment for Name {
    fn segment(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl Segment for &Name {
    fn segment(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

macro_rules! number_segments {
    ($($number:ty),*) => {$(
        impl Segment for $number {
            fn segment(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }
        }
        impl sealed::Sealed for $number {}
    )*};
}

number_segments!(DomId, u8, u16, u32, u64, usize);

mod sealed {
    pub trait Sealed {}
    impl Sealed for &'static str {}
    impl Sealed for super::Name {}
    impl Sealed for &super::Name {}
}
