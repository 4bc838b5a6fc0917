//! The records of both streams, as they are told to whoever feeds the reader.

use std::fmt;

use xc::{HvmParam, TscInfo};
use xen_types::Gfn;

use crate::{CpuidLeaf, Msr};

/// What is known of a record before its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Which record of the whole image it is, from 0, both streams counted together.
    pub index: u64,
    /// The byte at which its header begins.
    pub offset: u64,
    /// What it is.
    pub kind: RecordKind,
    /// How many bytes its body has, without padding.
    pub length: u32,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} ({})", self.index, self.kind)
    }
}

/// A record that has come whole and is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is and how long.
    pub head: Head,
    /// What it says.
    pub body: Body,
}

/// Which of the two streams a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the libraries' names")]
pub enum Layer {
    Libxc,
    Libxl,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $layer:ident $raw:literal $name:literal,)*) => {
        /// The kinds of records: libxc's, then libxl's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RecordKind {
            $($(#[$doc])* $kind,)*
            /// A number that is not known here. With its highest bit set it may be passed over.
            Unknown(Layer, u32),
        }

        impl RecordKind {
            /// What a number means in one of the streams.
            pub const fn new(layer: Layer, raw: u32) -> Self {
                match (layer, raw) {
                    $((Layer::$layer, $raw) => Self::$kind,)*
                    (layer, raw) => Self::Unknown(layer, raw),
                }
            }

            /// The stream it is of.
            pub const fn layer(self) -> Layer {
                match self {
                    $(Self::$kind => Layer::$layer,)*
                    Self::Unknown(layer, _) => layer,
                }
            }

            /// Its number there.
            pub const fn raw(self) -> u32 {
                match self {
                    $(Self::$kind => $raw,)*
                    Self::Unknown(_, raw) => raw,
                }
            }
        }

        impl fmt::Display for RecordKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$kind => f.write_str($name),)*
                    Self::Unknown(Layer::Libxc, raw) => write!(f, "{raw:#x} of libxc"),
                    Self::Unknown(Layer::Libxl, raw) => write!(f, "{raw:#x} of libxl"),
                }
            }
        }
    };
}

kinds! {
    /// The end of libxc's stream.
    End = Libxc 0x0 "END",
    /// Pages and what is in them.
    PageData = Libxc 0x1 "PAGE_DATA",
    /// The shape of a PV guest.
    PvInfo = Libxc 0x2 "X86_PV_INFO",
    /// Where a PV guest keeps the map of its memory.
    P2mFrames = Libxc 0x3 "X86_PV_P2M_FRAMES",
    /// Registers of a PV guest's virtual CPU.
    VcpuBasic = Libxc 0x4 "X86_PV_VCPU_BASIC",
    /// System-call entry points and the like.
    VcpuExtended = Libxc 0x5 "X86_PV_VCPU_EXTENDED",
    /// The extended state (XSAVE).
    VcpuXsave = Libxc 0x6 "X86_PV_VCPU_XSAVE",
    /// A PV guest's shared-info page.
    SharedInfo = Libxc 0x7 "SHARED_INFO",
    /// The time-stamp counter.
    TscInfo = Libxc 0x8 "X86_TSC_INFO",
    /// What Xen keeps of an HVM or PVH guest.
    HvmContext = Libxc 0x9 "HVM_CONTEXT",
    /// Parameters of an HVM or PVH guest.
    HvmParams = Libxc 0xa "HVM_PARAMS",
    /// A blob of the toolstack's, of before the first release of the format.
    Toolstack = Libxc 0xb "TOOLSTACK",
    /// Model-specific registers of a PV guest's virtual CPU.
    VcpuMsrs = Libxc 0xc "X86_PV_VCPU_MSRS",
    /// From here on pages are sent to be compared.
    Verify = Libxc 0xd "VERIFY",
    /// All that came before is one consistent state.
    Checkpoint = Libxc 0xe "CHECKPOINT",
    /// What a COLO secondary answers.
    DirtyPfns = Libxc 0xf "CHECKPOINT_DIRTY_PFN_LIST",
    /// The end of what does not change while a guest runs.
    StaticDataEnd = Libxc 0x10 "STATIC_DATA_END",
    /// What CPUID tells.
    CpuidPolicy = Libxc 0x11 "X86_CPUID_POLICY",
    /// What model-specific registers tell.
    MsrPolicy = Libxc 0x12 "X86_MSR_POLICY",
    /// The end of libxl's stream.
    LibxlEnd = Libxl 0x0 "libxl's END",
    /// libxc's stream follows.
    LibxcContext = Libxl 0x1 "LIBXC_CONTEXT",
    /// Nodes of the device model in the xenstore.
    EmulatorStore = Libxl 0x2 "EMULATOR_XENSTORE_DATA",
    /// The state of the device model.
    EmulatorContext = Libxl 0x3 "EMULATOR_CONTEXT",
    /// The end of libxl's part of a checkpoint.
    CheckpointEnd = Libxl 0x4 "CHECKPOINT_END",
    /// Control of COLO.
    CheckpointState = Libxl 0x5 "CHECKPOINT_STATE",
}

impl RecordKind {
    /// Whether whoever does not know it may pass over it. libxl knows no such records.
    pub const fn is_optional(self) -> bool {
        matches!(self.layer(), Layer::Libxc) && self.raw() >> 31 == 1
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// Nothing: the record itself is the message.
    Empty,
    /// How many pages were in it. Their numbers and contents were told before.
    Pages(PageCounts),
    /// The shape of a PV guest.
    PvInfo {
        /// How many bytes its words have: 4 or 8.
        width: u8,
        /// How many levels its page tables have: 3 or 4.
        levels: u8,
    },
    /// Where a PV guest keeps the map of its memory.
    P2mFrames {
        /// The first page whose place in the map is told.
        first: u32,
        /// The last one, which is the domain's last page.
        last: u32,
        /// The pages that hold this part of the map.
        frames: Vec<Gfn>,
    },
    /// State of one virtual CPU of a PV guest; the head says which part.
    Vcpu {
        /// Which virtual CPU.
        vcpu: u32,
        /// As Xen gave it.
        context: Vec<u8>,
    },
    /// A PV guest's shared-info page.
    SharedInfo(Vec<u8>),
    /// The time-stamp counter.
    TscInfo(TscInfo),
    /// What Xen keeps of an HVM or PVH guest.
    HvmContext {
        /// The entries in it, without their contents.
        entries: Vec<HvmEntry>,
        /// As Xen gave it.
        context: Vec<u8>,
    },
    /// Parameters of an HVM or PVH guest.
    HvmParams(Vec<(HvmParam, u64)>),
    /// What CPUID tells.
    CpuidPolicy(Vec<CpuidLeaf>),
    /// What model-specific registers tell.
    MsrPolicy(Vec<Msr>),
    /// Nodes of a device model in the xenstore, relative to its folder.
    EmulatorStore {
        /// Whose they are.
        emulator: Emulator,
        /// The nodes.
        nodes: Vec<EmulatorNode>,
    },
    /// The state of a device model, which was told before.
    EmulatorContext(Emulator),
    /// A record not known here. Its contents were told before.
    Opaque,
}

/// One entry of an HVM or PVH guest's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HvmEntry {
    /// What it is (`DECLARE_HVM_SAVE_TYPE`, `xen/include/public/arch-x86/hvm/save.h`).
    pub code: u16,
    /// Of which of them, such as which virtual CPU.
    pub instance: u16,
    /// How many bytes its contents have.
    pub length: u32,
}

/// A device model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Emulator {
    /// Its kind (`EMULATOR_*`, `tools/libs/light/libxl_sr_stream_format.h`): 1 is the old QEMU, 2
    /// QEMU.
    pub id: u32,
    /// Which one of the domain's.
    pub index: u32,
}

/// A node of a device model in the xenstore.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmulatorNode {
    /// Its path, below the device model's folder.
    pub path: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// A page named by a `PAGE_DATA` record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// Its number.
    pub gfn: Gfn,
    /// What it is.
    pub kind: PageKind,
}

/// What a page is (`XEN_DOMCTL_PFINFO_*`, `xen/include/public/domctl.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageKind {
    /// An ordinary page.
    Normal,
    /// A page table of a PV guest.
    Table {
        /// From 1 to 4.
        level: u8,
        /// Whether the guest has pinned it.
        pinned: bool,
    },
    /// Its memory is broken.
    Broken,
    /// It exists and has no contents; Xen 4.2 to 4.5 wrote that.
    AllocateOnly,
    /// It does not exist any more.
    Invalid,
}

impl PageKind {
    pub(super) const fn new(raw: u8) -> Option<Self> {
        match raw {
            0 => Some(Self::Normal),
            1..=4 => Some(Self::Table { level: raw, pinned: false }),
            9..=12 => Some(Self::Table { level: raw - 8, pinned: true }),
            13 => Some(Self::Broken),
            14 => Some(Self::AllocateOnly),
            15 => Some(Self::Invalid),
            _ => None,
        }
    }

    /// Whether 4096 bytes of contents go with it.
    pub const fn has_contents(self) -> bool {
        matches!(self, Self::Normal | Self::Table { .. })
    }
}

/// Pages, counted by what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageCounts {
    /// Ordinary ones.
    pub normal: u64,
    /// Page tables, by level from 1 to 4.
    pub tables: [u64; 4],
    /// How many of the tables are pinned.
    pub pinned: u64,
    /// Broken ones.
    pub broken: u64,
    /// Those without contents.
    pub allocate_only: u64,
    /// Those that no longer exist.
    pub invalid: u64,
}

impl PageCounts {
    pub(super) fn count(&mut self, kind: PageKind) {
        match kind {
            PageKind::Normal => self.normal += 1,
            PageKind::Table { level, pinned } => {
                self.tables[usize::from(level) - 1] += 1;
                self.pinned += u64::from(pinned);
            }
            PageKind::Broken => self.broken += 1,
            PageKind::AllocateOnly => self.allocate_only += 1,
            PageKind::Invalid => self.invalid += 1,
        }
    }

    /// Those whose contents are in the image.
    pub fn with_contents(&self) -> u64 {
        self.normal + self.tables.iter().sum::<u64>()
    }

    /// All.
    pub fn total(&self) -> u64 {
        self.with_contents() + self.broken + self.allocate_only + self.invalid
    }
}
