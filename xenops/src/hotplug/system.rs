//! What the host's part of a device asks of the control domain's operating system.
//!
//! The seam of hotplug: each method is a system call, or a file of `/proc` or `/sys` read or written
//! whole. What is asked in which order, and what the answers mean, is above and is the same whatever
//! stands below: Linux on a machine, a double in tests.
//!
//! ```text
//!  image, loops, native, scripts ──▶ System ──▶ Linux: open, ioctl, rtnetlink, fork
//!                                          └──▶ a simulated control domain
//! ```

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use xen_types::Deadline;

/// The operating system of a control domain.
pub trait System: fmt::Debug + Send + Sync {
    /// Finds what a path leads to, without opening it (`open(2)` with `O_PATH`).
    ///
    /// # Errors
    /// As for `open(2)`.
    fn find(&self, path: &Path) -> io::Result<Box<dyn Opened>>;

    /// Opens a file or a device (`open(2)`).
    ///
    /// # Errors
    /// As for `open(2)`.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn Opened>>;

    /// What a path leads to (`stat(2)`).
    ///
    /// # Errors
    /// As for `stat(2)`; [`io::ErrorKind::NotFound`] if there is nothing.
    fn stat(&self, path: &Path) -> io::Result<Node>;

    /// All that is in a file of `/proc` or `/sys`.
    ///
    /// # Errors
    /// As for `open(2)` and `read(2)`.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Writes into a file of `/proc` or `/sys`.
    ///
    /// # Errors
    /// As for `open(2)` and `write(2)`.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// The names in a folder (`readdir(3)`), in any order.
    ///
    /// # Errors
    /// As for `opendir(3)` and `readdir(3)`.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// The path without links (`realpath(3)`).
    ///
    /// # Errors
    /// As for `realpath(3)`.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;

    /// Sends a message of `rtnetlink(7)` from a new socket, and takes the first answer.
    ///
    /// # Errors
    /// As for `socket(2)`, `sendto(2)` and `recv(2)`; [`io::ErrorKind::TimedOut`] without an answer
    /// by the deadline.
    fn netlink(&self, message: &[u8], deadline: Deadline) -> io::Result<Vec<u8>>;

    /// Starts a program in a process group of its own, with nothing to read (`posix_spawn(3)`).
    ///
    /// # Errors
    /// As for `execve(2)`.
    fn spawn(&self, program: &Program) -> io::Result<Box<dyn Running>>;
}

/// A file or a device that is open until this is dropped.
pub trait Opened: fmt::Debug + Send + Sync {
    /// The number of the descriptor, by which `LOOP_CONFIGURE` takes a file.
    fn descriptor(&self) -> RawFd;

    /// What it is (`fstat(2)`).
    ///
    /// # Errors
    /// As for `fstat(2)`.
    fn stat(&self) -> io::Result<Node>;

    /// The same once more, whatever its name leads to by now (`open(2)` on `/proc/self/fd`).
    ///
    /// # Errors
    /// As for `open(2)`; [`io::ErrorKind::ResourceBusy`] for what shall be ours alone and is not.
    fn reopen(&self, access: Access) -> io::Result<Box<dyn Opened>>;

    /// The number of a loop device that was free a moment ago (`LOOP_CTL_GET_FREE`, `linux/loop.h`).
    ///
    /// # Errors
    /// As for `ioctl(2)`.
    fn free_loop(&self) -> io::Result<u32>;

    /// Makes this loop device of an open file or block device; it clears itself when its last user
    /// closes it (`LOOP_CONFIGURE` with `LO_FLAGS_AUTOCLEAR`). `name` is what it shows to people.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if somebody else made something of it first.
    fn configure_loop(&self, of: &dyn Opened, name: &Path, read_only: bool) -> io::Result<()>;

    /// What this loop device is made of (`LOOP_GET_STATUS64`); `None` if it is free.
    ///
    /// # Errors
    /// As for `ioctl(2)`.
    fn loop_status(&self) -> io::Result<Option<LoopStatus>>;
}

/// A program that was started.
pub trait Running: fmt::Debug + Send {
    /// Sleeps until it ends, at most until this moment, and says how it ended (`pidfd_open(2)`,
    /// `poll(2)`, `waitpid(2)`); `None` while it runs, which may be said too early.
    ///
    /// # Errors
    /// As for `poll(2)` and `waitpid(2)`.
    fn wait(&mut self, until: Deadline) -> io::Result<Option<ExitStatus>>;

    /// Kills it with all of its process group, and waits for its end.
    ///
    /// # Errors
    /// As for `kill(2)` and `waitpid(2)`.
    fn kill(&mut self) -> io::Result<()>;

    /// The first bytes, at most so many, of what it has printed on both of its outputs.
    ///
    /// # Errors
    /// As for `read(2)`.
    fn printed(&mut self, max: u64) -> io::Result<Vec<u8>>;
}

/// How something is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// To be read.
    Read,
    /// To be read and written.
    Write,
    /// A block device to be read and written, which nobody mounts meanwhile (`O_EXCL`).
    WriteAlone,
}

/// What there is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Node {
    /// A file: the device that it is on, in the form of `stat(2)`, and its inode.
    File {
        /// `st_dev`
        on: u64,
        /// `st_ino`
        inode: u64,
    },
    /// A block device, by its number in the form of `stat(2)` (`st_rdev`).
    BlockDevice(u64),
    /// Anything else.
    Other,
}

/// What a loop device is made of (`struct loop_info64`, `linux/loop.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoopStatus {
    /// The device that the file is on (`lo_device`).
    pub on: u64,
    /// The file's inode (`lo_inode`).
    pub inode: u64,
    /// The number of the block device, if it is made of one (`lo_rdevice`).
    pub real_device: u64,
}

/// A program and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file, or a name that is looked up in `PATH`.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<&'static str>,
    /// What it has in its environment besides what the caller has.
    pub environment: Vec<(&'static str, String)>,
}

/// Whether something is there. Only an answer counts: that it cannot be looked at says neither.
pub(crate) fn exists(system: &dyn System, path: &Path) -> io::Result<bool> {
    match system.stat(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
