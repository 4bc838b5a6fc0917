//! Where this workspace and its build results lie.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("the xtask lies in the workspace").to_owned()
}

/// The folder that cargo builds into, wherever the caller's configuration puts it.
pub(crate) fn target() -> Result<PathBuf> {
    match metadata()?.get("target_directory").and_then(Value::as_str) {
        Some(target) => Ok(target.into()),
        None => bail!("cargo metadata names no target directory"),
    }
}

/// What `cargo metadata` says of the workspace's own packages.
pub(crate) fn metadata() -> Result<Value> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(root())
        .output()
        .context("start cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("read what cargo metadata printed")
}
