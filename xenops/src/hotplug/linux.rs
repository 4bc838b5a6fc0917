//! The operating system that this process runs on, for [`System`].

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, OFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use xen_types::Deadline;

use super::system::{Access, LoopStatus, Node, Opened, Program, Running, System};
use super::{link, loops};

/// The Linux that this process runs on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Linux;

impl System for Linux {
    fn find(&self, path: &Path) -> io::Result<Box<dyn Opened>> {
        let flags = OFlags::PATH.bits().cast_signed();
        boxed(OpenOptions::new().read(true).custom_flags(flags).open(path))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn Opened>> {
        boxed(open(path, access))
    }

    fn stat(&self, path: &Path) -> io::Result<Node> {
        fs::metadata(path).map(|found| node(&found))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn netlink(&self, message: &[u8], deadline: Deadline) -> io::Result<Vec<u8>> {
        link::exchange(message, deadline)
    }

    fn spawn(&self, program: &Program) -> io::Result<Box<dyn Running>> {
        // Not a pipe: a process that the program leaves behind would keep it open.
        let output = File::from(memfd_create("script", MemfdFlags::CLOEXEC)?);
        let child = Command::new(&program.path)
            .args(&program.arguments)
            .envs(program.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::from(output.try_clone()?))
            .stderr(Stdio::from(output.try_clone()?))
            .process_group(0)
            .spawn()?;
        // Linux 4.19, which hosts of today have, does not know it.
        let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
        Ok(Box::new(Process { child, end, output }))
    }
}

impl Opened for File {
    fn descriptor(&self) -> RawFd {
        self.as_raw_fd()
    }

    fn stat(&self) -> io::Result<Node> {
        self.metadata().map(|found| node(&found))
    }

    fn reopen(&self, access: Access) -> io::Result<Box<dyn Opened>> {
        boxed(open(Path::new(&format!("/proc/self/fd/{}", self.as_raw_fd())), access))
    }

    fn free_loop(&self) -> io::Result<u32> {
        loops::free(self)
    }

    fn configure_loop(&self, of: &dyn Opened, name: &Path, read_only: bool) -> io::Result<()> {
        loops::configure(self, of, name, read_only)
    }

    fn loop_status(&self) -> io::Result<Option<LoopStatus>> {
        loops::status(self)
    }
}

fn open(path: &Path, access: Access) -> io::Result<File> {
    let alone = match access {
        Access::WriteAlone => OFlags::EXCL,
        Access::Read | Access::Write => OFlags::empty(),
    };
    OpenOptions::new()
        .read(true)
        .write(access != Access::Read)
        .custom_flags(alone.bits().cast_signed())
        .open(path)
}

fn boxed(opened: io::Result<File>) -> io::Result<Box<dyn Opened>> {
    Ok(Box::new(opened?))
}

fn node(found: &fs::Metadata) -> Node {
    let kind = found.file_type();
    if kind.is_file() {
        Node::File { on: found.dev(), inode: found.ino() }
    } else if kind.is_block_device() {
        Node::BlockDevice(found.rdev())
    } else {
        Node::Other
    }
}

/// A program that this process started.
#[derive(Debug)]
struct Process {
    child: Child,
    /// Can be read once the program has ended; `None` where the kernel has no such descriptors.
    end: Option<OwnedFd>,
    output: File,
}

impl Running for Process {
    fn wait(&mut self, until: Deadline) -> io::Result<Option<ExitStatus>> {
        let left = until.remaining(Instant::now());
        match &self.end {
            Some(end) => {
                let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
                match poll(&mut [PollFd::new(end, PollFlags::IN)], Some(&left)) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            None => thread::sleep(left.min(LOOK)),
        }
        self.child.try_wait()
    }

    fn kill(&mut self) -> io::Result<()> {
        let group = Pid::from_child(&self.child);
        match kill_process_group(group, Signal::KILL) {
            // Only its zombie is left.
            Ok(()) | Err(Errno::SRCH | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        self.child.wait().map(drop)
    }

    fn printed(&mut self, max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.output.rewind()?;
        (&self.output).take(max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// How often a program is looked at where its end cannot be waited for.
const LOOK: Duration = Duration::from_millis(10);
