//! Text that goes into the store as it is and is read by shell scripts and kernels on the other side.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A line of text for a node: the path of a file, a name, an address.
///
/// Hotplug scripts read values line by line and backends in C up to a NUL, so neither has a place in
/// one. It has [`Text::MAX`] bytes at most, well below what the stores take (2048 in oxenstored).
///
/// ```
/// use devices::Text;
///
/// assert_eq!(Text::new("/dev/vg/root")?.as_str(), "/dev/vg/root");
/// assert!(Text::new("one\ntwo").is_err());
/// # Ok::<(), devices::InvalidText>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(String);

/// Why a string is no [`Text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidText {
    /// It is empty, where something must be said.
    #[error("the text is empty")]
    Empty,
    /// It has a control character: a line feed, a NUL.
    #[error("the text has the control character {0:?} in it")]
    Control(char),
    /// It is longer than [`Text::MAX`].
    #[error("a text of {0} bytes is over the limit of {max}", max = Text::MAX)]
    TooLong(usize),
    /// It is not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
}

impl Text {
    /// How many bytes a text may have.
    pub const MAX: usize = 1024;

    /// The text in a string.
    ///
    /// # Errors
    /// Says which rule the string breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidText> {
        let text = text.into();
        match text.chars().find(|c| c.is_control()) {
            _ if text.is_empty() => Err(InvalidText::Empty),
            _ if text.len() > Self::MAX => Err(InvalidText::TooLong(text.len())),
            Some(control) => Err(InvalidText::Control(control)),
            None => Ok(Self(text)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Text {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        Self::new(text)
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_would_cut_is_refused() {
        assert_eq!(Text::new(""), Err(InvalidText::Empty));
        assert_eq!(Text::new("a\nb"), Err(InvalidText::Control('\n')));
        assert_eq!(Text::new("a\0b"), Err(InvalidText::Control('\0')));
    }

    #[test]
    fn a_text_has_an_end() {
        assert!(Text::new("a".repeat(1024)).is_ok());
        assert_eq!(Text::new("a".repeat(1025)), Err(InvalidText::TooLong(1025)));
    }
}
