//! Ending the machine.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::thread;

use lab_tests::protocol::POWER_OFF;
use rustix::system::{RebootCommand, reboot};

/// Where QEMU's `isa-debug-exit` device listens (`iobase` on QEMU's command line).
const DEBUG_EXIT_PORT: u64 = 0xf4;

/// Ends QEMU at once, or, should its exit device be missing, powers dom0 off.
pub(crate) fn off() -> ! {
    rustix::fs::sync();
    let exit = OpenOptions::new()
        .write(true)
        .open("/dev/port")
        .and_then(|ports| ports.write_all_at(&[POWER_OFF], DEBUG_EXIT_PORT));
    if let Err(error) = exit {
        println!("LAB: the exit device does not answer: {error}");
    }
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        println!("LAB-FAILED power off: {error}");
    }
    loop {
        thread::park();
    }
}
