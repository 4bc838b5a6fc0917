//! Saved images, made up from the specifications and read by the library.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod captured;
mod cuts;
mod files;
mod records;
mod refusals;
mod sample;
mod whole;

use xg::stream::{Event, Reader, Record, StreamError, Summary};

/// What a reader told of bytes that were fed at once.
struct Read {
    records: Vec<Record>,
    contents: Vec<u8>,
    end: Result<Summary, StreamError>,
}

fn read(image: &[u8]) -> Read {
    read_in_pieces(image, image.len().max(1))
}

fn read_in_pieces(image: &[u8], size: usize) -> Read {
    read_pieces(image.chunks(size))
}

fn read_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Read {
    let (mut records, mut contents, mut reader) = (Vec::new(), Vec::new(), Reader::new());
    for mut piece in pieces {
        while let Some(event) = match reader.feed(&mut piece) {
            Ok(event) => event,
            Err(error) => return Read { records, contents, end: Err(error) },
        } {
            match event {
                Event::Record(record) => records.push(record),
                Event::Contents(bytes) => contents.extend(bytes),
                _ => {}
            }
        }
    }
    Read { records, contents, end: reader.finish() }
}
