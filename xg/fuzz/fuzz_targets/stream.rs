//! Any bytes as a saved image: the reader finds the same however they are cut, holds no more memory
//! than they account for, and takes no image for whole that is not.

#![no_main]

use std::alloc::System;
use std::io::Cursor;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use xg::image;
use xg::stream::{Event, Reader, StreamError, Summary};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// What was told of an image.
#[derive(Debug, PartialEq)]
struct Told {
    events: usize,
    records: u64,
    contents: Vec<u8>,
    end: Result<Summary, StreamError>,
}

fuzz_target!(|image: &[u8]| {
    let whole = read(image, image.len().max(1));
    for size in [1, 13, 4099] {
        assert_eq!(read(image, size), whole, "in pieces of {size}");
    }
    if let Ok(summary) = &whole.end {
        assert_eq!((summary.size.get(), summary.records), (image.len() as u64, whole.records));
        assert!(summary.contents.get() <= whole.contents.len() as u64);
        for cut in [image.len() - 1, image.len() / 2] {
            assert!(read(&image[..cut], cut.max(1)).end.is_err(), "whole after {cut} bytes");
        }
    }
    let inspected = image::inspect("fuzzed", image);
    if let Ok(found) = image::verify("fuzzed", &mut Cursor::new(image)) {
        assert_eq!(inspected.expect("what is verified is in order"), found);
    }
});

fn read(image: &[u8], size: usize) -> Told {
    let (mut events, mut records, mut contents) = (0, 0, Vec::with_capacity(image.len()));
    // More aborts.
    let _ = MEMORY.set_limit(MEMORY.allocated() + FIXED + PER_BYTE * image.len());
    let mut reader = Reader::new();
    let mut end = None;
    'all: for mut piece in image.chunks(size) {
        loop {
            match reader.feed(&mut piece) {
                Ok(Some(Event::Contents(bytes))) => contents.extend_from_slice(bytes),
                Ok(Some(Event::Record(_))) => records += 1,
                Ok(Some(_)) => events += 1,
                Ok(None) => break,
                Err(error) => {
                    end = Some(Err(error));
                    break 'all;
                }
            }
        }
    }
    let end = end.unwrap_or_else(|| reader.finish());
    let _ = MEMORY.set_limit(usize::MAX);
    Told { events, records, contents, end }
}

/// For the reader itself, a batch of page numbers, an error.
const FIXED: usize = 128 << 10;
/// A body is held as it came, in a vector with room to grow, and parsed.
const PER_BYTE: usize = 8;
