//! Files: inspected whatever they are, verified if they are ours.

use std::error::Error as _;
use std::io::{Cursor, Read as _, Seek as _};

use xg::image::{Checksum, Envelope, EnvelopeError, Image, InspectError, Seal};
use xg::stream::{Format, Guest};
use xg::{Error, Kind, image, inspect};

use crate::sample;

const DESCRIPTION: &[u8] = b"name = \"web\"\n";

/// A file of ours, with the stream of a PVH guest.
fn file() -> Vec<u8> {
    file_of(&sample::pvh())
}

/// A file of ours with this stream.
fn file_of(stream: &[u8]) -> Vec<u8> {
    let head = Envelope::new(DESCRIPTION).sealed(Seal::of(stream));
    [&head.encode()[..], DESCRIPTION, stream].concat()
}

fn verify(file: &[u8]) -> xg::Result<Image> {
    image::verify("web.img", &mut Cursor::new(file))
}

fn envelope_error(file: &[u8]) -> EnvelopeError {
    match verify(file).unwrap_err() {
        Error::SavedImage { source: InspectError::Envelope(error), .. } => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_of_ours_is_verified_and_left_at_its_stream() {
    let bytes = file();
    let mut file = Cursor::new(&bytes);
    let verified = image::verify("web.img", &mut file).unwrap();
    assert_eq!(verified.description, DESCRIPTION);
    assert_eq!((verified.summary.guest, verified.summary.vcpus), (Guest::Pvh, 2));
    assert_eq!(file.stream_position().unwrap(), 64 + 13);
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, sample::pvh());
}

#[test]
fn the_head_of_a_file_is_these_bytes() {
    let head = Envelope::new(b"ab").sealed(Seal::of(b"123456789")).encode();
    let expected = [
        &b"\x89XGIMG\r\n"[..],
        &[1, 0, 0, 0, 1, 0, 0, 0],
        &[2, 0, 0, 0, 0, 0, 0, 0],
        &Seal::of(b"ab").checksum.to_le_bytes(),
        &[9, 0, 0, 0, 0, 0, 0, 0],
        b"\xfa\x39\x19\xdf\xbb\xc9\x5d\x99",
        &[0; 8],
        &Seal::of(&head[..56]).checksum.to_le_bytes(),
    ];
    assert_eq!(head.as_slice(), expected.concat());
    assert_eq!(Envelope::decode(&head).unwrap().stream, Some(Seal::of(b"123456789")));
}

/// Flipping each of the bits of a file in turn, and counting those with which it is still taken.
#[test]
fn no_flipped_bit_of_a_file_of_ours_goes_unseen() {
    let mut file = file();
    // Of the contents of pages, which are the most, the first and the last byte of one.
    let pages = 64 + 13 + 40 + 2 * 8 + 48 + 8 + 8 + 3 * 8;
    let places =
        (0..pages + 1).chain(pages + 4095..pages + 4096).chain(pages + 3 * 4096..file.len());
    let taken = places.flat_map(|byte| (0..8).map(move |bit| (byte, bit))).filter(|(byte, bit)| {
        file[*byte] ^= 1 << bit;
        let is_taken = verify(&file).is_ok();
        file[*byte] ^= 1 << bit;
        is_taken
    });
    assert_eq!(taken.collect::<Vec<_>>(), []);
}

#[test]
fn a_flipped_bit_in_a_page_is_seen_by_the_checksum_alone() {
    let mut bytes = file();
    bytes[64 + 13 + 1000] ^= 1;
    assert_eq!(envelope_error(&bytes), EnvelopeError::Checksum("stream"));
    assert_eq!(verify(&bytes).unwrap_err().kind(), Kind::Invalid);
    assert!(inspect("web", &bytes[64 + 13..]).is_ok());
}

#[test]
fn every_truncation_of_a_file_is_refused() {
    let file = file();
    let taken: Vec<usize> = (0..file.len()).filter(|end| verify(&file[..*end]).is_ok()).collect();
    assert_eq!(taken, [0_usize; 0]);
}

#[test]
fn a_truncated_file_says_where_it_ends_and_where_it_should() {
    let file = file();
    let cut = file.len() - 1;
    let expected = file.len() as u64;
    let truncated = EnvelopeError::Truncated { size: cut as u64, expected };
    assert_eq!(envelope_error(&file[..cut]), truncated);
}

#[test]
fn bytes_after_the_end_of_a_file_are_refused() {
    let mut file = file();
    let end = file.len() as u64;
    file.push(0);
    assert_eq!(envelope_error(&file), EnvelopeError::Trailing(end));
}

#[test]
fn a_save_that_was_cut_off_is_known_as_such() {
    let head = Envelope::new(DESCRIPTION).encode();
    let file = [&head[..], DESCRIPTION, &sample::pvh()].concat();
    assert_eq!(envelope_error(&file), EnvelopeError::Unfinished);
}

#[test]
fn a_later_version_is_not_guessed_at() {
    let mut file = file();
    file[8] = 2;
    assert_eq!(envelope_error(&file), EnvelopeError::Version(2));
    assert_eq!(verify(&file).unwrap_err().kind(), Kind::Unavailable);
}

#[test]
fn a_huge_description_costs_no_memory() {
    let huge = Seal { length: u64::MAX, checksum: 0 };
    let head = Envelope { description: huge, stream: Some(Seal::of(b"")) }.encode();
    assert_eq!(envelope_error(&head), EnvelopeError::Description(u64::MAX));
}

#[test]
fn only_files_of_ours_can_be_verified() {
    assert_eq!(envelope_error(&sample::pvh()), EnvelopeError::Magic);
}

#[test]
fn only_libxcs_stream_can_be_verified() {
    let libxl = sample::libxl(&sample::pvh(), &[]);
    let refused = envelope_error(&file_of(&libxl));
    assert_eq!(refused, EnvelopeError::Format("a stream of libxl's"));
    let refused = envelope_error(&file_of(&sample::xl(&libxl)));
    assert_eq!(refused, EnvelopeError::Format("a file of xl's"));
}

/// A disk that cannot be read any further.
struct Broken;

impl std::io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::from_raw_os_error(5))
    }
}

#[test]
fn a_file_that_cannot_be_read_is_not_said_to_be_truncated() {
    let file = file();
    let error = inspect("web.img", (&file[..300]).chain(Broken)).unwrap_err();
    let cause = error.source().unwrap();
    assert_eq!(cause.to_string(), "read at byte 300");
    assert_eq!(cause.source().unwrap().to_string(), "Input/output error (os error 5)");
}

#[test]
fn an_image_is_inspected_whatever_is_around_it() {
    let format = |image: &[u8]| inspect("image", image).unwrap().summary.format;
    assert_eq!(format(&sample::pvh()), Format::Libxc);
    assert_eq!(format(&sample::libxl(&sample::pvh(), &[])), Format::Libxl);
    assert_eq!(format(&sample::xl(&sample::libxl(&sample::pvh(), &[]))), Format::Xl);
    let ours = inspect("image", &file()[..]).unwrap();
    assert_eq!((ours.summary.format, ours.description.as_slice()), (Format::Libxc, DESCRIPTION));
}

#[test]
fn a_checksum_is_taken_while_a_stream_is_written() {
    let stream = sample::pvh();
    let mut checksum = Checksum::new();
    stream.chunks(1000).for_each(|piece| checksum.feed(piece));
    let head = Envelope::new(b"").sealed(checksum.seal()).encode();
    assert!(verify(&[&head[..], &stream].concat()).is_ok());
}

#[test]
fn the_error_names_the_image_the_place_and_the_cause() {
    let mut image = sample::pvh();
    image[28..30].copy_from_slice(&[13, 0]);
    let error = inspect("web.img", &image[..]).unwrap_err();
    let stream = error.source().unwrap();
    let place = stream.source().unwrap();
    let cause = place.source().unwrap();
    assert_eq!(error.to_string(), "read the saved image web.img");
    assert_eq!(stream.to_string(), "the stream, which begins at byte 0");
    assert_eq!(place.to_string(), "byte 24");
    assert_eq!(cause.to_string(), "pages of 2^13 bytes: 2^12 expected");
}

#[test]
fn what_cannot_be_read_is_said_with_its_errno() {
    let folder = std::fs::File::open("/").unwrap();
    let error = inspect("/", folder).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    let cause = error.source().unwrap();
    assert_eq!(cause.to_string(), "read at byte 0");
    assert_eq!(cause.source().unwrap().to_string(), "Is a directory (os error 21)");
}
