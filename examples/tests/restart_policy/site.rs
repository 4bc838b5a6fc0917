//! The simulated machine that the policy is tried on, and how guests are started there.

use std::error::Error;
use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use xc::{CreateConfig, GuestKind, Xc};
use xen_sim::{Hardware, Machine, Pace, Process};
use xen_types::{Clock, DomId, DomainUuid, Gfn, MiB, ShutdownReason};
use xg::{BuildConfig, Kernel};
use xs::{Access, Client, Path, Perms, Store as _, appears};

pub(crate) struct Site {
    process: Arc<Process>,
    pub(crate) xc: Xc,
    pub(crate) store: Client,
    pub(crate) clock: Clock,
}

impl Site {
    /// A machine on which hours pass as soon as everybody waits.
    pub(crate) fn new() -> Self {
        let mut hardware = Hardware::default();
        hardware.pace = Pace::Jumping;
        let machine = Machine::start(&hardware).unwrap();
        let process = machine.process();
        let (xc, store) = (process.xc(), process.store().unwrap());
        Self { xc, store, clock: machine.clock(), process }
    }

    pub(crate) fn machine(&self) -> &Machine {
        self.process.machine()
    }

    /// Starts a guest whose kernel does what the words of `command_line` say.
    pub(crate) fn start(&self, command_line: &str) -> Result<DomId, Box<dyn Error>> {
        let kind = GuestKind::Pvh;
        let uuid = DomainUuid::from_bytes([7; 16]);
        let dom = self.xc.create_domain(&CreateConfig::new(kind, uuid, 1))?;
        self.xc.set_max_vcpus(dom, 1)?;
        self.xc.set_max_mem(dom, MiB(8).to_bytes())?;
        let ports = [(); 2].map(|()| self.xc.alloc_unbound_port(dom, DomId::DOM0));
        let [store, console] = ports;
        let kernel = Kernel::from_bytes("kernel", xen_sim::kernel())?;
        let mut build = BuildConfig::new(kind, kernel, MiB(4), store?, console?);
        build.cmdline = CString::new(command_line)?;
        let built = self.process.xg().build(dom, &build)?;
        for node in ["data", "control/shutdown"] {
            let path = Path::domain(dom).join(node);
            self.store.write(&path, "")?;
            self.store.set_perms(&path, &Perms::new(dom, Access::None))?;
        }
        self.store.introduce(dom, Gfn(built.store.number()), build.store)?;
        self.xc.unpause(dom)?;
        Ok(dom)
    }

    /// Has a guest run for a time, after which it ends as its command line says.
    pub(crate) fn ends_after(&self, dom: DomId, time: Duration) {
        let end = self.clock.after(time);
        let up = Path::domain(dom).join("data/tiny");
        self.store.wait(&appears(up), end).unwrap();
        self.clock.sleep(self.clock.remaining(end));
        self.store.write(&Path::domain(dom).join("control/shutdown"), "poweroff").unwrap();
    }

    pub(crate) fn reason(&self, dom: DomId) -> Option<ShutdownReason> {
        self.xc.info(dom).ok()?.shutdown
    }
}
