//! What is measured on: the real C xenstored and Xen's client library, both without Xen.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use store_daemons::{Daemon, Kind, Setup};

use crate::content;

/// A running xenstored with the content that the jobs are about.
#[derive(Debug)]
pub struct Host {
    daemon: Daemon,
    libraries: PathBuf,
}

impl Host {
    /// Starts the daemon and fills its store.
    ///
    /// # Errors
    /// If the daemon cannot be had or does not start.
    pub fn start() -> Result<Self> {
        let installation = installation()?;
        let daemon = Setup::new(Kind::C).installed_in(&installation).start()?;
        content::make(daemon.socket()).context("fill the store")?;
        Ok(Self { daemon, libraries: libraries(&installation) })
    }

    /// Where the daemon listens.
    pub fn socket(&self) -> &Path {
        self.daemon.socket()
    }

    /// The folder with Xen's libraries.
    pub fn libraries(&self) -> &Path {
        &self.libraries
    }
}

/// The folder with Xen's libraries, where the packages are unpacked.
pub(crate) fn libraries(installation: &Path) -> PathBuf {
    installation.join("root/usr/lib/x86_64-linux-gnu")
}

/// Where the packages are unpacked; fetches them if nobody has said where.
pub(crate) fn installation() -> Result<PathBuf> {
    if let Some(folder) = env::var_os(VARIABLE) {
        return Ok(folder.into());
    }
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["xtask", "daemons"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("start cargo xtask daemons")?;
    ensure!(output.status.success(), "cargo xtask daemons: {}", output.status);
    let said = String::from_utf8(output.stdout).context("read what cargo xtask daemons printed")?;
    let folder = said.lines().find_map(|line| line.split_once(VARIABLE)?.1.strip_prefix('='));
    folder.map(PathBuf::from).with_context(|| format!("cargo xtask daemons named no {VARIABLE}"))
}

/// Names the folder with the unpacked packages, as for the tests on the real daemons.
const VARIABLE: &str = "STORE_DAEMONS";
