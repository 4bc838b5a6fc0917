//! Sound cards.
//!
//! ```text
//! card ─ params        keys of the frontend: long-name, short-name, sample-rates …
//!  └─ PCM 0 ─ params   0/name, 0/sample-rates …
//!      └─ stream 0     0/0/unique-id, 0/0/type, 0/0/sample-rates …
//! ```
//!
//! What a PCM or a stream does not say is as its parent says. Keys: `io/sndif.h`, `libxl_vsnd.c` (4.17,
//! 4.20). libxl writes the formats of floating-point samples as `f32_le`, where the interface and
//! Linux's frontend have `float_le`: here they are the interface's.

mod params;

use xen_types::DomId;

use crate::error::{Error, Result};
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::part::{rule, text};
use crate::record::Record;
use crate::spec::Spec;
use crate::text::Text;
use crate::tree::Tree;

pub use params::{SampleFormat, SoundParams, UnknownFormat};

/// A sound card of a domain.
///
/// ```
/// use devices::{Pcm, Record, SoundParams, Spec, Stream, Vsnd};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let speaker = Stream::playback("speaker")?;
/// let card = Vsnd::new(0)
///     .short_name("card")?
///     .params(SoundParams { rates: vec![44_100, 48_000], ..SoundParams::default() })?
///     .pcm(Pcm::new().name("main")?.stream(speaker)?)?;
/// let record = Record::in_tree(&card.tree(dom), &card.ends(dom).device)?;
/// assert_eq!(Vsnd::from_record(&record)?, card);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vsnd {
    number: u32,
    short_name: Option<Text>,
    long_name: Option<Text>,
    params: SoundParams,
    pcms: Vec<Pcm>,
    server: DomId,
}

/// A device of a sound card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pcm {
    name: Option<Text>,
    params: SoundParams,
    streams: Vec<Stream>,
}

/// A stream of a device of a sound card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    id: Text,
    captures: bool,
    params: SoundParams,
}

impl Vsnd {
    /// How many devices a card, and how many streams a device, may have here.
    pub const MAX_PARTS: usize = 32;

    /// A card that is silent yet.
    pub fn new(number: u32) -> Self {
        Self {
            number,
            short_name: None,
            long_name: None,
            params: SoundParams::default(),
            pcms: Vec::new(),
            server: DomId::DOM0,
        }
    }

    /// The same, called so in lists.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn short_name(self, name: &str) -> Result<Self> {
        Ok(Self { short_name: Some(text("the name of a sound card", name)?), ..self })
    }

    /// The same, called so in full.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn long_name(self, name: &str) -> Result<Self> {
        Ok(Self { long_name: Some(text("the name of a sound card", name)?), ..self })
    }

    /// The same with these properties, unless a device or a stream has others.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) as [`SoundParams`] says.
    pub fn params(self, params: SoundParams) -> Result<Self> {
        Ok(Self { params: params.checked()?, ..self })
    }

    /// The same with one more device.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if there are [`Vsnd::MAX_PARTS`] already.
    pub fn pcm(mut self, pcm: Pcm) -> Result<Self> {
        push(&mut self.pcms, pcm)?;
        Ok(self)
    }

    /// The same, served by another domain than the control domain.
    #[must_use]
    pub fn served_by(self, server: DomId) -> Self {
        Self { server, ..self }
    }
}

impl Pcm {
    /// A device without a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, called so.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn name(self, name: &str) -> Result<Self> {
        Ok(Self { name: Some(text("the name of a sound device", name)?), ..self })
    }

    /// The same with properties of its own.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) as [`SoundParams`] says.
    pub fn params(self, params: SoundParams) -> Result<Self> {
        Ok(Self { params: params.checked()?, ..self })
    }

    /// The same with one more stream.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if there are [`Vsnd::MAX_PARTS`] already.
    pub fn stream(mut self, stream: Stream) -> Result<Self> {
        push(&mut self.streams, stream)?;
        Ok(self)
    }
}

impl Stream {
    /// A stream from the guest, known to the server by this name.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn playback(id: &str) -> Result<Self> {
        let id = text("the name of a sound stream", id)?;
        Ok(Self { id, captures: false, params: SoundParams::default() })
    }

    /// A stream to the guest, known to the server by this name.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn capture(id: &str) -> Result<Self> {
        Ok(Self { captures: true, ..Self::playback(id)? })
    }

    /// The same with properties of its own.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) as [`SoundParams`] says.
    pub fn params(self, params: SoundParams) -> Result<Self> {
        Ok(Self { params: params.checked()?, ..self })
    }
}

fn push<T>(parts: &mut Vec<T>, part: T) -> Result<()> {
    if parts.len() == Vsnd::MAX_PARTS {
        return Err(Error::part("a sound card", rule("it has too many devices or streams")));
    }
    parts.push(part);
    Ok(())
}

impl Spec for Vsnd {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::Vsnd, number: self.number };
        Ends { device, server: self.server, served_as: Kind::Vsnd }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let mut layout = Layout::new(self.ends(dom));
        keep(&mut layout, "long-name", self.long_name.as_ref());
        keep(&mut layout, "short-name", self.short_name.as_ref());
        self.params.write("", &mut layout);
        for (index, pcm) in self.pcms.iter().enumerate() {
            let own = format!("{index}/");
            // A device that says nothing of itself still counts.
            layout.front_kept(index.to_string(), "");
            keep(&mut layout, &format!("{own}name"), pcm.name.as_ref());
            pcm.params.write(&own, &mut layout);
            for (index, stream) in pcm.streams.iter().enumerate() {
                let own = format!("{own}{index}/");
                layout
                    .front_kept(format!("{own}unique-id"), &stream.id)
                    .front_kept(format!("{own}type"), if stream.captures { "c" } else { "p" });
                stream.params.write(&own, &mut layout);
            }
        }
        layout.tree()
    }

    /// As for all descriptions. A card that xl made has its properties in the frontend alone, where the
    /// guest can write: nothing is found but the card.
    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.served_alike(&Kind::Vsnd)?;
        let mut card = Self::new(ends.device.number).served_by(ends.server);
        card.long_name = record.text_opt("frontend/long-name")?;
        card.short_name = record.text_opt("frontend/short-name")?;
        card.params = SoundParams::from_record(record, "frontend/")?;
        for index in 0..Self::MAX_PARTS {
            let own = format!("frontend/{index}");
            if record.str_opt(&own)?.is_none() {
                break;
            }
            card.pcms.push(Pcm::from_record(record, &own)?);
        }
        Ok(card)
    }
}

impl Pcm {
    fn from_record(record: &Record, own: &str) -> Result<Self> {
        let name = record.text_opt(&format!("{own}/name"))?;
        let params = SoundParams::from_record(record, &format!("{own}/"))?;
        let mut streams = Vec::new();
        for index in 0..Vsnd::MAX_PARTS {
            let own = format!("{own}/{index}/");
            let Some(id) = record.text_opt(&format!("{own}unique-id"))? else { break };
            let direction = format!("{own}type");
            let captures = match record.str_opt(&direction)? {
                Some("p") => false,
                Some("c") => true,
                _ => return Err(record.wrong(&direction)),
            };
            streams.push(Stream { id, captures, params: SoundParams::from_record(record, &own)? });
        }
        Ok(Self { name, params, streams })
    }
}

/// A key of the frontend, if there is something to say.
fn keep(layout: &mut Layout, key: &str, value: Option<&Text>) {
    if let Some(value) = value {
        layout.front_kept(key, value);
    }
}

#[cfg(test)]
mod tests;
