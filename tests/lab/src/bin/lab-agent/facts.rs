//! What this dom0 says of itself when a session opens.

use std::fs;

pub(crate) fn gather() -> Vec<(String, String)> {
    let hypervisor = |part: &str| read(&format!("/sys/hypervisor/version/{part}"));
    let xen = format!("{}.{}{}", hypervisor("major"), hypervisor("minor"), hypervisor("extra"));
    vec![
        ("xen".into(), xen),
        ("kernel".into(), read("/proc/sys/kernel/osrelease")),
        ("uptime".into(), first_word(&read("/proc/uptime"))),
        ("command line".into(), read("/proc/cmdline")),
    ]
}

/// A fact that cannot be read is an empty one: it informs people and decides nothing.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}
