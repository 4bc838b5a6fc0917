//! What the records say.

use std::time::Duration;

use xc::{HvmParam, TscInfo, TscMode};
use xen_types::Gfn;
use xg::stream::{
    Body, Emulator, EmulatorNode, Event, HvmEntry, Layer, Page, PageKind, Reader, Record,
    RecordKind,
};
use xg::{CpuidLeaf, Msr};

use crate::{read, sample};

/// The records of a kind.
fn of_kind(image: &[u8], kind: RecordKind) -> Vec<Record> {
    let read = read(image);
    read.end.unwrap();
    read.records.into_iter().filter(|record| record.head.kind == kind).collect()
}

/// The body of the only record of a kind.
fn body(image: &[u8], kind: RecordKind) -> Body {
    let mut records = of_kind(image, kind);
    assert_eq!(records.len(), 1, "{kind}");
    records.remove(0).body
}

#[test]
fn a_record_knows_its_place() {
    let records = of_kind(&sample::libxl(&sample::pvh(), &[]), RecordKind::TscInfo);
    let head = records[0].head;
    // Behind libxl's header and LIBXC_CONTEXT, libxc's headers and three records.
    assert_eq!((head.index, head.offset, head.length), (4, 16 + 8 + 0x3090, 24));
    assert_eq!(head.to_string(), "record 4 (X86_TSC_INFO)");
}

#[test]
fn the_shape_and_the_map_of_a_pv_guest_are_read() {
    let image = sample::pv();
    assert_eq!(body(&image, RecordKind::PvInfo), Body::PvInfo { width: 8, levels: 4 });
    let frames = vec![Gfn(7), Gfn(8)];
    assert_eq!(
        body(&image, RecordKind::P2mFrames),
        Body::P2mFrames { first: 0, last: 1023, frames }
    );
}

#[test]
fn the_states_of_virtual_cpus_are_read() {
    let image = sample::pv();
    let extended = Body::Vcpu { vcpu: 0, context: vec![0; 128] };
    assert_eq!(body(&image, RecordKind::VcpuExtended), extended);
    let xsave = Body::Vcpu { vcpu: 0, context: vec![0; 576] };
    assert_eq!(body(&image, RecordKind::VcpuXsave), xsave);
    let msrs = Body::Vcpu { vcpu: 0, context: vec![0; 32] };
    assert_eq!(body(&image, RecordKind::VcpuMsrs), msrs);
    let second = &of_kind(&image, RecordKind::VcpuBasic)[1].body;
    assert_eq!(*second, Body::Vcpu { vcpu: 1, context: vec![0; 5168] });
    assert_eq!(body(&image, RecordKind::SharedInfo), Body::SharedInfo(vec![0; 4096]));
}

#[test]
fn the_clock_and_the_policy_are_read() {
    let image = sample::pv();
    let elapsed = Duration::from_secs(5);
    let (mode, khz) = (TscMode::AlwaysEmulate, 2_400_000);
    let tsc = TscInfo { mode, elapsed, khz, incarnation: 1 };
    assert_eq!(body(&image, RecordKind::TscInfo), Body::TscInfo(tsc));
    let vendor = (0x756e_6547, 0x6c65_746e, 0x4965_6e69);
    let (ebx, ecx, edx) = vendor;
    let first = CpuidLeaf { leaf: 0, subleaf: None, eax: 0xd, ebx, ecx, edx };
    let second = CpuidLeaf { leaf: 7, subleaf: Some(0), eax: 1, ebx: 2, ecx: 3, edx: 4 };
    assert_eq!(body(&image, RecordKind::CpuidPolicy), Body::CpuidPolicy(vec![first, second]));
    let msr = Msr { index: 0xce, value: 0x8000_0000 };
    assert_eq!(body(&image, RecordKind::MsrPolicy), Body::MsrPolicy(vec![msr]));
}

#[test]
fn what_xen_keeps_of_a_pvh_guest_is_listed() {
    let image = sample::pvh();
    let Body::HvmContext { entries, context } = body(&image, RecordKind::HvmContext) else {
        panic!("another body")
    };
    let entry = |code, instance, length| HvmEntry { code, instance, length };
    assert_eq!(entries, [entry(1, 0, 24), entry(2, 0, 40), entry(2, 1, 40)]);
    assert_eq!(context.len(), 136);
    let params = vec![(HvmParam::STORE_PFN, 0xfeffc), (HvmParam::CONSOLE_PFN, 0xfeffd)];
    assert_eq!(body(&image, RecordKind::HvmParams), Body::HvmParams(params));
}

#[test]
fn a_device_model_has_nodes_and_a_state() {
    let image = sample::with_emulator();
    let emulator = Emulator { id: 2, index: 0 };
    let node = |path: &[u8], value: &[u8]| EmulatorNode { path: path.into(), value: value.into() };
    let nodes = vec![
        node(b"physmap/f0000000/start_addr", b"f0000000"),
        node(b"physmap/f0000000/size", b"800000"),
    ];
    assert_eq!(body(&image, RecordKind::EmulatorStore), Body::EmulatorStore { emulator, nodes });
    assert_eq!(body(&image, RecordKind::EmulatorContext), Body::EmulatorContext(emulator));
    assert!(read(&image).end.unwrap().emulator);
}

#[test]
fn pages_are_told_before_their_contents_and_these_before_their_record() {
    let image = sample::pv();
    let mut reader = Reader::new();
    // The first PAGE_DATA: headers, four static records, the map.
    let start = 40 + 16 + (8 + 48) + (8 + 16) + 8 + (8 + 24);
    let (before, pages) = image.split_at(start);
    let (mut before, mut pages) = (before, &pages[..8 + 8 + 64 + 6 * 4096]);
    while reader.feed(&mut before).unwrap().is_some() {}
    let Some(Event::Pages(told)) = reader.feed(&mut pages).unwrap() else { panic!("no pages") };
    assert_eq!(told[1], Page { gfn: Gfn(1), kind: PageKind::Table { level: 1, pinned: false } });
    assert_eq!(told[3], Page { gfn: Gfn(5), kind: PageKind::Table { level: 4, pinned: true } });
    assert_eq!((told[4].kind, told[7].kind), (PageKind::Broken, PageKind::Invalid));
    let contents = reader.feed(&mut pages).unwrap();
    assert_eq!(contents, Some(Event::Contents(&[0x5a; 6 * 4096])));
    let record = reader.feed(&mut pages).unwrap();
    assert!(
        matches!(record, Some(Event::Record(record)) if record.head.kind == RecordKind::PageData)
    );
}

#[test]
fn an_unknown_optional_record_is_passed_through_and_counted() {
    let optional = sample::hardware_until_state().record(0x8000_0001, b"of the future");
    let image = ended(optional);
    let read = read(&image);
    let unknown = RecordKind::Unknown(Layer::Libxc, 0x8000_0001);
    let record = read.records.iter().find(|record| record.head.kind == unknown).unwrap();
    assert_eq!((&record.body, record.head.length), (&Body::Opaque, 13));
    assert!(read.contents.ends_with(b"of the future"));
    assert_eq!(read.end.unwrap().passed_over, 1);
}

#[test]
fn reserved_bits_are_ignored_and_counted() {
    let mut image = sample::pvh();
    image[18] = 1; // of the image header
    image[30] = 1; // of the domain header
    let pages = 40 + (8 + 48) + 8;
    image[pages + 12] = 1; // of PAGE_DATA
    image[pages + 16 + 7] |= 0x0f; // of a page's number
    assert_eq!(read(&image).end.unwrap().reserved, 4);
}

#[test]
fn a_stream_of_version_2_ends_its_static_data_without_saying_so() {
    let stream = sample::Libxc::of_version(2, 2)
        .pages(&[(0, 0)])
        .record(9, &sample::context(&[(1, 0, &sample::HVM_HEADER), (0, 0, &[])]))
        .record(0, &[]);
    let summary = read(&stream.0).end.unwrap();
    assert_eq!((summary.version, summary.cpuid_leaves), (2, 0));
}

#[test]
fn empty_states_of_xen_4_6_are_passed_over() {
    let stream = sample::pv_until_vcpus()
        .record(4, &[&sample::vcpu(0)[..], &[0; 5168]].concat())
        .record(12, &sample::vcpu(0))
        .record(6, &sample::vcpu(9000))
        .record(0, &[]);
    // That of a virtual CPU which cannot be is none.
    assert_eq!(read(&stream.0).end.unwrap_err().record.unwrap().kind, RecordKind::VcpuXsave);
}

#[test]
fn a_guest_of_32_bits_is_known_by_its_words() {
    let stream = sample::Libxc::new(1)
        .record(2, &[4, 3, 0, 0, 0, 0, 0, 0])
        .record(0x10, &[])
        .record(3, &sample::p2m(0, 1023, &[7]))
        .record(4, &[&sample::vcpu(0)[..], &[0; 2800]].concat())
        .record(0, &[]);
    assert_eq!(read(&stream.0).end.unwrap().guest, xg::stream::Guest::Pv32);
}

#[test]
fn passes_over_memory_are_told_by_falling_numbers() {
    let passes = |stream: sample::Libxc| read(&ended(stream)).end.unwrap().passes;
    let live = sample::hardware_until_state().pages(&[(1, 0)]).pages(&[(2, 0)]).pages(&[(1, 0)]);
    assert_eq!(passes(live.clone()), 3);
    assert_eq!(passes(live.record(0xd, &[]).pages(&[(0, 0)])), 3);
}

#[test]
fn checkpoints_lead_back_and_forth_between_the_streams() {
    let first = sample::hardware_until_state()
        .record(9, &sample::context(&[(1, 0, &sample::HVM_HEADER), (0, 0, &[])]))
        .record(0xe, &[]);
    let end_of_checkpoint = sample::record(4, &[]);
    let second = sample::Libxc(Vec::new()).pages(&[(1, 0)]).record(0, &[]);
    let libxc = [first.0, end_of_checkpoint, second.0].concat();
    let summary = read(&sample::libxl(&libxc, &[])).end.unwrap();
    assert_eq!((summary.checkpoints, summary.pages.normal), (1, 4));
}

/// An HVM or PVH guest's stream with its end.
fn ended(stream: sample::Libxc) -> Vec<u8> {
    let state = sample::context(&[(1, 0, &sample::HVM_HEADER), (0, 0, &[])]);
    stream.record(9, &state).record(0, &[]).0
}
