//! Memory maps that are read.

use xc::{E820Entry, E820Kind, Kind, ReservedMemory};
use xen_types::{Bytes, Mfn, PageCount, Sbdf};

use crate::opened::on_every_release;

const ENOBUFS: i32 = 105;

on_every_release! {
    fn the_machines_map_is_read_packed_and_keeps_unknown_kinds(stub, xc) {
        let layout = xen_abi::layout("struct e820entry", stub.minor()).unwrap();
        stub.on("xc_get_machine_memory_map", |call| {
            let low = layout.bytes(&[("size", 0xa0000), ("type", 1)]);
            let high = layout.bytes(&[("addr", 1 << 32), ("size", 1 << 33), ("type", 7)]);
            call.write(1, &[low, high].concat());
            2
        });
        let entry = |start, size, kind| E820Entry { start, size: Bytes(size), kind };
        assert_eq!(xc.machine_memory_map().unwrap(), [
            entry(0, 0xa0000, E820Kind::Ram),
            entry(1 << 32, 1 << 33, E820Kind::Unknown(7)),
        ]);
        assert_eq!(stub.calls(), ["xc_get_machine_memory_map(&, 4096)"]);
    }

    fn reserved_memory_is_asked_for_with_the_room_it_needs(stub, xc) {
        let layout = xen_abi::layout("struct xen_reserved_device_memory", stub.minor()).unwrap();
        stub.on("xc_reserved_device_memory_map", |call| {
            let room = u32::from_le_bytes(call.read(6, 4).try_into().unwrap());
            call.write(6, &2_u32.to_le_bytes());
            if room < 2 {
                return call.fail(ENOBUFS);
            }
            let one = layout.bytes(&[("start_pfn", 0x1_0000_0000), ("nr_pages", 3)]);
            let other = layout.bytes(&[("start_pfn", 7), ("nr_pages", 0x1_0000_0001)]);
            call.write(5, &[one, other].concat());
            0
        });
        let device = Sbdf::new(1, 2, 3, 4).unwrap();
        assert_eq!(xc.reserved_device_memory(Some(device)).unwrap(), [
            ReservedMemory { start: Mfn(0x1_0000_0000), pages: PageCount(3) },
            ReservedMemory { start: Mfn(7), pages: PageCount(0x1_0000_0001) },
        ]);
        assert_eq!(stub.calls(), [
            "xc_reserved_device_memory_map(0, 1, 2, 28, &, &)",
            "xc_reserved_device_memory_map(0, 1, 2, 28, &, &)",
        ]);
    }

    fn no_reserved_memory_takes_one_call(stub, xc) {
        assert_eq!(xc.reserved_device_memory(None).unwrap(), []);
        assert_eq!(stub.calls(), ["xc_reserved_device_memory_map(1, 0, 0, 0, &, &)"]);
    }

    fn reserved_memory_that_grows_between_the_calls_is_to_be_read_again(stub, xc) {
        stub.on("xc_reserved_device_memory_map", |call| {
            let room = u32::from_le_bytes(call.read(6, 4).try_into().unwrap());
            call.write(6, &(room + 1).to_le_bytes());
            call.fail(ENOBUFS)
        });
        assert_eq!(xc.reserved_device_memory(None).unwrap_err().kind(), Kind::Again);
    }
}
