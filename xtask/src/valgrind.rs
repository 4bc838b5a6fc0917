//! `cargo xtask valgrind`: the tests through the C boundary under memcheck, and what a call costs in
//! instructions, counted by callgrind.
//!
//! ```text
//! Debian's valgrind ──▶ target/lab/valgrind      unpacked, nothing is installed
//! tests of the packages with FFI ──memcheck──▶   no error, nothing definitely lost
//! benches/src/bin/xc-cost.rs ──callgrind──▶      instructions of a call, raw and through xc
//! ```

mod cost;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::lab::{build, images};
use crate::workspace;

/// The packages whose tests cross the boundary.
const PACKAGES: &[&str] = &["xenctrl-sys", "xc", "xenguest-sys", "xg"];

/// Runs both.
pub(crate) fn run() -> Result<()> {
    let valgrind = Valgrind::prepare()?;
    valgrind.check_memory()?;
    cost::check(&valgrind)
}

struct Valgrind {
    tree: PathBuf,
    scratch: PathBuf,
}

impl Valgrind {
    fn prepare() -> Result<Self> {
        let tree = images::valgrind(&|line| eprintln!("valgrind: {line}"))?;
        let scratch = workspace::target()?.join("valgrind");
        std::fs::create_dir_all(&scratch)
            .with_context(|| format!("create {}", scratch.display()))?;
        Ok(Self { tree, scratch })
    }

    /// A program under valgrind with these flags.
    fn command(&self, flags: &[&str], program: &Path) -> Command {
        let mut command = Command::new(self.tree.join("usr/bin/valgrind"));
        command
            .env("VALGRIND_LIB", self.tree.join("usr/libexec/valgrind"))
            .env("RUST_BACKTRACE", "0")
            .args(flags)
            .arg(program)
            .current_dir(&self.scratch);
        command
    }

    fn check_memory(&self) -> Result<()> {
        const FLAGS: &[&str] = &[
            "--quiet",
            "--leak-check=full",
            "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite",
            "--error-exitcode=99",
        ];
        let programs = tests()?;
        ensure!(!programs.is_empty(), "no tests to run under valgrind");
        for program in &programs {
            let status = self
                .command(FLAGS, program)
                .arg("--quiet")
                .status()
                .with_context(|| format!("start valgrind for {}", program.display()))?;
            ensure!(status.success(), "{} under memcheck: {status}", program.display());
        }
        println!("valgrind: {} test programs, no error, nothing lost", programs.len());
        Ok(())
    }
}

/// Builds the integration tests of the packages.
fn tests() -> Result<Vec<PathBuf>> {
    let packages = PACKAGES.iter().flat_map(|package| ["-p", package]);
    let flags = ["test", "--locked", "--no-run", "--test", "*"];
    let built = build::cargo(&flags.into_iter().chain(packages).collect::<Vec<_>>())?;
    Ok(built.into_iter().map(|(_, _, path)| path).collect())
}
