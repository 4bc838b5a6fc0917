//! Where connections come from.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    socket_with,
};

use super::LISTENER;

/// A socket's name and who asks there. The name goes with it.
#[derive(Debug)]
pub(super) struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    /// The file that the name is of: somebody else may have put another one there.
    file: (u64, u64),
    /// When to look again; `None` if epoll looks.
    again: Option<Instant>,
}

impl Listener {
    /// Listens at a path, for this user alone: whoever connects is privileged. A socket that is there
    /// and that nobody listens at is replaced; anything else is left alone.
    pub(super) fn bind(path: PathBuf, epoll: &OwnedFd) -> io::Result<Self> {
        make_room(&path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // Of a socket that has no name yet: the name has this mode from the beginning (unix(7)).
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        bind(&socket, &SocketAddrUnix::new(&path)?)?;
        let metadata = fs::symlink_metadata(&path)?;
        let mut listener = Self {
            socket,
            path,
            file: (metadata.dev(), metadata.ino()),
            again: Some(Instant::now()),
        };
        listen(&listener.socket, BACKLOG)?;
        listener.resume(epoll)?;
        Ok(listener)
    }

    /// Has epoll look at it, if it does not.
    pub(super) fn resume(&mut self, epoll: &OwnedFd) -> io::Result<()> {
        if self.again.is_some() {
            let data = epoll::EventData::new_u64(LISTENER);
            epoll::add(epoll, &self.socket, data, epoll::EventFlags::IN)?;
            self.again = None;
        }
        Ok(())
    }

    /// When [`Listener::resume`] is due.
    pub(super) const fn again(&self) -> Option<Instant> {
        self.again
    }

    /// The next connection; `None` if nobody waits, or there is no descriptor for it. Then it is not
    /// looked at before [`Listener::resume`], or it would be ready again and again.
    pub(super) fn accept(&mut self, epoll: &OwnedFd) -> Option<UnixStream> {
        loop {
            match accept_with(&self.socket, SocketFlags::CLOEXEC) {
                Ok(stream) => return Some(stream.into()),
                Err(Errno::AGAIN) => return None,
                Err(Errno::CONNABORTED | Errno::INTR) => {} // that one has gone
                Err(_) => {
                    if epoll::delete(epoll, &self.socket).is_ok() {
                        self.again = Some(Instant::now() + PAUSE);
                    }
                    return None;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let same = |file: fs::Metadata| (file.dev(), file.ino()) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(same) {
            // Its folder may have gone, too.
            fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

/// Removes a socket that a server left behind.
fn make_room(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => match knock(path) {
            Err(Errno::CONNREFUSED) => fs::remove_file(path),
            Ok(()) | Err(Errno::AGAIN) => Err(io::ErrorKind::AddrInUse.into()),
            Err(error) => Err(error.into()),
        },
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Finds out whether somebody listens there, without waiting for who does not accept.
fn knock(path: &Path) -> Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)
}

/// How many may wait to be taken in.
const BACKLOG: i32 = 1024;

/// How long nobody is taken in when there is no descriptor for it.
const PAUSE: Duration = Duration::from_millis(100);
