//! QEMU as a device model of HVM guests, for the dom0s of tests that need one.
//!
//! An archive of its own and not part of dom0's initramfs, which the kernel unpacks at each boot: with
//! its libraries it is larger than all of dom0. [`Machine::boot`](super::super::machine::Machine::boot)
//! unpacks it in a dom0 that is to have it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::cpio::Archive;
use super::dom0::{C_LIBRARIES, HOST, LIBRARIES};
use super::elf::Libraries;

/// Writes the archive of what is unpacked in `tree`, on the C library in `libc`.
pub(crate) fn archive(tree: &Path, libc: &Path) -> Result<Vec<u8>> {
    let folders = [libc, tree].map(|tree| ["lib", "usr/lib"].map(|lib| tree.join(lib).join(HOST)));
    let mut libraries = Libraries::new(folders.concat());
    let mut archive = Archive::new();
    let program = read(&tree.join(PROGRAM))?;
    libraries.add_for(PROGRAM, &program)?;
    archive.file(PROGRAM, 0o755, &program);
    for file in DATA {
        archive.file(file, 0o644, &read(&tree.join(file))?);
    }
    for (name, source) in libraries.found() {
        // Every dom0 has these, and the loader among them.
        if !C_LIBRARIES.contains(&name.as_str()) && !name.starts_with("ld-linux") {
            archive.file(&format!("{}/{name}", &LIBRARIES[1..]), 0o755, &read(source)?);
        }
    }
    Ok(archive.finish())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// Where Debian's Xen looks for it.
const PROGRAM: &str = "usr/libexec/xen-qemu-system-i386";
/// What `hvmloader` starts, and the keyboard that QEMU wants to know even without a screen.
const DATA: [&str; 2] = ["usr/share/seabios/bios-256k.bin", "usr/share/qemu/keymaps/en-us"];

/// This file says what the archive contains.
pub(crate) const RECIPE: &str = include_str!("device_model.rs");
