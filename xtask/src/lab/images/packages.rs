//! The sets of Debian packages that the lab is made of.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::apt::{self, Apt, Package};
use super::release::{Suite, XenRelease};
use super::sources::Mirror;
use super::{cached, host};

/// Packages that are unpacked together.
#[derive(Debug)]
pub(crate) struct Set {
    suite: Suite,
    wanted: Vec<String>,
    libraries: Libraries,
}

/// Which of the libraries that apt resolves are part of a set.
#[derive(Clone, Copy, Debug)]
enum Libraries {
    /// None but those named: what is used of the packages is linked statically, or all is named.
    None,
    /// All but libc, which must be of one build with the dynamic loader: here, the machine's.
    OnHostLibc,
    All,
}

impl Set {
    /// QEMU. Always Debian 12's: its flags and its quirks with Xen are measured, and its libraries
    /// run on the libc of every machine with that release's glibc or a newer one.
    pub(crate) fn qemu() -> Self {
        let wanted =
            ["qemu-system-x86", "qemu-system-data", "qemu-system-common", "seabios", "ipxe-qemu"];
        Self::new(Suite::Bookworm, &wanted, Libraries::OnHostLibc)
    }

    /// The kernel of dom0 and of the Linux guests, and the programs of the guests.
    pub(crate) fn linux() -> Self {
        Self::new(Suite::Bookworm, &["linux-image-amd64", "busybox-static"], Libraries::None)
    }

    /// The C library of every dom0, with its loader, of the newest Debian release that a lab is
    /// built on: see [`glibc`](super::glibc).
    pub(crate) fn libc() -> Self {
        Self::new(Suite::Trixie, &["libc6"], Libraries::All)
    }

    /// Xen's store daemons and the commands that talk to them, with the libraries they load beyond
    /// libc. Of 4.17: the shim of `tests/daemons` is written for that library's structures.
    pub(crate) fn store_daemons() -> Self {
        let wanted = [
            "xen-utils-4.17",
            "xen-utils-common",
            "xenstore-utils",
            "libxencall1",
            "libxendevicemodel1",
            "libxenevtchn1",
            "libxenforeignmemory1",
            "libxengnttab1",
            "libxenmisc4.17",
            "libxenstore4",
            "libxentoolcore1",
            "libxentoollog1",
            // For libxenguest, which oxenstored loads. Where dpkg is not installed they may be missing.
            "liblzma5",
            "libzstd1",
            "zlib1g",
        ];
        Self::new(Suite::Bookworm, &wanted, Libraries::None)
    }

    /// The programs that compress kernels. Their libraries run on the libc of every machine that has that
    /// release's or a newer one.
    pub(crate) fn compressors() -> Self {
        let wanted = ["bzip2", "gzip", "lz4", "xz-utils", "zstd"];
        Self::new(Suite::Bookworm, &wanted, Libraries::OnHostLibc)
    }

    /// Valgrind, of the newest Debian release that a lab is built on: it knows the glibc of that
    /// release and older ones.
    pub(crate) fn valgrind() -> Self {
        Self::new(Suite::Trixie, &["valgrind"], Libraries::None)
    }

    /// What a C program is compiled and linked with to use Xen `version`: one build of both.
    pub(crate) fn headers(suite: Suite, version: &str) -> Self {
        let libraries = format!("libxenmisc{version}");
        Self::new(suite, &["libxen-dev", &libraries], Libraries::None)
    }

    /// The daemon that runs the rules which come with xenops. Of Debian 12 in every dom0: that of 13 needs 10 MB
    /// of libraries, and this one runs on those of either.
    pub(crate) fn udev() -> Self {
        Self::new(Suite::Bookworm, &["udev"], Libraries::None)
    }

    /// Xen and the programs of its dom0, all of one Debian release.
    pub(crate) fn dom0(xen: XenRelease) -> Self {
        let python = xen.suite().python();
        let wanted = [
            &format!("xen-hypervisor-{xen}-amd64"),
            &format!("xen-utils-{xen}"),
            "xen-utils-common",
            "xenstore-utils",
            // The hotplug scripts are for sh and bash, and call losetup, flock and ip.
            "bash",
            "dash",
            "mount",
            "util-linux",
            "iproute2",
            // For tests that count system calls.
            "strace",
            // For Xen's own verifier of saved images, which needs no more of it than this.
            &format!("{python}-minimal"),
            &format!("lib{python}-minimal"),
        ];
        Self::new(xen.suite(), &wanted, Libraries::All)
    }

    /// The device model of HVM guests and their firmware.
    pub(crate) fn device_model(xen: XenRelease) -> Self {
        Self::new(xen.suite(), &["qemu-system-xen", "qemu-system-data", "seabios"], Libraries::All)
    }

    fn new(suite: Suite, wanted: &[&str], libraries: Libraries) -> Self {
        Self { suite, wanted: wanted.iter().map(|&name| name.to_owned()).collect(), libraries }
    }

    /// Of all that apt resolves: the packages named, the kernel behind its meta package, and
    /// libraries. Maintainer scripts never run here, so what only they need can stay away.
    fn needs(&self, package: &Package) -> bool {
        let name = package.name();
        let library = name.starts_with("lib") && !name.starts_with("libpython") || name == "zlib1g";
        let library = match self.libraries {
            Libraries::None => false,
            Libraries::OnHostLibc => library && name != "libc6",
            Libraries::All => library,
        };
        library
            || name.starts_with("linux-image-")
            || self.wanted.iter().any(|wanted| wanted == name)
    }

    pub(crate) fn recipe(&self) -> String {
        format!("{} {} {:?}\n", self.suite.name(), self.wanted.join(" "), self.libraries)
    }
}

/// Downloads and unpacks package sets under one folder.
pub(crate) struct Store<'a> {
    folder: PathBuf,
    report: &'a dyn Fn(&str),
    /// The releases whose package lists were fetched in this run.
    updated: RefCell<Vec<Suite>>,
}

impl<'a> Store<'a> {
    pub(crate) fn new(folder: PathBuf, report: &'a dyn Fn(&str)) -> Self {
        Self { folder, report, updated: RefCell::default() }
    }

    /// The unpacked tree of `set`, kept as `name`.
    pub(crate) fn tree(&self, name: &str, set: &Set) -> Result<PathBuf> {
        let tree = self.folder.join(name);
        cached::folder(&tree, &set.recipe(), |tree| self.unpack(set, tree))?;
        Ok(tree)
    }

    /// Unpacks `set` into the folder `tree`, with the list of its package files in `.packages`.
    pub(crate) fn unpack(&self, set: &Set, tree: &Path) -> Result<()> {
        let debs = self.folder.join("debs");
        let packages = self.download(set, &debs)?;
        (self.report)(&format!("unpacking {} packages", packages.len()));
        let mut list = String::new();
        for package in &packages {
            extract(&debs.join(&package.file), tree)?;
            writeln!(list, "{}", package.file)?;
        }
        fs::write(tree.join(LIST), list).context("write the list of packages")
    }

    fn download(&self, set: &Set, debs: &Path) -> Result<Vec<Package>> {
        host::can_make_images()?;
        let mirror = Mirror::configured(Path::new("/etc/apt"));
        let apt = Apt::open(&self.folder.join("apt"), set.suite, &mirror)?;
        if !self.updated.borrow().contains(&set.suite) {
            (self.report)(&format!("fetching the package lists of {}", set.suite.name()));
            apt.update()?;
            self.updated.borrow_mut().push(set.suite);
        }
        let wanted: Vec<&str> = set.wanted.iter().map(String::as_str).collect();
        let mut packages = apt.closure(&wanted)?;
        packages.retain(|package| set.needs(package));
        ensure!(!packages.is_empty(), "apt-get names no package for {}", wanted.join(" "));
        fs::create_dir_all(debs).with_context(|| format!("create {}", debs.display()))?;
        self.fetch(&apt, &packages, debs)?;
        Ok(packages)
    }

    /// Downloads what is missing in `debs` of `packages`, and again what is damaged there.
    fn fetch(&self, apt: &Apt, packages: &[Package], debs: &Path) -> Result<()> {
        let total = megabytes(packages.iter().map(|package| package.size).sum());
        let count = packages.len();
        (self.report)(&format!("downloading {count} packages, {total} MB"));
        let reported = Cell::new(0);
        let progress = |bytes| {
            let present = megabytes(bytes);
            if present >= reported.get() + REPORTED_EVERY {
                reported.set(present);
                (self.report)(&format!("downloading {count} packages, {present} of {total} MB"));
            }
        };
        apt.download(packages, debs, &progress)?;
        let damaged = apt::damaged(packages, debs)?;
        if damaged.is_empty() {
            return Ok(());
        }
        for package in damaged {
            let deb = debs.join(&package.file);
            fs::remove_file(&deb).with_context(|| format!("remove {}", deb.display()))?;
        }
        apt.download(packages, debs, &progress)?;
        match apt::damaged(packages, debs)?.first() {
            Some(package) => bail!("{} is not what the package lists say", package.file),
            None => Ok(()),
        }
    }
}

/// The list of package files that `tree` was unpacked from.
pub(crate) fn list(tree: &Path) -> Result<String> {
    let list = tree.join(LIST);
    fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))
}

fn extract(deb: &Path, into: &Path) -> Result<()> {
    let output = Command::new("dpkg-deb")
        .env("LC_ALL", "C")
        .arg("--extract")
        .args([deb, into])
        .output()
        .context("start dpkg-deb")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("unpack {}: {}", deb.display(), text.trim().replace('\n', "; "));
    }
    Ok(())
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

/// In megabytes.
const REPORTED_EVERY: u64 = 10;

const LIST: &str = ".packages";

#[cfg(test)]
mod tests {
    use super::*;

    fn is_needed(file: &str) -> bool {
        Set::dom0(XenRelease::V4_17).needs(&package(file))
    }

    fn package(file: &str) -> Package {
        Package::named(file)
    }

    #[test]
    fn qemu_runs_on_the_libc_of_the_machine() {
        assert!(!Set::qemu().needs(&package("libc6_2.36-9_amd64.deb")));
        assert!(Set::qemu().needs(&package("libfdt1_1.6.1-4_amd64.deb")));
    }

    #[test]
    fn packages_named_are_kept() {
        assert!(is_needed("xen-utils-4.17_4.17.5_amd64.deb"));
    }

    #[test]
    fn of_python_the_smallest_part_is_kept() {
        assert!(is_needed("libpython3.11-minimal_3.11.2-6_amd64.deb"));
        assert!(!is_needed("libpython3.11-stdlib_3.11.2-6_amd64.deb"));
    }

    #[test]
    fn libraries_are_kept() {
        assert!(is_needed("zlib1g_1%3a1.2.13_amd64.deb"));
    }

    #[test]
    fn what_only_installation_needs_is_left_out() {
        assert!(!is_needed("perl-base_5.36.0_amd64.deb"));
    }
}
