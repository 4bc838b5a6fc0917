//! What may come when in libxc's stream.
//!
//! The rules are those of its restorer (`tools/libs/guest/xg_sr_restore*.c`, the same from 4.17 to
//! 4.22) as far as they need no domain, and some that a restore fails on later: [`super`] lists
//! where they differ.

use xen_types::Gfn;

use super::body;
use super::error::{LengthRule, Reason};
use super::headers::{LibxcHeader, Machine};
use super::record::{Body, Head, Page, PageKind, RecordKind};
use super::registers;

/// What to do with the body of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Gather it, then parse it.
    Keep,
    /// It is `PAGE_DATA`.
    Pages,
    /// Pass it through, but for so many bytes at its start.
    Pass(u32),
}

/// How far a stream has come.
#[derive(Debug)]
pub(super) struct Libxc {
    header: LibxcHeader,
    static_data_ended: bool,
    /// The size of a PV guest's words, once it is known.
    width: Option<u8>,
    p2m: P2m,
    first_vcpu: bool,
    hvm_context: bool,
}

/// What is known of the map of a PV guest's memory.
#[derive(Debug, Default)]
struct P2m {
    /// The domain's last page, once it is known.
    last: Option<u64>,
    /// How many frames of the map are known, from its start.
    known: u64,
    /// The highest page that holds a part of the map, or that a virtual CPU's registers name.
    highest: u64,
}

impl Libxc {
    pub(super) fn new(header: LibxcHeader) -> Self {
        Self {
            header,
            static_data_ended: false,
            width: None,
            p2m: P2m::default(),
            first_vcpu: false,
            hvm_context: false,
        }
    }

    pub(super) fn machine(&self) -> Machine {
        self.header.machine
    }

    /// Judges a record by its header.
    pub(super) fn admit(&mut self, head: &Head) -> Result<Plan, Reason> {
        let length = u64::from(head.length);
        LengthRule::AtMost.check(length, u64::from(MAX_LENGTH))?;
        self.fits_the_machine(head.kind)?;
        let after_header = length.saturating_sub(VCPU_HEADER);
        match head.kind {
            RecordKind::End | RecordKind::Checkpoint => {
                LengthRule::Exactly.check(length, 0)?;
                self.is_whole()?;
            }
            RecordKind::Verify => LengthRule::Exactly.check(length, 0)?,
            RecordKind::StaticDataEnd => {
                LengthRule::Exactly.check(length, 0)?;
                if self.static_data_ended {
                    return Err(Reason::Repeated);
                }
                self.static_data_ended = true;
            }
            RecordKind::CpuidPolicy | RecordKind::MsrPolicy if self.static_data_ended => {
                return Err(Reason::Misplaced("after STATIC_DATA_END"));
            }
            RecordKind::CpuidPolicy => LengthRule::MultipleOf.check(length, 24)?,
            RecordKind::MsrPolicy => LengthRule::MultipleOf.check(length, 16)?,
            RecordKind::PageData => {
                self.ends_static_data()?;
                if self.header.machine == Machine::Pv && self.p2m.last.is_none() {
                    return Err(Reason::Missing("X86_PV_P2M_FRAMES"));
                }
                LengthRule::AtLeast.check(length, 8)?;
                return Ok(Plan::Pages);
            }
            RecordKind::PvInfo if self.width.is_some() => return Err(Reason::Repeated),
            RecordKind::PvInfo => LengthRule::AtLeast.check(length, 8)?,
            RecordKind::P2mFrames => {
                self.ends_static_data()?;
                self.width()?;
                LengthRule::AtLeast.check(length, 8)?;
            }
            RecordKind::VcpuBasic
            | RecordKind::VcpuExtended
            | RecordKind::VcpuXsave
            | RecordKind::VcpuMsrs => {
                let width = self.width()?;
                LengthRule::AtLeast.check(length, VCPU_HEADER)?;
                // Xen 4.6 to 4.8 could write them empty (the format's errata).
                if after_header > 0 {
                    vcpu_length(head.kind, width, length)?;
                }
            }
            RecordKind::SharedInfo => {
                self.width()?;
                LengthRule::Exactly.check(length, PAGE)?;
            }
            RecordKind::TscInfo => LengthRule::Exactly.check(length, 24)?,
            RecordKind::HvmParams => LengthRule::AtLeast.check(length, 8)?,
            RecordKind::HvmContext => {}
            RecordKind::Toolstack => {
                return Err(Reason::Unsupported("a record of before the format's first release"));
            }
            RecordKind::DirtyPfns => {
                return Err(Reason::Misplaced("in an image: it answers, on COLO's back channel"));
            }
            kind if kind.is_optional() => return Ok(Plan::Pass(0)),
            _ => return Err(Reason::UnknownRecord),
        }
        Ok(Plan::Keep)
    }

    /// Takes the body of a record that was admitted. Whether reserved bits are set comes along.
    pub(super) fn take(&mut self, head: &Head, bytes: &[u8]) -> Result<(Body, bool), Reason> {
        let parsed = match head.kind {
            RecordKind::PvInfo => body::pv_info(bytes),
            RecordKind::P2mFrames => body::p2m_frames(bytes, self.width()?),
            RecordKind::VcpuBasic
            | RecordKind::VcpuExtended
            | RecordKind::VcpuXsave
            | RecordKind::VcpuMsrs => body::vcpu(bytes),
            RecordKind::SharedInfo => Ok((Body::SharedInfo(bytes.to_vec()), false)),
            RecordKind::TscInfo => body::tsc_info(bytes),
            RecordKind::HvmContext => body::hvm_context(bytes),
            RecordKind::HvmParams => body::hvm_params(bytes),
            RecordKind::CpuidPolicy => body::cpuid_policy(bytes),
            RecordKind::MsrPolicy => body::msr_policy(bytes),
            _ => Ok((Body::Empty, false)),
        }?;
        match &parsed.0 {
            Body::PvInfo { width, .. } => self.width = Some(*width),
            Body::P2mFrames { first, last, frames } => {
                let width = self.width()?;
                self.p2m.add(*first, *last, frames, width);
            }
            Body::Vcpu { vcpu, context }
                if head.kind == RecordKind::VcpuBasic && !context.is_empty() =>
            {
                self.first_vcpu |= *vcpu == 0;
                let page = registers::highest_page(context, self.width()?, *vcpu)?;
                self.p2m.highest = self.p2m.highest.max(page);
            }
            Body::HvmContext { .. } => self.hvm_context = true,
            _ => {}
        }
        Ok(parsed)
    }

    /// Judges one entry of `PAGE_DATA`. Whether reserved bits are set comes along.
    pub(super) fn page(&self, entry: u64) -> Result<(Page, bool), Reason> {
        let pfn = entry & PFN_MASK;
        if let Some(last) = self.p2m.last.filter(|&last| pfn > last) {
            return Err(Reason::PageRange { pfn, last });
        }
        let raw = entry.to_be_bytes()[0] >> 4;
        let kind = PageKind::new(raw).ok_or(Reason::PageType { pfn, kind: raw })?;
        Ok((Page { gfn: Gfn(pfn), kind }, entry & PFN_RESERVED != 0))
    }

    /// How many pages the domain has, if the stream says so.
    pub(super) fn p2m_size(&self) -> Option<u64> {
        self.p2m.last.map(|last| last + 1)
    }

    fn fits_the_machine(&self, kind: RecordKind) -> Result<(), Reason> {
        match (kind, self.header.machine) {
            (
                RecordKind::PvInfo
                | RecordKind::P2mFrames
                | RecordKind::VcpuBasic
                | RecordKind::VcpuExtended
                | RecordKind::VcpuXsave
                | RecordKind::VcpuMsrs
                | RecordKind::SharedInfo,
                Machine::Hvm,
            ) => Err(Reason::Misplaced("in the image of an HVM or PVH guest")),
            (RecordKind::HvmContext | RecordKind::HvmParams, Machine::Pv) => {
                Err(Reason::Misplaced("in the image of a PV guest"))
            }
            _ => Ok(()),
        }
    }

    /// The first record that is not static data. Version 2 has no record that says so.
    fn ends_static_data(&mut self) -> Result<(), Reason> {
        self.static_data_ended |= self.header.version < 3;
        if self.static_data_ended { Ok(()) } else { Err(Reason::Missing("STATIC_DATA_END")) }
    }

    fn width(&self) -> Result<u8, Reason> {
        self.width.ok_or(Reason::Missing("X86_PV_INFO"))
    }

    /// Whether a domain could run from what came.
    fn is_whole(&mut self) -> Result<(), Reason> {
        self.ends_static_data()?;
        if self.header.machine == Machine::Hvm {
            return self.hvm_context.then_some(()).ok_or(Reason::Missing("HVM_CONTEXT"));
        }
        let width = self.width()?;
        let last = self.p2m.last.ok_or(Reason::Missing("X86_PV_P2M_FRAMES"))?;
        if self.p2m.highest > last {
            return Err(Reason::PageRange { pfn: self.p2m.highest, last });
        }
        if self.p2m.known <= last / body::entries_per_frame(width) {
            return Err(Reason::Missing("X86_PV_P2M_FRAMES for all pages"));
        }
        self.first_vcpu.then_some(()).ok_or(Reason::Missing("X86_PV_VCPU_BASIC of virtual CPU 0"))
    }
}

impl P2m {
    fn add(&mut self, first: u32, last: u32, frames: &[Gfn], width: u8) {
        let (first, last) = (u64::from(first), u64::from(last));
        self.last = Some(self.last.map_or(last, |known| known.max(last)));
        self.highest = frames.iter().map(|frame| frame.0).fold(self.highest, u64::max);
        let start = first / body::entries_per_frame(width);
        if start <= self.known {
            self.known = self.known.max(start + frames.len() as u64);
        }
    }
}

/// `handle_x86_pv_vcpu_blob`, with the sizes of `vcpu_guest_context_t`.
fn vcpu_length(kind: RecordKind, width: u8, length: u64) -> Result<(), Reason> {
    match kind {
        RecordKind::VcpuBasic => {
            let context = if width == 8 { 5168 } else { 2800 };
            LengthRule::Exactly.check(length, VCPU_HEADER + context)
        }
        RecordKind::VcpuExtended => LengthRule::AtMost.check(length, VCPU_HEADER + 128),
        RecordKind::VcpuXsave => LengthRule::AtLeast.check(length, VCPU_HEADER + 16),
        _ => LengthRule::MultipleOf.check(length - VCPU_HEADER, 16),
    }
}

/// `REC_LENGTH_MAX`, `tools/libs/guest/xg_sr_stream_format.h`: 128 MiB.
pub(super) const MAX_LENGTH: u32 = 128 << 20;
/// `struct xc_sr_rec_x86_pv_vcpu_hdr`.
const VCPU_HEADER: u64 = 8;
/// The only page size of x86 guests here.
pub(super) const PAGE: u64 = 4096;
/// `PAGE_DATA_PFN_MASK`; the type is in the four highest bits.
const PFN_MASK: u64 = (1 << 52) - 1;
const PFN_RESERVED: u64 = 0xff << 52;
