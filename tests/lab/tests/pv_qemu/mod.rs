//! The QEMU that serves devices of a PV or PVH guest, which libxl would start.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use xen_types::{Deadline, DomId};
use xs::{Client, Path, Store, View, becomes};

use crate::dom0::Guest;

/// A QEMU that waits for devices of one guest, ended with the test.
#[derive(Debug)]
pub(crate) struct PvQemu {
    child: Child,
    dom: DomId,
}

impl PvQemu {
    /// Starts it and waits until it serves (`libxl__spawn_qdisk_backend`, `libxl_dm.c`). `more` are arguments
    /// besides libxl's.
    pub(crate) fn of(guest: &Guest, more: &[&str]) -> Self {
        let dom: DomId = guest.id.parse().expect("the number of a domain");
        let client = Client::open().expect("the store");
        client.mkdir(&meeting(dom)).expect("where QEMU says that it runs");
        let log = File::create(log_of(dom)).expect("/tmp is writable in dom0");
        let child = Command::new(QEMU)
            .args(["-xen-domid", &guest.id, "-xen-attach", "-name", &guest.name])
            .args(["-nodefaults", "-no-user-config", "-no-shutdown", "-M", "xenpv", "-m", "32"])
            .args(["-vga", "none", "-display", "none", "-monitor", "none"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the same file"))
            .stderr(log)
            .spawn()
            .expect("start QEMU");
        let qemu = Self { child, dom };
        let state = meeting(dom).try_join("state").expect("a name of a node");
        let deadline = Deadline::after(Duration::from_secs(60));
        let running = client.wait(&becomes(state, "running"), deadline);
        assert!(running.is_ok(), "{running:?}: {}", qemu.said());
        qemu
    }

    /// What it has printed.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(log_of(self.dom)).unwrap_or_default()
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("look at a child").is_none()
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("kill a child");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for PvQemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(log_of(self.dom));
        if let Ok(client) = Client::open() {
            let _ = client.rm_if_exists(&meeting(self.dom));
            if client.directory(&meetings()).is_ok_and(|others| others.is_empty()) {
                let _ = client.rm_if_exists(&meetings());
            }
        }
    }
}

/// Where a toolstack and the QEMU of a guest meet.
fn meeting(dom: DomId) -> Path {
    meetings().try_join(&dom.to_string()).expect("a number is a name of a node")
}

fn meetings() -> Path {
    Path::domain(DomId::DOM0).try_join("device-model").expect("a name of a node")
}

fn log_of(dom: DomId) -> String {
    format!("/tmp/pv-qemu-{dom}.log")
}

const QEMU: &str = "/usr/libexec/xen-qemu-system-i386";
