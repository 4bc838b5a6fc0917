//! The machine: what it is made of, and who runs on it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use xc::Release;
use xen_types::{Clock, DomId, MiB, PageCount};
use xs_server::Running;

use crate::faults::{How, Plan, Which};
use crate::hypervisor::Hypervisor;
use crate::linux::{Bus, Linux};
use crate::process::Process;
use crate::time::{Hold, Pace, Ticker};
use crate::xen::Xen;
use crate::xen::domain::{Domain, Run};
use crate::{guest, store};

/// What a machine is made of.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Hardware {
    /// The release of Xen: 4.17 or later.
    pub release: Release,
    /// Processors, 1 to 63.
    pub cpus: u32,
    /// The memory of each node, one at least.
    pub nodes: Vec<PageCount>,
    /// What of it domain 0 has.
    pub dom0: PageCount,
    /// How its clock goes.
    pub pace: Pace,
}

impl Hardware {
    /// Two processors as in the lab, 1.5 GiB in one node, a domain 0 of 64 MiB, and the real clock.
    pub fn new(release: Release) -> Self {
        let (memory, dom0) = (MiB(1536).to_pages(), MiB(64).to_pages());
        Self { release, cpus: 2, nodes: vec![memory], dom0, pace: Pace::Real }
    }
}

impl Default for Hardware {
    /// That of [`Hardware::new`] under Xen 4.17.
    fn default() -> Self {
        Self::new(Release::new(4, 17))
    }
}

/// A simulated machine; clones are the same one.
#[derive(Debug, Clone)]
pub struct Machine {
    xen: Arc<Hypervisor>,
    store: Arc<Mutex<Option<Running>>>,
    linux: Arc<Linux>,
    /// Those of other domains that run, or ran.
    elsewhere: Arc<Mutex<Elsewhere>>,
    /// The programs that were started.
    processes: Arc<Mutex<Vec<Weak<Process>>>>,
    _power: Arc<Power>,
}

/// The Linux of each domain that is not the control domain.
type Elsewhere = BTreeMap<DomId, (Run, Arc<Linux>)>;

/// With the last who has the machine its power goes, and guests end.
#[derive(Debug)]
struct Power(Arc<Hypervisor>);

impl Drop for Power {
    fn drop(&mut self) {
        self.0.call(Xen::power_off);
    }
}

impl Machine {
    /// Starts a machine, its xenstored included.
    ///
    /// # Errors
    /// If this, the real, process has no descriptor or thread left.
    ///
    /// # Panics
    /// If domain 0 would have more memory than there is.
    pub fn start(hardware: &Hardware) -> io::Result<Self> {
        let xen = Arc::new(Hypervisor::new(Xen::start(hardware), Ticker::new(hardware.pace)));
        let store = Arc::new(Mutex::new(Some(store::start(&xen)?)));
        let _power = Arc::new(Power(Arc::clone(&xen)));
        let (linux, elsewhere, processes) = Default::default();
        Ok(Self { xen, store, linux, elsewhere, processes, _power })
    }

    /// Starts a program in domain 0, with which nothing goes wrong.
    pub fn process(&self) -> Arc<Process> {
        self.faulty_process(&[])
    }

    /// Starts a program in domain 0 some of whose calls go wrong.
    pub fn faulty_process(&self, faults: &[(Which, How)]) -> Arc<Process> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let process = Arc::new(Process::new(self.clone(), number, Plan::new(faults)));
        self.processes().push(Arc::downgrade(&process));
        process
    }

    /// The programs that run.
    pub(crate) fn running(&self) -> Vec<Arc<Process>> {
        let mut processes = self.processes();
        processes.retain(|process| process.strong_count() > 0);
        processes.iter().filter_map(Weak::upgrade).collect()
    }

    fn processes(&self) -> MutexGuard<'_, Vec<Weak<Process>>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the next domain that is created get this number if it is free, as when Xen's numbers, of which there
    /// are 32 751, have gone round.
    pub fn set_next_domid(&self, dom: DomId) {
        self.xen(|xen| xen.set_next_id(dom));
    }

    /// Its clock, which the handles of its processes wait by.
    pub fn clock(&self) -> Clock {
        self.xen.time.clock()
    }

    /// Keeps the clock from jumping: for a caller who is about to do something, and does not wait.
    pub fn hold_clock(&self) -> Hold {
        self.xen.time.hold()
    }

    /// Counts this thread among those that the clock waits for.
    pub(crate) fn join_clock(&self) {
        self.xen.time.join();
    }

    /// Notes that something happens of which the hypervisor does not hear.
    pub(crate) fn note(&self) {
        self.xen.time.note();
    }

    /// Ends xenstored, with all connections, and starts it anew with a store that knows of domain 0
    /// only.
    ///
    /// # Errors
    /// If this, the real, process has no descriptor or thread left.
    pub fn restart_store(&self) -> io::Result<()> {
        let before = self.store().take();
        drop(before); // waits for its thread, which may be in the hypervisor
        *self.store() = Some(store::start(&self.xen)?);
        Ok(())
    }

    /// The Linux of another domain that runs, whose devices it serves if its command line says `serves`.
    pub fn linux_of(&self, dom: DomId) -> Option<Arc<Linux>> {
        let run = self.xen(|xen| xen.dom(dom).ok().map(|domain| domain.run()))?;
        let there = self.elsewhere();
        there.get(&dom).filter(|(of, _)| *of == run).map(|(_, linux)| Arc::clone(linux))
    }

    fn elsewhere(&self) -> MutexGuard<'_, Elsewhere> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Linux of its control domain.
    pub fn linux(&self) -> &Linux {
        &self.linux
    }

    /// Has the drivers of the control domain serve devices from now on.
    pub(crate) fn drive(&self) {
        if self.linux.begin_to_drive() {
            let (linux, xen) = (Arc::clone(&self.linux), Arc::clone(&self.xen));
            let whom = xen.call(|xen| xen.dom(DomId::DOM0).map(|dom0| dom0.run()));
            let whom = whom.expect("a machine has a domain 0");
            Bus { linux, xen, whom }.start(Arc::downgrade(&self.store));
        }
    }

    /// A connection to xenstored.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        self.store().as_ref().ok_or(io::ErrorKind::NotConnected)?.connect()
    }

    fn store(&self) -> MutexGuard<'_, Option<Running>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something in the hypervisor, which does one thing at a time.
    pub(crate) fn xen<T>(&self, call: impl FnOnce(&mut Xen) -> T) -> T {
        self.xen.call(call)
    }

    /// Starts the kernel of a domain that runs for the first time since it was built.
    pub(crate) fn boot(&self, dom: DomId) {
        let boot = self.xen.call(|xen| {
            let domain = xen.dom(dom).ok().filter(|domain| domain.runs())?;
            // It does little but wait.
            domain.vcpus.iter_mut().for_each(|vcpu| vcpu.blocked = vcpu.online);
            Some((domain.run(), domain.boot.take()?))
        });
        if let Some((run, boot)) = boot {
            let linux = Arc::<Linux>::default();
            let runs = self.xen(|xen| xen.domains.values().map(Domain::run).collect::<Vec<_>>());
            let mut elsewhere = self.elsewhere();
            elsewhere.retain(|_, (run, _)| runs.contains(run));
            elsewhere.insert(dom, (run, Arc::clone(&linux)));
            drop(elsewhere);
            guest::start(&self.xen, run, linux, boot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use xc::{CreateConfig, GuestKind};
    use xen_types::{DomainUuid, Gfn};
    use xg::{BuildConfig, Kernel};

    use super::*;

    #[test]
    fn a_guest_ends_with_its_machine_also_when_it_is_paused() {
        let machine = Machine::start(&Hardware::default()).unwrap();
        let process = machine.process();
        let (xc, kind) = (process.xc(), GuestKind::Pv);
        let config = CreateConfig::new(kind, DomainUuid::from_bytes([7; 16]), 1);
        let dom = xc.create_domain(&config).unwrap();
        xc.set_max_vcpus(dom, 1).unwrap();
        xc.set_max_mem(dom, MiB(1).to_bytes()).unwrap();
        let port = || xc.alloc_unbound_port(dom, DomId::DOM0).unwrap();
        let kernel = Kernel::from_bytes("kernel", crate::kernel()).unwrap();
        let build = BuildConfig::new(kind, kernel, MiB(1), port(), port());
        let built = process.xg().build(dom, &build).unwrap();
        let store = process.store().unwrap();
        store.introduce(dom, Gfn(built.store.number()), build.store).unwrap();
        xc.unpause(dom).unwrap();
        xc.pause(dom).unwrap();

        let hypervisor = Arc::downgrade(&machine.xen);
        drop((machine, process, xc, store));

        let start = Instant::now();
        while hypervisor.strong_count() > 0 {
            assert!(start.elapsed().as_secs() < 60, "something still has the machine");
            std::thread::yield_now();
        }
    }
}
