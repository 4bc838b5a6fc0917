//! What an image holds, in a few numbers.

use std::collections::BTreeSet;

use xen_types::{Bytes, PageCount};

use super::headers::{LibxcHeader, Machine, Writer};
use super::libxc::PAGE;
use super::record::{Body, Page, PageCounts, Record, RecordKind};
use super::{Event, Format};

/// What an image holds. All its numbers are in little-endian order: no other is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// What is around libxc's stream.
    pub format: Format,
    /// The version of libxc's stream.
    pub version: u32,
    /// What kind of guest it is.
    pub guest: Guest,
    /// What wrote libxc's stream.
    pub writer: Writer,
    /// How many virtual CPUs have a state.
    pub vcpus: u64,
    /// How many pages the domain can have: the highest one's number and one more. For PV the guest
    /// said so, for HVM and PVH it is the highest that was sent.
    pub p2m_size: PageCount,
    /// The pages that were sent, each as often as it was.
    pub pages: PageCounts,
    /// How much of them there is.
    pub contents: Bytes,
    /// How often the sender went over memory, told by page numbers that do not rise. More than one
    /// pass is a live save of a guest that wrote meanwhile.
    pub passes: u64,
    /// The consistent states before the last one.
    pub checkpoints: u64,
    /// Whether the sender sent memory once more, to be compared.
    pub verify: bool,
    /// What CPUID tells: how many leaves.
    pub cpuid_leaves: u64,
    /// How many model-specific registers are told.
    pub msrs: u64,
    /// Whether the state of a device model is in it.
    pub emulator: bool,
    /// Records that are not known here and may be passed over.
    pub passed_over: u64,
    /// How many pieces have bits set that the formats reserve. A restore ignores them.
    pub reserved: u64,
    /// All records, of both streams.
    pub records: u64,
    /// The size of the whole.
    pub size: Bytes,
}

/// A kind of guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Guest {
    /// PV, 32 bits.
    Pv32,
    /// PV, 64 bits.
    Pv64,
    /// PVH: hardware-virtualised, and Xen keeps no interrupt controller of a PC for it.
    Pvh,
    /// HVM.
    Hvm,
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    header: Option<LibxcHeader>,
    width: Option<u8>,
    pc: bool,
    vcpus: BTreeSet<u32>,
    hvm_vcpus: u64,
    highest: Option<u64>,
    last: Option<u64>,
    pages: PageCounts,
    passes: u64,
    checkpoints: u64,
    verify: bool,
    cpuid_leaves: u64,
    msrs: u64,
    emulator: bool,
    passed_over: u64,
    pub(super) reserved: u64,
}

impl Tally {
    pub(super) fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Libxc(header) => self.header = Some(*header),
            Event::Pages(pages) => pages.iter().for_each(|page| self.page(page)),
            Event::Record(record) => self.record(record),
            Event::Xl(_) | Event::Libxl(_) | Event::Contents(_) => {}
        }
    }

    fn page(&mut self, page: &Page) {
        let number = page.gfn.0;
        self.pages.count(page.kind);
        self.highest = self.highest.max(Some(number));
        // Each pass sends pages in rising order (xg_sr_save.c); a verification is no pass.
        if !self.verify && self.last.is_none_or(|last| number <= last) {
            self.passes += 1;
        }
        self.last = Some(number);
    }

    fn record(&mut self, record: &Record) {
        match &record.body {
            Body::PvInfo { width, .. } => self.width = Some(*width),
            Body::Vcpu { vcpu, context } if !context.is_empty() => {
                self.vcpus.insert(*vcpu);
            }
            Body::HvmContext { entries, .. } => {
                let cpus = entries.iter().filter(|entry| entry.code == HVM_CPU);
                self.hvm_vcpus = cpus.count() as u64;
                self.pc = entries.iter().any(|entry| entry.code == HVM_PIC);
            }
            Body::CpuidPolicy(leaves) => self.cpuid_leaves = leaves.len() as u64,
            Body::MsrPolicy(msrs) => self.msrs = msrs.len() as u64,
            Body::EmulatorContext(_) => self.emulator = true,
            Body::Opaque => self.passed_over += 1,
            _ => {}
        }
        match record.head.kind {
            RecordKind::Checkpoint => self.checkpoints += 1,
            RecordKind::Verify => self.verify = true,
            _ => {}
        }
    }

    /// The sum of an image that has come to its end; `None` before libxc's stream has begun.
    pub(super) fn sum(
        &self,
        format: Format,
        p2m_size: Option<u64>,
        records: u64,
        size: u64,
    ) -> Option<Summary> {
        let header = self.header?;
        let guest = match (header.machine, self.width) {
            (Machine::Pv, Some(4)) => Guest::Pv32,
            (Machine::Pv, _) => Guest::Pv64,
            (Machine::Hvm, _) if self.pc => Guest::Hvm,
            (Machine::Hvm, _) => Guest::Pvh,
        };
        let sent = self.highest.map_or(0, |highest| highest + 1);
        Some(Summary {
            format,
            version: header.version,
            guest,
            writer: header.writer,
            vcpus: self.vcpus.len() as u64 + self.hvm_vcpus,
            p2m_size: PageCount(p2m_size.unwrap_or(sent)),
            pages: self.pages,
            contents: Bytes(self.pages.with_contents() * PAGE),
            passes: self.passes,
            checkpoints: self.checkpoints,
            verify: self.verify,
            cpuid_leaves: self.cpuid_leaves,
            msrs: self.msrs,
            emulator: self.emulator,
            passed_over: self.passed_over,
            reserved: self.reserved,
            records,
            size: Bytes(size),
        })
    }
}

/// `DECLARE_HVM_SAVE_TYPE` of these, `xen/include/public/arch-x86/hvm/save.h`.
const HVM_CPU: u16 = 2;
const HVM_PIC: u16 = 3;
