//! Any bytes as a kernel: they are judged, and the judgement needs no memory of their size.

#![no_main]

use std::alloc::System;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use xc::GuestKind;
use xg::{Format, Kernel};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

fuzz_target!(|image: &[u8]| {
    let Ok(kernel) = Kernel::from_bytes("fuzzed", image.to_vec()) else {
        assert!(image.is_empty());
        return;
    };
    // More aborts.
    let _ = MEMORY.set_limit(MEMORY.allocated() + FIXED);
    let format = kernel.inspect();
    let _ = MEMORY.set_limit(usize::MAX);
    let Ok(format) = format else { return };
    let kinds = [GuestKind::Pv, GuestKind::Pvh, GuestKind::Hvm];
    let starts = kinds.map(|kind| format.supports(kind).is_ok());
    if !matches!(format, Format::Elf(_)) {
        assert_eq!(starts, [true; 3]);
    }
});

/// For an error.
const FIXED: usize = 64 << 10;
