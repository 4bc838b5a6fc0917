//! What the lab needs of the machine it runs on.

use std::env;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use super::glibc::Version;

/// Fails, in one line, on a machine where no lab can run.
pub(crate) fn can_run() -> Result<()> {
    ensure!(
        env::consts::OS == "linux" && env::consts::ARCH == "x86_64",
        "the lab needs Linux on x86-64, this is {} on {}; {ELSEWHERE}",
        env::consts::OS,
        env::consts::ARCH
    );
    for tool in ["env", "setpriv", "setsid", "timeout"] {
        ensure!(on_path(tool), "the lab starts QEMU by {tool}, which is not here; {ELSEWHERE}");
    }
    match glibc() {
        Some(version) if version < QEMU_GLIBC => {
            bail!(
                "the lab's QEMU needs glibc {QEMU_GLIBC} (Debian 12 or newer), this machine has \
                 {version}; {ELSEWHERE}"
            )
        }
        Some(_) => Ok(()),
        None => bail!("the lab needs a Linux with glibc (Debian 12 or newer); {ELSEWHERE}"),
    }
}

/// Fails, in one line, on a machine where the images of a lab cannot be made.
pub(crate) fn can_make_images() -> Result<()> {
    can_run()?;
    for tool in ["apt-get", "dpkg-deb", "sha256sum"] {
        ensure!(
            on_path(tool),
            "the lab is unpacked from Debian packages, which needs {tool} (Debian 12 or newer); \
             {ELSEWHERE}"
        );
    }
    Ok(())
}

fn on_path(tool: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
}

fn glibc() -> Option<Version> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    version(&String::from_utf8(output.stdout).ok()?)
}

fn version(text: &str) -> Option<Version> {
    Version::parse(text.trim().strip_prefix("glibc ")?)
}

const ELSEWHERE: &str = "`cargo xtask check` runs without it";

/// The glibc of Debian 12, where the QEMU comes from.
const QEMU_GLIBC: Version = Version(2, 36);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getconf_names_the_glibc() {
        assert_eq!(version("glibc 2.36\n"), Some(Version(2, 36)));
    }

    #[test]
    fn another_libc_is_not_glibc() {
        assert_eq!(version("musl 1.2\n"), None);
    }
}
