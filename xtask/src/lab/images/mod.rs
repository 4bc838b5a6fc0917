//! What a lab machine boots from: QEMU, Xen, a dom0 kernel and a dom0 initramfs.
//!
//! ```text
//! Debian packages ──apt──▶ debs ──dpkg-deb──▶ qemu            run from there, nothing is installed
//!                                             linux           vmlinux, vmlinuz, modules, busybox
//!                                             libc            dom0's C library
//!                                             dom0-4.17 ...   Xen, its tools and their libraries
//!                                             device-model-4.17 ...  for HVM guests
//!                                             headers-4.17 ...  for `cargo xtask headers`
//!                     linux + compressors ──▶ kernels         vmlinuz, and so with other payloads
//!                       linux + libc + dom0-V ──▶ base-V      xen, base.cpio, hello.cpio
//!   base.cpio + agent + tiny guest + *.toml   ──▶ machine-V   initrd
//! ```
//!
//! Everything lies under `target/lab`. Each folder is made once, whole, and again only when what it
//! is made from changes; with all of them there, nothing asks apt or the network. To get newer
//! packages, remove the folder `target/lab`.

mod apt;
mod bzimage;
mod cached;
mod cpio;
mod device_model;
mod dom0;
mod elf;
pub(crate) mod glibc;
mod guests;
pub(crate) mod host;
mod kernels;
mod linux;
mod modules;
mod packages;
mod release;
mod sources;
mod vmlinux;

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;

use crate::workspace;
use linux::Linux;
use packages::{Set, Store};
pub(crate) use release::{Suite, XenRelease};

/// The files of one lab machine.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    pub(crate) qemu: Qemu,
    pub(crate) xen: PathBuf,
    pub(crate) kernel: PathBuf,
    pub(crate) initrd: PathBuf,
}

/// The unpacked QEMU and what it needs to run from there.
#[derive(Clone, Debug)]
pub(crate) struct Qemu {
    pub(crate) program: PathBuf,
    /// The value for `LD_LIBRARY_PATH`.
    pub(crate) library_path: PathBuf,
    /// Folders for `-L`.
    pub(crate) data: Vec<PathBuf>,
}

/// Makes the images of `xen` present, with `agent` as the program that dom0's init ends in.
///
/// Calls `report` with lines of progress while there is something to wait for.
pub(crate) fn prepare(xen: XenRelease, agent: &Path, report: &dyn Fn(&str)) -> Result<Images> {
    let target = workspace::target()?;
    let lab = target.join("lab");
    fs::create_dir_all(&lab).with_context(|| format!("create {}", lab.display()))?;
    let _alone = lock(&lab, report)?;
    let base = Base::prepare(xen, &lab, report)?;
    let tiny = guests::tiny(&workspace::root(), &target)?;
    let initrd = initrd(xen, &lab, &base, agent, &tiny)?;
    Ok(Images { qemu: base.qemu, xen: base.xen, kernel: base.kernel, initrd })
}

/// Prepares what of the images needs the network, for `xen` or for every release, and prints
/// where it lies.
pub(crate) fn print(xen: Option<XenRelease>) -> Result<ExitCode> {
    let lab = workspace::target()?.join("lab");
    fs::create_dir_all(&lab).with_context(|| format!("create {}", lab.display()))?;
    let report = |line: &str| eprintln!("lab: {line}");
    let _alone = lock(&lab, &report)?;
    for xen in XenRelease::ALL.into_iter().filter(|one| xen.is_none_or(|wanted| wanted == *one)) {
        let base = Base::prepare(xen, &lab, &report)?;
        let mut out = io::stdout().lock();
        writeln!(out, "xen {xen}: {}", base.xen.display())?;
        writeln!(out, "kernel: {}", base.kernel.display())?;
        writeln!(out, "dom0: {}", base.dom0.display())?;
        writeln!(out, "qemu: {}", base.qemu.program.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the archive of the device model present that dom0s of `xen` may get.
pub(crate) fn device_model(xen: XenRelease, report: &dyn Fn(&str)) -> Result<PathBuf> {
    let lab = workspace::target()?.join("lab");
    let _alone = lock(&lab, report)?;
    let store = Store::new(lab.clone(), report);
    let libc = store.tree("libc", &Set::libc())?;
    let tree = store.tree(&format!("device-model-{xen}"), &Set::device_model(xen))?;
    let recipe = [&packages::list(&tree)?, &packages::list(&libc)?, device_model::RECIPE].concat();
    let folder = lab.join(format!("device-model-{xen}.d"));
    cached::folder(&folder, &recipe, |folder| {
        write(&folder.join("archive.cpio"), &device_model::archive(&tree, &libc)?)
    })?;
    Ok(folder.join("archive.cpio"))
}

/// Makes the unpacked store daemons present in `tree`, from the lab's own stock of packages.
pub(crate) fn store_daemons(tree: &Path, report: &dyn Fn(&str)) -> Result<()> {
    let set = Set::store_daemons();
    if cached::is_current(tree, &set.recipe()) {
        return Ok(());
    }
    let lab = workspace::target()?.join("lab");
    fs::create_dir_all(&lab).with_context(|| format!("create {}", lab.display()))?;
    let _alone = lock(&lab, report)?;
    let store = Store::new(lab, report);
    cached::folder(tree, &set.recipe(), |tree| store.unpack(&set, tree))
}

/// Makes valgrind present and returns where it is unpacked.
pub(crate) fn valgrind(report: &dyn Fn(&str)) -> Result<PathBuf> {
    unpacked("valgrind", &Set::valgrind(), report)
}

/// Makes the guests' kernel present in every compression, one file each, and returns the folder.
pub(crate) fn kernels(report: &dyn Fn(&str)) -> Result<PathBuf> {
    let lab = workspace::target()?.join("lab");
    let folder = lab.join("kernels");
    fs::create_dir_all(&lab).with_context(|| format!("create {}", lab.display()))?;
    let _alone = lock(&lab, report)?;
    let store = Store::new(lab.clone(), report);
    let linux = Linux::prepare(lab.join("linux"), &store)?;
    let recipe = [
        &packages::list(linux.folder())?,
        &Set::compressors().recipe(),
        linux::RECIPE,
        kernels::RECIPE,
    ]
    .concat();
    cached::folder(&folder, &recipe, |folder| {
        report("compressing the kernel in five ways");
        kernels::write(linux.folder(), &store, folder)
    })?;
    Ok(folder)
}

/// Makes the headers and libraries of Xen `version` present, from the release of Debian that has
/// it, and returns the folder of the unpacked packages.
pub(crate) fn headers(suite: Suite, version: &str, report: &dyn Fn(&str)) -> Result<PathBuf> {
    unpacked(&format!("headers-{version}"), &Set::headers(suite, version), report)
}

/// Makes a set of packages present in a folder of the lab's of this name.
fn unpacked(name: &str, set: &Set, report: &dyn Fn(&str)) -> Result<PathBuf> {
    let lab = workspace::target()?.join("lab");
    if !cached::is_current(&lab.join(name), &set.recipe()) {
        fs::create_dir_all(&lab).with_context(|| format!("create {}", lab.display()))?;
        let _alone = lock(&lab, report)?;
        return Store::new(lab, report).tree(name, set);
    }
    Ok(lab.join(name))
}

/// What is made from packages alone.
struct Base {
    qemu: Qemu,
    xen: PathBuf,
    kernel: PathBuf,
    /// The first part of dom0's initramfs.
    dom0: PathBuf,
    recipe: String,
}

impl Base {
    fn prepare(xen: XenRelease, lab: &Path, report: &dyn Fn(&str)) -> Result<Self> {
        let store = Store::new(lab.to_owned(), report);
        let qemu = qemu(&store)?;
        let linux = Linux::prepare(lab.join("linux"), &store)?;
        let libc = store.tree("libc", &Set::libc())?;
        let udev = store.tree("udev", &Set::udev())?;
        let tree = store.tree(&format!("dom0-{xen}"), &Set::dom0(xen))?;
        let recipe = [
            &packages::list(&tree)?,
            &packages::list(&libc)?,
            &packages::list(&udev)?,
            &packages::list(linux.folder())?,
            linux::RECIPE,
            dom0::RECIPE,
            guests::RECIPE,
        ]
        .concat();
        let folder = lab.join(format!("base-{xen}"));
        cached::folder(&folder, &recipe, |folder| {
            report(&format!("writing the dom0 of Xen {xen}"));
            let compressed = tree.join(format!("boot/xen-{xen}-amd64.gz"));
            write(&folder.join("xen"), &gunzip(&compressed)?)?;
            write(&folder.join("base.cpio"), &dom0::base(xen, &tree, &libc, &udev, &linux)?)?;
            write(&folder.join("hello.cpio"), &guests::hello(&linux)?)
        })?;
        Ok(Self {
            qemu,
            xen: folder.join("xen"),
            kernel: linux.vmlinux(),
            dom0: folder.join("base.cpio"),
            recipe,
        })
    }
}

fn qemu(store: &Store<'_>) -> Result<Qemu> {
    let tree = store.tree("qemu", &Set::qemu())?;
    let library_path =
        ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"].map(|folder| tree.join(folder));
    Ok(Qemu {
        program: tree.join("usr/bin/qemu-system-x86_64"),
        library_path: std::env::join_paths(library_path)?.into(),
        data: ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"]
            .map(|folder| tree.join(folder))
            .into(),
    })
}

/// Puts what changes with the project behind the base archive: the kernel unpacks both.
fn initrd(xen: XenRelease, lab: &Path, base: &Base, agent: &Path, tiny: &Path) -> Result<PathBuf> {
    let mut recipe = base.recipe.clone();
    for file in [agent, tiny] {
        let metadata = fs::metadata(file).with_context(|| format!("look at {}", file.display()))?;
        writeln!(recipe, "{} {} {:?}", file.display(), metadata.len(), metadata.modified()?)?;
    }
    recipe.extend(guests::DESCRIPTIONS.map(|(_, text)| text));
    let folder = lab.join(format!("machine-{xen}"));
    cached::folder(&folder, &recipe, |folder| {
        let mut archive = cpio::Archive::new();
        archive.file("usr/sbin/lab-agent", 0o755, &read(agent)?);
        archive.file("guests/vmlinux", 0o644, &read(&base.kernel)?);
        archive.file("guests/vmlinuz", 0o644, &read(&base.kernel.with_file_name("vmlinuz"))?);
        archive.file("guests/hello.cpio", 0o644, &read(&base.dom0.with_file_name("hello.cpio"))?);
        archive.file("guests/tiny.elf", 0o644, &read(tiny)?);
        for (name, text) in guests::DESCRIPTIONS {
            archive.file(&format!("guests/{name}"), 0o644, text.as_bytes());
        }
        let initrd = folder.join("initrd");
        fs::copy(&base.dom0, &initrd).with_context(|| format!("write {}", initrd.display()))?;
        let mut file = File::options().append(true).open(&initrd)?;
        file.write_all(&archive.finish()).with_context(|| format!("write {}", initrd.display()))
    })?;
    Ok(folder.join("initrd"))
}

/// Keeps two commands from preparing the same folders at once.
fn lock(lab: &Path, report: &dyn Fn(&str)) -> Result<File> {
    let path = lab.join("lock");
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    let locked = match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            report("waiting for another xtask, which prepares the images");
            file.lock()
        }
        other => other.map_err(io::Error::from),
    };
    locked.with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

fn gunzip(path: &Path) -> Result<Vec<u8>> {
    let mut contents = Vec::new();
    GzDecoder::new(&*read(path)?)
        .read_to_end(&mut contents)
        .with_context(|| format!("decompress {}", path.display()))?;
    Ok(contents)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

fn write(path: &Path, contents: &[u8]) -> Result<()> {
    fs::write(path, contents).with_context(|| format!("write {}", path.display()))
}
