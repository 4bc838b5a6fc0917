use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{MemfdFlags, Mode, OFlags, fchmod, memfd_create};
use rustix::io::Errno;

use super::*;

/// A file on tmpfs without a name, of `mode`, with this content, opened for writing.
fn written(content: &[u8], mode: u32) -> File {
    let mut file = File::from(memfd_create(c"file", MemfdFlags::CLOEXEC).unwrap());
    fchmod(&file, Mode::from_raw_mode(mode)).unwrap();
    file.write_all(content).unwrap();
    file
}

/// Opens the file behind a descriptor once more.
fn reopened(file: &File, options: &mut OpenOptions) -> io::Result<File> {
    options.open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn read_only(file: &File) -> File {
    reopened(file, OpenOptions::new().read(true)).unwrap()
}

/// Opens it to write, without waiting.
fn writer(file: &File) -> Result<File, Option<i32>> {
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let opened = reopened(file, OpenOptions::new().write(true).custom_flags(nonblock));
    opened.map_err(|error| error.raw_os_error())
}

#[test]
fn a_held_file_is_there_whole() {
    let held = Held::take(read_only(&written(b"0123456789", 0o600))).unwrap();
    assert_eq!(held.bytes(), b"0123456789");
    assert!(held.is_intact());
}

#[test]
fn who_would_write_a_held_file_has_to_wait_and_is_noticed() {
    let file = read_only(&written(b"0123456789", 0o600));
    let held = Held::take(file.try_clone().unwrap()).unwrap();
    assert_eq!(writer(&file).unwrap_err(), Some(Errno::AGAIN.raw_os_error()));
    assert!(!held.is_intact());
    assert_eq!(held.bytes(), b"0123456789");
}

#[test]
fn a_file_that_is_let_go_can_be_written() {
    let file = read_only(&written(b"0123456789", 0o600));
    let other = read_only(&file);
    drop(Held::take(file).unwrap());
    writer(&other).unwrap();
}

#[test]
fn a_file_that_somebody_has_open_to_write_is_given_back() {
    let file = read_only(&written(b"0123456789", 0o600));
    let writer = writer(&file).unwrap();
    let file = Held::take(file).unwrap_err();
    drop(writer);
    Held::take(file).unwrap();
}

#[test]
fn a_file_that_others_may_write_is_given_back() {
    Held::take(read_only(&written(b"0123456789", 0o620))).unwrap_err();
    Held::take(read_only(&written(b"0123456789", 0o602))).unwrap_err();
}

#[test]
fn an_empty_file_is_given_back() {
    Held::take(read_only(&written(b"", 0o600))).unwrap_err();
}

#[test]
fn a_file_of_a_system_that_makes_its_files_up_is_given_back() {
    Held::take(File::open("/proc/version").unwrap()).unwrap_err();
}

#[test]
fn a_file_given_back_has_no_lease() {
    let file = Held::take(read_only(&written(b"0123456789", 0o602))).unwrap_err();
    writer(&file).unwrap();
}
