//! Which Xen is running, asked of the hypervisor and never of the library that is to be chosen.

use std::fmt;
use std::fs;
use std::io;

use rustix::io::Errno;

use crate::privcmd;

/// A Xen release series, such as 4.17: what decides the layouts and the name of the libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// The major number, 4 since 2010.
    pub major: u16,
    /// The minor number.
    pub minor: u16,
}

impl Release {
    /// The release `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The release from the number that `XENVER_version` returns, `major << 16 | minor`
    /// (`xen/include/public/version.h`).
    pub const fn from_version(version: u32) -> Self {
        Self { major: (version >> 16) as u16, minor: (version & 0xffff) as u16 }
    }

    /// The release of the hypervisor under this system.
    ///
    /// It is read from `/sys/hypervisor`, or else asked for with `XENVER_version` through
    /// `/dev/xen/privcmd`. Both are stable interfaces.
    ///
    /// # Errors
    /// When neither answers. [`DetectError::is_absent`] tells whether that is because there is no
    /// Xen here.
    #[doc(alias = "XENVER_version")]
    pub fn running() -> Result<Self, DetectError> {
        match read_sysfs() {
            Ok(release) => Ok(release),
            Err(sysfs) => privcmd::xen_version()
                .map(Self::from_version)
                .map_err(|privcmd| DetectError { sysfs, privcmd }),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Neither source told which Xen is running.
#[derive(Debug)]
pub struct DetectError {
    sysfs: io::Error,
    privcmd: Errno,
}

impl DetectError {
    /// Whether the places to look at do not exist, so that this system does not run on Xen (or its
    /// kernel has no Xen support).
    pub fn is_absent(&self) -> bool {
        self.sysfs.kind() == io::ErrorKind::NotFound && self.privcmd == Errno::NOENT
    }

    /// Whether a privilege was missing to look.
    pub fn is_denied(&self) -> bool {
        matches!(self.privcmd, Errno::ACCESS | Errno::PERM)
    }
}

impl fmt::Display for DetectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_absent() {
            f.write_str("no Xen under this system: ")?;
        } else {
            f.write_str("cannot tell which Xen is running: ")?;
        }
        write!(f, "{SYSFS}: {}; {}: {}", self.sysfs, privcmd::PATH, self.privcmd)
    }
}

impl std::error::Error for DetectError {}

fn read_sysfs() -> io::Result<Release> {
    let hypervisor = fs::read_to_string(format!("{SYSFS}/type"))?;
    if hypervisor.trim_end() != "xen" {
        return Err(io::Error::other(format!("the hypervisor is {:?}", hypervisor.trim_end())));
    }
    Ok(Release { major: read_number("major")?, minor: read_number("minor")? })
}

fn read_number(name: &str) -> io::Result<u16> {
    let text = fs::read_to_string(format!("{SYSFS}/version/{name}"))?;
    text.trim_end().parse().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

const SYSFS: &str = "/sys/hypervisor";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_nine_is_older_than_minor_ten() {
        assert!(Release::new(4, 9) < Release::new(4, 10));
    }

    #[test]
    fn the_version_number_holds_both_halves() {
        assert_eq!(Release::from_version(0x0004_0011), Release::new(4, 17));
        assert_eq!(Release::new(4, 17).to_string(), "4.17");
    }

    #[test]
    fn absence_is_told_apart_from_refusal() {
        let absent = DetectError { sysfs: io::ErrorKind::NotFound.into(), privcmd: Errno::NOENT };
        let denied = DetectError { sysfs: io::ErrorKind::NotFound.into(), privcmd: Errno::ACCESS };
        assert!(absent.is_absent());
        assert!(!absent.is_denied());
        assert!(!denied.is_absent());
        assert!(denied.is_denied());
    }
}
