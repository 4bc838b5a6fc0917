//! The reader: one state for each piece that may be under way.
//!
//! ```text
//! Magic ─▶ XlHeader ─▶ XlOptional ─▶ LibxlHeader ─▶ Header(libxl) ─▶ … ─▶ End
//!   │                                   ▲             ▲      │ LIBXC_CONTEXT
//!   ├───────────────────────────────────┘             │      ▼
//!   └─────────────────────────────────────────────────┼─▶ ImageHeader ─▶ DomainHeader
//!                                                     │                       │
//!                        END in libxl's, CHECKPOINT   │                       ▼
//!                                                     └──────────────── Header(libxc) ─▶ … ─▶ End
//!
//! Header ─▶ Body ─▶ Header                                      a body that is kept
//! Header ─▶ PagesHeader ─▶ Pfns … ─▶ Contents … ─▶ Header       PAGE_DATA
//! Header ─▶ Start ─▶ Passing … ─▶ Padding ─▶ Header             a body that passes
//! ```

use super::error::{LengthRule, Reason, StreamError};
use super::event::{Event, Format};
use super::fields::Fields;
use super::headers::{self, XlStart};
use super::input::Input;
use super::libxc::{Libxc, PAGE, Plan};
use super::libxl::{self, Libxl};
use super::record::{Body, Head, Layer, PageCounts, Record, RecordKind};
use super::summary::{Summary, Tally};

/// Reads one image from pieces of any size. It holds one record's body at most, page contents
/// never.
///
/// After an error it gives the same error again.
#[derive(Debug)]
pub struct Reader {
    state: State,
    format: Format,
    taken: Input,
    /// Where the piece under way begins.
    begun: u64,
    record: Option<Head>,
    records: u64,
    libxl: Option<Libxl>,
    libxc: Option<Libxc>,
    tally: Tally,
    failed: Option<StreamError>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Magic,
    XlHeader,
    XlOptional(XlStart),
    LibxlHeader,
    ImageHeader,
    DomainHeader { version: u32 },
    Header(Layer),
    Body(Head),
    PagesHeader(Head),
    Pfns { head: Head, left: u32, counts: PageCounts },
    Contents { head: Head, left: u64, counts: PageCounts },
    Start { head: Head, kept: u32 },
    Passing { head: Head, kept: u32, left: u64 },
    Padding { head: Head, kept: u32 },
    End,
}

/// What one step led to.
enum Step<'a> {
    Hungry,
    On(State),
    Told(State, Event<'a>),
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader of an image that begins with the next byte.
    pub fn new() -> Self {
        Self {
            state: State::Magic,
            format: Format::Libxc,
            taken: Input::default(),
            begun: 0,
            record: None,
            records: 0,
            libxl: None,
            libxc: None,
            tally: Tally::default(),
            failed: None,
        }
    }

    /// Takes bytes from the front of `input` until something is known that is worth telling. `None`
    /// says that all are taken and more are needed.
    ///
    /// # Errors
    /// [`StreamError`] for what is no image, or none that could be restored.
    pub fn feed<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, StreamError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        loop {
            match self.step(input) {
                Ok(Step::Hungry) => return Ok(None),
                Ok(Step::On(state)) => self.state = state,
                Ok(Step::Told(state, event)) => {
                    self.state = state;
                    self.tally.note(&event);
                    return Ok(Some(event));
                }
                Err(reason) => return Err(self.fail(reason)),
            }
        }
    }

    /// How many bytes it has taken.
    pub fn offset(&self) -> u64 {
        self.taken.offset()
    }

    /// Whether the image has come to its end.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// The sum of all, when no more bytes come.
    ///
    /// # Errors
    /// [`Reason::Truncated`] if the image has not come to its end.
    pub fn finish(mut self) -> Result<Summary, StreamError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let size = self.libxc.as_ref().and_then(Libxc::p2m_size);
        let sum = self.tally.sum(self.format, size, self.records, self.offset());
        match sum.filter(|_| self.is_complete()) {
            Some(sum) => Ok(sum),
            None if self.is_another_file() => Err(self.fail(Reason::UnknownFormat)),
            None => {
                let missing = self.missing();
                Err(self.fail(Reason::Truncated { missing }))
            }
        }
    }

    fn fail(&mut self, reason: Reason) -> StreamError {
        let error = StreamError { offset: self.begun, record: self.record, reason };
        self.failed = Some(error.clone());
        error
    }

    fn step<'a>(&mut self, input: &mut &'a [u8]) -> Result<Step<'a>, Reason> {
        match self.state {
            State::Magic => Ok(self.magic(input)?.map_or(Step::Hungry, Step::On)),
            State::XlHeader => {
                let Some(bytes) = self.taken.gather(headers::XL_HEADER, input) else {
                    return Ok(Step::Hungry);
                };
                let start = XlStart::parse(&bytes)?;
                self.reserved(start.reserved);
                LengthRule::AtMost.check(u64::from(start.length), MAX_CONFIG)?;
                Ok(Step::On(State::XlOptional(start)))
            }
            State::XlOptional(start) => {
                let Some(bytes) = self.taken.gather(start.length as usize, input) else {
                    return Ok(Step::Hungry);
                };
                let header = start.with(&bytes)?;
                self.begin();
                Ok(Step::Told(State::LibxlHeader, Event::Xl(header)))
            }
            State::LibxlHeader => {
                let Some(bytes) = self.taken.gather(headers::LIBXL_HEADER, input) else {
                    return Ok(Step::Hungry);
                };
                let (header, reserved) = headers::libxl(&bytes)?;
                self.reserved(reserved);
                self.libxl = Some(Libxl::default());
                self.begin();
                Ok(Step::Told(State::Header(Layer::Libxl), Event::Libxl(header)))
            }
            State::ImageHeader => {
                let Some(bytes) = self.taken.gather(headers::IMAGE_HEADER, input) else {
                    return Ok(Step::Hungry);
                };
                let (version, reserved) = headers::image(&bytes)?;
                self.reserved(reserved);
                self.begin();
                Ok(Step::On(State::DomainHeader { version }))
            }
            State::DomainHeader { version } => {
                let Some(bytes) = self.taken.gather(headers::DOMAIN_HEADER, input) else {
                    return Ok(Step::Hungry);
                };
                let (header, reserved) = headers::domain(version, &bytes)?;
                self.reserved(reserved);
                self.libxc = Some(Libxc::new(header));
                self.begin();
                Ok(Step::Told(State::Header(Layer::Libxc), Event::Libxc(header)))
            }
            State::Header(layer) => {
                let Some(bytes) = self.taken.gather(8, input) else { return Ok(Step::Hungry) };
                self.header(layer, &bytes).map(Step::On)
            }
            State::Body(head) => {
                let Some(bytes) = self.taken.gather(padded(head.length), input) else {
                    return Ok(Step::Hungry);
                };
                self.body(head, &bytes)
            }
            State::PagesHeader(head) => {
                let Some(bytes) = self.taken.gather(8, input) else { return Ok(Step::Hungry) };
                self.pages_header(head, &bytes).map(Step::On)
            }
            State::Pfns { head, left, counts } => {
                let batch = left.min(BATCH);
                let Some(bytes) = self.taken.gather(8 * batch as usize, input) else {
                    return Ok(Step::Hungry);
                };
                self.pfns(head, left - batch, counts, &bytes)
            }
            State::Contents { head, left: 0, counts } => {
                let body = Body::Pages(counts);
                self.begin();
                Ok(Step::Told(State::Header(Layer::Libxc), Event::Record(Record { head, body })))
            }
            State::Contents { head, left, counts } => {
                let Some(contents) = self.taken.pass(left, input) else { return Ok(Step::Hungry) };
                let left = left - contents.len() as u64;
                Ok(Step::Told(State::Contents { head, left, counts }, Event::Contents(contents)))
            }
            State::Start { head, kept } => {
                if !self.taken.reach(kept as usize, input) {
                    return Ok(Step::Hungry);
                }
                let left = u64::from(head.length - kept);
                Ok(Step::On(State::Passing { head, kept, left }))
            }
            State::Passing { head, kept, left: 0 } => Ok(Step::On(State::Padding { head, kept })),
            State::Passing { head, kept, left } => {
                let Some(contents) = self.taken.pass(left, input) else { return Ok(Step::Hungry) };
                let left = left - contents.len() as u64;
                let state = State::Passing { head, kept, left };
                Ok(Step::Told(state, Event::Contents(contents)))
            }
            State::Padding { head, kept } => {
                // What is kept of the body is still gathered.
                let kept = kept as usize;
                let padding = padded(head.length) - head.length as usize;
                let Some(bytes) = self.taken.gather(kept + padding, input) else {
                    return Ok(Step::Hungry);
                };
                self.passed(head, &bytes[..kept], &bytes[kept..])
            }
            State::End if input.is_empty() => Ok(Step::Hungry),
            State::End => Err(Reason::Trailing),
        }
    }

    fn magic(&mut self, input: &mut &[u8]) -> Result<Option<State>, Reason> {
        if !self.taken.reach(8, input) {
            return Ok(None);
        }
        let mut fields = Fields::new(self.taken.gathered());
        let state = match fields.array::<8>()? {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => State::ImageHeader,
            ident if u64::from_be_bytes(ident) == headers::LIBXL_IDENT => {
                self.format = Format::Libxl;
                State::LibxlHeader
            }
            start if headers::XL_MAGIC.starts_with(&start) => {
                self.format = Format::Xl;
                State::XlHeader
            }
            start if XENOPSD_MAGIC.starts_with(&start) => {
                return Err(Reason::Unsupported("an image of xenopsd"));
            }
            _ => return Err(Reason::UnknownFormat),
        };
        Ok(Some(state))
    }

    fn header(&mut self, layer: Layer, bytes: &[u8]) -> Result<State, Reason> {
        let mut fields = Fields::new(bytes);
        let kind = RecordKind::new(layer, fields.u32()?);
        let length = fields.u32()?;
        let head = Head { index: self.records, offset: self.begun, kind, length };
        self.record = Some(head);
        self.records += 1;
        let machine = self.libxc.as_ref().map(Libxc::machine);
        let plan = match (layer, &mut self.libxl, &mut self.libxc) {
            (Layer::Libxl, Some(libxl), _) => libxl.admit(&head, machine)?,
            (Layer::Libxc, _, Some(libxc)) => libxc.admit(&head)?,
            _ => return Err(Reason::UnknownRecord),
        };
        Ok(match plan {
            Plan::Keep => State::Body(head),
            Plan::Pages => State::PagesHeader(head),
            Plan::Pass(kept) => State::Start { head, kept },
        })
    }

    fn body<'a>(&mut self, head: Head, bytes: &[u8]) -> Result<Step<'a>, Reason> {
        let (bytes, padding) = bytes.split_at(head.length as usize);
        self.reserved(padding.iter().any(|byte| *byte != 0));
        let body = match (head.kind.layer(), &mut self.libxc) {
            (Layer::Libxc, Some(libxc)) => {
                let (body, reserved) = libxc.take(&head, bytes)?;
                self.reserved(reserved);
                body
            }
            _ => libxl::body(head.kind, bytes)?,
        };
        self.begin();
        Ok(Step::Told(self.after(head.kind), Event::Record(Record { head, body })))
    }

    /// Where a record without contents leads.
    fn after(&mut self, kind: RecordKind) -> State {
        match (kind, &mut self.libxl) {
            (RecordKind::LibxcContext, _) => State::ImageHeader,
            (RecordKind::End, Some(_)) => State::Header(Layer::Libxl),
            (RecordKind::End, None) | (RecordKind::LibxlEnd, _) => State::End,
            (RecordKind::Checkpoint, Some(libxl)) => {
                libxl.begin_checkpoint();
                State::Header(Layer::Libxl)
            }
            (RecordKind::CheckpointEnd, _) => State::Header(Layer::Libxc),
            _ => State::Header(kind.layer()),
        }
    }

    fn pages_header(&mut self, head: Head, bytes: &[u8]) -> Result<State, Reason> {
        let mut fields = Fields::new(bytes);
        let (count, reserved) = (fields.u32()?, fields.u32()?);
        self.reserved(reserved != 0);
        if count == 0 {
            return Err(Reason::NoPages);
        }
        LengthRule::AtLeast.check(u64::from(head.length), 8 + 8 * u64::from(count))?;
        Ok(State::Pfns { head, left: count, counts: PageCounts::default() })
    }

    fn pfns<'a>(
        &mut self,
        head: Head,
        left: u32,
        mut counts: PageCounts,
        bytes: &[u8],
    ) -> Result<Step<'a>, Reason> {
        let libxc = self.libxc.as_ref().ok_or(Reason::UnknownRecord)?;
        let (entries, _) = bytes.as_chunks();
        let mut pages = Vec::with_capacity(entries.len());
        let mut reserved = false;
        for entry in entries {
            let (page, odd) = libxc.page(u64::from_le_bytes(*entry))?;
            reserved |= odd;
            counts.count(page.kind);
            pages.push(page);
        }
        self.reserved(reserved);
        if left > 0 {
            return Ok(Step::Told(State::Pfns { head, left, counts }, Event::Pages(pages)));
        }
        let contents = PAGE * counts.with_contents();
        let wanted = 8 + 8 * counts.total() + contents;
        LengthRule::Exactly.check(u64::from(head.length), wanted)?;
        let state = State::Contents { head, left: contents, counts };
        Ok(Step::Told(state, Event::Pages(pages)))
    }

    fn passed<'a>(&mut self, head: Head, kept: &[u8], padding: &[u8]) -> Result<Step<'a>, Reason> {
        self.reserved(padding.iter().any(|byte| *byte != 0));
        let body = match head.kind {
            RecordKind::EmulatorContext => libxl::body(head.kind, kept)?,
            _ => Body::Opaque,
        };
        self.begin();
        Ok(Step::Told(State::Header(head.kind.layer()), Event::Record(Record { head, body })))
    }

    /// A new piece begins here, which is no part of a record yet.
    fn begin(&mut self) {
        self.begun = self.offset();
        self.record = None;
    }

    fn reserved(&mut self, set: bool) {
        self.tally.reserved += u64::from(set);
    }

    /// Whether the few bytes that came are the beginning of no image.
    fn is_another_file(&self) -> bool {
        let magics: [&[u8]; 3] =
            [&[0xff; 8], &headers::LIBXL_IDENT.to_be_bytes(), headers::XL_MAGIC];
        let is_start = |magic: &&[u8]| magic.starts_with(self.taken.gathered());
        matches!(self.state, State::Magic) && !magics.iter().any(is_start)
    }

    /// How many bytes the piece under way lacks.
    fn missing(&self) -> u64 {
        let left = |head: &Head| {
            (head.offset + 8 + padded(head.length) as u64).saturating_sub(self.offset())
        };
        let lacks = |size: usize| size.saturating_sub(self.taken.gathered().len()) as u64;
        match &self.state {
            State::Magic | State::Header(_) => lacks(8),
            State::XlHeader => lacks(headers::XL_HEADER),
            State::XlOptional(start) => lacks(start.length as usize),
            State::LibxlHeader => lacks(headers::LIBXL_HEADER),
            State::ImageHeader => lacks(headers::IMAGE_HEADER),
            State::DomainHeader { .. } => lacks(headers::DOMAIN_HEADER),
            State::Body(head) | State::PagesHeader(head) => left(head),
            State::Pfns { head, .. } | State::Contents { head, .. } => left(head),
            State::Start { head, .. } | State::Passing { head, .. } => left(head),
            State::Padding { head, .. } => left(head),
            State::End => 0,
        }
    }
}

/// Records end at a multiple of 8 bytes (`REC_ALIGN`).
fn padded(length: u32) -> usize {
    (length as usize).next_multiple_of(8)
}

/// The largest part of an xl file before the stream; a configuration has a few kilobytes.
const MAX_CONFIG: u64 = 16 << 20;

/// How many page numbers are told at once, which is what libxc writes in one record
/// (`MAX_BATCH_SIZE`, `tools/libs/guest/xg_save_restore.h`).
const BATCH: u32 = 1024;

/// `xapi-project/xenopsd`, `xc/xenops_helpers.ml` and around it.
const XENOPSD_MAGIC: &[u8] = b"XenSavedDomv2-\n";
