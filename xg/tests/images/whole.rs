//! Images that are in order.

use xen_types::{Bytes, PageCount};
use xg::stream::{Format, Guest, PageCounts, Writer};

use crate::{read_in_pieces, sample};

#[test]
fn a_pv_image_is_summed_up() {
    let image = sample::pv();
    let summary = read_in_pieces(&image, image.len()).end.unwrap();
    assert_eq!(summary.format, Format::Libxc);
    assert_eq!((summary.version, summary.guest), (3, Guest::Pv64));
    assert_eq!(summary.writer, Writer::Xen { major: 4, minor: 17 });
    assert_eq!((summary.vcpus, summary.p2m_size), (2, PageCount(1024)));
    let tables = [1, 1, 0, 2];
    let (normal, pinned) = (3, 3);
    let counts = PageCounts { normal, tables, pinned, broken: 1, allocate_only: 1, invalid: 1 };
    assert_eq!(summary.pages, counts);
    assert_eq!(summary.contents, Bytes(7 * 4096));
    assert_eq!((summary.passes, summary.checkpoints, summary.verify), (2, 0, false));
    assert_eq!((summary.cpuid_leaves, summary.msrs), (2, 1));
    assert_eq!((summary.reserved, summary.passed_over), (0, 0));
    assert_eq!((summary.records, summary.size), (15, Bytes(image.len() as u64)));
}

#[test]
fn any_cut_gives_the_same_records_and_contents() {
    let image = sample::xl(&sample::with_emulator());
    let whole = read_in_pieces(&image, image.len());
    let cut = read_in_pieces(&image, 1);
    assert_eq!(whole.records.len(), 11);
    assert_eq!(whole.contents.len(), 3 * 4096 + "QEVM and more".len());
    assert_eq!((cut.records, cut.contents, cut.end), (whole.records, whole.contents, whole.end));
}
