//! Saved images of domains, read from bytes: no Xen, no I/O.
//!
//! ```text
//! ┌ xl's header, configuration ──────── tools/xl/xl.h
//! │ ┌ libxl's header, LIBXC_CONTEXT ─── docs/specs/libxl-migration-stream.pandoc, version 2
//! │ │ ┌ image header, domain header ─── docs/specs/libxc-migration-stream.pandoc, version 2 or 3
//! │ │ │ records … END
//! │ └ records … END
//! ```
//!
//! [`Reader`] begins with any of the three and finds out which. It is fed bytes in pieces of any
//! size, tells each record when it has come, and refuses what a restore would fail on, as far as
//! that can be seen without a domain:
//!
//! ```
//! use xg::stream::{Event, Reader};
//!
//! let mut reader = Reader::new();
//! let mut piece = &b"LibxlFmt\0\0\0\x02\0\0\0\0"[..];
//! let event = reader.feed(&mut piece)?;
//! assert!(matches!(event, Some(Event::Libxl(header)) if !header.converted));
//! let truncated = reader.finish().unwrap_err();
//! assert_eq!(truncated.to_string(), "byte 16");
//! # Ok::<(), xg::stream::StreamError>(())
//! ```
//!
//! # What is checked
//!
//! All that libxc's restorer and libxl's reader check of the bytes alone: magic numbers, versions,
//! byte order, lengths, the order of records, types and numbers of pages, also of those that
//! registers name. Bits that the formats reserve are ignored when reading, as they demand, and
//! [counted](Summary::reserved). These are refused here although libxc or libxl would begin with
//! them:
//!
//! - records that are to have no body and have one;
//! - a CPU policy after `STATIC_DATA_END`, which libxc would take and never apply;
//! - `PAGE_DATA` of a PV guest before `X86_PV_P2M_FRAMES`, and states of virtual CPUs before
//!   `X86_PV_INFO`;
//! - an end without what a domain needs: for PV the shape, the map and the first virtual CPU, for
//!   HVM and PVH the state that Xen keeps; also an HVM or PVH state that Xen would refuse, and
//!   numbers of virtual CPUs and registers that it cannot have;
//! - more than 1 MiB or 4096 nodes of a device model: libxl would write some hundred bytes;
//! - bytes after the end.
//!
//! The specification wants `HVM_PARAMS` before `HVM_CONTEXT`. libxc writes them the other way round
//! (observed on 4.17) and takes both, so that is not judged.
//!
//! # What cannot be checked
//!
//! The streams have no checksum: a flipped bit in the contents of a page, in a register or in the
//! configuration goes unseen. [`crate::image`] puts one around them. Whether the host has the
//! memory, the CPU features and the devices is for the restore to find out. COLO's messages are no
//! image.

mod body;
mod error;
mod event;
mod fields;
mod headers;
mod input;
mod libxc;
mod libxl;
mod reader;
mod record;
mod registers;
mod summary;

pub use error::{LengthRule, Reason, StreamError};
pub use event::{Event, Format};
pub use headers::{LibxcHeader, LibxlHeader, Machine, Writer, XlHeader};
pub use reader::Reader;
pub use record::{Body, Emulator, EmulatorNode, Head, HvmEntry, Layer, Page, PageCounts, PageKind};
pub use record::{Record, RecordKind};
pub use summary::{Guest, Summary};
