//! Two images that xl of Xen 4.17 saved in the lab (`xl save`, a running Linux 6.1 of 96 and of
//! 192 MiB), without their `PAGE_DATA` records, which are the rest of 100 and of 210 MB.

use xen_types::Gfn;
use xg::stream::{Body, Guest, Record, RecordKind, Writer};
use xg::{CpuidLeaf, Msr};

use crate::{Read, read};

const PV: &[u8] = include_bytes!("../../fuzz/seeds/stream/captured-pv");
const PVH: &[u8] = include_bytes!("../../fuzz/seeds/stream/captured-pvh");

fn kinds(read: &Read) -> Vec<(RecordKind, u32)> {
    read.records.iter().map(|record| (record.head.kind, record.head.length)).collect()
}

fn body(records: &[Record], index: usize) -> &Body {
    &records[index].body
}

#[test]
fn a_pv_guest_has_these_records() {
    let read = read(PV);
    let expected = [
        (RecordKind::LibxcContext, 0),
        (RecordKind::PvInfo, 8),
        (RecordKind::CpuidPolicy, 1248),
        (RecordKind::MsrPolicy, 32),
        (RecordKind::StaticDataEnd, 0),
        (RecordKind::P2mFrames, 392),
        (RecordKind::TscInfo, 24),
        (RecordKind::SharedInfo, 4096),
        (RecordKind::VcpuBasic, 5176),
        (RecordKind::VcpuExtended, 72),
        (RecordKind::VcpuXsave, 856),
        (RecordKind::End, 0),
        (RecordKind::LibxlEnd, 0),
    ];
    assert_eq!(kinds(&read), expected);
    let Body::P2mFrames { first: 0, last: 0x5fff, frames } = body(&read.records, 5) else {
        panic!("{:?}", body(&read.records, 5))
    };
    assert_eq!((frames.len(), frames[0], frames[47]), (48, Gfn(0x5fba), Gfn(0x5f88)));
    let summary = read.end.unwrap();
    assert_eq!((summary.guest, summary.vcpus), (Guest::Pv64, 1));
    assert_eq!(summary.writer, Writer::Xen { major: 4, minor: 17 });
    assert_eq!((summary.reserved, summary.passed_over), (0, 0));
}

#[test]
fn a_pvh_guest_has_these_records() {
    let read = read(PVH);
    let expected = [
        (RecordKind::LibxcContext, 0),
        (RecordKind::CpuidPolicy, 1416),
        (RecordKind::MsrPolicy, 32),
        (RecordKind::StaticDataEnd, 0),
        (RecordKind::TscInfo, 24),
        (RecordKind::HvmContext, 5232),
        (RecordKind::HvmParams, 136),
        (RecordKind::End, 0),
        (RecordKind::LibxlEnd, 0),
    ];
    assert_eq!(kinds(&read), expected);
    let Body::HvmContext { entries, .. } = body(&read.records, 5) else { panic!("no context") };
    let codes: Vec<(u16, u32)> = entries.iter().map(|entry| (entry.code, entry.length)).collect();
    // Header, CPU, local APIC and its registers, interrupt lines, memory types, XSAVE, machine
    // check, TSC: no PIC, no I/O APIC, no clock of a PC.
    let expected = [
        (1, 24),
        (2, 1032),
        (5, 24),
        (6, 1024),
        (7, 16),
        (8, 8),
        (9, 8),
        (14, 240),
        (16, 2720),
        (18, 32),
        (19, 8),
    ];
    assert_eq!(codes, expected);
    let Body::CpuidPolicy(leaves) = body(&read.records, 1) else { panic!("no leaves") };
    // AuthenticAMD, which QEMU's processor says it is.
    let (ebx, ecx, edx) = (0x6874_7541, 0x444d_4163, 0x6974_6e65);
    let vendor = CpuidLeaf { leaf: 0, subleaf: None, eax: 0xd, ebx, ecx, edx };
    assert_eq!(leaves[0], vendor);
    let Body::MsrPolicy(msrs) = body(&read.records, 2) else { panic!("no registers") };
    let platform = Msr { index: 0xce, value: 0x8000_0000 };
    assert_eq!(*msrs, [platform, Msr { index: 0x10a, value: 0 }]);
    let summary = read.end.unwrap();
    assert_eq!((summary.guest, summary.vcpus), (Guest::Pvh, 1));
    assert_eq!((summary.reserved, summary.passed_over), (0, 0));
}
