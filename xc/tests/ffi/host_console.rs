//! The hypervisor's console.

use std::sync::Mutex;

use xc::{Kind, Xc};
use xen_abi::Stub;

use crate::opened::{on_every_release, open};

/// A console of so many bytes, `a` to `z` over and over, with the arithmetic of Xen's. The ring starts
/// at 100.
fn console(stub: &Stub, length: u32) {
    let start = Mutex::new(100);
    stub.on("xc_readconsolering", move |call| {
        let mut start = start.lock().unwrap();
        let (end, asked) = (100 + length, call.read(2, 4));
        let index = u32::from_le_bytes(call.read(5, 4).try_into().unwrap());
        let incremental = call.signed(4) == 1 && *start < index && index <= end;
        let from = if incremental { index } else { *start };
        let room = u32::from_le_bytes(asked.try_into().unwrap());
        let to = end.min(from + room);
        let text: Vec<u8> = (from..to).map(|at| b'a' + (at % 26) as u8).collect();
        call.write(1, &text);
        call.write(2, &(to - from).to_le_bytes());
        call.write(5, &to.to_le_bytes());
        if call.signed(3) == 1 {
            *start = to;
        }
        0
    });
}

fn letters(count: u32) -> Vec<u8> {
    (100..100 + count).map(|at| b'a' + (at % 26) as u8).collect()
}

fn since_nothing_new(xc: &Xc, stub: &Stub) {
    let all = xc.console_ring().unwrap();
    stub.calls();
    let later = xc.console_ring_since(all.next).unwrap();
    assert_eq!((later.text, later.next), (vec![], all.next));
    assert_eq!(stub.calls(), ["xc_readconsolering(&, &, 0, 1, &)"]);
}

on_every_release! {
    fn a_ring_larger_than_the_first_buffer_is_read_whole(stub, xc) {
        console(stub, 100_000);
        assert_eq!(xc.console_ring().unwrap().text, letters(100_000));
        assert_eq!(stub.calls(), [
            "xc_readconsolering(&, &, 0, 0, &)",
            "xc_readconsolering(&, &, 0, 1, &)",
            "xc_readconsolering(&, &, 0, 1, &)",
        ]);
        since_nothing_new(xc, stub);
    }

    fn what_is_taken_is_taken_once(stub, xc) {
        console(stub, 40_000);
        assert_eq!(xc.take_console_ring().unwrap().text, letters(40_000));
        assert_eq!(stub.calls(), [
            "xc_readconsolering(&, &, 1, 0, &)",
            "xc_readconsolering(&, &, 1, 0, &)",
        ]);
        assert_eq!(xc.console_ring().unwrap().text, []);
    }

    fn debug_keys_arrive_as_a_c_string(stub, xc) {
        stub.on("xc_send_debug_keys", |call| {
            assert_eq!(call.read(1, 3), b"hq\0");
            0
        });
        xc.send_debug_keys("hq").unwrap();
        assert_eq!(stub.calls(), ["xc_send_debug_keys(&)"]);
    }
}

#[test]
fn a_nul_among_debug_keys_does_not_hide_those_behind_it() {
    let (stub, xc) = open(17);
    assert_eq!(xc.send_debug_keys("h\0R").unwrap_err().kind(), Kind::Invalid);
    assert_eq!(stub.calls(), Vec::<String>::new());
}
