//! Kernels, ramdisks and firmware, read whole before any domain exists.
//!
//! Whoever truncates a mapped file during a build would kill the toolstack with SIGBUS, and whoever
//! writes it would change what was looked at before. So a large file is copied by the kernel into
//! sealed memory, a small one read; one that is used at once may be mapped under a lease, which makes
//! writers wait. libxenguest's own reading names no path in its errors.

mod content;
mod held;
mod sealed;

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::Role;
use crate::format::{self, Format};
use crate::unpack::unpack;
use crate::{Compression, Error, GuestKind, Result};

pub use content::Content;
pub(crate) use held::Held;
use sealed::Sealed;

/// The largest kernel or ramdisk, and here the largest firmware: libxenguest takes no larger one
/// (`XC_DOM_DECOMPRESS_MAX`, `tools/include/xenguest.h`).
pub const MAX_BYTES: usize = 1 << 30;

/// A kernel image in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct Kernel(Payload);

/// A ramdisk in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct Ramdisk(Payload);

/// What the firmware of an HVM guest is given, in memory: SeaBIOS or OVMF, tables. Clones share it.
#[derive(Debug, Clone)]
pub struct Firmware(Payload);

macro_rules! loaded {
    ($($type:ident)*) => {
        $(impl $type {
            /// Reads one from a file.
            ///
            /// # Errors
            /// [`Kind::NotFound`](crate::Kind::NotFound) and [`Kind::Denied`](crate::Kind::Denied)
            /// as the file system says, [`Kind::Invalid`](crate::Kind::Invalid) if it is not a
            /// regular file, empty or above [`MAX_BYTES`].
            pub fn load(path: impl AsRef<Path>) -> Result<Self> {
                Payload::load(Role::$type, path.as_ref(), copied).map(Self)
            }

            /// As `load`, for a build that follows at once: without a copy, where that is safe.
            ///
            /// The file is mapped under a lease: whoever opens it to write waits until all clones of
            /// this are dropped, 45 s at most unless the system was told otherwise
            /// (`/proc/sys/fs/lease-break-time`), and what uses this from then on fails with
            /// [`Kind::Again`](crate::Kind::Again). To replace the file by renaming waits for nobody
            /// and changes nothing here.
            ///
            /// It is loaded by a copy if it is small, others than root and this process's user may
            /// write it, somebody has it open to write, or it is not on ext2 to ext4, XFS, btrfs, tmpfs
            /// or ramfs.
            ///
            /// # Errors
            /// As `load`.
            pub fn load_in_place(path: impl AsRef<Path>) -> Result<Self> {
                Payload::load(Role::$type, path.as_ref(), in_place).map(Self)
            }

            /// Takes one that is in memory; `name` stands for it in errors.
            ///
            /// # Errors
            /// [`Kind::Invalid`](crate::Kind::Invalid) if it is empty or above [`MAX_BYTES`].
            pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self> {
                Payload::new(Role::$type, name.into(), bytes.into()).map(Self)
            }

            /// Where it came from: its path, or the name it was given.
            pub fn name(&self) -> &str {
                &self.0.name
            }

            /// The image.
            pub fn bytes(&self) -> &[u8] {
                &self.0.bytes
            }

            /// Fails if its file was changed, or is to be.
            pub(crate) fn check_intact(&self) -> Result<()> {
                self.0.check_intact(Role::$type)
            }

            pub(crate) fn share(&self) -> Arc<Content> {
                Arc::clone(&self.0.bytes)
            }
        })*
    };
}
loaded!(Kernel Ramdisk Firmware);

impl Kernel {
    /// Looks at the headers: what format is this, and is it whole?
    ///
    /// What a compressed kernel contains is not looked at: see [`Kernel::unpack`].
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for what libxenguest would refuse, and for a file
    /// that ends before its last segment, which libxenguest would start with zeroes in its place.
    /// [`Kind::Again`](crate::Kind::Again) if it was [loaded in place](Kernel::load_in_place) and
    /// somebody writes the file.
    pub fn inspect(&self) -> Result<Format> {
        self.check_intact()?;
        format::inspect(self.bytes()).map_err(|source| Error::Image { name: self.0.name(), source })
    }

    /// Looks at the headers and at whether a guest of this kind could start from them.
    ///
    /// # Errors
    /// As [`Kernel::inspect`], and [`Kind::Invalid`](crate::Kind::Invalid) if the kernel has no
    /// entry point for `guest`.
    pub fn check(&self, guest: GuestKind) -> Result<Format> {
        let format = self.inspect()?;
        format.supports(guest).map_err(|source| Error::Image { name: self.0.name(), source })?;
        Ok(format)
    }

    /// The kernel as it is executed: the ELF file in a bzImage, or what is in a compressed file. One
    /// that is not compressed, or with LZO, is given back as it is, sharing its bytes.
    ///
    /// It takes as long as the system's tools, some 0.7 s for the xz kernel of Debian 12, and as much
    /// memory as comes out. [`KernelCache`](crate::KernelCache) does it once for many guests.
    ///
    /// # Errors
    /// As [`Kernel::inspect`], also for what came out. [`Kind::Invalid`](crate::Kind::Invalid) if it is
    /// damaged, becomes another size than a bzImage says or would exceed [`MAX_BYTES`],
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if there is no memory for it.
    #[doc(alias("xc_dom_try_gunzip", "xc_dom_kernel_check_size"))]
    pub fn unpack(&self) -> Result<Self> {
        self.check_intact()?;
        let mut kernel = self.clone();
        for _ in 0..MOST_LAYERS {
            match kernel.without_a_layer()? {
                Some(content) => {
                    self.check_intact()?;
                    kernel = content;
                }
                None => return Ok(kernel),
            }
        }
        kernel.inspect()?;
        Ok(kernel)
    }

    /// Whether there is something to unpack, as far as its headers tell.
    pub(crate) fn is_packed(&self) -> Result<bool> {
        Ok(match self.inspect()? {
            Format::BzImage(how) | Format::Compressed(how) => how != Compression::Lzo,
            Format::Elf(_) | Format::Flat => false,
        })
    }

    /// What it becomes when it is decompressed once; `None` if it is not compressed.
    fn without_a_layer(&self) -> Result<Option<Self>> {
        let packed = format::packed(self.bytes());
        let packed = packed.map_err(|source| Error::Image { name: self.0.name(), source })?;
        let Some(packed) = packed else { return Ok(None) };
        let content = unpack(packed).map_err(|source| Error::Unpack {
            name: self.0.name(),
            compression: packed.compression,
            source,
        })?;
        Ok(content.map(|content| self.with_content(Arc::new(content.into()))))
    }

    /// A kernel of this name with other bytes.
    pub(crate) fn with_content(&self, bytes: Arc<Content>) -> Self {
        Self(Payload { name: self.0.name(), bytes })
    }
}

/// A file that cannot be a kernel, a ramdisk or firmware.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A folder, a pipe or a device.
    #[error("not a regular file")]
    NotAFile,
    /// Nothing in it.
    #[error("empty")]
    Empty,
    /// Above [`MAX_BYTES`].
    #[error("larger than 1 GiB")]
    TooLarge,
    /// Somebody opened it to write after it was loaded in place.
    #[error("overwritten since it was loaded, or about to be")]
    Changed,
}

impl PayloadError {
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Self::Io(e) => Some(Errno::from_io_error(e).unwrap_or(Errno::IO)),
            Self::Changed => Some(Errno::AGAIN),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
struct Payload {
    name: Arc<str>,
    bytes: Arc<Content>,
}

impl Payload {
    fn load(role: Role, path: &Path, take: Take) -> Result<Self> {
        let name: Arc<str> = path.display().to_string().into();
        match open(path).and_then(|(file, size)| take(file, size)) {
            Ok(bytes) => Self::new(role, name, bytes),
            Err(source) => Err(Error::Read { role, name, source }),
        }
    }

    fn new(role: Role, name: Arc<str>, bytes: Content) -> Result<Self> {
        let source = match bytes.len() {
            0 => PayloadError::Empty,
            1..=MAX_BYTES => return Ok(Self { name, bytes: Arc::new(bytes) }),
            _ => PayloadError::TooLarge,
        };
        Err(Error::Read { role, name, source })
    }

    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn check_intact(&self, role: Role) -> Result<()> {
        if self.bytes.is_intact() {
            return Ok(());
        }
        Err(Error::Read { role, name: self.name(), source: PayloadError::Changed })
    }
}

/// How the content of a file is taken, which has so many bytes now.
type Take = fn(File, usize) -> Result<Content, PayloadError>;

/// Opens a file and says how large it is.
fn open(path: &Path) -> Result<(File, usize), PayloadError> {
    // Without O_NONBLOCK, opening a pipe that nobody writes to would hang here.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(PayloadError::NotAFile);
    }
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if size > MAX_BYTES { Err(PayloadError::TooLarge) } else { Ok((file, size)) }
}

fn in_place(file: File, size: usize) -> Result<Content, PayloadError> {
    if size < LARGE {
        return copied(file, size);
    }
    match Held::take(file) {
        Ok(held) => Ok(held.into()),
        Err(file) => copied(file, size),
    }
}

fn copied(file: File, size: usize) -> Result<Content, PayloadError> {
    // The file may grow meanwhile; one byte above the limit is enough to refuse it.
    let most = MAX_BYTES + 1;
    if size >= LARGE
        && let Ok(copy) = Sealed::copy(&file, most)
    {
        return Ok(copy.into());
    }
    read_at_most(&file, size, most).map(Content::from)
}

fn read_at_most(file: &File, expected: usize, most: usize) -> Result<Vec<u8>, PayloadError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(expected + 1).map_err(|_| io::Error::from(Errno::NOMEM))?;
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// From so many bytes on, sealed memory or a lease is worth its system calls.
const LARGE: usize = 1 << 20;
/// A compressed file may hold a bzImage, as libxenguest takes it; there is no sense in more.
const MOST_LAYERS: usize = 2;

#[cfg(test)]
mod tests;
