//! One request over the socket, to see that a daemon answers.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Lists the root of the store; what is in it does not matter.
pub(crate) fn answers(socket: &Path, deadline: Instant) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    let left = deadline.saturating_duration_since(Instant::now());
    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
    // xs_wire.h: type, request id, transaction id, length, in the machine's byte order.
    let header = [DIRECTORY, 0, 0, 2].map(u32::to_ne_bytes).concat();
    stream.write_all(&[header.as_slice(), b"/\0"].concat())?;
    let mut reply = [0; 16];
    stream.read_exact(&mut reply)
}

const DIRECTORY: u32 = 1;
