//! Images in pieces, cut off, and with flipped bits.

use proptest::prelude::*;
use xg::stream::Reason;

use crate::{read, read_in_pieces, read_pieces, sample};

/// The lengths at which a cut-off image is taken for whole.
fn taken_when_cut(image: &[u8]) -> Vec<usize> {
    (0..image.len()).filter(|end| read(&image[..*end]).end.is_ok()).collect()
}

#[test]
fn an_image_cut_anywhere_is_refused() {
    assert_eq!(taken_when_cut(&sample::pv()), []);
    assert_eq!(taken_when_cut(&sample::xl(&sample::with_emulator())), []);
}

#[test]
fn a_cut_says_how_much_is_missing_of_what_has_begun() {
    let image = sample::pvh();
    let missing = |end: usize| match read(&image[..end]).end.unwrap_err().reason {
        Reason::Truncated { missing } => missing,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(20), 4); // of the image header
    assert_eq!(missing(24), 16); // of the domain header
    assert_eq!(missing(41), 7); // of a record's header
    assert_eq!(missing(50), 46); // of its body
    assert_eq!(missing(40 + 56 + 8 + 8 + 4), 12_320 - 4); // of PAGE_DATA before its pages
    assert_eq!(missing(40 + 56 + 8 + 8 + 40), 12_320 - 40); // and in their contents
}

/// For each bit from `from` to `to`, whether the image is still taken with it flipped.
fn harmless(image: &[u8], from: usize, to: usize) -> Vec<(usize, u8)> {
    let mut image = image.to_vec();
    let bits = (from..to).flat_map(|byte| (0..8).map(move |bit| (byte, bit)));
    bits.filter(|(byte, bit)| {
        image[*byte] ^= 1 << bit;
        let is_taken = read(&image).end.is_ok();
        image[*byte] ^= 1 << bit;
        is_taken
    })
    .collect()
}

#[test]
fn of_the_image_header_only_reserved_bits_may_flip() {
    let image = sample::pvh();
    // Version 3 with its lowest bit flipped is 2, which needs no STATIC_DATA_END and allows it.
    assert_eq!(harmless(&image, 0, 16), [(15, 0)]);
    // Byte order is bit 0 of the options, which are big-endian at 16; the rest is reserved.
    let reserved = harmless(&image, 16, 24);
    assert_eq!((reserved.len(), reserved.contains(&(17, 0))), (63, false));
}

#[test]
fn of_the_domain_header_only_reserved_bits_and_the_writers_version_may_flip() {
    let image = sample::pvh();
    assert_eq!(harmless(&image, 24, 30), []);
    assert_eq!(harmless(&image, 30, 40).len(), 80);
}

#[test]
fn of_a_records_header_no_bit_may_flip_but_the_one_that_makes_it_optional() {
    let image = sample::pv();
    let p2m = 40 + 16 + 56 + 24 + 8;
    assert_eq!(harmless(&image, p2m - 8, p2m), []); // STATIC_DATA_END
    assert_eq!(harmless(&image, p2m, p2m + 8), []);
    // Of PAGE_DATA nothing that follows depends; its count goes with its length.
    let pages = p2m + 32;
    assert_eq!(harmless(&image, pages, pages + 12), [(pages + 3, 7)]);
    let mut optional = image;
    optional[pages + 3] = 0x80;
    assert_eq!(read(&optional).end.unwrap().passed_over, 1);
}

#[test]
fn of_libxls_header_only_reserved_bits_and_the_converters_mark_may_flip() {
    let image = sample::libxl(&sample::pvh(), &[]);
    assert_eq!(harmless(&image, 0, 12), []);
    let options = harmless(&image, 12, 16);
    assert_eq!((options.len(), options.contains(&(15, 0))), (31, false));
    assert_eq!(harmless(&image, 16, 24), []);
}

#[test]
fn of_xls_header_only_reserved_bits_and_the_mark_of_json_may_flip() {
    let image = sample::xl(&sample::libxl(&sample::pvh(), &[]));
    assert_eq!(harmless(&image, 0, 36), []);
    assert_eq!(harmless(&image, 36, 40), [(36, 0)]);
    assert_eq!(harmless(&image, 40, 44).len(), 32);
    assert_eq!(harmless(&image, 44, 48), []);
}

/// Pieces of these sizes, then the rest.
fn cut<'a>(image: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut left = image;
    let pieces = sizes.iter().map(move |size| {
        let (piece, rest) = left.split_at(left.len().min(*size));
        left = rest;
        piece
    });
    let end = image.len().min(sizes.iter().sum());
    pieces.chain([&image[end..]])
}

proptest! {
    #[test]
    fn any_cuts_give_the_same(sizes in prop::collection::vec(0..3000_usize, 1..20)) {
        let image = sample::xl(&sample::with_emulator());
        let (whole, cut) = (read(&image), read_pieces(cut(&image, &sizes)));
        prop_assert_eq!(whole.records, cut.records);
        prop_assert_eq!(whole.contents, cut.contents);
        prop_assert_eq!(whole.end, cut.end);
    }

    #[test]
    fn any_cuts_give_the_same_refusal(size in 1..600_usize, at in 0..0x60_usize, byte: u8) {
        let mut image = sample::pv();
        image[at] = byte;
        prop_assert_eq!(read(&image).end, read_in_pieces(&image, size).end);
    }

    #[test]
    fn bytes_at_random_behind_a_header_break_nothing(
        bytes: Vec<u8>,
        start in prop::sample::select(vec![40_usize, 56, 144, 176]),
    ) {
        let image = [&sample::pv()[..start], &bytes].concat();
        let in_one = read(&image).end;
        prop_assert_eq!(read_in_pieces(&image, 3).end, in_one);
    }
}
