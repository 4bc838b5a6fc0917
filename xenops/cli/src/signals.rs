//! Which signals end a command early, and still in order.

use std::ffi::c_int;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// The signals that ask a program to end, without those that whoever started it has it ignore: under
/// nohup(1) a hang-up must go on to do nothing.
pub(crate) fn to_take_over() -> impl Iterator<Item = c_int> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = ignored_in(&status);
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(move |signal| ignored & (1 << (signal - 1)) == 0)
}

/// The mask of ignored signals in `/proc/PID/status` (proc(5)).
fn ignored_in(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hang_up_is_seen() {
        assert_eq!(ignored_in("Name:\tsh\nSigIgn:\t0000000000000001\nSigCgt:\t0\n"), 1);
        assert_eq!(ignored_in("Name:\tsh\n"), 0);
    }
}
