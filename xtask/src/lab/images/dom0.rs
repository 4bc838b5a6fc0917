//! The part of dom0's initramfs that does not change from run to run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::cpio::Archive;
use super::elf::Libraries;
use super::glibc;
use super::linux::{DOM0_MODULES, Linux};
use super::release::XenRelease;

/// Writes the archive for `xen`, whose packages are unpacked in `tree`, on the C library in `libc`, with the
/// daemon in `udev`.
pub(crate) fn base(
    xen: XenRelease,
    tree: &Path,
    libc: &Path,
    udev: &Path,
    linux: &Linux,
) -> Result<Vec<u8>> {
    // The loader and all of libc's libraries must be of one build: `libc` goes first.
    let folders = [libc, tree].map(|tree| ["lib", "usr/lib"].map(|lib| tree.join(lib).join(HOST)));
    let mut dom0 =
        Dom0 { tree, archive: Archive::new(), libraries: Libraries::new(folders.concat()) };
    dom0.skeleton();
    dom0.programs(xen)?;
    dom0.udev(udev)?;
    dom0.xen_files(xen)?;
    dom0.python(xen)?;
    dom0.libraries(xen)?;
    linux.add_busybox(&mut dom0.archive)?;
    linux.add_modules(&mut dom0.archive, &DOM0_MODULES)?;
    dom0.archive.file("init", 0o755, INIT.as_bytes());
    Ok(dom0.archive.finish())
}

struct Dom0<'a> {
    tree: &'a Path,
    archive: Archive,
    libraries: Libraries,
}

impl Dom0<'_> {
    /// Folders, the two devices that exist before devtmpfs is mounted, and who root is.
    fn skeleton(&mut self) {
        for folder in ["dev", "host", "opt/lab/bin", "proc", "root", "run", "sys", "tmp", "usr/bin"]
        {
            self.archive.folder(folder);
        }
        for folder in ["usr/sbin", "usr/lib64", "var/lib/xen/dump", "var/lib/xenstored"] {
            self.archive.folder(folder);
        }
        self.archive.folder("var/log/xen/console");
        for merged in ["bin", "lib", "lib64", "sbin"] {
            self.archive.symlink(merged, &format!("usr/{merged}"));
        }
        self.archive.symlink("var/run", "/run");
        self.archive.symlink("var/lock", "/run/lock");
        self.archive.character_device("dev/console", 0o600, (5, 1));
        self.archive.character_device("dev/null", 0o666, (1, 3));
        self.archive.file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\n");
        self.archive.file("etc/group", 0o644, b"root:x:0:\n");
    }

    fn programs(&mut self, xen: XenRelease) -> Result<()> {
        for name in XEN_PROGRAMS {
            let place = format!("usr/lib/xen-{xen}/bin/{name}");
            self.program(&place, &[&place])?;
        }
        let place = format!("usr/lib/xen-{xen}/bin/xenstore-control");
        self.program("usr/bin/xenstore-control", &[&place])?;
        // One program that acts by the name it is called by.
        self.program("usr/bin/xenstore", &["usr/bin/xenstore"])?;
        for action in ["chmod", "exists", "list", "ls", "read", "rm", "watch", "write"] {
            self.archive.symlink(&format!("usr/bin/xenstore-{action}"), "xenstore");
        }
        self.program("usr/bin/bash", &["usr/bin/bash", "bin/bash"])?;
        self.program("usr/bin/dash", &["usr/bin/dash", "bin/dash"])?;
        // Not busybox, whose shell takes its own losetup and ip before those on the PATH.
        self.archive.symlink("usr/bin/sh", "dash");
        self.program("usr/bin/flock", &["usr/bin/flock"])?;
        self.program("usr/bin/ip", &["usr/bin/ip", "bin/ip"])?;
        self.program("usr/bin/strace", &["usr/bin/strace"])?;
        self.program("usr/sbin/losetup", &["usr/sbin/losetup", "sbin/losetup"])
    }

    /// The daemon is the same program as its command, by another name.
    fn udev(&mut self, tree: &Path) -> Result<()> {
        let contents = read(&tree.join("bin/udevadm"))?;
        self.libraries.add_for("udevadm", &contents)?;
        self.archive.file("usr/bin/udevadm", 0o755, &contents);
        self.archive.symlink("usr/sbin/systemd-udevd", "/usr/bin/udevadm");
        Ok(())
    }

    fn program(&mut self, path: &str, places: &[&str]) -> Result<()> {
        let Some(source) = places.iter().map(|at| self.tree.join(at)).find(|path| path.exists())
        else {
            bail!("none of the packages has {}", places.join(" or "));
        };
        let contents = read(&source)?;
        self.libraries.add_for(path, &contents)?;
        self.archive.file(path, 0o755, &contents);
        Ok(())
    }

    /// Configuration, hotplug scripts, firmware, and the plugins of oxenstored, where it has any.
    fn xen_files(&mut self, xen: XenRelease) -> Result<()> {
        self.copy("etc/xen/scripts")?;
        self.copy("etc/xen/oxenstored.conf")?;
        self.copy("etc/xen/xl.conf")?;
        self.copy(&format!("usr/lib/xen-{xen}/boot/hvmloader"))?;
        let plugins = format!("usr/lib/xen-{xen}/ocaml/xsd_glue");
        if self.tree.join(&plugins).exists() {
            self.copy(&plugins)?;
        }
        Ok(())
    }

    /// Python, and Xen's verifier of saved images, which is written in it.
    fn python(&mut self, xen: XenRelease) -> Result<()> {
        let python = xen.suite().python();
        let place = format!("usr/bin/{python}");
        self.program("usr/bin/python3", &[&place])?;
        self.copy(&format!("usr/lib/{python}"))?;
        self.copy(&format!("usr/lib/xen-{xen}/bin/verify-stream-v2"))?;
        for module in ["__init__.py", "util.py", "migration"] {
            self.copy(&format!("usr/lib/xen-{xen}/lib/python/xen/{module}"))?;
        }
        Ok(())
    }

    /// Copies `path`, a file or all of a folder, from the packages to the same place. Links are left
    /// out: they lead to what only an installation has.
    fn copy(&mut self, path: &str) -> Result<()> {
        let source = self.tree.join(path);
        if source.is_symlink() {
            return Ok(());
        }
        if !source.is_dir() {
            let contents = read(&source)?;
            self.libraries.add_for(path, &contents)?;
            self.archive.file(path, permissions(&source)?, &contents);
            return Ok(());
        }
        let mut names = fs::read_dir(&source)
            .and_then(|entries| entries.map(|e| Ok(e?.file_name())).collect::<Result<Vec<_>, _>>())
            .with_context(|| format!("list {}", source.display()))?;
        names.sort();
        for name in names {
            self.copy(&format!("{path}/{}", name.to_string_lossy()))?;
        }
        Ok(())
    }

    /// The loader, what the programs above need, and what the project's own binaries load.
    fn libraries(&mut self, xen: XenRelease) -> Result<()> {
        self.libraries.add(LOADER)?;
        for library in [&format!("libxenctrl.so.{xen}"), &format!("libxenguest.so.{xen}")] {
            self.libraries.add(library)?;
        }
        for library in C_LIBRARIES {
            self.libraries.add(library)?;
        }
        self.archive.symlink(&format!("usr/lib64/{LOADER}"), &format!("{LIBRARIES}/{LOADER}"));
        let found: Vec<(String, PathBuf)> = self.libraries.found().clone().into_iter().collect();
        for (name, source) in found {
            if name == "libc.so.6" {
                glibc::check_library(&read(&source)?)?;
            }
            // Without the execute bit the kernel does not start programs through the loader.
            self.archive.file(&format!("{}/{name}", &LIBRARIES[1..]), 0o755, &read(&source)?);
        }
        Ok(())
    }
}

fn permissions(path: &Path) -> Result<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
    Ok(if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

const INIT: &str = include_str!("../dom0/init");
/// Debian's name for this kind of machine, in the paths of libraries.
pub(super) const HOST: &str = "x86_64-linux-gnu";
pub(super) const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";
const LOADER: &str = "ld-linux-x86-64.so.2";

/// What a Rust program may be linked with.
pub(super) const C_LIBRARIES: [&str; 7] = [
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
];

/// The daemons, `xl` with its helpers, what shows the hypervisor's state, and a channel's other end.
const XEN_PROGRAMS: [&str; 13] = [
    "libxl-save-helper",
    "lsevtchn",
    "oxenstored",
    "vchan-socket-proxy",
    "xen-cpuid",
    "xen-diag",
    "xen-hptool",
    "xen-init-dom0",
    "xenconsole",
    "xenconsoled",
    "xenctx",
    "xenstored",
    "xl",
];

/// This file, the archive writer and the init script say what the archive contains.
pub(crate) const RECIPE: &str =
    concat!(include_str!("dom0.rs"), include_str!("cpio.rs"), include_str!("../dom0/init"));
