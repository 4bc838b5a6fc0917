//! The format of the stream: numbers and lengths of `tools/libs/guest/xg_sr_stream_format.h`.

use xc::Release;

/// A record: kind, length, body, zeros up to a multiple of 8.
pub(super) fn record(kind: u32, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut record = Vec::with_capacity(HEADER + length + 8);
    record.extend(kind.to_le_bytes());
    record.extend(u32::try_from(length).expect("a record is short").to_le_bytes());
    parts.iter().for_each(|part| record.extend_from_slice(part));
    record.resize(HEADER + length.next_multiple_of(8), 0);
    record
}

/// The image header and the domain header.
pub(super) fn headers(machine: u32, release: Release) -> Vec<u8> {
    [
        &u64::MAX.to_be_bytes()[..],
        &MAGIC.to_be_bytes(),
        &3_u32.to_be_bytes(),
        &[0; 8], // little-endian
        &machine.to_le_bytes(),
        &12_u16.to_le_bytes(), // bits of a page
        &[0; 2],
        &u32::from(release.major).to_le_bytes(),
        &u32::from(release.minor).to_le_bytes(),
    ]
    .concat()
}

/// 4 bytes of a body that is long enough.
pub(super) fn u32_at(body: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(piece(body, at))
}

/// 8 bytes of a body that is long enough.
pub(super) fn u64_at(body: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(piece(body, at))
}

fn piece<const N: usize>(body: &[u8], at: usize) -> [u8; N] {
    let found = body.get(at..).and_then(|rest| rest.first_chunk());
    *found.expect("the length of the body was looked at")
}

pub(super) const HEADER: usize = 8;
/// Of both headers.
pub(super) const HEADERS: usize = 40;
/// `XENF`
pub(super) const MAGIC: u32 = 0x5845_4e46;
pub(super) const PV: u32 = 1;
pub(super) const HVM: u32 = 2;
/// `REC_LENGTH_MAX`
pub(super) const LONGEST: u32 = 128 << 20;
/// `REC_TYPE_OPTIONAL`
pub(super) const OPTIONAL: u32 = 1 << 31;

pub(super) const END: u32 = 0;
pub(super) const PAGE_DATA: u32 = 1;
pub(super) const PV_INFO: u32 = 2;
pub(super) const P2M_FRAMES: u32 = 3;
pub(super) const VCPU_BASIC: u32 = 4;
pub(super) const SHARED_INFO: u32 = 7;
pub(super) const TSC_INFO: u32 = 8;
pub(super) const HVM_CONTEXT: u32 = 9;
pub(super) const HVM_PARAMS: u32 = 10;
pub(super) const STATIC_DATA_END: u32 = 0x10;
pub(super) const CPUID_POLICY: u32 = 0x11;
pub(super) const MSR_POLICY: u32 = 0x12;

/// `MAX_BATCH_SIZE` (`xg_sr_common.h`): so many frames in a record.
pub(super) const BATCH: usize = 1024;
pub(super) const PAGE: usize = 4096;
/// Of the map of a 64-bit PV guest, in a page.
pub(super) const MAP_ENTRIES: u64 = 512;
/// In the entries of a record of pages.
pub(super) const FRAME_MASK: u64 = (1 << 52) - 1;
/// `XEN_DOMCTL_PFINFO_NOTAB`, `_XALLOC`, `_BROKEN` and `_XTAB`, of 4 bits.
pub(super) const NORMAL: u64 = 0x0;
pub(super) const ALLOCATE: u64 = 0xd;
pub(super) const BROKEN: u64 = 0xe;
pub(super) const NO_MEMORY: u64 = 0xf;

/// `vcpu_guest_context_t` of a 64-bit PV guest, and where it has RDX.
pub(super) const CONTEXT: usize = 5168;
pub(super) const RDX: usize = 616;

/// Entries of an HVM context: `DECLARE_HVM_SAVE_TYPE` of the end, the header and the registers.
pub(super) const HVM_END: u16 = 0;
pub(super) const HVM_HEADER: u16 = 1;
pub(super) const HVM_CPU: u16 = 2;
/// `HVM_FILE_MAGIC`
pub(super) const HVM_MAGIC: u32 = 0x5438_1286;
