//! What is in a virtual disk, and who opens it.

use crate::error::Result;
use crate::kind::Kind;
use crate::record::Record;
use crate::text::Text;

/// What is in a virtual disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Nothing: a drive that waits for a medium, a block device or a file.
    Nothing,
    /// A block device.
    Phy(Text),
    /// A file, through a loop device.
    File(Text),
    /// An image that QEMU opens; `None` is an empty drive.
    Qdisk {
        /// How the image is laid out.
        format: Format,
        /// Where it is.
        path: Option<Text>,
    },
    /// An image that blktap opens.
    Tap {
        /// Which blktap it is.
        by: Blktap,
        /// How the image is laid out.
        format: Format,
        /// Where it is.
        path: Text,
    },
}

/// How an image is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Block after block.
    Raw,
    /// QEMU's first own format.
    Qcow,
    /// QEMU's own format.
    Qcow2,
    /// Virtual PC's.
    Vhd,
    /// An older one of QEMU's.
    Qed,
}

/// The blktaps that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blktap {
    /// Version 3, of xapi; libxl from 4.20 on.
    Three,
    /// Version 2, of OpenXT.
    Two,
}

impl Source {
    pub(super) const fn served_as(&self) -> Kind {
        match self {
            Self::Nothing | Self::Phy(_) | Self::File(_) => Kind::Vbd,
            Self::Qdisk { .. } => Kind::Qdisk,
            Self::Tap { by: Blktap::Three, .. } => Kind::Vbd3,
            Self::Tap { by: Blktap::Two, .. } => Kind::Tap,
        }
    }

    pub(super) const fn type_name(&self) -> &'static str {
        match self {
            Self::Nothing | Self::Phy(_) => "phy",
            Self::File(_) => "file",
            Self::Qdisk { .. } => "qdisk",
            Self::Tap { by: Blktap::Three, .. } => "vbd3",
            Self::Tap { by: Blktap::Two, .. } => "tap",
        }
    }

    pub(super) fn params(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Phy(path) | Self::File(path) => path.to_string(),
            Self::Qdisk { format, path } => {
                format!("{}:{}", format.name(), path.as_ref().map_or("", Text::as_str))
            }
            Self::Tap { format, path, .. } => format!("{}:{path}", format.name()),
        }
    }

    /// Where the scripts of Xen are on all hosts that we know.
    pub(super) const fn usual_script(&self) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::Phy(_) | Self::File(_) => Some("/etc/xen/scripts/block"),
            Self::Tap { .. } => Some("/etc/xen/scripts/block-tap"),
            Self::Qdisk { .. } => None,
        }
    }

    /// Whether nothing is in it.
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::Nothing | Self::Qdisk { path: None, .. })
    }

    pub(super) fn from_record(record: &Record) -> Result<Self> {
        match record.ends().served_as {
            Kind::Vbd => match (record.str_opt("type")?, record.text_opt("params")?) {
                (Some("phy" | "file"), None) => Ok(Self::Nothing),
                (Some("file"), Some(path)) => Ok(Self::File(path)),
                (Some("phy"), Some(path)) => Ok(Self::Phy(path)),
                _ => Err(record.wrong("type")),
            },
            Kind::Qdisk => {
                let (format, path) = image(record)?;
                Ok(Self::Qdisk { format, path })
            }
            Kind::Vbd3 => Self::tap(Blktap::Three, record),
            Kind::Tap => Self::tap(Blktap::Two, record),
            _ => Err(record.of_another_kind()),
        }
    }

    fn tap(by: Blktap, record: &Record) -> Result<Self> {
        match image(record)? {
            (format @ (Format::Raw | Format::Vhd), Some(path)) => {
                Ok(Self::Tap { by, format, path })
            }
            _ => Err(record.wrong("params")),
        }
    }
}

/// Format and path, with a colon between. When libxl takes a medium out of a drive, it leaves nothing.
fn image(record: &Record) -> Result<(Format, Option<Text>)> {
    let params = record.str_opt("params")?.unwrap_or_default();
    if params.is_empty() {
        return Ok((Format::Raw, None));
    }
    let (format, path) = params.split_once(':').ok_or_else(|| record.wrong("params"))?;
    let format = Format::named(format).ok_or_else(|| record.wrong("params"))?;
    match path {
        "" => Ok((format, None)),
        path => Ok((format, Some(Text::new(path).map_err(|invalid| record.failed(invalid))?))),
    }
}

impl Format {
    /// As the store has it (`libxl__device_disk_string_of_format`).
    const fn name(self) -> &'static str {
        match self {
            Self::Raw => "aio",
            Self::Qcow => "qcow",
            Self::Qcow2 => "qcow2",
            Self::Vhd => "vhd",
            Self::Qed => "qed",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [Self::Raw, Self::Qcow, Self::Qcow2, Self::Vhd, Self::Qed];
        all.into_iter().find(|known| known.name() == name)
    }
}
