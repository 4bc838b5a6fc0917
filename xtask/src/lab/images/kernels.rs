//! The guests' kernel in every compression that a Linux build knows, for the tests of `kernels.rs`.
//!
//! Each is Debian's own bzImage with another payload: the kernel, compressed by Debian's own program as
//! Linux's build does it (scripts/Makefile.lib), with less effort where only time is to be had by it. LZO
//! is left out: Debian's libxenguest does not know it.

use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::bzimage;
use super::packages::{Set, Store};

/// How the payload of `name` is made, beside `vmlinuz`, whose payload is Debian's, of xz.
struct Recipe {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// Whether the size of the kernel is to be appended, as gzip does by itself.
    append_size: bool,
}

const RECIPES: [Recipe; 5] = [
    Recipe { name: "bzip2", program: "bzip2", arguments: &["-9"], append_size: true },
    Recipe { name: "gzip", program: "gzip", arguments: &["-n", "-6"], append_size: false },
    Recipe { name: "lz4", program: "lz4", arguments: &["-l", "-9", "-q"], append_size: true },
    Recipe { name: "lzma", program: "xz", arguments: &["--format=lzma", "-1"], append_size: true },
    // The window of -22.
    Recipe {
        name: "zstd",
        program: "zstd",
        arguments: &["-6", "--long=27", "-q"],
        append_size: true,
    },
];

/// Writes the bzImages into `folder`, and `vmlinuz` as it is.
pub(super) fn write(linux: &Path, store: &Store<'_>, folder: &Path) -> Result<()> {
    let tools = folder.join("tools");
    fs::create_dir(&tools).context("create a folder for the compressors")?;
    store.unpack(&Set::compressors(), &tools)?;
    let vmlinux = linux.join("vmlinux");
    let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
    let bzimage = read(&linux.join("vmlinuz"))?;
    fs::write(folder.join("vmlinuz"), &bzimage).context("write vmlinuz")?;
    let size = u32::try_from(read(&vmlinux)?.len()).context("the kernel is above 4 GiB")?;
    for recipe in &RECIPES {
        let mut payload = recipe
            .compress(&tools, &vmlinux)
            .with_context(|| format!("compress the kernel with {}", recipe.program))?;
        if recipe.append_size {
            payload.extend(size.to_le_bytes());
        }
        let path = folder.join(recipe.name);
        let image = bzimage::with_payload(&bzimage, &payload)?;
        fs::write(&path, image).with_context(|| format!("write {}", path.display()))?;
    }
    fs::remove_dir_all(&tools).context("remove the compressors")
}

impl Recipe {
    fn compress(&self, tools: &Path, file: &Path) -> Result<Vec<u8>> {
        let places = ["bin", "usr/bin"].map(|folder| tools.join(folder).join(self.program));
        let program = places.iter().find(|place| place.exists()).context("it is not there")?;
        let libraries = ["lib", "usr/lib"].map(|lib| tools.join(lib).join("x86_64-linux-gnu"));
        let output = Command::new(program)
            .args(self.arguments)
            .arg("-c")
            .env("LD_LIBRARY_PATH", env::join_paths(libraries)?)
            // A pipe, as in the build of Linux: zstd sizes its window by files.
            .stdin(File::open(file)?)
            .stderr(Stdio::piped())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {}", output.status, said.trim());
        Ok(output.stdout)
    }
}

/// This file says how the folder is made.
pub(super) const RECIPE: &str = include_str!("kernels.rs");
