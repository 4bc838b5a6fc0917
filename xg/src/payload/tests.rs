use std::error::Error as _;
use std::fs;
use std::os::fd::AsRawFd;
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

/// A file on tmpfs, the file system of which is known everywhere, and its path.
fn leasable(content: &[u8]) -> (File, PathBuf) {
    let memory = rustix::fs::memfd_create(c"kernel", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::fchmod(&memory, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let mut memory = File::from(memory);
    io::Write::write_all(&mut memory, content).unwrap();
    let file = File::open(format!("/proc/self/fd/{}", memory.as_raw_fd())).unwrap();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd()).into();
    (file, path)
}

/// Opens a file to write, without waiting.
fn open_to_write(path: &Path) -> io::Result<File> {
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    File::options().write(true).custom_flags(nonblock).open(path)
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
fn a_large_file_is_copied_into_sealed_memory() {
    let folder = Folder::new("large-copied");
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(LARGE + 1).collect();
    let kernel = Kernel::load(folder.file("vmlinux", &content)).unwrap();
    assert!(kernel.bytes() == content);
    assert_eq!(format!("{:?}", kernel.0.bytes), "Content(1048577 bytes in sealed memory)");
}

#[test]
fn a_large_file_is_taken_in_place_while_nobody_writes_it() {
    let file = leasable(&vec![7; LARGE]);
    let kernel = Kernel::load_in_place(&file.1).unwrap();
    assert!(kernel.bytes() == vec![7; LARGE]);
    assert_eq!(format!("{:?}", kernel.0.bytes), "Content(1048576 bytes in a file under a lease)");
}

#[test]
fn a_large_file_that_cannot_be_taken_in_place_is_copied() {
    let file = leasable(&vec![7; LARGE]);
    let writer = File::options().write(true).open(&file.1).unwrap();
    let kernel = Kernel::load_in_place(&file.1).unwrap();
    assert_eq!(format!("{:?}", kernel.0.bytes), "Content(1048576 bytes in sealed memory)");
    drop(writer);
}

#[test]
fn a_small_file_is_never_taken_in_place() {
    let kernel = Kernel::load_in_place(leasable(b"0123").1).unwrap();
    assert_eq!(format!("{:?}", kernel.0.bytes), "Content(4 bytes on the heap)");
}

#[test]
fn a_kernel_in_place_whose_file_is_to_be_written_is_to_be_loaded_again() {
    let mut content = elf();
    content.resize(LARGE, 0);
    let file = leasable(&content);
    let kernel = Kernel::load_in_place(&file.1).unwrap();
    kernel.inspect().unwrap();
    open_to_write(&file.1).unwrap_err();
    let error = kernel.inspect().unwrap_err();
    assert_eq!(error.kind(), Kind::Again);
    assert!(error.to_string().starts_with("read kernel /proc/self/fd/"));
    let cause = error.source().unwrap().to_string();
    assert_eq!(cause, "overwritten since it was loaded, or about to be");
    assert_eq!(kernel.unpack().unwrap_err().kind(), Kind::Again);
}

#[test]
fn a_kernel_in_place_lets_writers_go_on_with_its_last_clone() {
    let file = leasable(&vec![7; LARGE]);
    let kernel = Kernel::load_in_place(&file.1).unwrap();
    let clone = kernel.clone();
    drop(kernel);
    open_to_write(&file.1).unwrap_err();
    drop(clone);
    open_to_write(&file.1).unwrap();
}

#[test]
fn a_small_file_is_read_into_the_heap() {
    let folder = Folder::new("small-read");
    let kernel = Kernel::load(folder.file("vmlinux", b"0123")).unwrap();
    assert_eq!(format!("{:?}", kernel.0.bytes), "Content(4 bytes on the heap)");
}

#[test]
fn a_kernel_stays_as_it_was_when_its_file_is_overwritten_and_truncated() {
    let folder = Folder::new("kept");
    let path = folder.file("vmlinux", &vec![7; 2 * LARGE]);
    let kernel = Kernel::load(&path).unwrap();
    fs::write(&path, b"other").unwrap();
    assert!(kernel.bytes() == vec![7; 2 * LARGE]);
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

/// A bzImage with this payload, as a Linux build makes it.
fn bzimage(payload: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
    image[0x24c..0x250].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
    image.extend(payload);
    image
}

/// The smallest that passes inspection: an ELF header without segments.
fn elf() -> Vec<u8> {
    let mut image = b"\x7fELF\x02\x01\x01".to_vec();
    image.resize(64, 0);
    image[18] = 62;
    image
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut encoder, content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_kernel_in_a_bzimage_keeps_its_name() {
    let kernel = Kernel::from_bytes("/boot/vmlinuz", bzimage(&gzip(&elf()))).unwrap();
    let unpacked = kernel.unpack().unwrap();
    assert_eq!(unpacked.bytes(), elf());
    assert_eq!(unpacked.name(), "/boot/vmlinuz");
}

#[test]
fn a_bzimage_in_a_gzip_file_is_unpacked_to_the_kernel() {
    let kernel = Kernel::from_bytes("k", gzip(&bzimage(&gzip(&elf())))).unwrap();
    assert_eq!(kernel.unpack().unwrap().bytes(), elf());
}

#[test]
fn a_kernel_that_is_not_compressed_is_shared() {
    let kernel = Kernel::from_bytes("k", elf()).unwrap();
    assert_eq!(kernel.unpack().unwrap().bytes().as_ptr(), kernel.bytes().as_ptr());
}

#[test]
fn a_payload_that_is_no_kernel_is_refused() {
    let kernel = Kernel::from_bytes("k", bzimage(&gzip(b"buy milk"))).unwrap();
    let error = kernel.unpack().unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.source().unwrap().to_string(), "neither an ELF file nor a bzImage");
}

#[test]
fn a_damaged_payload_is_named_with_its_compression() {
    let mut payload = gzip(&elf());
    let at = payload.len() - 8;
    payload[at] ^= 1; // of the checksum
    let error = Kernel::from_bytes("k", bzimage(&payload)).unwrap().unpack().unwrap_err();
    assert_eq!(error.to_string(), "unpack gzip kernel k");
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.source().unwrap().to_string(), "damaged or truncated");
}

#[test]
fn a_payload_of_another_size_than_it_says_is_refused() {
    let mut payload = include_bytes!("../unpack/samples/small.bz2").to_vec();
    payload.extend(693_u32.to_le_bytes());
    let error = Kernel::from_bytes("k", bzimage(&payload)).unwrap().unpack().unwrap_err();
    assert_eq!(
        error.source().unwrap().to_string(),
        "692 bytes come out of it, its header says 693"
    );
}
