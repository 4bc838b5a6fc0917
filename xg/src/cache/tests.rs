use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{process, thread};

use super::*;

/// A folder of this test, removed at its end.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xg-cache-{test}-{}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn kernels(&self) -> PathBuf {
        self.0.join("kernels")
    }

    fn cache(&self) -> KernelCache {
        KernelCache::new().in_folder(self.kernels(), MiB(1))
    }

    /// The only file in the folder of kernels.
    fn entry(&self) -> PathBuf {
        let files = files(&self.kernels());
        assert_eq!(files.len(), 1, "{files:?}");
        self.kernels().join(&files[0])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// An ELF header without segments, and then what tells one kernel from another.
fn content(mark: u8, size: usize) -> Vec<u8> {
    let mut image = b"\x7fELF\x02\x01\x01".to_vec();
    image.resize(64, 0);
    image[18] = 62;
    image.resize(size, mark);
    image
}

fn packed(content: &[u8]) -> Kernel {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    Kernel::from_bytes("k", encoder.finish().unwrap()).unwrap()
}

fn kernel(mark: u8) -> Kernel {
    packed(&content(mark, 100))
}

/// Where the kernel came from, which must be the right one.
fn origin(cache: &KernelCache, mark: u8) -> Origin {
    let prepared = cache.unpack(&kernel(mark)).unwrap();
    assert_eq!(prepared.kernel.bytes(), content(mark, 100));
    prepared.origin
}

#[test]
fn a_kernel_is_unpacked_once_for_all_processes() {
    let place = Place::new("once");
    assert_eq!(origin(&place.cache(), 1), Origin::Unpacked);
    assert_eq!(origin(&place.cache(), 1), Origin::Folder);
    assert_eq!(origin(&place.cache(), 2), Origin::Unpacked);
}

#[test]
fn a_kernel_is_unpacked_once_for_the_guests_of_a_process() {
    let cache = KernelCache::new().in_memory(MiB(1));
    let first = cache.unpack(&kernel(1)).unwrap();
    let second = cache.unpack(&kernel(1)).unwrap();
    assert_eq!((first.origin, second.origin), (Origin::Unpacked, Origin::Memory));
    assert_eq!(second.kernel.bytes().as_ptr(), first.kernel.bytes().as_ptr());
}

#[test]
fn what_comes_from_the_folder_is_kept_in_memory() {
    let place = Place::new("both");
    origin(&place.cache(), 1);
    let cache = place.cache().in_memory(MiB(1));
    assert_eq!(origin(&cache, 1), Origin::Folder);
    assert_eq!(origin(&cache, 1), Origin::Memory);
}

#[test]
fn a_kernel_that_is_not_compressed_is_not_kept() {
    let place = Place::new("given");
    let given = Kernel::from_bytes("k", content(1, 100)).unwrap();
    let prepared = place.cache().unpack(&given).unwrap();
    assert_eq!(prepared.origin, Origin::Given);
    assert!(!place.kernels().exists());
}

#[test]
fn a_kernel_that_cannot_be_unpacked_is_not_kept() {
    let place = Place::new("bad");
    let error = place.cache().unpack(&packed(b"buy milk")).unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Invalid);
    assert!(!place.kernels().exists());
}

#[test]
fn folder_and_files_are_their_owners_alone() {
    let place = Place::new("modes");
    origin(&place.cache(), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&place.kernels()), 0o700);
    assert_eq!(mode(&place.entry()), 0o600);
}

#[test]
fn the_file_of_a_kernel_is_named_after_its_hash() {
    let place = Place::new("name");
    place.cache().unpack(&packed(&content(1, 100))).unwrap();
    let hash = Key::of(&packed(&content(1, 100))).to_string();
    assert_eq!(files(&place.kernels()), [format!("{hash}.kernel")]);
    assert_eq!(hash.len(), 64);
}

/// Writes something else into the file of a kernel: that is not used, and is replaced.
fn is_replaced(place: &Place, change: impl FnOnce(&mut Vec<u8>)) {
    origin(&place.cache(), 1);
    let good = fs::read(place.entry()).unwrap();
    let mut bad = good.clone();
    change(&mut bad);
    assert!(bad != good, "nothing was changed");
    fs::write(place.entry(), bad).unwrap();
    assert_eq!(origin(&place.cache(), 1), Origin::Unpacked);
    assert_eq!(fs::read(place.entry()).unwrap(), good);
    assert_eq!(origin(&place.cache(), 1), Origin::Folder);
}

#[test]
fn a_changed_bit_anywhere_is_noticed() {
    let place = Place::new("bits");
    for at in 0..156 {
        is_replaced(&place, |file| file[at] ^= 0x04);
    }
}

#[test]
fn a_truncated_file_is_replaced() {
    let place = Place::new("cut");
    is_replaced(&place, Vec::clear);
    is_replaced(&place, |file| file.truncate(55));
    is_replaced(&place, |file| file.truncate(56));
    is_replaced(&place, |file| file.truncate(155));
}

#[test]
fn a_file_that_grew_is_replaced() {
    let place = Place::new("grown");
    is_replaced(&place, |file| file.push(0));
}

#[test]
fn a_file_under_the_name_of_another_kernel_is_not_used() {
    let place = Place::new("swapped");
    origin(&place.cache(), 1);
    let first = place.entry();
    let second = first.with_file_name(format!("{}.kernel", Key::of(&kernel(2))));
    fs::rename(&first, &second).unwrap();
    assert_eq!(origin(&place.cache(), 2), Origin::Unpacked);
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let place = Place::new("link");
    origin(&place.cache(), 1);
    let elsewhere = place.0.join("elsewhere");
    fs::rename(place.entry(), &elsewhere).unwrap();
    let name = format!("{}.kernel", Key::of(&kernel(1)));
    symlink(&elsewhere, place.kernels().join(name)).unwrap();
    assert_eq!(origin(&place.cache(), 1), Origin::Unpacked);
}

#[test]
fn a_folder_that_others_may_write_to_is_neither_read_nor_written() {
    let place = Place::new("exposed");
    origin(&place.cache(), 1);
    fs::set_permissions(place.kernels(), Permissions::from_mode(0o722)).unwrap();
    assert_eq!(origin(&place.cache(), 1), Origin::Unpacked);
    assert_eq!(origin(&place.cache(), 2), Origin::Unpacked);
    assert_eq!(files(&place.kernels()).len(), 1);
    fs::set_permissions(place.kernels(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(origin(&place.cache(), 1), Origin::Folder);
}

#[test]
fn a_folder_that_is_a_link_is_neither_read_nor_written() {
    let place = Place::new("linked");
    let elsewhere = place.0.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, place.kernels()).unwrap();
    assert_eq!(origin(&place.cache(), 1), Origin::Unpacked);
    assert_eq!(files(&elsewhere), Vec::<String>::new());
}

#[test]
fn a_folder_that_cannot_be_fails_no_build() {
    let place = Place::new("file");
    fs::write(place.kernels(), "a file").unwrap();
    assert_eq!(origin(&place.cache(), 1), Origin::Unpacked);
    let below = KernelCache::new().in_folder(place.kernels().join("below"), MiB(1));
    assert_eq!(origin(&below, 1), Origin::Unpacked);
}

/// A kernel of 400 KiB, of which two fit into a mebibyte.
fn large(cache: &KernelCache, mark: u8) -> Origin {
    cache.unpack(&packed(&content(mark, 400 << 10))).unwrap().origin
}

/// Has a file as used so many seconds ago.
fn used(path: &Path, seconds: u64) {
    let file = fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

#[test]
fn what_was_used_the_longest_ago_leaves_the_folder() {
    let place = Place::new("full");
    let cache = place.cache();
    large(&cache, 1);
    used(&place.entry(), 20);
    large(&cache, 2);
    let second =
        place.kernels().join(format!("{}.kernel", Key::of(&packed(&content(2, 400 << 10)))));
    used(&second, 10);
    // Used again, the first is the younger one.
    assert_eq!(large(&cache, 1), Origin::Folder);
    large(&cache, 3);
    assert_eq!(files(&place.kernels()).len(), 2);
    assert_eq!([1, 3].map(|mark| large(&cache, mark)), [Origin::Folder; 2]);
    assert_eq!(large(&cache, 2), Origin::Unpacked);
}

#[test]
fn what_was_used_the_longest_ago_leaves_memory() {
    let cache = KernelCache::new().in_memory(MiB(1));
    large(&cache, 1);
    large(&cache, 2);
    assert_eq!(large(&cache, 1), Origin::Memory);
    large(&cache, 3);
    assert_eq!([1, 3].map(|mark| large(&cache, mark)), [Origin::Memory; 2]);
    assert_eq!(large(&cache, 2), Origin::Unpacked);
}

#[test]
fn what_alone_is_above_the_bound_is_not_kept() {
    let place = Place::new("large");
    let cache = place.cache().in_memory(MiB(1));
    assert_eq!(origin(&cache, 1), Origin::Unpacked);
    let above = packed(&content(2, (1 << 20) + 1));
    let origins = [(); 2].map(|()| cache.unpack(&above).unwrap().origin);
    assert_eq!(origins, [Origin::Unpacked; 2]);
    assert_eq!(files(&place.kernels()).len(), 1);
}

#[test]
fn what_a_dead_writer_left_goes_after_an_hour() {
    let place = Place::new("dead");
    origin(&place.cache(), 1);
    let [old, young] = ["old.partial", "young.partial"].map(|name| place.kernels().join(name));
    fs::write(&old, "").unwrap();
    used(&old, 3700);
    fs::write(&young, "").unwrap();
    origin(&place.cache(), 2);
    assert!(!old.exists());
    assert!(young.exists());
}

#[test]
fn files_of_others_in_the_folder_stay() {
    let place = Place::new("others");
    origin(&place.cache(), 1);
    fs::write(place.kernels().join("README"), vec![0; 2 << 20]).unwrap();
    large(&place.cache(), 2);
    large(&place.cache(), 3);
    assert!(place.kernels().join("README").exists());
}

#[test]
fn many_at_once_get_the_right_kernels_and_leave_nothing_unfinished() {
    let place = Place::new("many");
    thread::scope(|scope| {
        for n in 0..64_u8 {
            let cache = place.cache();
            scope.spawn(move || origin(&cache, n % 4));
        }
    });
    assert_eq!(files(&place.kernels()).len(), 4);
    assert_eq!([0, 1, 2, 3].map(|mark| origin(&place.cache(), mark)), [Origin::Folder; 4]);
}
