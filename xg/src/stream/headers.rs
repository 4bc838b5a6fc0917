//! The headers: xl's, libxl's, and the two of libxc.

use super::error::Reason;
use super::fields::Fields;

/// The head of a file that xl wrote (`struct save_file_header`, `tools/xl/xl.h`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XlHeader {
    /// Whether the configuration is JSON, as xl writes it; otherwise it is in the syntax of its
    /// files.
    pub json: bool,
    /// The configuration of the domain.
    pub config: Vec<u8>,
}

/// The head of libxl's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LibxlHeader {
    /// Whether it was converted from a stream of Xen 4.5 or older.
    pub converted: bool,
}

/// The two heads of libxc's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LibxcHeader {
    /// The version of the format: 2 or 3, which is since Xen 4.14.
    pub version: u32,
    /// What kind of guest it is.
    pub machine: Machine,
    /// What wrote it.
    pub writer: Writer,
}

/// What kind of machine a guest sees, as far as the stream's head tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Machine {
    /// A PV guest.
    Pv,
    /// An HVM or PVH guest.
    Hvm,
}

/// What wrote a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the numbers of a version")]
pub enum Writer {
    /// A release of Xen.
    Xen { major: u32, minor: u32 },
    /// The script that converts streams of Xen 4.5 and older, of this version.
    Converter(u32),
}

/// What is before the optional data of an xl file.
#[derive(Debug, Clone, Copy)]
pub(super) struct XlStart {
    json: bool,
    pub(super) length: u32,
    pub(super) reserved: bool,
}

impl XlStart {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let mut fields = Fields::new(bytes);
        if fields.array::<32>()? != *XL_MAGIC {
            return Err(Reason::UnknownFormat);
        }
        match fields.u32()? {
            XL_BYTE_ORDER => {}
            order if order.swap_bytes() == XL_BYTE_ORDER => {
                return Err(Reason::Unsupported("a big-endian file"));
            }
            found => {
                let wanted = u64::from(XL_BYTE_ORDER);
                let part = "byte-order mark";
                return Err(Reason::Magic { part, found: u64::from(found), wanted });
            }
        }
        let mandatory = fields.u32()?;
        let optional = fields.u32()?;
        if mandatory & !(XL_JSON | XL_STREAM_V2) != 0 {
            return Err(Reason::Unsupported("a file of a newer xl"));
        }
        if mandatory & XL_STREAM_V2 == 0 {
            return Err(Reason::Unsupported("a stream of Xen 4.5 or older"));
        }
        let json = mandatory & XL_JSON != 0;
        Ok(Self { json, length: fields.u32()?, reserved: optional != 0 })
    }

    /// The header with its optional data, of which xl knows the configuration alone.
    pub(super) fn with(self, optional: &[u8]) -> Result<XlHeader, Reason> {
        let mut config = Vec::new();
        if !optional.is_empty() {
            let mut fields = Fields::new(optional);
            let length = fields.u32()?;
            let rest = fields.rest();
            let bound = rest.len() as u64;
            let rule = super::error::LengthRule::AtMost;
            rule.check(u64::from(length), bound)?;
            config = rest.iter().copied().take(length as usize).collect();
        }
        Ok(XlHeader { json: self.json, config })
    }
}

/// Whether reserved bits are set comes along.
pub(super) fn libxl(bytes: &[u8]) -> Result<(LibxlHeader, bool), Reason> {
    let mut fields = Fields::new(bytes);
    magic("ident", fields.big_u64()?, LIBXL_IDENT)?;
    match fields.big_u32()? {
        2 => {}
        found => return Err(Reason::Version { part: "libxl's stream", found, known: "2" }),
    }
    let options = fields.big_u32()?;
    if options & LIBXL_BIG_ENDIAN != 0 {
        return Err(Reason::Unsupported("a big-endian stream"));
    }
    let known = LIBXL_BIG_ENDIAN | LIBXL_CONVERTED;
    Ok((LibxlHeader { converted: options & LIBXL_CONVERTED != 0 }, options & !known != 0))
}

/// The image header: the version, and whether reserved bits are set.
pub(super) fn image(bytes: &[u8]) -> Result<(u32, bool), Reason> {
    let mut fields = Fields::new(bytes);
    magic("marker", fields.big_u64()?, u64::MAX)?;
    magic("id", u64::from(fields.big_u32()?), u64::from(LIBXC_ID))?;
    let version = match fields.big_u32()? {
        version @ 2..=3 => version,
        found => return Err(Reason::Version { part: "libxc's stream", found, known: "2 and 3" }),
    };
    let options = fields.big_u16()?;
    if options & LIBXC_BIG_ENDIAN != 0 {
        return Err(Reason::Unsupported("a big-endian stream"));
    }
    let reserved = fields.array::<6>()?;
    Ok((version, options & !LIBXC_BIG_ENDIAN != 0 || reserved != [0; 6]))
}

/// The domain header, and whether reserved bits are set.
pub(super) fn domain(version: u32, bytes: &[u8]) -> Result<(LibxcHeader, bool), Reason> {
    let mut fields = Fields::new(bytes);
    let machine = match fields.u32()? {
        1 => Machine::Pv,
        2 => Machine::Hvm,
        other => return Err(Reason::GuestType(other)),
    };
    match fields.u16()? {
        12 => {}
        other => return Err(Reason::PageShift(other)),
    }
    let reserved = fields.u16()?;
    let writer = match (fields.u32()?, fields.u32()?) {
        (0, version) => Writer::Converter(version),
        (major, minor) => Writer::Xen { major, minor },
    };
    Ok((LibxcHeader { version, machine, writer }, reserved != 0))
}

fn magic(part: &'static str, found: u64, wanted: u64) -> Result<(), Reason> {
    if found == wanted { Ok(()) } else { Err(Reason::Magic { part, found, wanted }) }
}

/// `savefileheader_magic`, `tools/xl/xl.h`.
pub(super) const XL_MAGIC: &[u8; 32] = b"Xen saved domain, xl format\n \0 \r";
/// The magic and four numbers.
pub(super) const XL_HEADER: usize = 48;
const XL_BYTE_ORDER: u32 = 0x0102_0304;
const XL_JSON: u32 = 1 << 0;
const XL_STREAM_V2: u32 = 1 << 1;

/// `libxl__sr_hdr`.
pub(super) const LIBXL_HEADER: usize = 16;
/// `LibxlFmt`.
pub(super) const LIBXL_IDENT: u64 = 0x4c69_6278_6c46_6d74;
const LIBXL_BIG_ENDIAN: u32 = 1 << 0;
const LIBXL_CONVERTED: u32 = 1 << 1;

/// `struct xc_sr_ihdr`.
pub(super) const IMAGE_HEADER: usize = 24;
/// `struct xc_sr_dhdr`.
pub(super) const DOMAIN_HEADER: usize = 16;
/// `XENF`.
const LIBXC_ID: u32 = 0x5845_4e46;
const LIBXC_BIG_ENDIAN: u16 = 1 << 0;
