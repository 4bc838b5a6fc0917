//! Kernels in every compression, and what is kept of them, on a real Xen: Linux guests of the kernels
//! that `cargo xtask lab test` puts into `/host/kernels`, and of Debian's own, `/guests/vmlinuz`.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod dom0;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use dom0::{Config, Guest, Leavings, ok, run, xenops};
use xen_types::MiB;
use xg::{Compression, Format, Kernel, KernelCache, Origin};

/// A Linux guest of this kernel.
fn config(name: &str, kind: &str, kernel: &str) -> Config {
    Config::new(
        name,
        &format!(
            "name = \"{name}\"\ntype = \"{kind}\"\nkernel = \"{kernel}\"\n\
             ramdisk = \"/guests/hello.cpio\"\nmemory = 192\ntsc_mode = \"native\"\n\
             cmdline = \"console=hvc0 loglevel=1 mitigations=off\"\n"
        ),
    )
}

/// Boots a guest until it says hello, by these further arguments of `xenops create`.
///
/// A triple fault in the early boot of a PVH guest, which the emulated processor makes now and then
/// (`booted` in build.rs has the details), is tried again, and nothing else.
fn says_hello(name: &str, config: &Config, arguments: &[&str]) {
    for _ in 0..3 {
        let id = ok("xenops", &[&["create", config.path()], arguments].concat());
        let _guest = Guest { name: name.into(), id: id.trim().into() };
        let ran = xenops(&["console", name, "--until", "HELLO", "--timeout", "60"]);
        if ran.status == Some(0) {
            ok("xenops", &["destroy", name]);
            return;
        }
        let state = ok("xenops", &["list", name]);
        assert!(state.contains(" reboot ") && ran.out.is_empty(), "{ran:?} {state}");
        eprintln!("{name}: a triple fault in early boot, tried again");
        ok("xenops", &["destroy", name]);
    }
    panic!("three triple faults in a row are not the emulator's");
}

/// Guests of both kinds boot from a kernel in `/host/kernels` with this compression, which is the
/// one that the other tests boot, and leave nothing.
fn boots(kernel: &str, compression: Compression) {
    let before = Leavings::now();
    let path = format!("/host/kernels/{kernel}");
    let packed = Kernel::load(&path).unwrap();
    assert_eq!(packed.inspect().unwrap(), Format::BzImage(compression));
    let plain = Kernel::load("/guests/vmlinux").unwrap();
    assert!(packed.unpack().unwrap().bytes() == plain.bytes(), "another kernel came out of {path}");
    let name = format!("of-{kernel}");
    says_hello(&name, &config(&name, "pv", &path), &["--no-kernel-cache"]);
    says_hello(&name, &config(&name, "pvh", &path), &["--no-kernel-cache"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn guests_boot_from_kernels_of_gzip() {
    boots("gzip", Compression::Gzip);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn guests_boot_from_kernels_of_bzip2() {
    boots("bzip2", Compression::Bzip2);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn guests_boot_from_kernels_of_lzma() {
    boots("lzma", Compression::Lzma);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn guests_boot_from_kernels_of_lz4() {
    boots("lz4", Compression::Lz4);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn guests_boot_from_kernels_of_zstd() {
    boots("zstd", Compression::Zstd);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn guests_boot_from_debians_own_kernel_of_xz() {
    let packed = Kernel::load(VMLINUZ).unwrap();
    assert_eq!(packed.inspect().unwrap(), Format::BzImage(Compression::Xz));
    let cache = Cache::new("xz");
    let with_cache = ["--kernel-cache", cache.path()];
    says_hello("of-xz", &config("of-xz", "pv", VMLINUZ), &with_cache);
    says_hello("of-xz", &config("of-xz", "pvh", VMLINUZ), &with_cache);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_boots_from_a_compressed_file_that_is_no_bzimage() {
    // What libxenguest takes in gzip only.
    let bzimage = fs::read("/host/kernels/lz4").unwrap();
    let offset = u32::from_le_bytes(bzimage[0x248..0x24c].try_into().unwrap());
    let start = (usize::from(bzimage[0x1f1]) + 1) * 512 + usize::try_from(offset).unwrap();
    fs::write("/tmp/vmlinux.lz4", &bzimage[start..bzimage.len() - 4]).unwrap();
    let config = config("of-a-file", "pv", "/tmp/vmlinux.lz4");
    says_hello("of-a-file", &config, &["--no-kernel-cache"]);
    fs::remove_file("/tmp/vmlinux.lz4").unwrap();
}

/// A folder of unpacked kernels, removed with the test.
struct Cache(PathBuf);

impl Cache {
    fn new(test: &str) -> Self {
        Self(Path::new("/tmp").join(format!("kernels-{test}")))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Creates a guest of Debian's kernel that is not started, and destroys it.
    fn create(&self) {
        let config = config("cached", "pv", VMLINUZ);
        ok("xenops", &["create", config.path(), "--paused", "--kernel-cache", self.path()]);
        ok("xenops", &["destroy", "cached"]);
    }

    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn only_file(&self) -> PathBuf {
        let files = self.files();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_second_guest_of_a_kernel_is_not_unpacked_again() {
    let cache = Cache::new("second");
    cache.create();
    // Its times tell a use, its number a replacement.
    let file = cache.only_file();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::open(&file).unwrap().set_modified(long_ago).unwrap();
    let inode = |file: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(file).unwrap());
    let first = inode(&file);
    cache.create();
    assert_eq!(inode(&cache.only_file()), first);
    assert!(fs::metadata(&file).unwrap().modified().unwrap() > long_ago);
    let kept = KernelCache::new().in_folder(&cache.0, MiB(512));
    let prepared = kept.unpack(&Kernel::load(VMLINUZ).unwrap()).unwrap();
    assert_eq!(prepared.origin, Origin::Folder);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_kept_kernel_that_was_damaged_is_replaced() {
    let cache = Cache::new("damaged");
    cache.create();
    let good = fs::read(cache.only_file()).unwrap();
    let mut bad = good.clone();
    bad[30_000_000] ^= 0x40;
    fs::write(cache.only_file(), &bad).unwrap();
    let config = config("mended", "pv", VMLINUZ);
    says_hello("mended", &config, &["--kernel-cache", cache.path()]);
    assert!(fs::read(cache.only_file()).unwrap() == good, "it was not replaced");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_folder_that_others_may_write_to_is_not_used() {
    let cache = Cache::new("exposed");
    fs::create_dir(&cache.0).unwrap();
    fs::set_permissions(&cache.0, Permissions::from_mode(0o777)).unwrap();
    cache.create();
    assert_eq!(cache.files(), Vec::<PathBuf>::new());
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_full_disk_fails_no_creation_and_keeps_no_half_kernel() {
    let cache = Cache::new("full");
    fs::create_dir(&cache.0).unwrap();
    ok("mount", &["-t", "tmpfs", "-o", "size=4m,mode=0700", "none", cache.path()]);
    let created = std::panic::catch_unwind(|| {
        cache.create();
        assert_eq!(cache.files(), Vec::<PathBuf>::new());
    });
    ok("umount", &[cache.path()]);
    created.unwrap();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_usual_folder_is_its_owners_alone() {
    let config = config("usual", "pv", "/host/kernels/gzip");
    ok("xenops", &["create", config.path(), "--paused"]);
    ok("xenops", &["destroy", "usual"]);
    let modes = run("stat", &["-c", "%a %U", KernelCache::FOLDER]).out;
    assert_eq!(modes, "700 root\n");
    let files = run("sh", &["-c", "stat -c '%a %U' /var/cache/xenops/*.kernel | sort -u"]).out;
    assert_eq!(files, "600 root\n");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_truncated_kernel_is_named_with_its_compression() {
    let bzimage = fs::read("/host/kernels/gzip").unwrap();
    // Its payload ends in zeroes, and the header does not know.
    let mut cut = bzimage.clone();
    let half = cut.len() / 2;
    cut[half..].fill(0);
    fs::write("/tmp/cut.bz", &cut).unwrap();
    let before = Leavings::now();
    let config = config("cut", "pv", "/tmp/cut.bz");
    let ran = xenops(&["create", config.path(), "--no-kernel-cache"]);
    fs::remove_file("/tmp/cut.bz").unwrap();
    assert_ne!(ran.status, Some(0), "{ran:?}");
    assert!(ran.err.contains("unpack gzip kernel /tmp/cut.bz"), "{ran:?}");
    before.assert_unchanged();
}

/// The example does what `xenops create` does, without it.
fn example_builds(kind: &str) {
    for _ in 0..3 {
        let arguments = [kind, VMLINUZ, "/guests/hello.cpio", "console=hvc0 mitigations=off"];
        let id = ok("build-guest", &arguments).trim().to_owned();
        let _guest = Guest { name: "built-by-example".into(), id: id.clone() };
        let ran = xenops(&["console", &id, "--until", "HELLO", "--timeout", "90"]);
        let state = ok("xl", &["list", &id]);
        ok("xl", &["destroy", &id]);
        if ran.status == Some(0) {
            return;
        }
        // The triple fault of `says_hello` comes before the first line.
        assert!(ran.out.is_empty() && state.contains("-s-"), "{ran:?} {state}");
    }
    panic!("three triple faults in a row are not the emulator's");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_example_builds_a_pv_guest() {
    example_builds("pv");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_example_builds_a_pvh_guest() {
    example_builds("pvh");
}

const VMLINUZ: &str = "/guests/vmlinuz";
