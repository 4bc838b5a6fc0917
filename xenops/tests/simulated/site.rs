//! A machine with what a toolstack needs on it: a kernel in a file, a folder for locks.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use xc::Release;
use xen_sim::{Hardware, How, Machine, Pace, Process, Which};
use xen_types::{DomId, MiB};
use xenops::{CreateOptions, DomainConfig, GuestKind, Host, Limits};
use xs::{Path, View as _};

/// A machine, and a folder of this test's alone that goes with it.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) machine: Machine,
    folder: PathBuf,
}

impl Site {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xenops-simulated-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder for the test");
        fs::write(folder.join("kernel"), xen_sim::kernel()).expect("room for a kernel");
        let mut hardware = Hardware::new(Release::new(4, 17));
        hardware.pace = Pace::Jumping;
        let machine = Machine::start(&hardware).expect("a machine");
        Self { machine, folder }
    }

    /// A toolstack with which nothing goes wrong.
    pub(crate) fn host(&self) -> Host {
        self.host_of(&self.machine.process())
    }

    /// A toolstack with which this goes wrong.
    pub(crate) fn faulty(&self, which: Which, how: How) -> (Arc<Process>, Host) {
        self.faulty_in(&[(which, how)])
    }

    pub(crate) fn faulty_in(&self, faults: &[(Which, How)]) -> (Arc<Process>, Host) {
        let process = self.machine.faulty_process(faults);
        let host = self.host_of(&process);
        (process, host)
    }

    pub(crate) fn host_of(&self, process: &Arc<Process>) -> Host {
        let store = process.store().expect("a connection to the store");
        Host::from_parts(store, process.xc(), process.xg()).of_another_machine(&self.folder)
    }

    /// A toolstack on a machine that has drivers, a disk, a file for another and a bridge.
    pub(crate) fn driving(&self, process: &Arc<Process>) -> Host {
        self.host_of(process).with_system(process.system())
    }

    pub(crate) fn config(&self, kind: GuestKind, cmdline: &str) -> DomainConfig {
        let mut config = DomainConfig::new("guest", kind, self.folder.join("kernel"), MiB(4));
        config.cmdline = cmdline.into();
        config
    }

    /// A path in the test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn create(
        &self,
        host: &Host,
        kind: GuestKind,
        cmdline: &str,
    ) -> xenops::Result<DomId> {
        let options = CreateOptions::default();
        host.create(&self.config(kind, cmdline), options, &long(host))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Limits that nothing should need.
pub(crate) fn long(host: &Host) -> Limits {
    host.limits(Duration::from_secs(60))
}

/// Asks until the answer is yes, at most a minute.
pub(crate) fn until(what: &str, mut yes: impl FnMut() -> bool) {
    let start = Instant::now();
    while !yes() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until the guest has written to the store over its own ring.
pub(crate) fn is_up(host: &Host, dom: DomId) {
    let node = Path::domain(dom).join("data/tiny");
    until("the guest is up", || host.store().read_opt(&node).is_ok_and(|value| value.is_some()));
}
