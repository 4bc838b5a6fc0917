//! Made-up images, put together from the two specifications
//! (`docs/specs/libxc-migration-stream.pandoc`, `libxl-migration-stream.pandoc` of Xen 4.17) and
//! `tools/xl/xl.h`, without the reader's constants.

#![allow(dead_code, reason = "every test takes the part it needs")]

pub(crate) const PAGE: [u8; 4096] = [0x5a; 4096];

/// libxc's stream: its headers and whatever records are added.
#[derive(Clone)]
pub(crate) struct Libxc(pub(crate) Vec<u8>);

impl Libxc {
    /// The headers of version 3, written by Xen 4.17, for a guest of this type (1 PV, 2 HVM).
    pub(crate) fn new(guest: u32) -> Self {
        Self::of_version(3, guest)
    }

    pub(crate) fn of_version(version: u32, guest: u32) -> Self {
        let mut bytes = vec![0xff; 8];
        bytes.extend(b"XENF");
        bytes.extend(version.to_be_bytes());
        bytes.extend([0; 8]); // little-endian; reserved
        bytes.extend(guest.to_le_bytes());
        bytes.extend([12, 0, 0, 0]); // page shift; reserved
        bytes.extend([4_u32, 17].map(u32::to_le_bytes).concat());
        Self(bytes)
    }

    pub(crate) fn record(mut self, kind: u32, body: &[u8]) -> Self {
        self.0.extend(record(kind, body));
        self
    }

    /// `PAGE_DATA` with these page numbers and types, and contents for those that have any.
    pub(crate) fn pages(self, entries: &[(u64, u64)]) -> Self {
        self.record(1, &pages(entries))
    }
}

/// A record of either stream.
pub(crate) fn record(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = [kind, body.len() as u32].map(u32::to_le_bytes).concat();
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// The body of `PAGE_DATA`.
pub(crate) fn pages(entries: &[(u64, u64)]) -> Vec<u8> {
    let mut body = [entries.len() as u32, 0].map(u32::to_le_bytes).concat();
    body.extend(entries.iter().flat_map(|(pfn, kind)| (pfn | kind << 60).to_le_bytes()));
    let with_contents = entries.iter().filter(|(_, kind)| *kind < 13).count();
    body.extend(PAGE.repeat(with_contents));
    body
}

/// A PV guest of 64 bits with 1024 pages, the map of which is in pages 7 and 8.
pub(crate) fn pv() -> Vec<u8> {
    pv_until_vcpus()
        .record(4, &[&vcpu(0)[..], &[0; 5168]].concat())
        .record(5, &[&vcpu(0)[..], &[0; 128]].concat())
        .record(6, &[&vcpu(0)[..], &[0; 576]].concat())
        .record(12, &[&vcpu(0)[..], &[0; 32]].concat())
        .record(4, &[&vcpu(1)[..], &[0; 5168]].concat())
        .record(0, &[])
        .0
}

/// The same up to `SHARED_INFO`.
pub(crate) fn pv_until_vcpus() -> Libxc {
    Libxc::new(1)
        .record(2, &[8, 4, 0, 0, 0, 0, 0, 0])
        .record(0x11, &cpuid())
        .record(0x12, &msr(0))
        .record(0x10, &[])
        .record(3, &p2m(0, 1023, &[7, 8]))
        .pages(&[(0, 0), (1, 1), (2, 10), (5, 12), (6, 13), (7, 0), (8, 0), (9, 15)])
        .pages(&[(5, 12), (1023, 14)])
        .record(8, &tsc())
        .record(7, &[0; 4096])
}

/// A PVH guest: what Xen keeps of it has no interrupt controller.
pub(crate) fn pvh() -> Vec<u8> {
    hardware(&[(1, 0, &HVM_HEADER), (2, 0, &[0; 40]), (2, 1, &[0; 40]), (0, 0, &[])])
}

/// An HVM guest: it has one.
pub(crate) fn hvm() -> Vec<u8> {
    hardware(&[
        (1, 0, &HVM_HEADER),
        (2, 0, &[0; 40]),
        (3, 0, &[0; 8]),
        (3, 1, &[0; 8]),
        (0, 0, &[]),
    ])
}

fn hardware(state: &[(u16, u16, &[u8])]) -> Vec<u8> {
    hardware_until_state().record(9, &context(state)).record(0, &[]).0
}

/// The same up to `HVM_PARAMS`.
pub(crate) fn hardware_until_state() -> Libxc {
    Libxc::new(2)
        .record(0x11, &cpuid())
        .record(0x10, &[])
        .pages(&[(0, 0), (1, 0), (0xfeff8, 0)])
        .record(8, &tsc())
        .record(10, &params(&[(1, 0xfeffc), (17, 0xfeffd)]))
}

pub(crate) fn vcpu(number: u32) -> Vec<u8> {
    [number, 0].map(u32::to_le_bytes).concat()
}

pub(crate) fn p2m(first: u32, last: u32, frames: &[u64]) -> Vec<u8> {
    let mut body = [first, last].map(u32::to_le_bytes).concat();
    body.extend(frames.iter().flat_map(|frame| frame.to_le_bytes()));
    body
}

/// Leaf 0 without subleaves, and leaf 7 with its first.
pub(crate) fn cpuid() -> Vec<u8> {
    let leaves = [[0, u32::MAX, 0xd, 0x756e_6547, 0x6c65_746e, 0x4965_6e69], [7, 0, 1, 2, 3, 4]];
    leaves.concat().into_iter().flat_map(u32::to_le_bytes).collect()
}

pub(crate) fn msr(flags: u32) -> Vec<u8> {
    [0xce, flags, 0x8000_0000, 0].map(u32::to_le_bytes).concat()
}

/// Always emulated, 2.4 GHz, 5 s old, restored once.
pub(crate) fn tsc() -> Vec<u8> {
    let mut body = [1_u32, 2_400_000].map(u32::to_le_bytes).concat();
    body.extend(5_000_000_000_u64.to_le_bytes());
    body.extend([1_u32, 0].map(u32::to_le_bytes).concat());
    body
}

pub(crate) fn params(params: &[(u64, u64)]) -> Vec<u8> {
    let mut body = [params.len() as u32, 0].map(u32::to_le_bytes).concat();
    body.extend(
        params.iter().flat_map(|(index, value)| [*index, *value]).flat_map(u64::to_le_bytes),
    );
    body
}

/// `struct hvm_save_header`: magic, version, changeset, CPUID, TSC.
pub(crate) const HVM_HEADER: [u8; 24] =
    *b"\x86\x12\x38\x54\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

pub(crate) fn context(entries: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let entry = |(code, instance, contents): &(u16, u16, &[u8])| {
        let mut bytes = [*code, *instance].map(u16::to_le_bytes).concat();
        bytes.extend((contents.len() as u32).to_le_bytes());
        bytes.extend(*contents);
        bytes
    };
    entries.iter().flat_map(entry).collect()
}

/// libxl's stream around libxc's, with further records.
pub(crate) fn libxl(libxc: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"LibxlFmt\0\0\0\x02\0\0\0\0".to_vec();
    bytes.extend(record(1, &[]));
    bytes.extend(libxc);
    bytes.extend(records.concat());
    bytes.extend(record(0, &[]));
    bytes
}

/// What libxl writes for an HVM guest with QEMU.
pub(crate) fn with_emulator() -> Vec<u8> {
    let emulator = [2_u32, 0].map(u32::to_le_bytes).concat();
    let nodes = b"physmap/f0000000/start_addr\0f0000000\0physmap/f0000000/size\x00800000\0";
    let store = record(2, &[&emulator[..], nodes].concat());
    let state = record(3, &[&emulator[..], b"QEVM and more"].concat());
    libxl(&hvm(), &[store, state])
}

pub(crate) const CONFIG: &[u8] = b"{\"c_info\": {\"name\": \"web\"}}\0";

/// A file of xl around libxl's stream.
pub(crate) fn xl(libxl: &[u8]) -> Vec<u8> {
    let mut bytes = b"Xen saved domain, xl format\n \0 \r".to_vec();
    let length = CONFIG.len() as u32;
    bytes.extend([0x0102_0304, 3, 0, 4 + length, length].map(u32::to_le_bytes).concat());
    bytes.extend(CONFIG);
    bytes.extend(libxl);
    bytes
}
