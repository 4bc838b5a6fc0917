//! Reading image files to their end.

use std::io::{self, Read, Seek, SeekFrom};

use super::{Checksum, Envelope, EnvelopeError, Seal};
use crate::stream::{Event, Format, Reader, StreamError, Summary};
use crate::{Error, Result};

/// What was found in an image that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// The head, if it is a file of ours.
    pub envelope: Option<Envelope>,
    /// What the saver wrote of the domain into a file of ours.
    pub description: Vec<u8>,
    /// What the stream holds.
    pub summary: Summary,
}

/// Why an image was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// It could not be read.
    #[error("read at byte {at}")]
    Read {
        /// Where.
        at: u64,
        /// Why.
        source: io::Error,
    },
    /// It is a file of ours and not in order.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The stream is not in order. Its bytes are counted from where it begins.
    #[error("the stream, which begins at byte {at}")]
    Stream {
        /// Where the stream begins.
        at: u64,
        /// What is wrong with it.
        source: StreamError,
    },
}

/// Reads an image to its end and says what it holds, whatever it is: libxc's stream, libxl's, a
/// file of xl's or one of ours. `name` stands for it in errors.
///
/// # Errors
/// [`Error::SavedImage`]: [`Kind::Invalid`](crate::Kind::Invalid) for what is damaged, truncated or
/// no image, [`Kind::Unavailable`](crate::Kind::Unavailable) for a format or a version that is not
/// read here, and the kinds of reading.
pub fn inspect(name: &str, image: impl Read) -> Result<Image> {
    inspect_each(name, image, |_| {})
}

/// The same, and tells all that is found on the way. What it tells is to be believed only when this
/// returns that the image is in order.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_each(
    name: &str,
    mut image: impl Read,
    tell: impl FnMut(&Event<'_>),
) -> Result<Image> {
    read(&mut image, false, tell).map_err(|source| refused(name, source))
}

/// Reads an image file of ours from the first byte to the last and says whether it is what was
/// saved. Afterwards `image` stands where the stream begins, ready for a restore.
///
/// # Errors
/// As [`inspect`], [`EnvelopeError::Magic`] for any other image, and [`EnvelopeError::Format`] for a
/// file of ours with another stream in it than libxc's.
pub fn verify(name: &str, image: &mut (impl Read + Seek)) -> Result<Image> {
    let verified = (|| {
        image.seek(SeekFrom::Start(0)).map_err(|source| InspectError::Read { at: 0, source })?;
        let verified = read(image, true, |_| {})?;
        match verified.summary.format {
            Format::Libxc => {}
            Format::Libxl => return Err(EnvelopeError::Format("a stream of libxl's").into()),
            Format::Xl => return Err(EnvelopeError::Format("a file of xl's").into()),
        }
        let at = verified.envelope.map_or(0, |envelope| envelope.stream_at());
        image.seek(SeekFrom::Start(at)).map_err(|source| InspectError::Read { at, source })?;
        Ok(verified)
    })();
    verified.map_err(|source| refused(name, source))
}

fn refused(name: &str, source: InspectError) -> Error {
    Error::SavedImage { name: name.into(), source }
}

fn read(
    image: &mut impl Read,
    must_be_ours: bool,
    tell: impl FnMut(&Event<'_>),
) -> Result<Image, InspectError> {
    let mut source = Source { image, at: 0 };
    let mut head = [0; Envelope::SIZE];
    let got = source.fill(&mut head)?;
    if !Envelope::is_at_start_of(&head[..got]) {
        if must_be_ours {
            return Err(EnvelopeError::Magic.into());
        }
        let summary = stream(&mut source, &head[..got], 0, None, tell)?;
        return Ok(Image { envelope: None, description: Vec::new(), summary });
    }
    if got < Envelope::SIZE {
        let (size, expected) = (source.at, Envelope::SIZE as u64);
        return Err(EnvelopeError::Truncated { size, expected }.into());
    }
    let envelope = Envelope::decode(&head)?;
    let sealed = envelope.stream.ok_or(EnvelopeError::Unfinished)?;
    let description = source.description(&envelope)?;
    let expected = envelope.stream_at().saturating_add(sealed.length);
    let mut checksum = Checksum::new();
    let sum = Some(&mut checksum);
    let found = match stream(&mut source, &[], envelope.stream_at(), sum, tell) {
        Err(error @ InspectError::Read { .. }) => return Err(error),
        found => found,
    };
    // Where the file was cut is the better answer to why the stream is not whole.
    if found.is_err() {
        source.skip()?;
    }
    if source.at < expected {
        return Err(EnvelopeError::Truncated { size: source.at, expected }.into());
    }
    if source.at > expected {
        return Err(EnvelopeError::Trailing(expected).into());
    }
    let summary = found?;
    if checksum.seal() != sealed {
        return Err(EnvelopeError::Checksum("stream").into());
    }
    Ok(Image { envelope: Some(envelope), description, summary })
}

/// Reads a stream of which `start` has been read, to the end of the file.
fn stream(
    source: &mut Source<'_, impl Read>,
    start: &[u8],
    at: u64,
    mut checksum: Option<&mut Checksum>,
    mut tell: impl FnMut(&Event<'_>),
) -> Result<Summary, InspectError> {
    let refused = |source| InspectError::Stream { at, source };
    let mut reader = Reader::new();
    let mut buffer = vec![0; BUFFER];
    let mut piece = start;
    loop {
        if let Some(checksum) = &mut checksum {
            checksum.feed(piece);
        }
        while let Some(event) = reader.feed(&mut piece).map_err(refused)? {
            tell(&event);
        }
        match source.read(&mut buffer)? {
            0 => break,
            got => piece = &buffer[..got],
        }
    }
    reader.finish().map_err(refused)
}

/// A reader and how far it was read.
struct Source<'a, R> {
    image: &'a mut R,
    at: u64,
}

impl<R: Read> Source<'_, R> {
    /// As many bytes as come at once; none at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, InspectError> {
        loop {
            match self.image.read(buffer) {
                Ok(got) => {
                    self.at += got as u64;
                    return Ok(got);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(InspectError::Read { at: self.at, source }),
            }
        }
    }

    /// As many bytes as there are room for, fewer at the end alone.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, InspectError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                got => filled += got,
            }
        }
        Ok(filled)
    }

    fn skip(&mut self) -> Result<(), InspectError> {
        let mut buffer = vec![0; BUFFER];
        while self.read(&mut buffer)? > 0 {}
        Ok(())
    }

    fn description(&mut self, envelope: &Envelope) -> Result<Vec<u8>, InspectError> {
        let seal = envelope.description;
        let length = usize::try_from(seal.length).ok().filter(|length| *length <= MAX_DESCRIPTION);
        let length = length.ok_or(EnvelopeError::Description(seal.length))?;
        let mut description = vec![0; length];
        if self.fill(&mut description)? < length {
            let (size, expected) = (self.at, envelope.stream_at());
            return Err(EnvelopeError::Truncated { size, expected }.into());
        }
        if Seal::of(&description) != seal {
            return Err(EnvelopeError::Checksum("description").into());
        }
        Ok(description)
    }
}

/// What is read at once.
const BUFFER: usize = 64 << 10;
/// A configuration has a few kilobytes.
const MAX_DESCRIPTION: usize = 16 << 20;
