//! The guests for tests, as they lie under `/guests` in dom0.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::cpio::Archive;
use super::linux::{FOLDER_MODULES, GUEST_MODULES, Linux};

/// The initramfs of the hello guests: busybox, disk and network modules, those for shared folders, which
/// nobody loads by himself, and an init that reports.
pub(crate) fn hello(linux: &Linux) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    for folder in ["dev", "proc", "sys", "usr/bin", "usr/sbin"] {
        archive.folder(folder);
    }
    for merged in ["bin", "lib", "sbin"] {
        archive.symlink(merged, &format!("usr/{merged}"));
    }
    archive.character_device("dev/console", 0o600, (5, 1));
    archive.character_device("dev/null", 0o666, (1, 3));
    archive.file("init", 0o755, INIT.as_bytes());
    // The kernel runs these when the toolstack asks for a shutdown through the store.
    archive.file("usr/sbin/poweroff", 0o755, POWEROFF.as_bytes());
    archive.file("usr/sbin/reboot", 0o755, REBOOT.as_bytes());
    linux.add_busybox(&mut archive)?;
    linux.add_modules(&mut archive, &GUEST_MODULES)?;
    linux.add_listed(&mut archive, &FOLDER_MODULES, "9p")?;
    Ok(archive.finish())
}

/// Builds the tiny guest of `workspace` under `target` and returns its path.
pub(crate) fn tiny(workspace: &Path, target: &Path) -> Result<PathBuf> {
    let target = target.join("tiny");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release"])
        .current_dir(workspace.join("tests/guests/tiny"))
        .env("CARGO_TARGET_DIR", &target)
        // The guest's own configuration says how it is linked; these would replace it.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .context("start cargo for the tiny guest")?;
    ensure!(status.success(), "build the tiny guest: cargo ended with {status}");
    Ok(target.join("release/tiny"))
}

/// Names and contents of the guests' descriptions.
pub(crate) const DESCRIPTIONS: [(&str, &str); 4] = [
    ("hello-pv.toml", include_str!("../../../../tests/guests/hello-pv.toml")),
    ("hello-pvh.toml", include_str!("../../../../tests/guests/hello-pvh.toml")),
    ("tiny-pv.toml", include_str!("../../../../tests/guests/tiny-pv.toml")),
    ("tiny-pvh.toml", include_str!("../../../../tests/guests/tiny-pvh.toml")),
];

const INIT: &str = include_str!("../../../../tests/guests/hello/init");
const POWEROFF: &str = include_str!("../../../../tests/guests/hello/poweroff");
const REBOOT: &str = include_str!("../../../../tests/guests/hello/reboot");

/// What the archive of the hello guests is made from.
pub(crate) const RECIPE: &str = concat!(
    include_str!("guests.rs"),
    include_str!("../../../../tests/guests/hello/init"),
    include_str!("../../../../tests/guests/hello/poweroff"),
    include_str!("../../../../tests/guests/hello/reboot"),
);
