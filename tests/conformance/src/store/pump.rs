//! A guest's ring as a stream of bytes, for facts that look at packets.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};

use super::ring::Ring;

/// The stream; it ends with what is returned.
pub(super) fn stream(ring: Ring) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::spawn(move || pump(&ring, theirs));
    ours
}

/// Moves bytes until the other end of the stream is closed.
fn pump(ring: &Ring, mut stream: UnixStream) -> io::Result<()> {
    loop {
        ring.bell.acknowledge()?;
        let replies = take(ring)?;
        stream.write_all(&replies)?;
        let produced = ring.page.load(REQUESTS_PRODUCED);
        let room = SIZE - produced.wrapping_sub(ring.page.load(REQUESTS_CONSUMED)) as usize;
        let mut events = PollFlags::empty();
        if room > 0 {
            events |= PollFlags::IN;
        }
        let mut fds = [
            PollFd::from_borrowed_fd(stream.as_fd(), events),
            PollFd::from_borrowed_fd(ring.bell.fd(), PollFlags::IN),
        ];
        poll(&mut fds, None)?;
        if fds[0].revents().intersects(PollFlags::IN | PollFlags::HUP) {
            let mut bytes = vec![0; room];
            let count = stream.read(&mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            put(ring, produced, &bytes[..count])?;
        }
    }
}

/// All replies that are there.
fn take(ring: &Ring) -> io::Result<Vec<u8>> {
    let (consumed, produced) = (ring.page.load(REPLIES_CONSUMED), ring.page.load(REPLIES_PRODUCED));
    let mut bytes = vec![0; produced.wrapping_sub(consumed) as usize];
    if bytes.is_empty() {
        return Ok(bytes);
    }
    let start = consumed as usize % SIZE;
    let until_end = (SIZE - start).min(bytes.len());
    let (first, rest) = bytes.split_at_mut(until_end);
    ring.page.read(REPLIES + start, first);
    ring.page.read(REPLIES, rest);
    ring.page.store(REPLIES_CONSUMED, produced);
    ring.bell.ring()?;
    Ok(bytes)
}

fn put(ring: &Ring, produced: u32, bytes: &[u8]) -> io::Result<()> {
    let start = produced as usize % SIZE;
    let (first, rest) = bytes.split_at((SIZE - start).min(bytes.len()));
    ring.page.write(start, first);
    ring.page.write(0, rest);
    ring.page.store(REQUESTS_PRODUCED, produced.wrapping_add(bytes.len() as u32));
    ring.bell.ring()
}

// `struct xenstore_domain_interface` (xen/include/public/io/xs_wire.h).
const SIZE: usize = 1024;
const REPLIES: usize = 1024;
const REQUESTS_CONSUMED: usize = 2048;
const REQUESTS_PRODUCED: usize = 2052;
const REPLIES_CONSUMED: usize = 2056;
const REPLIES_PRODUCED: usize = 2060;
