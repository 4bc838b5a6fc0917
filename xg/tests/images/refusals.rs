//! Images that are refused, and why.

use std::error::Error as _;

use xg::stream::{LengthRule, Reason};

use crate::sample::{self, Libxc};
use crate::{read, sample::record};

/// Why an image is refused.
fn reason(image: &[u8]) -> Reason {
    read(image).end.unwrap_err().reason
}

/// The same in words, with the place.
fn refusal(image: &[u8]) -> String {
    let error = read(image).end.unwrap_err();
    format!("{error}: {}", error.source().unwrap())
}

/// Why a record that follows those of a PV guest is refused.
fn after_pv(kind: u32, body: &[u8]) -> Reason {
    reason(&sample::pv_until_vcpus().record(kind, body).0)
}

/// Why a record that follows those of a PVH guest is refused.
fn after_pvh(kind: u32, body: &[u8]) -> Reason {
    reason(&sample::hardware_until_state().record(kind, body).0)
}

fn length(found: u64, rule: LengthRule, bound: u64) -> Reason {
    Reason::Length { found, rule, bound }
}

/// A made-up image with one byte changed.
fn changed(mut image: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    image[at] = byte;
    image
}

#[test]
fn what_is_no_image_is_refused_by_its_first_bytes() {
    assert_eq!(reason(b"buy milk and bread"), Reason::UnknownFormat);
    assert_eq!(reason(&[0; 4096]), Reason::UnknownFormat);
    assert_eq!(reason(b"buy"), Reason::UnknownFormat);
    assert_eq!(reason(b"Lib"), Reason::Truncated { missing: 5 });
    assert_eq!(reason(b""), Reason::Truncated { missing: 8 });
    let xenopsd = Reason::Unsupported("an image of xenopsd");
    assert_eq!(reason(b"XenSavedDomv2-\n"), xenopsd);
}

#[test]
fn every_field_of_libxcs_headers_is_looked_at() {
    let image = sample::pvh();
    let with = |at, byte| reason(&changed(image.clone(), at, byte));
    let id = Reason::Magic { part: "id", found: 0x5845_4e00, wanted: 0x5845_4e46 };
    assert_eq!(with(11, 0), id);
    let version = Reason::Version { part: "libxc's stream", found: 4, known: "2 and 3" };
    assert_eq!(with(15, 4), version);
    assert_eq!(with(17, 1), Reason::Unsupported("a big-endian stream"));
    assert_eq!(with(24, 3), Reason::GuestType(3));
    assert_eq!(with(28, 13), Reason::PageShift(13));
}

#[test]
fn every_field_of_libxls_header_is_looked_at() {
    let image = sample::libxl(&sample::pvh(), &[]);
    let with = |at, byte| reason(&changed(image.clone(), at, byte));
    assert_eq!(with(0, 0), Reason::UnknownFormat);
    assert_eq!(with(11, 3), Reason::Version { part: "libxl's stream", found: 3, known: "2" });
    assert_eq!(with(15, 1), Reason::Unsupported("a big-endian stream"));
}

#[test]
fn every_field_of_xls_header_is_looked_at() {
    let image = sample::xl(&sample::libxl(&sample::pvh(), &[]));
    let with = |at, byte| reason(&changed(image.clone(), at, byte));
    assert_eq!(with(31, 0), Reason::UnknownFormat);
    let order = Reason::Magic { part: "byte-order mark", found: 0x0102_0305, wanted: 0x0102_0304 };
    assert_eq!(with(32, 5), order);
    assert_eq!(with(36, 7), Reason::Unsupported("a file of a newer xl"));
    assert_eq!(with(36, 1), Reason::Unsupported("a stream of Xen 4.5 or older"));
    // The length of all optional data, then that of the configuration in it.
    let large = 0xff00_0000 + 4 + sample::CONFIG.len() as u64;
    assert_eq!(with(47, 0xff), length(large, LengthRule::AtMost, 16 << 20));
    assert_eq!(with(48, 29), length(29, LengthRule::AtMost, 28));
    let mut backwards = image.clone();
    backwards[32..36].reverse();
    assert_eq!(reason(&backwards), Reason::Unsupported("a big-endian file"));
}

#[test]
fn a_record_longer_than_libxc_takes_is_refused_before_it_comes() {
    let mut stream = sample::hardware_until_state();
    stream.0.extend([0x8000_0001, (128 << 20) + 1].map(u32::to_le_bytes).concat());
    let bound = 128 << 20;
    assert_eq!(reason(&stream.0), length(bound + 1, LengthRule::AtMost, bound));
}

#[test]
fn an_unknown_mandatory_record_is_refused() {
    let image = sample::hardware_until_state().record(0x13, b"of the future").0;
    assert_eq!(
        refusal(&image),
        "record 5 (0x13 of libxc) at byte 12512: an unknown mandatory record"
    );
    let image = sample::libxl(&sample::pvh(), &[record(0x8000_0001, &[])]);
    assert_eq!(reason(&image), Reason::UnknownRecord);
}

#[test]
fn each_guest_has_records_of_its_own() {
    let hvm = Reason::Misplaced("in the image of an HVM or PVH guest");
    assert_eq!(after_pvh(2, &[8, 4, 0, 0, 0, 0, 0, 0]), hvm);
    assert_eq!(after_pvh(3, &sample::p2m(0, 1, &[0])), hvm);
    assert_eq!(after_pvh(4, &[0; 5176]), hvm);
    assert_eq!(after_pvh(7, &[0; 4096]), hvm);
    let pv = Reason::Misplaced("in the image of a PV guest");
    assert_eq!(after_pv(9, &[0; 8]), pv);
    assert_eq!(after_pv(10, &sample::params(&[])), pv);
    let image = sample::libxl(&sample::pv(), &[record(3, &[0; 8])]);
    assert_eq!(reason(&image), pv);
}

#[test]
fn static_data_comes_first_and_ends_once() {
    let missing = Reason::Missing("STATIC_DATA_END");
    assert_eq!(reason(&Libxc::new(2).pages(&[(0, 0)]).0), missing);
    let pv = Libxc::new(1).record(2, &[8, 4, 0, 0, 0, 0, 0, 0]);
    assert_eq!(reason(&pv.record(3, &sample::p2m(0, 1, &[0])).0), missing);
    assert_eq!(reason(&Libxc::new(2).record(0, &[]).0), missing);
    assert_eq!(after_pvh(0x10, &[]), Reason::Repeated);
    let late = Reason::Misplaced("after STATIC_DATA_END");
    assert_eq!(after_pvh(0x11, &sample::cpuid()), late);
    assert_eq!(after_pvh(0x12, &sample::msr(0)), late);
}

#[test]
fn a_pv_guests_shape_comes_before_its_map_and_this_before_its_pages() {
    let shape = Reason::Missing("X86_PV_INFO");
    let start = || Libxc::new(1).record(0x10, &[]);
    assert_eq!(reason(&start().record(3, &sample::p2m(0, 1, &[0])).0), shape);
    assert_eq!(reason(&start().record(4, &[0; 5176]).0), shape);
    assert_eq!(reason(&start().record(7, &[0; 4096]).0), shape);
    let map = Reason::Missing("X86_PV_P2M_FRAMES");
    assert_eq!(reason(&start().record(2, &[8, 4, 0, 0, 0, 0, 0, 0]).pages(&[(0, 0)]).0), map);
    assert_eq!(after_pv(2, &[8, 4, 0, 0, 0, 0, 0, 0]), Reason::Repeated);
}

#[test]
fn a_pv_guest_has_one_of_two_shapes() {
    let shape =
        |width, levels| reason(&Libxc::new(1).record(2, &[width, levels, 0, 0, 0, 0, 0, 0]).0);
    assert_eq!(shape(8, 3), Reason::PvShape { width: 8, levels: 3 });
    assert_eq!(shape(4, 4), Reason::PvShape { width: 4, levels: 4 });
    assert_eq!(shape(0, 4), Reason::PvShape { width: 0, levels: 4 });
}

#[test]
fn the_map_is_as_long_as_its_range() {
    let map = |first, last, frames: &[u64]| after_pv(3, &sample::p2m(first, last, frames));
    assert_eq!(map(9, 8, &[0]), Reason::EmptyRange { first: 9, last: 8 });
    assert_eq!(map(0, 511, &[0, 0]), length(24, LengthRule::Exactly, 16));
    assert_eq!(map(511, 512, &[0]), length(16, LengthRule::Exactly, 24));
    assert_eq!(map(0, u32::MAX, &[0]), length(16, LengthRule::Exactly, 8 + (8 << 23)));
}

#[test]
fn pages_have_a_known_type_and_lie_within_the_guest() {
    let of_pv = |entry| after_pv(1, &sample::pages(&[entry]));
    assert_eq!(of_pv((1024, 0)), Reason::PageRange { pfn: 1024, last: 1023 });
    assert_eq!(of_pv((3, 5)), Reason::PageType { pfn: 3, kind: 5 });
    assert_eq!(of_pv((3, 8)), Reason::PageType { pfn: 3, kind: 8 });
    assert_eq!(after_pv(1, &[0; 8]), Reason::NoPages);
}

#[test]
fn page_data_is_as_long_as_its_pages() {
    let mut body = sample::pages(&[(0, 0), (1, 15)]);
    assert_eq!(after_pvh(1, &body[..16]), length(16, LengthRule::AtLeast, 24));
    body.push(0);
    assert_eq!(after_pvh(1, &body), length(4121, LengthRule::Exactly, 4120));
    // A count that would need more than memory has.
    let endless = [u32::MAX, 0].map(u32::to_le_bytes).concat();
    assert_eq!(after_pvh(1, &endless), length(8, LengthRule::AtLeast, 8 + 8 * 0xffff_ffff));
}

#[test]
fn records_of_one_size_have_it() {
    assert_eq!(after_pv(8, &[0; 23]), length(23, LengthRule::Exactly, 24));
    assert_eq!(after_pv(7, &[0; 4095]), length(4095, LengthRule::Exactly, 4096));
    assert_eq!(after_pv(4, &[0; 7]), length(7, LengthRule::AtLeast, 8));
    assert_eq!(after_pv(4, &[0; 8 + 5167]), length(5175, LengthRule::Exactly, 5176));
    assert_eq!(after_pv(5, &[0; 8 + 129]), length(137, LengthRule::AtMost, 136));
    assert_eq!(after_pv(6, &[0; 8 + 15]), length(23, LengthRule::AtLeast, 24));
    assert_eq!(after_pv(12, &[0; 8 + 17]), length(17, LengthRule::MultipleOf, 16));
    assert_eq!(after_pv(0xd, &[0]), length(1, LengthRule::Exactly, 0));
    let policy = |kind, body: &[u8]| reason(&Libxc::new(2).record(kind, body).0);
    assert_eq!(policy(0x11, &[0; 25]), length(25, LengthRule::MultipleOf, 24));
    assert_eq!(policy(0x11, &[]), length(0, LengthRule::MultipleOf, 24));
    assert_eq!(policy(0x12, &[0; 17]), length(17, LengthRule::MultipleOf, 16));
    assert_eq!(policy(0x10, &[0]), length(1, LengthRule::Exactly, 0));
}

#[test]
fn a_context_is_of_a_virtual_cpu_that_xen_can_have() {
    assert_eq!(after_pv(5, &[&sample::vcpu(8192)[..], &[0]].concat()), Reason::Vcpu(8192));
}

#[test]
fn parameters_are_as_many_as_they_say_and_have_small_numbers() {
    let mut params = sample::params(&[(1, 2)]);
    params[0] = 2;
    assert_eq!(after_pvh(10, &params), length(24, LengthRule::Exactly, 40));
    assert_eq!(after_pvh(10, &sample::params(&[(1 << 32, 0)])), Reason::HvmParam(1 << 32));
}

#[test]
fn a_register_of_the_policy_has_no_flags() {
    let image = Libxc::new(2).record(0x12, &sample::msr(1)).0;
    assert_eq!(reason(&image), Reason::MsrFlags { index: 0xce, flags: 1 });
}

#[test]
fn a_state_that_xen_would_refuse_is_refused() {
    let state = |bytes: &[u8]| match after_pvh(9, bytes) {
        Reason::HvmContext(why) => why,
        other => panic!("{other:?}"),
    };
    let header = sample::context(&[(1, 0, &sample::HVM_HEADER)]);
    assert_eq!(state(&[]), "it does not end with an end entry");
    assert_eq!(state(&header), "it does not end with an end entry");
    assert_eq!(state(&sample::context(&[(2, 0, &[0; 24])])), "it does not begin with a header");
    assert_eq!(state(&sample::context(&[(1, 0, &[0; 23])])), "it does not begin with a header");
    assert_eq!(state(&sample::context(&[(1, 0, &[0; 24])])), "its magic number is wrong");
    let version = changed(header.clone(), 12, 2);
    assert_eq!(state(&version), "its version is not 1");
    let long = [&header[..], &[2, 0, 0, 0, 1, 0, 0, 0]].concat();
    assert_eq!(state(&long), "an entry is longer than what is left");
}

#[test]
fn nodes_of_a_device_model_are_pairs_below_its_folder() {
    let nodes = |nodes: &[u8]| {
        let body = [&[2, 0, 0, 0, 0, 0, 0, 0], nodes].concat();
        match reason(&sample::libxl(&sample::hvm(), &[record(2, &body)])) {
            Reason::EmulatorStore(why) => why,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(nodes(b"path\0value"), "it does not end with a zero");
    assert_eq!(nodes(b"path\0"), "a path without a value");
    assert_eq!(nodes(b"\0value\0"), "an empty path");
    assert_eq!(nodes(b"/local/domain/0/name\0value\0"), "an absolute path");
}

#[test]
fn nodes_of_a_device_model_are_few_and_small() {
    let with = |nodes: &[u8]| {
        let body = [&[2, 0, 0, 0, 0, 0, 0, 0], nodes].concat();
        sample::libxl(&sample::hvm(), &[record(2, &body)])
    };
    let most = with(&b"a\0b\0".repeat(4096));
    assert!(read(&most).end.is_ok());
    let many = reason(&with(&b"a\0b\0".repeat(4097)));
    assert_eq!(many, Reason::EmulatorStore("more than 4096 nodes"));
    let empty = reason(&with(&[0; 8193]));
    assert_eq!(empty, Reason::EmulatorStore("more than 4096 nodes"));
    let large = reason(&with(&[b'a'; 1 << 20]));
    assert_eq!(large, length((1 << 20) + 8, LengthRule::AtMost, 1 << 20));
}

#[test]
fn an_end_needs_what_a_domain_needs() {
    let ended = |stream: Libxc| reason(&stream.record(0, &[]).0);
    assert_eq!(ended(sample::hardware_until_state()), Reason::Missing("HVM_CONTEXT"));
    let shape = || Libxc::new(1).record(2, &[8, 4, 0, 0, 0, 0, 0, 0]).record(0x10, &[]);
    assert_eq!(ended(shape()), Reason::Missing("X86_PV_P2M_FRAMES"));
    let first_vcpu = Reason::Missing("X86_PV_VCPU_BASIC of virtual CPU 0");
    assert_eq!(ended(sample::pv_until_vcpus()), first_vcpu);
    let second = [&sample::vcpu(1)[..], &[0; 5168]].concat();
    assert_eq!(ended(sample::pv_until_vcpus().record(4, &second)), first_vcpu);
    let gap = shape().record(3, &sample::p2m(512, 1023, &[7]));
    assert_eq!(ended(gap), Reason::Missing("X86_PV_P2M_FRAMES for all pages"));
    let beyond = shape().record(3, &sample::p2m(0, 511, &[512]));
    assert_eq!(ended(beyond), Reason::PageRange { pfn: 512, last: 511 });
    // A checkpoint is an end for whoever fails over to it.
    let checkpoint = sample::hardware_until_state().record(0xe, &[]);
    assert_eq!(reason(&checkpoint.0), Reason::Missing("HVM_CONTEXT"));
}

/// Why the end is refused of a PV guest whose first virtual CPU has this word at this place.
fn with_register(at: usize, word: &[u8]) -> Option<Reason> {
    let mut context = vec![0; 5168];
    context[at..at + word.len()].copy_from_slice(word);
    let body = [&sample::vcpu(0)[..], &context].concat();
    let image = sample::pv_until_vcpus().record(4, &body).record(0, &[]);
    read(&image.0).end.err().map(|error| error.reason)
}

#[test]
fn registers_name_pages_of_the_guest() {
    let beyond = |pfn| Some(Reason::PageRange { pfn, last: 1023 });
    assert_eq!(with_register(616, &1023_u64.to_le_bytes()), None); // start info, in RDX
    assert_eq!(with_register(616, &1024_u64.to_le_bytes()), beyond(1024));
    assert_eq!(with_register(5008, &0x3f_f000_u64.to_le_bytes()), None); // CR3
    assert_eq!(with_register(5008, &0x40_0000_u64.to_le_bytes()), beyond(1024));
    assert_eq!(with_register(4992, &0x40_0001_u64.to_le_bytes()), beyond(1024)); // user space
    assert_eq!(with_register(4992, &0x40_0000_u64.to_le_bytes()), None);
    // 513 segment descriptors are in two pages.
    let gdt = |entries: u64| {
        let mut words = [0_u64; 17];
        (words[1], words[2], words[16]) = (1025, 1026, entries);
        with_register(4832, &words.map(u64::to_le_bytes).concat())
    };
    assert_eq!(gdt(512), None);
    assert_eq!(gdt(513), beyond(1025));
    assert_eq!(gdt(7169), Some(Reason::GdtEntries(7169)));
}

#[test]
fn a_guest_of_32_bits_turns_the_bits_of_cr3() {
    let mut context = vec![0; 2800];
    context[2728..2732].copy_from_slice(&0x3ff_000_u32.to_le_bytes());
    let image = |context: &[u8]| {
        Libxc::new(1)
            .record(2, &[4, 3, 0, 0, 0, 0, 0, 0])
            .record(0x10, &[])
            .record(3, &sample::p2m(0, 1023, &[7]))
            .record(4, &[&sample::vcpu(0)[..], context].concat())
            .record(0, &[])
            .0
    };
    assert!(read(&image(&context)).end.is_ok());
    context[2728] = 1;
    let beyond = Reason::PageRange { pfn: 0x10_03ff, last: 1023 };
    assert_eq!(reason(&image(&context)), beyond);
}

#[test]
fn libxls_records_have_an_order_too() {
    let header = b"LibxlFmt\0\0\0\x02\0\0\0\0";
    let first = |kind, body: &[u8]| reason(&[header, &record(kind, body)[..]].concat());
    assert_eq!(first(0, &[]), Reason::Missing("LIBXC_CONTEXT"));
    assert_eq!(first(4, &[]), Reason::Misplaced("outside of a checkpoint"));
    assert_eq!(first(5, &[0; 8]), Reason::Misplaced("in an image: it controls COLO"));
    assert_eq!(first(1, &[0]), length(1, LengthRule::Exactly, 0));
    assert_eq!(first(2, &[0; 7]), length(7, LengthRule::AtLeast, 8));
    assert_eq!(first(3, &[0; 7]), length(7, LengthRule::AtLeast, 8));
    let twice = sample::libxl(&sample::pvh(), &[record(1, &[])]);
    assert_eq!(reason(&twice), Reason::Repeated);
    let state = sample::context(&[(1, 0, &sample::HVM_HEADER), (0, 0, &[])]);
    let checkpoint = sample::hardware_until_state().record(9, &state).record(0xe, &[]);
    let ended = sample::libxl(&checkpoint.0, &[]);
    assert_eq!(reason(&ended), Reason::Misplaced("inside of a checkpoint"));
}

#[test]
fn records_that_are_none_of_an_image_are_refused() {
    let answer = Reason::Misplaced("in an image: it answers, on COLO's back channel");
    assert_eq!(after_pvh(0xf, &[0; 8]), answer);
    let old = Reason::Unsupported("a record of before the format's first release");
    assert_eq!(after_pvh(0xb, &[]), old);
}

#[test]
fn bytes_after_the_end_are_refused() {
    let image = [sample::pvh(), vec![0]].concat();
    assert_eq!(reason(&image), Reason::Trailing);
    let image = [sample::libxl(&sample::pvh(), &[]), vec![0]].concat();
    assert_eq!(
        refusal(&image),
        format!("byte {}: bytes follow the end of the image", image.len() - 1)
    );
}

#[test]
fn an_error_is_given_again() {
    let mut reader = xg::stream::Reader::new();
    let first = reader.feed(&mut &b"buy milk"[..]).unwrap_err();
    assert_eq!(reader.feed(&mut &[0xff_u8; 8][..]).unwrap_err(), first);
    assert_eq!(reader.finish().unwrap_err(), first);
}
