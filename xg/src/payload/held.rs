//! A file mapped where it is, under a lease: whoever wants to write it waits.
//!
//! ```text
//! file ──lease──▶ who opens it to write waits ──mmap──▶ &[u8] ──dropped──▶ he goes on
//! ```
//! To copy a kernel takes as long as the rest of a build. A mapping shows what the file becomes, and
//! ends the process with SIGBUS where it was truncated. A lease for reading (`F_SETLEASE`, fcntl(2)) is
//! given when nobody has the file open to write. Whoever opens it to write afterwards, or truncates it,
//! waits until the lease is given back, at most `/proc/sys/fs/lease-break-time`, 45 s if nobody changed
//! that; [`Held::is_intact`] says whether anybody does. See ADR 9.

#![allow(unsafe_code, reason = "maps files, and rustix has no leases")]

use std::ffi::{c_int, c_uint};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::slice;

use rustix::fs::{fstat, fstatfs};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A file that nobody can have written since it was mapped, if it [is intact](Held::is_intact).
#[derive(Debug)]
pub(crate) struct Held {
    start: NonNull<u8>,
    /// Bytes, from the start of the mapping: the whole file.
    length: usize,
    /// What the lease is for; it ends when the mapping has ended and this is closed.
    file: File,
}

// SAFETY: what is pointed to must not belong to a thread: a mapping belongs to the process, and only the
// owner of this undoes it.
unsafe impl Send for Held {}
// SAFETY: threads must be able to use it at once: it is mapped for reading alone, and `take` says who
// could write the file.
unsafe impl Sync for Held {}

impl Held {
    /// Maps `file`, which was opened for reading, or gives it back: it is to be copied then.
    ///
    /// It is given back if it is empty, if others than root and this process's user may write it, if
    /// somebody has it open to write, or if it may change without a call of this system's (FUSE, NFS).
    pub(crate) fn take(file: File) -> Result<Self, File> {
        match map(&file) {
            Ok((start, length)) => Ok(Self { start, length, file }),
            Err(error) => {
                tracing::debug!(%error, "a file is copied, not mapped");
                Err(file)
            }
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes must be readable for as long as `self` is borrowed, and nobody write
        // them: `map` mapped as many, `drop` alone undoes it. Nobody can open the file to write or
        // truncate it but root and this user, who could write this process's memory as well, and these
        // only after they have waited; users of what is here ask `is_intact` before and after.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// Whether nobody has asked to write the file. If so, it stays as it is for the time that a lease
    /// has at least.
    pub(crate) fn is_intact(&self) -> bool {
        control(&self.file, F_GETLEASE, 0).is_ok_and(|lease| lease == F_RDLCK)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: must be a mapping that nobody uses: `map` made it, and what `bytes` gave is no longer
        // borrowed.
        let undone = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        // It fails for a range that is none, or for too many mappings when it splits one.
        debug_assert_eq!(undone, Ok(()));
    }
}

/// The start of the mapping, and its length.
fn map(file: &File) -> io::Result<(NonNull<u8>, usize)> {
    let system = fstatfs(file)?.f_type;
    if !LOCAL.iter().any(|magic| i64::from(*magic) == system) {
        return Err(io::Error::other("on a file system that is not known to be local"));
    }
    lease(file)?;
    let mapped = map_leased(file);
    if mapped.is_err() {
        control(file, F_SETLEASE, F_UNLCK)?;
    }
    mapped
}

fn map_leased(file: &File) -> io::Result<(NonNull<u8>, usize)> {
    let stat = fstat(file)?;
    let ours = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
    if !ours || stat.st_mode & 0o022 != 0 {
        return Err(io::Error::other("others may write it"));
    }
    let length = usize::try_from(stat.st_size).map_err(io::Error::other)?;
    // Asking for all pages at once takes less than half the time of touching them one by one.
    let how = MapFlags::PRIVATE | MapFlags::POPULATE;
    // SAFETY: must not replace a mapping: no address is asked for.
    let start = unsafe { mmap(ptr::null_mut(), length, ProtFlags::READ, how, file, 0) }?;
    let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
    Ok((start, length))
}

/// Takes the lease. It ends with the last descriptor of the open file.
fn lease(file: &File) -> io::Result<()> {
    // Who comes to write is told by a signal. SIGIO, which it is by default, would end the process;
    // SIGURG is ignored where nobody handles it, and then nobody is to get it at all.
    control(file, F_SETSIG, SIGURG)?;
    control(file, F_SETLEASE, F_RDLCK)?;
    control(file, F_SETOWN, 0).map(drop)
}

fn control(file: &File, command: c_int, argument: c_int) -> io::Result<c_int> {
    // SAFETY: the descriptor must be open, and the command take a number and no pointer: `file` is open,
    // and all the commands below do (fcntl(2)).
    let result = unsafe { fcntl(file.as_raw_fd(), command, argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

unsafe extern "C" {
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
}

/// `include/uapi/asm-generic/fcntl.h` and `include/uapi/linux/fcntl.h` of Linux.
const F_SETOWN: c_int = 8;
const F_SETSIG: c_int = 10;
const F_SETLEASE: c_int = 1024;
const F_GETLEASE: c_int = 1025;
const F_RDLCK: c_int = 0;
const F_UNLCK: c_int = 2;
/// `include/uapi/asm-generic/signal.h`.
const SIGURG: c_int = 23;
/// File systems whose files change by calls of this system alone: ext2 to ext4, XFS, btrfs, tmpfs,
/// ramfs (`include/uapi/linux/magic.h`).
const LOCAL: [c_uint; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x8584_58f6];

#[cfg(test)]
mod tests;
