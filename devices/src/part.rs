//! Checks that the descriptions of several kinds share.

use crate::error::{Cause, Error, Result};
use crate::text::Text;

/// The text that a part of a description is.
pub(crate) fn text(part: &'static str, text: &str) -> Result<Text> {
    Text::new(text).map_err(|invalid| Error::part(part, invalid))
}

/// The absolute path of a hotplug script.
pub(crate) fn script_path(path: &str) -> Result<Text> {
    let path = text("a script", path)?;
    match path.as_str().starts_with('/') {
        true => Ok(path),
        false => Err(Error::part("a script", rule("the path of a script is absolute"))),
    }
}

/// A number that has bounds.
pub(crate) fn within(part: &'static str, value: u32, least: u32, most: u32) -> Result<u32> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let (value, least, most) = (value.into(), least.into(), most.into());
    Err(Error::part(part, Cause::Range { value, least, most }))
}

pub(crate) const fn rule(rule: &'static str) -> Cause {
    Cause::Rule(rule)
}
