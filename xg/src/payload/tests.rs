use std::error::Error as _;
use std::fs;
use std::path::PathBuf;
use std::process;

use super::*;
use crate::Kind;

/// A folder of this test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xg-payload-{test}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_missing_kernel_is_named() {
    let error = Kernel::load("/nowhere/vmlinux").unwrap_err();
    assert_eq!(error.to_string(), "read kernel /nowhere/vmlinux");
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.source().unwrap().to_string().contains("No such file"));
}

#[test]
fn a_file_is_read_whole() {
    let folder = Folder::new("whole");
    let ramdisk = Ramdisk::load(folder.file("initrd", b"0123456789")).unwrap();
    assert_eq!(ramdisk.bytes(), b"0123456789");
}

#[test]
fn an_empty_ramdisk_is_refused() {
    let folder = Folder::new("empty");
    let error = Ramdisk::load(folder.file("initrd", b"")).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.source().unwrap().to_string(), "empty");
}

#[test]
fn a_folder_is_not_a_kernel() {
    let folder = Folder::new("folder");
    let error = Kernel::load(&folder.0).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.source().unwrap().to_string(), "not a regular file");
}

#[test]
fn a_pipe_that_nobody_writes_to_is_refused_without_waiting() {
    let folder = Folder::new("pipe");
    let path = folder.0.join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let error = Kernel::load(&path).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "not a regular file");
}

#[test]
fn a_file_above_the_limit_is_refused_before_it_is_read() {
    let folder = Folder::new("large");
    let path = folder.file("sparse", b"");
    File::options().write(true).open(&path).unwrap().set_len(MAX_BYTES as u64 + 1).unwrap();
    let error = Kernel::load(&path).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "larger than 1 GiB");
}

#[test]
fn clones_share_the_image() {
    let kernel = Kernel::from_bytes("k", vec![1]).unwrap();
    assert_eq!(kernel.clone().bytes().as_ptr(), kernel.bytes().as_ptr());
}
