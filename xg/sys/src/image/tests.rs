use super::*;

/// Field, offset and size, copied once more from what was measured: DWARF of `struct xc_dom_image`
/// compiled from `xenguest.h` of 4.15.7, 4.16.7, 4.17.7, 4.18.6, 4.19.6, 4.20.4, 4.21.2 and 4.22.0,
/// where they are the same. It guards the table against slips of the pen; whether a library agrees,
/// [`ImageLayout::mismatch`] finds out at run time.
const MEASURED: [(ImageField, usize, usize); 33] = [
    (ImageField::MaxKernelSize, 152, 8),
    (ImageField::MaxModuleSize, 160, 8),
    (ImageField::MaxDevicetreeSize, 168, 8),
    (ImageField::ConsolePfn, 384, 8),
    (ImageField::XenstorePfn, 392, 8),
    (ImageField::PvP2m, 480, 8),
    (ImageField::P2mSize, 488, 8),
    (ImageField::TotalPages, 504, 8),
    (ImageField::Flags, 560, 8),
    (ImageField::ConsoleEvtchn, 568, 4),
    (ImageField::XenstoreEvtchn, 572, 4),
    (ImageField::ConsoleDomid, 576, 4),
    (ImageField::XenstoreDomid, 580, 4),
    (ImageField::ClaimEnabled, 604, 4),
    (ImageField::ContainerType, 1712, 4),
    (ImageField::TargetPages, 1720, 8),
    (ImageField::MmioStart, 1728, 8),
    (ImageField::MmioSize, 1736, 8),
    (ImageField::LowmemEnd, 1744, 8),
    (ImageField::HighmemEnd, 1752, 8),
    (ImageField::VgaHoleSize, 1760, 8),
    (ImageField::DeviceModel, 1768, 1),
    (ImageField::SystemFirmwareModuleData, 1776, 8),
    (ImageField::SystemFirmwareModuleLength, 1784, 4),
    (ImageField::AcpiModule0Data, 1800, 8),
    (ImageField::AcpiModule0Length, 1808, 4),
    (ImageField::AcpiModule0GuestAddrOut, 1816, 8),
    (ImageField::SmbiosModuleData, 1896, 8),
    (ImageField::SmbiosModuleLength, 1904, 4),
    (ImageField::SmbiosModuleGuestAddrOut, 1912, 8),
    (ImageField::E820, 1920, 8),
    (ImageField::E820Entries, 1928, 4),
    (ImageField::MaxVcpus, 1944, 4),
];

#[test]
fn the_table_and_its_copy_agree() {
    let layout = ImageLayout::of(Release::new(4, 17)).unwrap();
    let slots = MEASURED.map(|(field, _, _)| {
        let slot = layout.slot(field);
        (field, slot.offset(), slot.size())
    });
    assert_eq!(slots, MEASURED);
}

#[test]
fn every_slot_is_aligned_and_inside_the_structure() {
    let layout = ImageLayout::of(Release::new(4, 20)).unwrap();
    assert!(MEASURED.iter().all(|(_, offset, size)| offset % size == 0));
    assert!(MEASURED.iter().all(|(_, offset, size)| offset + size <= layout.size()));
}

#[test]
fn only_measured_releases_have_a_layout() {
    let known: Vec<u16> =
        (0..40).filter(|minor| ImageLayout::of(Release::new(4, *minor)).is_some()).collect();
    assert_eq!(known, [15, 16, 17, 18, 19, 20, 21, 22]);
    assert!(ImageLayout::of(Release::new(5, 17)).is_none());
}

/// A new image as `xc_dom_allocate` leaves it, made by the table under test.
fn fresh() -> Vec<u64> {
    let layout = ImageLayout::of(Release::new(4, 17)).unwrap();
    let mut memory = vec![0; 1952 / 8];
    let image = memory.as_mut_ptr().cast::<xc_dom_image>();
    for (field, value) in [
        (ImageField::MaxKernelSize, 1 << 30),
        (ImageField::MaxModuleSize, 1 << 30),
        (ImageField::MaxDevicetreeSize, 1 << 30),
        (ImageField::Flags, 16),
    ] {
        // SAFETY: an image is needed: the memory above has its size, and nothing else uses it.
        assert!(unsafe { layout.write(image, field, value) });
    }
    memory
}

/// What the check says of memory in which word `word` is `value`.
fn mismatch(word: usize, value: u64) -> Option<(ImageField, u64)> {
    let mut memory = fresh();
    memory[word] = value;
    let layout = ImageLayout::of(Release::new(4, 17)).unwrap();
    // SAFETY: an image is needed: the memory above has its size.
    unsafe { layout.mismatch(memory.as_ptr().cast()) }
}

#[test]
fn a_new_image_is_known_by_what_the_library_left_in_it() {
    assert_eq!(mismatch(70, 16), None); // flags, as they are
    assert_eq!(mismatch(70, 0), Some((ImageField::Flags, 0)));
    assert_eq!(mismatch(19, 0), Some((ImageField::MaxKernelSize, 0)));
    assert_eq!(mismatch(243, 7), Some((ImageField::MaxVcpus, 7)));
}

#[test]
fn every_field_is_looked_at() {
    assert_eq!(ImageField::ALL, MEASURED.map(|(field, _, _)| field));
}

/// Memory of an image's size, aligned as an image is.
fn blank() -> Vec<u64> {
    vec![u64::MAX; 1952 / 8]
}

#[test]
fn a_write_changes_its_field_and_no_other_byte() {
    let layout = ImageLayout::of(Release::new(4, 17)).unwrap();
    let mut memory = blank();
    let image = memory.as_mut_ptr().cast::<xc_dom_image>();
    // SAFETY: an image is needed: the memory above has its size, and nothing else uses it.
    assert!(unsafe { layout.write(image, ImageField::XenstoreEvtchn, 7) });
    // SAFETY: as above.
    assert_eq!(unsafe { layout.read(image, ImageField::XenstoreEvtchn) }, 7);
    let mut expected = blank();
    expected[71] = 0x0000_0007_ffff_ffff; // bytes 572 to 575, the upper half of word 71
    assert_eq!(memory, expected);
}

#[test]
fn a_value_too_large_for_its_field_is_not_written() {
    let layout = ImageLayout::of(Release::new(4, 17)).unwrap();
    let mut memory = blank();
    let image = memory.as_mut_ptr().cast::<xc_dom_image>();
    // SAFETY: an image is needed: the memory above has its size, and nothing else uses it.
    assert!(!unsafe { layout.write(image, ImageField::DeviceModel, 256) });
    assert_eq!(memory, blank());
}
