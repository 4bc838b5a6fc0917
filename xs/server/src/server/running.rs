//! A server on a thread of its own.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::{BELL, Server};

/// A server that runs on a thread of its own until this is dropped.
#[derive(Debug)]
pub struct Running {
    /// New connections go this way.
    calls: mpsc::Sender<UnixStream>,
    /// Says that there are some; its end is the end of the server.
    bell: Option<UnixStream>,
    thread: Option<JoinHandle<io::Result<Server>>>,
}

impl Server {
    /// Serves from a thread of its own.
    ///
    /// # Errors
    /// If the process can have no other thread or descriptor.
    pub fn spawn(mut self) -> io::Result<Running> {
        let (calls, called) = mpsc::channel::<UnixStream>();
        let (bell, ours) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ours.set_nonblocking(true)?;
        epoll::add(&self.epoll, &ours, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        let serve = move || {
            loop {
                self.turn(None)?;
                if std::mem::take(&mut self.rung) {
                    let ended = rustix::io::read(&ours, &mut [0; 4096]) == Ok(0);
                    called.try_iter().for_each(|stream| self.add(stream).unwrap_or_default());
                    if ended {
                        // Its number in epoll goes with it.
                        epoll::delete(&self.epoll, ours.as_fd())?;
                        return Ok(self);
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("xs-server".into()).spawn(serve)?;
        Ok(Running { calls, bell: Some(bell), thread: Some(thread) })
    }
}

impl Running {
    /// A new connection to the store, a privileged one.
    ///
    /// # Errors
    /// If no descriptor is left, or the server has ended.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.calls.send(theirs).map_err(|_| gone())?;
        let bell = self.bell.as_ref().ok_or_else(gone)?;
        match send(bell, &[1], SendFlags::NOSIGNAL) {
            // It is full of rings that the server has not looked at: one more would tell it nothing.
            Ok(_) | Err(Errno::AGAIN) => Ok(ours),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the thread and gives the server back, with all its connections.
    ///
    /// # Errors
    /// What ended the server, if something did before.
    ///
    /// # Panics
    /// If the server has.
    pub fn stop(mut self) -> io::Result<Server> {
        self.bell = None;
        let thread = self.thread.take().expect("only this and drop take it");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.bell = None;
        if let Some(thread) = self.thread.take() {
            thread.join().map(drop).unwrap_or_default();
        }
    }
}
