//! What a sound card, a device or a stream of it can do.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::part::rule;
use crate::record::Record;

/// Properties of a sound card, a device or a stream. What is empty or 0 is not said, and is then as the
/// parent says or as the server likes.
///
/// There are at most [`SoundParams::MAX_LIST`] rates; the fewest channels are not more than the most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoundParams {
    /// Samples a second.
    pub rates: Vec<u32>,
    /// How a sample is written.
    pub formats: Vec<SampleFormat>,
    /// The fewest channels.
    pub channels_min: u32,
    /// The most channels.
    pub channels_max: u32,
    /// The largest buffer, in bytes.
    pub buffer_size: u32,
}

/// How a sample is written (`XENSND_PCM_FORMAT_*`, `io/sndif.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the interface's")]
pub enum SampleFormat {
    S8,
    U8,
    S16Le,
    S16Be,
    U16Le,
    U16Be,
    S24Le,
    S24Be,
    U24Le,
    U24Be,
    S32Le,
    S32Be,
    U32Le,
    U32Be,
    F32Le,
    F32Be,
    F64Le,
    F64Be,
    Iec958SubframeLe,
    Iec958SubframeBe,
    MuLaw,
    ALaw,
    ImaAdpcm,
    Mpeg,
    Gsm,
}

impl SoundParams {
    /// How many rates may be listed.
    pub const MAX_LIST: usize = 32;

    pub(super) fn checked(self) -> Result<Self> {
        let broken = |broken| Err(Error::part("the properties of sound", rule(broken)));
        if self.rates.len() > Self::MAX_LIST || self.formats.len() > Self::MAX_LIST {
            return broken("the list is too long");
        }
        if self.rates.contains(&0) {
            return broken("a rate of 0 is none");
        }
        if self.channels_max != 0 && self.channels_min > self.channels_max {
            return broken("the fewest channels are more than the most");
        }
        Ok(self)
    }

    /// Adds the keys, each behind `own`, which ends in a slash unless it is empty.
    pub(super) fn write(&self, own: &str, layout: &mut Layout) {
        if !self.rates.is_empty() {
            layout.front_kept(format!("{own}sample-rates"), list(&self.rates));
        }
        if !self.formats.is_empty() {
            layout.front_kept(format!("{own}sample-formats"), list(&self.formats));
        }
        let numbers = [
            ("channels-min", self.channels_min),
            ("channels-max", self.channels_max),
            ("buffer-size", self.buffer_size),
        ];
        for (key, number) in numbers.into_iter().filter(|(_, number)| *number != 0) {
            layout.front_kept(format!("{own}{key}"), number);
        }
    }

    pub(super) fn from_record(record: &Record, own: &str) -> Result<Self> {
        let key = |key: &str| format!("{own}{key}");
        let params = Self {
            rates: parse_list(record, &key("sample-rates"))?,
            formats: parse_list(record, &key("sample-formats"))?,
            channels_min: record.parse_opt(&key("channels-min"))?.unwrap_or(0),
            channels_max: record.parse_opt(&key("channels-max"))?.unwrap_or(0),
            buffer_size: record.parse_opt(&key("buffer-size"))?.unwrap_or(0),
        };
        params.checked().map_err(|_| record.wrong(&key("sample-rates")))
    }
}

/// `XENSND_LIST_SEPARATOR` is a comma.
fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn parse_list<T: FromStr>(record: &Record, key: &str) -> Result<Vec<T>> {
    let Some(items) = record.str_opt(key)? else { return Ok(Vec::new()) };
    let items = items.split(',').map(str::parse).collect::<std::result::Result<Vec<_>, _>>();
    items.map_err(|_| record.wrong(key))
}

const FORMATS: [(SampleFormat, &str); 25] = [
    (SampleFormat::S8, "s8"),
    (SampleFormat::U8, "u8"),
    (SampleFormat::S16Le, "s16_le"),
    (SampleFormat::S16Be, "s16_be"),
    (SampleFormat::U16Le, "u16_le"),
    (SampleFormat::U16Be, "u16_be"),
    (SampleFormat::S24Le, "s24_le"),
    (SampleFormat::S24Be, "s24_be"),
    (SampleFormat::U24Le, "u24_le"),
    (SampleFormat::U24Be, "u24_be"),
    (SampleFormat::S32Le, "s32_le"),
    (SampleFormat::S32Be, "s32_be"),
    (SampleFormat::U32Le, "u32_le"),
    (SampleFormat::U32Be, "u32_be"),
    (SampleFormat::F32Le, "float_le"),
    (SampleFormat::F32Be, "float_be"),
    (SampleFormat::F64Le, "float64_le"),
    (SampleFormat::F64Be, "float64_be"),
    (SampleFormat::Iec958SubframeLe, "iec958_subframe_le"),
    (SampleFormat::Iec958SubframeBe, "iec958_subframe_be"),
    (SampleFormat::MuLaw, "mu_law"),
    (SampleFormat::ALaw, "a_law"),
    (SampleFormat::ImaAdpcm, "ima_adpcm"),
    (SampleFormat::Mpeg, "mpeg"),
    (SampleFormat::Gsm, "gsm"),
];

impl FromStr for SampleFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownFormat> {
        let known = FORMATS.iter().find(|(_, known)| *known == name);
        known.map(|(format, _)| *format).ok_or(UnknownFormat)
    }
}

impl fmt::Display for SampleFormat {
    /// As the interface has it, `s16_le`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = FORMATS.iter().find(|(format, _)| format == self);
        f.pad(known.map_or("", |(_, name)| name))
    }
}

/// The text is not the name of a sample format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a format of samples (such as s16_le)")]
pub struct UnknownFormat;
