//! `cargo xtask check` and `cargo xtask test`: what must hold before a change lands.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{deny, deps, fuzz, purity, threats, versions};

/// The fast part: everything that needs no Xen.
pub(crate) fn check(root: &Path) -> Result<()> {
    cargo(root, &["fmt", "--all", "--check"], &[])?;
    let tiny = root.join("tests/guests/tiny");
    let its_target = root.join("target/tiny");
    let its_target = &[("CARGO_TARGET_DIR", its_target.to_string_lossy().into_owned())];
    cargo(&tiny, &["fmt", "--check"], &[])?;
    for folder in fuzz::PACKAGES {
        cargo(&root.join(folder), &["fmt", "--check"], &[])?;
    }
    cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-Dwarnings"], &[])?;
    cargo(&tiny, &["clippy", "--release", "--locked", "--", "-Dwarnings"], its_target)?;
    cargo(root, &["test", "--workspace", "--locked", "--quiet"], &[])?;
    let strict = &[("RUSTDOCFLAGS", "-Dwarnings".to_owned())];
    cargo(root, &["doc", "--workspace", "--no-deps", "--locked"], strict)?;
    features(root)?;
    // What is behind a feature has tests and documentation of its own.
    let tokio = ["-p", "xs", "-p", "eventchn", "--features", "tokio", "--locked"];
    cargo(root, &[&["test", "--quiet"], &tokio[..]].concat(), &[])?;
    cargo(root, &[&["doc", "--no-deps"], &tokio[..]].concat(), strict)?;
    purity::run(root)?;
    deps::run()?;
    versions::check(root)?;
    threats::check(root)?;
    deny::run(root)
}

/// Each feature set that a dependant can ask for, as far as it changes what is compiled.
fn features(root: &Path) -> Result<()> {
    const SETS: &[&[&str]] = &[
        &["-p", "xs", "--no-default-features"],
        &["-p", "xs", "--features", "tokio", "--all-targets"],
        &["-p", "eventchn"],
        &["-p", "eventchn", "--features", "tokio", "--all-targets"],
        &["-p", "xs-server", "--no-default-features"],
        &["-p", "xen-types", "--features", "serde"],
        &["-p", "xenops"],
        &["-p", "xenops", "--features", "serde"],
    ];
    for set in SETS {
        let arguments = [&["clippy", "--locked"], *set, &["--", "-Dwarnings"]].concat();
        cargo(root, &arguments, &[])?;
    }
    Ok(())
}

/// Runs cargo in a folder, says what and how long, and fails with its command line.
fn cargo(folder: &Path, arguments: &[&str], environment: &[(&str, String)]) -> Result<()> {
    let line = arguments.join(" ");
    eprintln!("check: cargo {line}");
    let start = Instant::now();
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .envs(environment.iter().map(|(key, value)| (key, value)))
        .current_dir(folder)
        .status()
        .with_context(|| format!("run cargo {line}"))?;
    if !status.success() {
        bail!("cargo {line}: {status}");
    }
    eprintln!("check: cargo {line}: {:.1} s", start.elapsed().as_secs_f32());
    Ok(())
}
