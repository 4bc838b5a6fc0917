//! What failed, for which file or domain, and why.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use rustix::io::Errno;
use xen_types::{DomId, Kind, MiB};

use crate::backend::{CallError, OpenError};
use crate::image::{EnvelopeError, InspectError};
use crate::stream::Reason;
use crate::{Compression, ImageError, PayloadError, SavePhase, UnpackError};

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation of this crate that failed.
///
/// The text names the operation and its subject; the cause is the
/// [source](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// libxenguest could not be opened.
    #[error("open the domain builder")]
    Open {
        /// Why.
        source: OpenError,
    },
    /// A kernel, a ramdisk or firmware could not be read.
    #[error("read {role} {name}")]
    Read {
        /// What the file was to be.
        role: Role,
        /// Its path.
        name: Arc<str>,
        /// Why.
        source: PayloadError,
    },
    /// A kernel is not one that the domain builder could use.
    #[error("kernel {name}")]
    Image {
        /// Where the kernel came from.
        name: Arc<str>,
        /// What is wrong with it.
        source: ImageError,
    },
    /// A compressed kernel could not be unpacked.
    #[error("unpack {compression} kernel {name}")]
    Unpack {
        /// Where the kernel came from.
        name: Arc<str>,
        /// How it is compressed.
        compression: Compression,
        /// Why.
        source: UnpackError,
    },
    /// The configuration cannot be built.
    #[error("build domain {dom}")]
    Config {
        /// The domain.
        dom: DomId,
        /// What cannot be.
        source: InvalidConfig,
    },
    /// A call of the domain builder failed.
    #[error("build domain {dom}: {call}")]
    Call {
        /// The domain.
        dom: DomId,
        /// The C function.
        call: &'static str,
        /// What it returned and said.
        source: CallError,
    },
    /// What the firmware of an HVM guest reads could not be completed.
    #[error("build domain {dom}: hvm_info_table")]
    HvmInfo {
        /// The domain.
        dom: DomId,
        /// Why.
        source: HvmInfoError,
    },
    /// A call outside of a build failed.
    #[error("{}{operation}", on(*dom))]
    Operation {
        /// What was tried.
        operation: Cow<'static, str>,
        /// The domain, if it was tried on one.
        dom: Option<DomId>,
        /// What the call returned and said.
        source: CallError,
    },
    /// A domain could not be looked at before another operation.
    #[error("{operation} domain {dom}")]
    Look {
        /// The domain.
        dom: DomId,
        /// What was to be done.
        operation: &'static str,
        /// Why.
        source: xc::Error,
    },
    /// A domain that has not suspended itself cannot be resumed.
    #[error("resume domain {dom}: it has not suspended itself")]
    NotSuspended {
        /// The domain.
        dom: DomId,
    },
    /// A PV guest left what libxenguest would fall for.
    #[error("resume domain {dom}: {what} that its guest left is {value:#x}")]
    StartInfo {
        /// The domain.
        dom: DomId,
        /// Which number.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// A core dump could not be written.
    #[error("write the core dump of domain {dom}")]
    Write {
        /// The domain.
        dom: DomId,
        /// Why.
        source: std::io::Error,
    },
    /// A domain could not be saved.
    #[error("save domain {dom}, {phase}")]
    Save {
        /// The domain.
        dom: DomId,
        /// How far the save had come.
        phase: SavePhase,
        /// Why.
        source: StreamFailure,
    },
    /// A domain could not be restored.
    #[error("restore domain {dom}")]
    Restore {
        /// The domain.
        dom: DomId,
        /// Why.
        source: StreamFailure,
    },
    /// A saved image was refused.
    #[error("read the saved image {name}")]
    SavedImage {
        /// What stands for it.
        name: Arc<str>,
        /// Why.
        source: InspectError,
    },
    /// The CPU policy could not be set.
    #[error("set the CPU policy of domain {dom}")]
    CpuPolicy {
        /// The domain.
        dom: DomId,
        /// What the call returned and said.
        source: CallError,
    },
}

/// Why a domain could not be written to or read from a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamFailure {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The caller did not want it to go on.
    #[error("stopped by the caller")]
    Stopped,
}

fn on(dom: Option<DomId>) -> String {
    dom.map_or_else(String::new, |dom| format!("domain {dom}: "))
}

/// What a file is to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum Role {
    Kernel,
    Ramdisk,
    Firmware,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::Ramdisk => "ramdisk",
            Self::Firmware => "firmware",
        })
    }
}

/// A configuration that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// libxenguest counts MiB and pages in 32 bits and wraps without a word.
    #[error("{0} of memory: 1 MiB to 16777215 MiB can be built")]
    Memory(MiB),
    /// The target lies above the maximum.
    #[error("a memory target of {target} above the maximum of {maximum}")]
    TargetAboveMaximum {
        /// The memory to start with.
        target: MiB,
        /// The most memory.
        maximum: MiB,
    },
    /// libxenguest aborts the process when a hardware-virtualised domain has none.
    #[error("no virtual CPU")]
    NoVcpu,
    /// Xen gives a guest that is not PV no more (`HVM_MAX_VCPUS`,
    /// `xen/include/public/hvm/hvm_info_table.h`).
    #[error("{0} virtual CPUs: a guest that is not PV can have 128")]
    Vcpus(u32),
    /// None of the virtual CPUs is online, or more of them than there are.
    #[error("{online} of {vcpus} virtual CPUs online")]
    Online {
        /// Those online.
        online: u32,
        /// All.
        vcpus: u32,
    },
    /// The video memory leaves an HVM guest less than 2 MiB.
    #[error("{video} of video memory in {memory} of memory")]
    VideoMemory {
        /// The video memory.
        video: MiB,
        /// The memory to start with.
        memory: MiB,
    },
    /// `xl` allows no other holes.
    #[error("a hole of {0} for devices: 256 MiB to 3840 MiB can be had")]
    Hole(MiB),
    /// An HVM guest's firmware loads its kernel and ramdisk.
    #[error("a ramdisk for an HVM guest, which boots through its firmware")]
    HvmRamdisk,
    /// A PV guest's start info has room for 1023 bytes; libxenguest would cut the rest off.
    #[error("a command line of {0} bytes: a PV guest can be given 1023")]
    CommandLine(usize),
}

/// Why `hvm_info_table` could not be completed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HvmInfoError {
    /// The guest's memory could not be mapped or accessed.
    #[error(transparent)]
    Memory(#[from] xc::Error),
    /// libxenguest put no such table there.
    #[error("there is none: {0:02x?}")]
    Absent([u8; 12]),
}

impl Error {
    pub(crate) fn operation(
        operation: impl Into<Cow<'static, str>>,
        dom: Option<DomId>,
        source: CallError,
    ) -> Self {
        Self::Operation { operation: operation.into(), dom, source }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Open { source } => source.errno().map_or(Kind::Unavailable, kind_of),
            Self::Read { source, .. } => source.errno().map_or(Kind::Invalid, kind_of),
            Self::Image { .. } => Kind::Invalid,
            Self::Unpack { source, .. } => source.errno().map_or(Kind::Invalid, kind_of),
            Self::Config { source: InvalidConfig::Vcpus(_), .. } => Kind::Unavailable,
            Self::Config { .. } => Kind::Invalid,
            Self::Call { call, source, .. } => source.kind(call),
            Self::HvmInfo { source: HvmInfoError::Memory(source), .. } => source.kind(),
            Self::HvmInfo { .. } => Kind::Other,
            Self::Operation { source, .. } => source.kind(""),
            Self::Look { source, .. } => source.kind(),
            Self::NotSuspended { .. } | Self::StartInfo { .. } => Kind::Invalid,
            Self::Write { source, .. } => Errno::from_io_error(source).map_or(Kind::Other, kind_of),
            Self::Save { source, .. } => source.kind("xc_domain_save"),
            Self::Restore { source, .. } => source.kind("xc_domain_restore"),
            Self::SavedImage { source, .. } => source.kind(),
            Self::CpuPolicy { source, .. } => source.kind("xc_cpuid_apply_policy"),
        }
    }
}

impl StreamFailure {
    fn kind(&self, call: &str) -> Kind {
        match self {
            Self::Call(source) => source.kind(call),
            Self::Stopped => Kind::Cancelled,
        }
    }
}

impl InspectError {
    fn kind(&self) -> Kind {
        match self {
            Self::Read { source, .. } => Errno::from_io_error(source).map_or(Kind::Other, kind_of),
            Self::Envelope(EnvelopeError::Version(_)) => Kind::Unavailable,
            Self::Envelope(_) => Kind::Invalid,
            Self::Stream { source, .. } => match source.reason {
                Reason::Unsupported(_) | Reason::Version { .. } => Kind::Unavailable,
                _ => Kind::Invalid,
            },
        }
    }
}

impl CallError {
    fn kind(&self, call: &str) -> Kind {
        match self {
            Self::Unsupported { .. } | Self::Layout { .. } => Kind::Unavailable,
            Self::UsedAfterFork => Kind::Gone,
            Self::At { source, .. } => source.kind(call),
            Self::Foreign
            | Self::NoVcpu
            | Self::TooManyFrames(_)
            | Self::OutOfOrder(_)
            | Self::TooManyModules => Kind::Invalid,
            // Fewer pages than asked for are reported as EBUSY (xc_domain_populate_physmap_exact,
            // tools/libs/ctrl/xc_domain.c, 4.17).
            Self::Failed { errno: Some(Errno::BUSY), .. }
                if matches!(call, "xc_dom_boot_mem_init" | "xc_domain_restore") =>
            {
                Kind::NoMemory
            }
            Self::Failed { errno: Some(errno), .. } => kind_of(*errno),
            Self::Failed { errno: None, said } => kind_of_words(said).unwrap_or(match call {
                // What these refuse without an errno is the kernel.
                "xc_dom_kernel_mem" | "xc_dom_parse_image" => Kind::Invalid,
                _ => Kind::Other,
            }),
        }
    }
}

/// libxenguest's internal failures set no errno; their last word is one of a few fixed ones
/// (`xc_error_code_to_desc`, `tools/libs/ctrl/xc_private.c`, the same from 4.15 to 4.22).
fn kind_of_words(said: &[String]) -> Option<Kind> {
    let last = said.last()?;
    let ends = |words| last.ends_with(words);
    if ends(": Out of memory") {
        Some(Kind::NoMemory)
    } else if ends(": Invalid kernel") || ends(": Invalid configuration") {
        Some(Kind::Invalid)
    } else {
        None
    }
}

fn kind_of(errno: Errno) -> Kind {
    match errno {
        Errno::NOENT | Errno::SRCH | Errno::NOTDIR => Kind::NotFound,
        Errno::AGAIN => Kind::Again,
        Errno::PERM | Errno::ACCESS => Kind::Denied,
        Errno::EXIST => Kind::Exists,
        Errno::BUSY => Kind::Busy,
        Errno::INVAL | Errno::TOOBIG | Errno::RANGE | Errno::DOM | Errno::ISDIR => Kind::Invalid,
        Errno::NOMEM | Errno::NOSPC => Kind::NoMemory,
        Errno::TIMEDOUT => Kind::TimedOut,
        Errno::NOSYS | Errno::OPNOTSUPP | Errno::NODEV | Errno::NXIO => Kind::Unavailable,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(call: &'static str, errno: Option<Errno>) -> Error {
        let dom = DomId::new(7).unwrap();
        Error::Call { dom, call, source: CallError::Failed { errno, said: Vec::new() } }
    }

    fn explained(said: &str) -> Error {
        let source = CallError::Failed { errno: None, said: vec![said.to_owned()] };
        Error::Call { dom: DomId::DOM0, call: "xc_dom_build_image", source }
    }

    #[test]
    fn without_an_errno_the_last_word_decides() {
        // Observed on 4.17 with 48 MiB for a kernel of 58.
        let small = "panic: xg_dom_core.c:536: xc_dom_chk_alloc_pages: segment kernel too large \
                     (0x3a00 > 0x3000 - 0x1000 pages): Out of memory";
        assert_eq!(explained(small).kind(), Kind::NoMemory);
        assert_eq!(explained("panic: no loader found: Invalid kernel").kind(), Kind::Invalid);
        assert_eq!(explained("panic: something else: Internal error").kind(), Kind::Other);
    }

    #[test]
    fn too_little_memory_is_told_apart_from_a_busy_domain() {
        assert_eq!(failed("xc_dom_boot_mem_init", Some(Errno::BUSY)).kind(), Kind::NoMemory);
        assert_eq!(failed("xc_dom_boot_image", Some(Errno::BUSY)).kind(), Kind::Busy);
    }

    #[test]
    fn a_kernel_that_the_parser_refuses_is_invalid() {
        assert_eq!(failed("xc_dom_parse_image", None).kind(), Kind::Invalid);
    }

    #[test]
    fn the_text_names_domain_and_call() {
        let error = failed("xc_dom_boot_image", None);
        assert_eq!(error.to_string(), "build domain 7: xc_dom_boot_image");
    }
}
