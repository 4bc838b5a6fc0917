//! What the lab needs of the machine it runs on.

use std::env;
use std::process::Command;

use anyhow::{Result, bail, ensure};

/// Fails, in one line, on a machine where the lab cannot be set up.
pub(crate) fn check() -> Result<()> {
    ensure!(
        env::consts::OS == "linux" && env::consts::ARCH == "x86_64",
        "the lab needs Linux on x86-64, this is {} on {}; {ELSEWHERE}",
        env::consts::OS,
        env::consts::ARCH
    );
    for tool in ["apt-get", "dpkg-deb"] {
        ensure!(
            on_path(tool),
            "the lab is made of Debian packages and needs {tool} (Debian 12 or newer), \
             nothing is installed; {ELSEWHERE}"
        );
    }
    match glibc() {
        Some(version) if version < QEMU_GLIBC => {
            bail!(
                "the lab's QEMU needs glibc {}.{} (Debian 12 or newer), this machine has {}.{}; \
                 {ELSEWHERE}",
                QEMU_GLIBC.0,
                QEMU_GLIBC.1,
                version.0,
                version.1
            )
        }
        Some(_) => Ok(()),
        None => bail!("the lab needs a Linux with glibc (Debian 12 or newer); {ELSEWHERE}"),
    }
}

fn on_path(tool: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
}

fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    version(&String::from_utf8(output.stdout).ok()?)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

const ELSEWHERE: &str = "`cargo xtask check` runs without it";

/// The glibc of Debian 12, where the QEMU comes from.
const QEMU_GLIBC: (u32, u32) = (2, 36);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getconf_names_the_glibc() {
        assert_eq!(version("glibc 2.36\n"), Some((2, 36)));
    }

    #[test]
    fn another_libc_is_not_glibc() {
        assert_eq!(version("musl 1.2\n"), None);
    }
}
