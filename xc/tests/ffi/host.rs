//! The host and its hypervisor: its state, and what it says of itself.

use xc::{Features, Kind, NodeId};
use xen_abi::{Call, Stub, layout};
use xen_types::{Bytes, DomainUuid, Mfn, PageCount};

use crate::opened::{on_every_release, open};

const ENODATA: i32 = 61;
const EPERM: i32 = 1;

/// From this release on texts come whole.
const WHOLE: u16 = 20;

/// Lets `whole` answer, from 4.20 on, and `xc_version(command)`, before, in a field of `size` bytes.
fn text(stub: &Stub, whole: &'static str, command: u64, size: usize, answer: &'static [u8]) {
    if stub.minor() >= WHOLE {
        stub.on(whole, move |call| call.allocate(&[answer, b"\0"].concat()));
    } else {
        stub.on("xc_version", move |call| {
            assert_eq!(call.number(1), command);
            let mut field = answer.to_vec();
            field.resize(size, 0);
            call.write(2, &field);
            0
        });
    }
}

/// The one call that was made.
fn called(stub: &Stub, whole: &str, cut: &str) {
    let expected = if stub.minor() >= WHOLE { whole } else { cut };
    assert_eq!(stub.calls(), [expected]);
}

on_every_release! {
    fn the_version_is_put_together(stub, xc) {
        if stub.minor() >= WHOLE {
            stub.on("xc_xenver_extraversion", |call| call.allocate(b".3-stub\0"));
        }
        assert_eq!(xc.version().unwrap(), format!("4.{}.3-stub", stub.minor()));
    }

    fn the_hosts_state_is_read_where_the_release_has_it(stub, xc) {
        let layout = layout("xc_physinfo_t", stub.minor()).unwrap();
        let facts = layout.bytes(&[
            ("nr_cpus", 2), ("cpu_khz", 2_000_000), ("capabilities", 0x8000_000b), ("total_pages", 786_303),
            ("free_pages", 515_675), ("outstanding_pages", 17), ("max_mfn", 786_399),
            ("max_cpu_id", 7), ("max_node_id", 63),
        ]);
        stub.on("xc_physinfo", move |call| {
            call.write(1, &facts);
            0
        });
        let host = xc.physinfo().unwrap();
        assert_eq!((host.nr_cpus, host.cpu_khz), (2, 2_000_000));
        assert_eq!(host.capabilities.bits(), 0x8000_000b);
        assert_eq!((host.total, host.free), (PageCount(786_303), PageCount(515_675)));
        assert_eq!((host.outstanding, host.max_mfn), (PageCount(17), Mfn(786_399)));
        assert_eq!((host.max_cpu_id, host.max_node_id), (7, NodeId(63)));
    }

    fn ids_that_no_host_has_are_not_believed(stub, xc) {
        let layout = layout("xc_physinfo_t", stub.minor()).unwrap();
        stub.on("xc_physinfo", |call| {
            call.write(1, &layout.bytes(&[("nr_cpus", 1), ("max_cpu_id", 0x1_0000)]));
            0
        });
        assert_eq!(xc.physinfo().unwrap_err().kind(), Kind::Other);
        stub.on("xc_physinfo", |call| {
            call.write(1, &layout.bytes(&[("nr_cpus", 1), ("max_node_id", 256)]));
            0
        });
        assert_eq!(xc.physinfo().unwrap_err().kind(), Kind::Other);
    }

    fn interfaces_for_guests_keep_every_byte(stub, xc) {
        text(stub, "xc_xenver_capabilities", 3, 1024, b"xen-3.0-x86_64 \xff ");
        assert_eq!(xc.guest_interfaces().unwrap(), b"xen-3.0-x86_64 \xff ");
        called(stub, "xc_xenver_capabilities()", "xc_version(3, &)");
    }

    fn the_changeset_is_a_text(stub, xc) {
        text(stub, "xc_xenver_changeset", 4, 64, b"Mon git:0123");
        assert_eq!(xc.changeset().unwrap(), b"Mon git:0123");
        called(stub, "xc_xenver_changeset()", "xc_version(4, &)");
    }

    fn a_command_line_that_fills_its_field_is_read_to_the_last_byte_but_one(stub, xc) {
        const LINE: &[u8] = &[b'x'; 1023];
        text(stub, "xc_xenver_commandline", 9, 1024, LINE);
        assert_eq!(xc.command_line().unwrap(), LINE);
        called(stub, "xc_xenver_commandline()", "xc_version(9, &)");
    }

    fn how_it_was_compiled_is_four_texts(stub, xc) {
        let layout = layout("struct xen_compile_info", stub.minor()).unwrap();
        let mut bytes = vec![0; layout.size];
        let texts = [("compiler", b"gcc 12"), ("compile_by", b"nobody"), ("compile_date", b"Friday")];
        for (name, text) in texts {
            let at = layout.field(name).unwrap().offset;
            bytes[at..at + 6].copy_from_slice(text);
        }
        stub.on("xc_version", move |call| {
            call.write(2, &bytes);
            0
        });
        let info = xc.compile_info().unwrap();
        assert_eq!((&info.compiler[..], &info.by[..]), (&b"gcc 12"[..], &b"nobody"[..]));
        assert_eq!((&info.domain[..], &info.date[..]), (&b""[..], &b"Friday"[..]));
        assert_eq!(stub.calls(), ["xc_version(2, &)"]);
    }

    fn a_build_id_has_as_many_bytes_as_the_answer_says(stub, xc) {
        stub.on("xc_version", |call| {
            assert_eq!(call.read(2, 4), 1024_u32.to_le_bytes());
            call.write(2, &[&1024_u32.to_le_bytes()[..], &[0xab; 20]].concat());
            20
        });
        assert_eq!(xc.build_id().unwrap(), Some(vec![0xab; 20]));
        assert_eq!(stub.calls(), ["xc_version(10, &)"]);
    }

    fn a_hypervisor_may_have_no_build_id(stub, xc) {
        stub.on("xc_version", |call| call.fail(ENODATA));
        assert_eq!(xc.build_id().unwrap(), None);
        stub.on("xc_version", |call| call.fail(EPERM));
        assert_eq!(xc.build_id().unwrap_err().kind(), Kind::Denied);
    }

    fn what_is_no_text_comes_as_a_number(stub, xc) {
        stub.on("xc_version", |call: &Call<'_>| match call.number(1) {
            5 => {
                call.write(2, &0xffff_8000_0000_0000_u64.to_le_bytes());
                0
            }
            6 => {
                call.write(2, &[0, 0, 0, 0, 0x01, 0x08, 0, 0x80]);
                0
            }
            8 => {
                call.write(2, &[7; 16]);
                0
            }
            _ => 4096,
        });
        assert_eq!(xc.virtual_start().unwrap(), 0xffff_8000_0000_0000);
        let features = xc.features().unwrap();
        assert!(features.contains(Features::DOM0 | Features::WRITABLE_PAGE_TABLES));
        assert_eq!(features.bits(), 0x8000_0801);
        assert_eq!(xc.own_uuid().unwrap(), DomainUuid::from_bytes([7; 16]));
        assert_eq!(xc.page_size().unwrap(), Bytes(4096));
        assert_eq!(stub.calls(), [
            "xc_version(5, &)", "xc_version(6, &)", "xc_version(8, &)", "xc_version(7, null)",
        ]);
    }
}

#[test]
fn a_text_that_is_refused_whole_is_not_asked_for_in_part() {
    let (stub, xc) = open(20);
    stub.on("xc_xenver_commandline", |call| call.fail_null(EPERM));
    assert_eq!(xc.command_line().unwrap_err().kind(), Kind::Denied);
    assert_eq!(stub.calls(), ["xc_xenver_commandline()"]);
}
