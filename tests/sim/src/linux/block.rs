//! Files, block devices and loop devices, and who has them open.
//!
//! A loop device that was configured clears itself when its last user closes it, as all do that are
//! made with `LO_FLAGS_AUTOCLEAR` (`drivers/block/loop.c`).

use std::collections::BTreeMap;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{major, makedev, minor};
use rustix::io::Errno;
use xenops::system::{Access, LoopStatus, Node};

/// What is in `/dev` and in file systems.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    nodes: BTreeMap<PathBuf, Node>,
    loops: BTreeMap<u32, Option<Loop>>,
    users: BTreeMap<RawFd, User>,
    last_inode: u64,
    last_user: RawFd,
    mounts: String,
}

/// What a loop device is made of.
#[derive(Debug, Clone)]
struct Loop {
    status: LoopStatus,
    name: String,
    read_only: bool,
}

/// One who has something open.
#[derive(Debug)]
struct User {
    path: PathBuf,
    node: Node,
    /// Whether it was opened only to be found (`O_PATH`).
    finds: bool,
    exclusive: bool,
}

impl Blocks {
    pub(super) fn add_file(&mut self, path: &Path) {
        self.last_inode += 1;
        let node = Node::File { on: FILE_SYSTEM, inode: self.last_inode };
        self.nodes.insert(path.into(), node);
    }

    pub(super) fn add_folder(&mut self, path: &Path) {
        self.nodes.insert(path.into(), Node::Other);
    }

    /// Whether a folder was made here.
    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.nodes.get(path) == Some(&Node::Other)
    }

    pub(super) fn add_disk(&mut self, name: &str, major: u32, minor: u32) {
        let node = Node::BlockDevice(makedev(major, minor));
        self.nodes.insert(Path::new("/dev").join(name), node);
    }

    /// Mounts the file system on a block device, to be written to.
    pub(super) fn mount(&mut self, name: &str) {
        let Some(Node::BlockDevice(device)) = self.at(&Path::new("/dev").join(name)) else {
            return;
        };
        let (major, minor) = (major(device), minor(device));
        let line = format!("36 28 {major}:{minor} / /mnt rw - ext4 /dev/{name} rw\n");
        self.mounts.push_str(&line);
    }

    /// What is at a path of a file or a device.
    pub(super) fn at(&self, path: &Path) -> Option<Node> {
        let of_loop = || self.loop_at(path).map(|number| Node::BlockDevice(loop_device(number)));
        let control = || (path == Path::new(CONTROL)).then_some(Node::Other);
        self.nodes.get(path).copied().or_else(of_loop).or_else(control)
    }

    /// The number of the loop device of a path.
    fn loop_at(&self, path: &Path) -> Option<u32> {
        let number = path.to_str()?.strip_prefix("/dev/loop")?.parse().ok()?;
        self.loops.contains_key(&number).then_some(number)
    }

    /// Finds what a path leads to.
    pub(super) fn find(&mut self, path: &Path) -> io::Result<(RawFd, Node)> {
        let node = self.at(path).ok_or(Errno::NOENT)?;
        Ok((self.add_user(path, node, true, false), node))
    }

    /// Opens what is at a path.
    pub(super) fn open(&mut self, path: &Path, access: Access) -> io::Result<(RawFd, Node)> {
        let node = self.at(path).ok_or(Errno::NOENT)?;
        self.open_node(path, node, access)
    }

    /// Opens what a descriptor is of.
    pub(super) fn reopen(&mut self, fd: RawFd, access: Access) -> io::Result<(RawFd, Node)> {
        let user = self.users.get(&fd).ok_or(Errno::BADF)?;
        let (path, node) = (user.path.clone(), user.node);
        self.open_node(&path, node, access)
    }

    fn open_node(&mut self, path: &Path, node: Node, access: Access) -> io::Result<(RawFd, Node)> {
        let exclusive = access == Access::WriteAlone;
        let taken = self.users.values().any(|user| user.node == node && user.exclusive);
        if exclusive && (taken || self.is_mounted(node)) {
            return Err(Errno::BUSY.into());
        }
        Ok((self.add_user(path, node, false, exclusive), node))
    }

    /// Opens a block device by its number, as a backend does.
    pub(super) fn open_device(&mut self, device: u64, user: &str) -> Result<RawFd, Errno> {
        let node = Node::BlockDevice(device);
        let of_loop = |(number, made): (&u32, &Option<Loop>)| {
            loop_device(*number) == device && made.is_some()
        };
        if !self.nodes.values().any(|there| *there == node) && !self.loops.iter().any(of_loop) {
            return Err(Errno::NODEV);
        }
        Ok(self.add_user(Path::new(user), node, false, false))
    }

    fn add_user(&mut self, path: &Path, node: Node, finds: bool, exclusive: bool) -> RawFd {
        self.last_user += 1;
        let user = User { path: path.into(), node, finds, exclusive };
        self.users.insert(self.last_user, user);
        self.last_user
    }

    /// Closes a descriptor.
    pub(crate) fn close(&mut self, fd: RawFd) {
        let Some(closed) = self.users.remove(&fd) else { return };
        let used = |user: &User| !user.finds && user.node == closed.node;
        if closed.finds || self.users.values().any(used) {
            return;
        }
        for (number, made) in &mut self.loops {
            if closed.node == Node::BlockDevice(loop_device(*number)) {
                *made = None;
            }
        }
    }

    /// `LOOP_CTL_GET_FREE`: the first that is free, one that is new if none is.
    pub(super) fn free_loop(&mut self) -> u32 {
        let free = self.loops.iter().find(|(_, made)| made.is_none()).map(|(number, _)| *number);
        let next = self.loops.keys().next_back().map_or(0, |last| last + 1);
        let number = free.unwrap_or(next);
        self.loops.entry(number).or_default();
        number
    }

    /// `LOOP_CONFIGURE`.
    pub(super) fn configure_loop(
        &mut self,
        device: RawFd,
        of: RawFd,
        name: &Path,
        read_only: bool,
    ) -> io::Result<()> {
        let status = match self.users.get(&of).ok_or(Errno::BADF)?.node {
            Node::File { on, inode } => LoopStatus { on, inode, real_device: 0 },
            Node::BlockDevice(real_device) => LoopStatus { on: 0, inode: 0, real_device },
            _ => return Err(Errno::INVAL.into()),
        };
        let made = self.made(device)?;
        if made.is_some() {
            return Err(Errno::BUSY.into());
        }
        *made = Some(Loop { status, name: name.display().to_string(), read_only });
        Ok(())
    }

    /// `LOOP_GET_STATUS64`.
    pub(super) fn loop_status(&mut self, device: RawFd) -> io::Result<Option<LoopStatus>> {
        Ok(self.made(device)?.as_ref().map(|made| made.status))
    }

    fn made(&mut self, device: RawFd) -> Result<&mut Option<Loop>, Errno> {
        let node = self.users.get(&device).ok_or(Errno::BADF)?.node;
        let mut loops = self.loops.iter_mut();
        let found = loops.find(|(number, _)| Node::BlockDevice(loop_device(**number)) == node);
        found.map(|(_, made)| made).ok_or(Errno::NOTTY)
    }

    /// The names in `/sys/block`.
    pub(super) fn names(&self) -> Vec<String> {
        let loops = self.loops.keys().map(|number| format!("loop{number}"));
        let disk = |(path, node): (&PathBuf, &Node)| {
            let name = path.file_name()?.to_str()?.to_owned();
            matches!(node, Node::BlockDevice(_)).then_some(name)
        };
        loops.chain(self.nodes.iter().filter_map(disk)).collect()
    }

    /// Whether a name of `/sys/block` is that of a loop device that is made of something; `None` if
    /// it can be made of nothing.
    pub(super) fn read_only_loop(&self, name: &str) -> Option<bool> {
        let number: u32 = name.strip_prefix("loop")?.parse().ok()?;
        self.loops.get(&number)?.as_ref().map(|made| made.read_only)
    }

    fn is_mounted(&self, node: Node) -> bool {
        let Node::BlockDevice(device) = node else { return false };
        let number = format!("{}:{}", major(device), minor(device));
        self.mounts.lines().any(|line| line.split(' ').nth(2) == Some(&number))
    }

    /// `/proc/self/mountinfo`.
    pub(super) fn mounts(&self) -> &str {
        &self.mounts
    }

    pub(super) fn loops(&self) -> Vec<String> {
        let made = |(number, made): (&u32, &Option<Loop>)| {
            made.as_ref().map(|made| format!("/dev/loop{number} {}", made.name))
        };
        self.loops.iter().filter_map(made).collect()
    }

    pub(super) fn users(&self) -> Vec<String> {
        let mut open: Vec<_> = self.users.values().map(|u| u.path.display().to_string()).collect();
        open.sort();
        open
    }
}

fn loop_device(number: u32) -> u64 {
    makedev(LOOP_MAJOR, number)
}

/// Where all files are.
const FILE_SYSTEM: u64 = 0x801;
/// `linux/major.h`
const LOOP_MAJOR: u32 = 7;
const CONTROL: &str = "/dev/loop-control";
