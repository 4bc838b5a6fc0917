//! Which disk a virtual block device is: its number in the store and the ways to write it.
//!
//! | number | disk |
//! |---|---|
//! | `202 << 8 \| disk << 4 \| partition` | `xvd`, disks and partitions up to 15 |
//! | `1 << 28 \| disk << 8 \| partition` | `xvd`, disks up to 2^20 - 1, partitions up to 255 |
//! | `8 << 8 \| disk << 4 \| partition` | `sd`, disks and partitions up to 15 |
//! | `3 << 8 \| disk << 6 \| partition` | `hd`, disks 0 and 1, partitions up to 63 |
//! | `22 << 8 \| (disk - 2) << 6 \| partition` | `hd`, disks 2 and 3 |
//! | 33, 34, 56, 57, 88 to 91 `<< 8` | `hd`, disks 4 to 19 by twos: deprecated, made by OpenXT |
//!
//! The encoding is that of xen-vbd-interface(7); the last line is Linux's own and OpenXT's
//! (`device_number` in xen-api reads it too). Numbers that are in no line are kept as numbers.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The number of a virtual disk, or of a partition that is given without its disk.
///
/// ```
/// use devices::Vdev;
///
/// let disk: Vdev = "xvda".parse()?;
/// assert_eq!(disk.number(), 51712);
/// assert_eq!("d0p0".parse(), Ok(disk));
/// assert_eq!("0xca00".parse(), Ok(disk));
/// assert_eq!(Vdev::xen(26, 0)?.to_string(), "xvdaa");
/// assert_eq!(Vdev::new(5634)?.to_string(), "hdc2");
/// # Ok::<(), devices::InvalidVdev>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vdev(u32);

/// How a guest without PV drivers would see a disk, and how it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bus {
    /// `xvd`: by PV drivers only.
    Xen,
    /// `sd`: in an HVM guest also as an emulated SCSI disk.
    Scsi,
    /// `hd`: in an HVM guest also as an emulated IDE disk.
    Ide,
}

/// What the number of a virtual disk stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// How it is attached.
    pub bus: Bus,
    /// Which disk, counted from 0.
    pub disk: u32,
    /// Which partition of it; 0 is the whole disk.
    pub partition: u32,
}

/// Why something is not a virtual disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidVdev {
    /// It is written in none of the ways.
    #[error("not a virtual disk (such as xvda, hdc1, d0p2, 51712)")]
    Form,
    /// Disk or partition have no number on this bus, or the number is over 2^31 - 1.
    #[error("there is no such disk or partition")]
    OutOfRange,
}

impl Vdev {
    /// The disk with this number.
    ///
    /// # Errors
    /// [`InvalidVdev::OutOfRange`] over 2^31 - 1, which is what libxl and the frontends take.
    pub const fn new(number: u32) -> Result<Self, InvalidVdev> {
        if number > MAX_NUMBER { Err(InvalidVdev::OutOfRange) } else { Ok(Self(number)) }
    }

    /// A disk for PV drivers, `xvda` on, and its partition; 0 is the whole disk.
    ///
    /// # Errors
    /// [`InvalidVdev::OutOfRange`] from disk 2^20 and from partition 256 on.
    pub const fn xen(disk: u32, partition: u32) -> Result<Self, InvalidVdev> {
        Self::at(Place { bus: Bus::Xen, disk, partition })
    }

    /// The disk at a place.
    ///
    /// # Errors
    /// [`InvalidVdev::OutOfRange`] if disk or partition have no number on that bus.
    #[doc(alias = "libxl__device_disk_dev_number")]
    pub const fn at(place: Place) -> Result<Self, InvalidVdev> {
        let Place { bus, disk, partition } = place;
        match bus {
            Bus::Xen if disk <= 15 && partition <= 15 => {
                Ok(Self((XVD << 8) | (disk << 4) | partition))
            }
            Bus::Xen if disk < (1 << 20) && partition <= 255 => {
                Ok(Self(EXTENDED | (disk << 8) | partition))
            }
            Bus::Scsi if disk <= 15 && partition <= 15 => {
                Ok(Self((SD << 8) | (disk << 4) | partition))
            }
            Bus::Ide if disk < HD_DISKS && partition <= 63 => {
                let major = HD[(disk / 2) as usize];
                Ok(Self((major << 8) | ((disk % 2) << 6) | partition))
            }
            _ => Err(InvalidVdev::OutOfRange),
        }
    }

    /// The number, as the store has it and as the device is numbered.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// What the number stands for; `None` if no encoding has it.
    pub fn place(self) -> Option<Place> {
        let (major, minor) = (self.0 >> 8, self.0 & 0xff);
        let by_sixteen = |bus| Place { bus, disk: minor >> 4, partition: minor & 15 };
        match major {
            XVD => Some(by_sixteen(Bus::Xen)),
            SD => Some(by_sixteen(Bus::Scsi)),
            _ if self.0 & !(EXTENDED - 1) == EXTENDED => {
                let disk = (self.0 & (EXTENDED - 1)) >> 8;
                Some(Place { bus: Bus::Xen, disk, partition: minor })
            }
            _ => {
                let pair = HD.iter().position(|hd| *hd == major)?;
                let disk = u32::try_from(pair).ok()? * 2 + (minor >> 6);
                (minor >> 7 == 0).then_some(Place { bus: Bus::Ide, disk, partition: minor & 63 })
            }
        }
    }
}

impl FromStr for Vdev {
    type Err = InvalidVdev;

    /// Parses names (`xvda`, `sdb3`, `hdc2`), places of disks for PV drivers (`d0`, `d1p2`) and
    /// numbers: decimal, hexadecimal after `0x`, octal after `0`.
    ///
    /// A number is one of the store's, as for xl; xapi takes a small number for a disk's place.
    fn from_str(text: &str) -> Result<Self, InvalidVdev> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Self::new(parse_number(text)?);
        }
        if let Some(name) = text.strip_prefix("xvd") {
            return Self::named(Bus::Xen, name);
        }
        if let Some(name) = text.strip_prefix("sd") {
            return Self::named(Bus::Scsi, name);
        }
        if let Some(name) = text.strip_prefix("hd") {
            return Self::named(Bus::Ide, name);
        }
        let place = text.strip_prefix('d').ok_or(InvalidVdev::Form)?;
        let (disk, partition) = place.split_once('p').unwrap_or((place, "0"));
        Self::xen(plain(disk)?, plain(partition)?)
    }
}

impl Vdev {
    /// Letters that say which disk, then the partition if it is one.
    fn named(bus: Bus, name: &str) -> Result<Self, InvalidVdev> {
        let end = name.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(name.len());
        let (letters, partition) = name.split_at(end);
        let partition = match partition {
            "" => 0,
            digits if digits.starts_with('0') => return Err(InvalidVdev::Form),
            digits => plain(digits)?,
        };
        Self::at(Place { bus, disk: disk_of(letters)?, partition })
    }
}

/// `a` is 0, `z` 25, `aa` 26: digits from 1 to 26.
fn disk_of(letters: &str) -> Result<u32, InvalidVdev> {
    if letters.is_empty() {
        return Err(InvalidVdev::Form);
    }
    let count = letters.bytes().try_fold(0_u32, |count, letter| {
        count.checked_mul(26)?.checked_add(u32::from(letter - b'a') + 1)
    });
    count.map(|count| count - 1).ok_or(InvalidVdev::OutOfRange)
}

fn letters_of(disk: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = disk + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'a' + (rest % 26).to_le_bytes()[0]));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

fn plain(digits: &str) -> Result<u32, InvalidVdev> {
    in_base(digits, 10)
}

/// A number as C's `strtoul` reads it with base 0.
fn parse_number(text: &str) -> Result<u32, InvalidVdev> {
    match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => in_base(&text[2..], 16),
        [b'0', _, ..] => in_base(&text[1..], 8),
        _ => in_base(text, 10),
    }
}

/// `from_str_radix` alone would take a sign.
fn in_base(digits: &str, base: u32) -> Result<u32, InvalidVdev> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(InvalidVdev::Form);
    }
    u32::from_str_radix(digits, base).map_err(|_| InvalidVdev::OutOfRange)
}

impl fmt::Display for Vdev {
    /// The name, if the number is the one that the name stands for, else the number in decimal: what
    /// is printed is always read as the same disk.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = self.place().filter(|place| Self::at(*place) == Ok(*self)) else {
            return self.0.fmt(f);
        };
        let bus = match place.bus {
            Bus::Xen => "xvd",
            Bus::Scsi => "sd",
            Bus::Ide => "hd",
        };
        write!(f, "{bus}{}", letters_of(place.disk))?;
        match place.partition {
            0 => Ok(()),
            partition => partition.fmt(f),
        }
    }
}

impl fmt::Debug for Vdev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The number that libxl and frontends keep in a signed `int`.
const MAX_NUMBER: u32 = i32::MAX.unsigned_abs();
const EXTENDED: u32 = 1 << 28;
const XVD: u32 = 202;
const SD: u32 = 8;
const HD_DISKS: u32 = 20;
/// Linux's majors of IDE disks, two disks each; the first two are Xen's too.
const HD: [u32; 10] = [3, 22, 33, 34, 56, 57, 88, 89, 90, 91];

#[cfg(test)]
mod tests;
