use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::*;

/// A file of two pages.
fn file() -> OwnedFd {
    let file = memfd_create("pages", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, 8192).unwrap();
    file
}

fn mapped() -> Mapping {
    Mapping::new(file().as_fd(), 0, 2, true).unwrap()
}

#[test]
fn what_is_written_through_one_mapping_is_read_through_another() {
    let file = file();
    let one = Mapping::new(file.as_fd(), 0, 2, true).unwrap();
    let other = Mapping::new(file.as_fd(), 4096, 1, false).unwrap();
    one.write(4096 + 3, b"a greeting of 27 bytes, odd").unwrap();
    let mut read = [0; 28];
    other.read(3, &mut read).unwrap();
    assert_eq!(&read, b"a greeting of 27 bytes, odd\0");
}

#[test]
fn bytes_beside_those_written_stay() {
    let mapping = mapped();
    mapping.write(0, &[0xAA; 64]).unwrap();
    mapping.write(5, &[1; 20]).unwrap();
    let mut all = [0; 27];
    mapping.read(0, &mut all).unwrap();
    assert_eq!(all[..5], [0xAA; 5]);
    assert_eq!(all[5..25], [1; 20]);
    assert_eq!(all[25..], [0xAA; 2]);
}

#[test]
fn numbers_lie_in_the_byte_order_of_the_processor() {
    let mapping = mapped();
    mapping.store_u32(8, 0x0403_0201).unwrap();
    let mut bytes = [0; 4];
    mapping.read(8, &mut bytes).unwrap();
    assert_eq!(bytes, [1, 2, 3, 4]);
    mapping.store_u8(9, 0xFF).unwrap();
    assert_eq!(mapping.load_u32(8), Ok(0x0403_FF01));
    assert_eq!(mapping.load_u8(11), Ok(4));
}

#[test]
fn bits_are_changed_one_by_one() {
    let mapping = mapped();
    assert_eq!(mapping.fetch_or_u8(3, 0b11), Ok(0));
    assert_eq!(mapping.fetch_and_u8(3, !0b01), Ok(0b11));
    assert_eq!(mapping.load_u8(3), Ok(0b10));
}

#[test]
fn nothing_beyond_the_end_is_accessed() {
    let mapping = mapped();
    let beyond = Err(AccessError::OutOfBounds { len: 8192 });
    assert_eq!(mapping.read(8190, &mut [0; 3]), beyond);
    assert_eq!(mapping.write(8190, &[0; 3]), beyond);
    assert_eq!(mapping.write(usize::MAX, &[0; 3]), beyond);
    assert_eq!(mapping.store_u32(8192, 1), beyond);
    assert_eq!(mapping.store_u8(8192, 1), beyond);
    assert_eq!(mapping.read(8189, &mut [0; 3]), Ok(()));
    assert_eq!(mapping.read(8192, &mut []), Ok(()));
}

#[test]
fn a_read_only_mapping_refuses_to_be_written() {
    let mapping = Mapping::new(file().as_fd(), 0, 1, false).unwrap();
    assert_eq!(mapping.write(0, b"x"), Err(AccessError::ReadOnly));
    assert_eq!(mapping.store_u8(0, 1), Err(AccessError::ReadOnly));
    assert_eq!(mapping.store_u32(0, 1), Err(AccessError::ReadOnly));
    assert_eq!(mapping.fetch_or_u8(0, 1), Err(AccessError::ReadOnly));
    assert_eq!(mapping.load_u32(0), Ok(0));
}

#[test]
fn a_number_off_its_place_is_refused() {
    let mapping = mapped();
    assert_eq!(mapping.load_u32(2), Err(AccessError::Unaligned(4)));
    assert_eq!(mapping.store_u32(5, 1), Err(AccessError::Unaligned(4)));
}

#[test]
fn nothing_can_be_mapped_that_has_no_pages_or_too_many() {
    assert_eq!(Mapping::new(file().as_fd(), 0, 0, true).unwrap_err(), Errno::INVAL);
    assert_eq!(Mapping::new(file().as_fd(), 0, usize::MAX, true).unwrap_err(), Errno::INVAL);
}

#[test]
fn a_dropped_mapping_is_gone_from_the_process() {
    let file = memfd_create("dropped mapping", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, 4096).unwrap();
    let listed = || std::fs::read_to_string("/proc/self/maps").unwrap().contains("dropped mapping");
    let mapping = Mapping::new(file.as_fd(), 0, 1, true).unwrap();
    assert!(listed());
    drop(mapping);
    assert!(!listed());
}
