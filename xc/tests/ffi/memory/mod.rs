//! The memory of domains.

mod maps;
mod numa;
mod physmap;
mod reservation;

use xc::{E820Entry, E820Kind};
use xen_types::{Bytes, KiB, MiB, PageCount};

use crate::opened::{DOM, on_every_release, open};

on_every_release! {
    fn sizes_beyond_32_bits_arrive_whole(stub, xc) {
        xc.set_max_mem(DOM, KiB(0x1_0000_0004).to_bytes()).unwrap();
        xc.set_memory_map_limit(DOM, KiB(0x1_0000_0008)).unwrap();
        xc.claim_pages(DOM, PageCount(0x1_0000_0001)).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_setmaxmem(5, 4294967300)",
            "xc_domain_set_memmap_limit(5, 4294967304)",
            "xc_domain_claim_pages(5, 4294967297)",
        ]);
    }

    fn a_memory_map_arrives_packed(stub, xc) {
        let entry = |start, size, kind| E820Entry { start, size: Bytes(size), kind };
        stub.on("xc_domain_set_memory_map", |call| {
            let layout = xen_abi::layout("struct e820entry", 17).unwrap();
            let first = layout.bytes(&[("size", 0xa0000), ("type", 1)]);
            let second = layout.bytes(&[("addr", 1 << 32), ("size", 4096), ("type", 3)]);
            assert_eq!(call.read(2, 40), [first, second].concat());
            0
        });
        let map = [entry(0, 0xa0000, E820Kind::Ram), entry(1 << 32, 4096, E820Kind::Acpi)];
        xc.set_memory_map(DOM, &map).unwrap();
        assert_eq!(stub.calls(), ["xc_domain_set_memory_map(5, &, 2)"]);
    }
}

#[test]
fn a_paging_pool_is_sized_in_bytes_from_4_17() {
    let (stub, xc) = open(17);
    stub.on("xc_get_paging_mempool_size", |call| {
        call.write(2, &(3_u64 << 20).to_le_bytes());
        0
    });
    assert_eq!(xc.paging_pool(DOM).unwrap(), MiB(3).to_bytes());
    xc.set_paging_pool(DOM, MiB(4).to_bytes()).unwrap();
    assert_eq!(
        stub.calls(),
        ["xc_get_paging_mempool_size(5, &)", "xc_set_paging_mempool_size(5, 4194304)"]
    );
}

#[test]
fn a_paging_pool_is_sized_in_mib_by_five_arguments_in_4_16() {
    let (stub, xc) = open(16);
    stub.on("xc_shadow_control", |call| {
        assert_eq!(call.read(3, 4), u32::from(call.number(2) == 31).to_le_bytes().map(|b| b * 4));
        call.write(3, &3_u32.to_le_bytes());
        0
    });
    assert_eq!(xc.paging_pool(DOM).unwrap(), MiB(3).to_bytes());
    xc.set_paging_pool(DOM, MiB(4).to_bytes()).unwrap();
    assert_eq!(stub.calls(), ["xc_shadow_control(5, 30, &, 0)", "xc_shadow_control(5, 31, &, 0)"]);
}

#[test]
fn a_paging_pool_is_sized_in_mib_by_eight_arguments_in_4_15() {
    let (stub, xc) = open(15);
    stub.on("xc_shadow_control", |call| {
        call.write(5, &3_u64.to_le_bytes());
        0
    });
    assert_eq!(xc.paging_pool(DOM).unwrap(), MiB(3).to_bytes());
    assert_eq!(stub.calls(), ["xc_shadow_control(5, 30, null, 0, &, 0, null)"]);
}
