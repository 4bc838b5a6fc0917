//! A Linux guest that counts aloud and says the checksum of what it keeps in its memory.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use xen_types::{Deadline, DomId, MiB, ShutdownReason};
use xenops::{CreateOptions, DomainConfig, GuestKind, Host, Limits, State, TscMode};

use crate::dom0::run;

/// The guest, destroyed with the test whatever happens.
pub(crate) struct Counting {
    pub(crate) id: DomId,
    pub(crate) name: String,
}

impl Counting {
    /// A guest of this configuration that has begun to count.
    pub(crate) fn start(host: &Host, config: &DomainConfig) -> Self {
        for _ in 0..3 {
            let id = host.create(config, CreateOptions::default(), &minutes(5)).expect("create");
            let guest = Self { id, name: config.name.clone() };
            if guest.begins(host) {
                return guest;
            }
            eprintln!("{}: a triple fault in early boot, tried again", config.name);
        }
        panic!("three triple faults in a row are not the emulator's");
    }

    /// Waits for the second number; false if it ended without a word (`booted` in build.rs).
    fn begins(&self, host: &Host) -> bool {
        let mut faulted = false;
        self.until("it counts", || {
            if let State::Shutdown(reason) = host.domain(self.id).expect("it is there").state {
                let log = self.log();
                faulted = reason == ShutdownReason::Reboot && log.is_empty();
                assert!(faulted, "{} has ended, {reason:?}, and said {log:?}", self.name);
            }
            faulted || self.counts().len() >= 2
        });
        !faulted
    }

    /// Asks until the answer is yes: a guest on an emulated processor beside others takes its time.
    fn until(&self, what: &str, mut yes: impl FnMut() -> bool) {
        let limits = minutes(4);
        while !yes() {
            if limits.deadline.passed(Instant::now()) {
                let vcpus = run("xl", &["vcpu-list", &self.id.to_string()]);
                panic!("not within four minutes: {what}; {vcpus:?}; it said {:?}", self.log());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What its console said, as xenconsoled wrote it down.
    pub(crate) fn log(&self) -> String {
        let path = format!("/var/log/xen/console/guest-{}.log", self.name);
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// The numbers and checksums that it said, whole lines only.
    fn counts(&self) -> Vec<(u32, String)> {
        let log = self.log();
        let said = log.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let line = |line: &str| {
            let mut words = line.trim().strip_prefix("COUNT ")?.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
        };
        said.lines().filter_map(line).collect()
    }

    /// The number it said last.
    pub(crate) fn count(&self) -> u32 {
        self.counts().last().expect("it counts").0
    }

    /// The first number it said.
    pub(crate) fn first(&self) -> u32 {
        self.counts().first().expect("it counts").0
    }

    /// The one checksum that it said, each time.
    pub(crate) fn checksum(&self) -> String {
        let counts = self.counts();
        let (_, first) = counts.first().expect("it counts");
        let others: Vec<_> = counts.iter().filter(|(_, sum)| sum != first).collect();
        assert!(others.is_empty(), "{first} and {others:?}");
        first.clone()
    }

    /// Waits until it has counted on by two.
    pub(crate) fn goes_on(&self) {
        let before = self.counts().last().map_or(0, |(count, _)| *count);
        let told = before + 2;
        self.until("it counts on", || self.counts().last().is_some_and(|last| last.0 >= told));
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // Gone already after a test that went well.
        let _ = run("xl", &["destroy", &self.id.to_string()]);
        let _ = fs::remove_file(format!("/var/log/xen/console/guest-{}.log", self.name));
    }
}

/// A guest that keeps 8 MiB of random bytes.
pub(crate) fn config(name: &str, kind: GuestKind, more: &str) -> DomainConfig {
    // A PVH guest of 128 MiB has too little for this ramdisk.
    let memory = if kind == GuestKind::Pv { MiB(128) } else { MiB(192) };
    let mut config = DomainConfig::new(name, kind, "/guests/vmlinux", memory);
    config.ramdisk = Some("/guests/hello.cpio".into());
    config.cmdline = format!("console=hvc0 loglevel=1 mitigations=off hello.count=8 {more}");
    // Emulated time-stamp reads cost most of the boot on an emulated processor.
    config.tsc_mode = TscMode::Native;
    config
}

pub(crate) fn minutes(minutes: u64) -> Limits {
    Limits::until(Deadline::after(Duration::from_secs(60 * minutes)))
}
