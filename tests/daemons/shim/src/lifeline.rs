//! Ends the daemon with the process that started it, however that one ends.
//!
//! The daemon's standard input is a pipe that its starter holds open. With `O_ASYNC` on its end and
//! SIGKILL as the signal, the kernel kills the daemon when the other end closes. That works where
//! the usual means do not: a parent-death signal comes already when the *thread* ends that started
//! the daemon, and a thread that reads the pipe would sleep through it while the daemon is stopped.

use std::env;
use std::ffi::c_int;
use std::process;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use crate::place;

#[used]
#[unsafe(link_section = ".init_array")]
static ON_LOAD: extern "C" fn() = tie;

extern "C" fn tie() {
    // Whoever loads this otherwise, as its own tests do, keeps their standard input.
    if env::var_os(TIED).is_none() || env::var_os(place::FOLDER).is_none() {
        return;
    }
    let input = rustix::stdio::stdin();
    // SAFETY: F_SETOWN takes one number, a process; it touches no memory.
    let owned = unsafe { fcntl(0, F_SETOWN, process::id()) };
    // SAFETY: F_SETSIG takes one number, a signal; it touches no memory.
    let chosen = unsafe { fcntl(0, F_SETSIG, SIGKILL) };
    let armed = rustix::fs::fcntl_getfl(input).and_then(|flags| {
        rustix::fs::fcntl_setfl(input, flags | OFlags::from_bits_retain(O_ASYNC))
    });
    // It may have closed before that.
    let mut inputs = [PollFd::new(&input, PollFlags::IN)];
    let quiet = poll(&mut inputs, Some(&Timespec::default())) == Ok(0);
    if owned != 0 || chosen != 0 || armed.is_err() || !quiet {
        eprintln!("fakexen: the standard input is not a pipe that its other end keeps open");
        process::exit(1);
    }
}

unsafe extern "C" {
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
}

/// The environment variable that asks for it.
const TIED: &str = "FAKEXEN_LIFELINE";

const F_SETOWN: c_int = 8;
const F_SETSIG: c_int = 10;
const SIGKILL: c_int = 9;
const O_ASYNC: u32 = 0o20000;
