//! The Linux kernel of dom0 and of the guests, with the modules that each loads.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::cpio::Archive;
use super::packages::{Set, Store};
use super::{bzimage, cached, elf, modules, vmlinux};

/// The kernel, its modules and busybox, taken out of their packages.
#[derive(Debug)]
pub(crate) struct Linux {
    folder: PathBuf,
}

impl Linux {
    /// Makes the folder `linux` of `store` present.
    pub(crate) fn prepare(folder: PathBuf, store: &Store<'_>) -> Result<Self> {
        let recipe = [&Set::linux().recipe(), RECIPE].concat();
        cached::folder(&folder, &recipe, |folder| {
            let tree = folder.join("tree");
            fs::create_dir(&tree).context("create a folder for the kernel package")?;
            store.unpack(&Set::linux(), &tree)?;
            take(&tree, folder)?;
            fs::rename(tree.join(".packages"), folder.join(".packages"))?;
            // Thousands of modules nobody loads.
            fs::remove_dir_all(&tree).context("remove the unpacked kernel package")
        })?;
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The uncompressed kernel, as ELF.
    pub(crate) fn vmlinux(&self) -> PathBuf {
        self.folder.join("vmlinux")
    }

    /// Puts busybox and a link for each of its applets into `archive`, except where a file of that
    /// name is there already.
    pub(crate) fn add_busybox(&self, archive: &mut Archive) -> Result<()> {
        archive.file("usr/bin/busybox", 0o755, &self.read("busybox")?);
        for applet in String::from_utf8(self.read("applets")?)?.lines() {
            let (folder, name) = applet.rsplit_once('/').unwrap_or(("usr/bin", applet));
            let folder = if folder.ends_with("sbin") { "usr/sbin" } else { "usr/bin" };
            let (here, there) = (format!("usr/bin/{name}"), format!("usr/sbin/{name}"));
            if !archive.contains(&here) && !archive.contains(&there) {
                archive.symlink(&format!("{folder}/{name}"), "/usr/bin/busybox");
            }
        }
        Ok(())
    }

    /// Puts `wanted` and what they need into `archive`, and the order to load them in, as paths
    /// separated by newlines, into its file `lib/modules/order`.
    pub(crate) fn add_modules(&self, archive: &mut Archive, wanted: &[&str]) -> Result<()> {
        self.add_listed(archive, wanted, "order")
    }

    /// The same with another name for the list.
    pub(crate) fn add_listed(
        &self,
        archive: &mut Archive,
        wanted: &[&str],
        name: &str,
    ) -> Result<()> {
        let mut contents = BTreeMap::new();
        let order = modules::in_load_order(wanted, &mut |module| {
            let bytes = self.read(&format!("modules/{module}.ko"))?;
            let needed = elf::module_dependencies(&bytes)?;
            contents.insert(module.to_owned(), bytes);
            Ok(needed)
        })?;
        let mut list = String::new();
        for module in order {
            let path = format!("usr/lib/modules/{module}.ko");
            archive.file(&path, 0o644, &contents[&module]);
            list.push_str(&format!("/{path}\n"));
        }
        archive.file(&format!("usr/lib/modules/{name}"), 0o644, list.as_bytes());
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        read(&self.folder.join(name))
    }
}

/// Takes kernel, modules and busybox from the unpacked packages in `tree`.
fn take(tree: &Path, folder: &Path) -> Result<()> {
    let boot = tree.join("boot");
    let bzimage = entries(&boot)?
        .into_iter()
        .find(|path| file_name(path).starts_with("vmlinuz-"))
        .context("the kernel package has no boot/vmlinuz")?;
    let bzimage = read(&bzimage)?;
    fs::write(folder.join("vmlinux"), vmlinux::trimmed(&bzimage::kernel(&bzimage)?)?)?;
    fs::write(folder.join("vmlinuz"), bzimage)?;

    fs::create_dir(folder.join("modules"))?;
    let mut wanted: Vec<&str> = DOM0_MODULES.to_vec();
    wanted.extend(GUEST_MODULES);
    wanted.extend(FOLDER_MODULES);
    let files = module_files(tree)?;
    modules::in_load_order(&wanted, &mut |module| {
        let file = files.get(module).context("the kernel package does not have it")?;
        let bytes = read(file)?;
        fs::write(folder.join(format!("modules/{module}.ko")), &bytes)?;
        elf::module_dependencies(&bytes)
    })?;

    let busybox = ["usr/bin/busybox", "bin/busybox"]
        .map(|place| tree.join(place))
        .into_iter()
        .find(|path| path.exists())
        .context("the busybox package has no busybox")?;
    fs::copy(&busybox, folder.join("busybox"))?;
    // Linked statically, so it runs here too.
    let applets = std::process::Command::new(&busybox)
        .arg("--list-full")
        .output()
        .context("ask busybox for its applets")?;
    ensure!(applets.status.success(), "busybox does not list its applets: {}", applets.status);
    fs::write(folder.join("applets"), applets.stdout)?;
    Ok(())
}

/// Every module of the unpacked kernel package, by its canonical name.
fn module_files(tree: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let mut folders: Vec<PathBuf> = ["lib/modules", "usr/lib/modules"]
        .map(|place| tree.join(place))
        .into_iter()
        .filter(|path| path.exists())
        .collect();
    while let Some(folder) = folders.pop() {
        for path in entries(&folder)? {
            if path.is_dir() {
                folders.push(path);
            } else if let Some(name) = file_name(&path).strip_suffix(".ko") {
                files.insert(modules::canonical(name), path);
            }
        }
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>();
    read().with_context(|| format!("list {}", folder.display()))
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// In the order in which dom0 wants them: the store's first, the host folder's last.
pub(crate) const DOM0_MODULES: [&str; 14] = [
    "xen-evtchn",
    "xen-privcmd",
    "xenfs",
    "xen-gntdev",
    "xen-gntalloc",
    "virtio_pci",
    "virtio_console",
    "9pnet_virtio",
    "9p",
    "bridge",
    "tun",
    "loop",
    "xen-blkback",
    "xen-netback",
];

/// Disk and network of the Linux guests.
pub(crate) const GUEST_MODULES: [&str; 2] = ["xen-blkfront", "xen-netfront"];

/// What a Linux guest loads for a shared folder, and only then.
pub(crate) const FOLDER_MODULES: [&str; 2] = ["9p", "9pnet-xen"];

/// This file and those it takes things apart with say how the folder is made.
pub(crate) const RECIPE: &str =
    concat!(include_str!("linux.rs"), include_str!("bzimage.rs"), include_str!("vmlinux.rs"));
