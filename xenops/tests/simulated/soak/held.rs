//! What this process and its store hold, to see what does not go again.

use std::fs;
use std::time::{Duration, Instant};

use xenops::Host;

/// What can be counted exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    threads: usize,
    /// What each is of.
    descriptors: Vec<String>,
    /// Nodes, connections and watches, as the store counts them.
    store: String,
    /// What the store finds when it recounts what it keeps twice.
    recounted: String,
}

impl Held {
    pub(crate) fn now(host: &Host) -> Self {
        let entries = |folder| fs::read_dir(folder).unwrap().count();
        let store = host.store().control(&["memreport"]).unwrap();
        Self {
            threads: entries("/proc/self/task"),
            descriptors: descriptors(),
            store: store.trim_end().replace('\n', ", "),
            recounted: host.store().control(&["check"]).unwrap(),
        }
    }

    /// Fails unless as much is held soon: a guest's thread ends after its domain, and the store sees
    /// the end of a connection when it looks.
    #[track_caller]
    pub(crate) fn assert_unchanged(&self, host: &Host) {
        let start = Instant::now();
        let mut now = Self::now(host);
        while now != *self && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(1));
            now = Self::now(host);
        }
        assert_eq!(now, *self, "what is held, against the start");
    }

    pub(crate) fn line(&self) -> String {
        let Self { threads, descriptors, store, .. } = self;
        let descriptors = descriptors.len();
        format!("{threads} threads, {descriptors} descriptors; store: {store}")
    }
}

/// What is open, in order, pipes and sockets by their inodes: those of the toolstacks stay.
fn descriptors() -> Vec<String> {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    let targets = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
    let mut open: Vec<_> = targets.map(|target| target.display().to_string()).collect();
    open.sort();
    open
}

/// What of this process is in memory, in KiB.
pub(crate) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
