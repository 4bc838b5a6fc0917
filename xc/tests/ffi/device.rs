//! Hardware that domains are given.

use std::error::Error as _;

use xc::{Gsi, GuestIrq, GuestMsi, Kind, MsiDelivery, MsiSource, Permission, Pirq, RdmPolicy};
use xen_types::{Gfn, Mfn, PageCount, Sbdf};

use crate::opened::{DOM, on_every_release, open};

const NIC: Sbdf = Sbdf::new(0, 3, 2, 1).unwrap();
const ELSEWHERE: Sbdf = Sbdf::new(0x8001, 0xff, 0x1f, 7).unwrap();
const EBUSY: i32 = 16;
const ENOTTY: i32 = 25;
const MESSAGE: GuestMsi = GuestMsi {
    vector: 0x51,
    delivery: MsiDelivery {
        destination: 0xfe,
        redirection_hint: true,
        logical: false,
        mode: 4,
        level: true,
        unmasked: true,
    },
    table: Some(0x1_f000_0000),
};

/// Answers that the PIRQ is 77 if any was asked for, else the one asked for.
fn give_a_pirq(stub: &xen_abi::Stub, name: &'static str) {
    stub.on(name, |call| {
        let asked = i32::from_le_bytes(call.read(3, 4).try_into().unwrap());
        call.write(3, &if asked < 0 { 77 } else { asked }.to_le_bytes());
        0
    });
}

on_every_release! {
    fn ports_are_given_by_first_and_number(stub, xc) {
        xc.set_io_port_access(DOM, 0x3f8..=0x3ff, Permission::Allow).unwrap();
        xc.map_io_ports(DOM, 0x2f8, 0x3f8..=0x3ff).unwrap();
        xc.unmap_io_ports(DOM, 0x2f8, 0x3f8..=0x3ff).unwrap();
        xc.set_io_port_access(DOM, 0..=0xffff, Permission::Forbid).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_ioport_permission(5, 1016, 8, 1)",
            "xc_domain_ioport_mapping(5, 760, 1016, 8, 1)",
            "xc_domain_ioport_mapping(5, 760, 1016, 8, 0)",
            "xc_domain_ioport_permission(5, 0, 65536, 0)",
        ]);
    }

    fn io_memory_beyond_32_bits_arrives_whole(stub, xc) {
        let (gfn, mfn, count) = (Gfn(0xf_0000_0001), Mfn(0x8_0000_0002), PageCount(0x1_0000_0003));
        xc.set_io_memory_access(DOM, mfn, count, Permission::Allow).unwrap();
        xc.map_io_memory(DOM, gfn, mfn, count).unwrap();
        xc.unmap_io_memory(DOM, gfn, mfn, count).unwrap();
        xc.set_io_memory_access(DOM, mfn, count, Permission::Forbid).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_iomem_permission(5, 34359738370, 4294967299, 1)",
            "xc_domain_memory_mapping(5, 64424509441, 34359738370, 4294967299, 1)",
            "xc_domain_memory_mapping(5, 64424509441, 34359738370, 4294967299, 0)",
            "xc_domain_iomem_permission(5, 34359738370, 4294967299, 0)",
        ]);
    }

    fn an_interrupt_is_allowed_and_forbidden(stub, xc) {
        xc.set_irq_access(DOM, Pirq(255), Permission::Allow).unwrap();
        xc.set_irq_access(DOM, Pirq(16), Permission::Forbid).unwrap();
        assert_eq!(stub.calls(), ["xc_domain_irq_permission(5, 255, 1)", "xc_domain_irq_permission(5, 16, 0)"]);
    }

    fn a_pirq_is_any_or_the_one_asked_for(stub, xc) {
        give_a_pirq(stub, "xc_physdev_map_pirq");
        assert_eq!(xc.map_pirq(DOM, 16, None).unwrap(), Pirq(77));
        assert_eq!(xc.map_pirq(DOM, 17, Some(Pirq(17))).unwrap(), Pirq(17));
        xc.unmap_pirq(DOM, Pirq(77)).unwrap();
        assert_eq!(stub.calls(), [
            "xc_physdev_map_pirq(5, 16, &)",
            "xc_physdev_map_pirq(5, 17, &)",
            "xc_physdev_unmap_pirq(5, 77)",
        ]);
    }

    fn a_message_of_segment_0_is_mapped(stub, xc) {
        give_a_pirq(stub, "xc_physdev_map_pirq_msi");
        let source = MsiSource { device: NIC, entry: 3, table: Some(0x1_fe00_2000) };
        assert_eq!(xc.map_msi(DOM, source, None).unwrap(), Pirq(77));
        assert_eq!(stub.calls(), ["xc_physdev_map_pirq_msi(5, -1, &, 17, 3, 3, 8556388352)"]);
    }

    fn a_device_is_assigned_and_taken_back(stub, xc) {
        xc.test_assign_device(DOM, NIC).unwrap();
        xc.assign_device(DOM, NIC, RdmPolicy::Strict).unwrap();
        xc.assign_device(DOM, ELSEWHERE, RdmPolicy::Relaxed).unwrap();
        xc.deassign_device(DOM, ELSEWHERE).unwrap();
        assert_eq!(stub.calls(), [
            "xc_test_assign_device(5, 785)",
            "xc_assign_device(5, 785, 0)",
            "xc_assign_device(5, 2147614719, 1)",
            "xc_deassign_device(5, 2147614719)",
        ]);
    }

    fn a_refused_device_is_named(stub, xc) {
        stub.on("xc_assign_device", |call| call.fail(EBUSY));
        let error = xc.assign_device(DOM, ELSEWHERE, RdmPolicy::Strict).unwrap_err();
        assert_eq!(error.to_string(), "domain 5: assign 8001:ff:1f.7");
        assert_eq!(error.kind(), Kind::Busy);
    }

    fn an_interrupt_line_is_bound_as_what_the_guest_has(stub, xc) {
        let pci = GuestIrq::Pci { bus: 1, device: 2, intx: 3 };
        let message = GuestIrq::MsiTranslated { bus: 4, device: 5, intx: 0 };
        xc.bind_irq(DOM, Pirq(16), pci).unwrap();
        xc.bind_irq(DOM, Pirq(9), GuestIrq::Isa).unwrap();
        xc.bind_irq(DOM, Pirq(255), message).unwrap();
        xc.unbind_irq(DOM, Pirq(16), pci).unwrap();
        xc.unbind_irq(DOM, Pirq(9), GuestIrq::Isa).unwrap();
        xc.unbind_irq(DOM, Pirq(255), message).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_bind_pt_pci_irq(5, 16, 1, 2, 3)",
            "xc_domain_bind_pt_isa_irq(5, 9)",
            "xc_domain_bind_pt_irq(5, 255, 3, 4, 5, 0, 0)",
            "xc_domain_unbind_pt_irq(5, 16, 0, 1, 2, 3, 0)",
            "xc_domain_unbind_pt_irq(5, 9, 1, 0, 0, 0, 9)",
            "xc_domain_unbind_pt_irq(5, 255, 3, 4, 5, 0, 0)",
        ]);
    }

    fn an_interrupt_that_the_call_cannot_carry_is_refused_before_it(stub, xc) {
        let error = xc.bind_irq(DOM, Pirq(256), GuestIrq::Isa).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(error.to_string(), "domain 5: bind PIRQ 256 to Isa");
        assert_eq!(xc.unmap_pirq(DOM, Pirq(1 << 31)).unwrap_err().kind(), Kind::Invalid);
        assert_eq!(stub.calls(), Vec::<String>::new());
    }

    fn a_message_is_bound_with_the_flags_of_its_delivery(stub, xc) {
        xc.bind_msi(DOM, Pirq(300), MESSAGE).unwrap();
        xc.unbind_msi(DOM, Pirq(300), MESSAGE).unwrap();
        // 0x1_c1fe: unmasked, level, mode 4, redirection hint, destination 0xfe.
        assert_eq!(stub.calls(), [
            "xc_domain_update_msi_irq(5, 81, 300, 115198, 8321499136)",
            "xc_domain_unbind_msi_irq(5, 81, 300, 115198)",
        ]);
    }

    fn a_delivery_mode_of_more_than_three_bits_is_refused_before_the_call(stub, xc) {
        let delivery = MsiDelivery { mode: 8, ..MESSAGE.delivery };
        let message = GuestMsi { delivery, ..MESSAGE };
        let error = xc.bind_msi(DOM, Pirq(300), message).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "a delivery mode is at most 7");
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(xc.unbind_msi(DOM, Pirq(300), message).unwrap_err().kind(), Kind::Invalid);
        assert_eq!(stub.calls(), Vec::<String>::new());
        let last = GuestMsi { delivery: MsiDelivery { mode: 7, ..MsiDelivery::default() }, ..message };
        xc.bind_msi(DOM, Pirq(300), GuestMsi { table: None, ..last }).unwrap();
        assert_eq!(stub.calls(), ["xc_domain_update_msi_irq(5, 81, 300, 28672, 0)"]);
    }
}

#[test]
fn a_pirq_above_255_reaches_4_16_and_is_refused_by_4_15() {
    let (stub, xc) = open(16);
    xc.set_irq_access(DOM, Pirq(300), Permission::Allow).unwrap();
    assert_eq!(stub.calls(), ["xc_domain_irq_permission(5, 300, 1)"]);
    let (stub, xc) = open(15);
    let error = xc.set_irq_access(DOM, Pirq(300), Permission::Allow).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    let cause = "Xen 4.15 has no PIRQ above 255 in xc_domain_irq_permission";
    assert_eq!(error.source().unwrap().to_string(), cause);
    assert_eq!(stub.calls(), Vec::<String>::new());
}

#[test]
fn a_segment_reaches_4_21_and_is_refused_where_it_would_be_dropped() {
    let source = MsiSource { device: ELSEWHERE, entry: 0, table: None };
    let (stub, xc) = open(21);
    xc.map_msi(DOM, source, Some(Pirq(40))).unwrap();
    assert_eq!(stub.calls(), ["xc_physdev_map_pirq_msi(5, -1, &, 255, -2147417857, 0, 0)"]);
    let (stub, xc) = open(20);
    assert_eq!(xc.map_msi(DOM, source, None).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(stub.calls(), Vec::<String>::new());
}

#[test]
fn interrupts_are_known_by_their_gsi_from_4_20() {
    let (stub, xc) = open(20);
    give_a_pirq(&stub, "xc_physdev_map_pirq_gsi");
    stub.on("xc_pcidev_get_gsi", |_| 28);
    assert_eq!(xc.pci_gsi(NIC).unwrap(), Gsi(28));
    assert_eq!(xc.map_gsi(DOM, Gsi(28), None).unwrap(), Pirq(77));
    xc.set_gsi_access(DOM, Gsi(28), Permission::Allow).unwrap();
    xc.set_gsi_access(DOM, Gsi(28), Permission::Forbid).unwrap();
    assert_eq!(
        stub.calls(),
        [
            "xc_pcidev_get_gsi(785)",
            "xc_physdev_map_pirq_gsi(5, 28, &)",
            "xc_domain_gsi_permission(5, 28, 1)",
            "xc_domain_gsi_permission(5, 28, 0)",
        ]
    );
    let (_stub, xc) = open(19);
    assert_eq!(xc.pci_gsi(NIC).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(xc.map_gsi(DOM, Gsi(28), None).unwrap_err().kind(), Kind::Unavailable);
    let error = xc.set_gsi_access(DOM, Gsi(28), Permission::Allow).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "Xen 4.19 has no xc_domain_gsi_permission");
}

#[test]
fn a_kernel_that_cannot_be_asked_for_a_gsi_lacks_something() {
    let (stub, xc) = open(20);
    stub.on("xc_pcidev_get_gsi", |call| call.fail(ENOTTY));
    let error = xc.pci_gsi(NIC).unwrap_err();
    assert_eq!(error.to_string(), "read the GSI of 0000:03:02.1");
    assert_eq!(error.kind(), Kind::Unavailable);
}

/// A group of two, as the library of 4.`minor` tells it.
fn group(minor: u16) -> (xen_abi::Stub, xc::Result<Vec<Sbdf>>) {
    let (stub, xc) = open(minor);
    stub.on("xc_get_device_group", |call| {
        call.write(4, &2_u32.to_le_bytes());
        call.write(5, &[0x00, 0xff, 0x12, 0x00, 0x00, 0x09, 0x00, 0x00]);
        0
    });
    let group = xc.device_group(DOM, ELSEWHERE);
    drop(xc);
    (stub, group)
}

#[test]
fn a_device_group_is_of_the_devices_segment() {
    let (stub, oldest) = group(17);
    assert_eq!(format!("{:?}", oldest.unwrap()), "[8001:12:1f.7, 8001:00:01.1]");
    let asked = "xc_get_device_group(5, 2147614719, 4096, &, &)";
    assert_eq!(stub.calls(), [asked, "xc_interface_close()"]);
    assert_eq!(group(22).1.unwrap().len(), 2);
}

#[test]
fn a_device_group_that_libxc_does_not_hand_out_is_unavailable() {
    assert_eq!(group(16).1.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(group(15).1.unwrap_err().kind(), Kind::Unavailable);
}

#[test]
fn a_group_larger_than_its_room_is_cut() {
    let (stub, xc) = open(22);
    stub.on("xc_get_device_group", |call| {
        call.write(4, &u32::MAX.to_le_bytes());
        0
    });
    assert_eq!(xc.device_group(DOM, NIC).unwrap().len(), 4096);
}

#[test]
fn an_errno_that_is_returned_and_not_set_is_believed() {
    let (stub, xc) = open(17);
    stub.on("xc_domain_memory_mapping", |_| -22);
    let error = xc.map_io_memory(DOM, Gfn(1), Mfn(2), PageCount(3)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
}
