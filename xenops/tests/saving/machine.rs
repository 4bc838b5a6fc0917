//! A domain with a state, its guest, and a store.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;
use xc::backend::{
    DeviceCalls, DomainCalls, DomainInfo, EventCalls, FlaskCalls, HostCalls, HvmCalls, Hypervisor,
    MemoryCalls, Release, SchedulerCalls, VcpuCalls,
};
use xen_types::{DomId, Gfn, Port};
use xenops::Host;
use xg::backend::{
    Backend, CallError, DumpCalls, Image, PolicyCalls, Progress, ResumeCalls, SaveCalls, Saver,
};
use xs::{Client, Path, Store as _, View as _};
use xs_server::{Core, Life, Link, Machine, NoRing, Quotas, Running, Server};

pub(crate) const DOM: DomId = DomId::new(7).unwrap();

/// What the domain does, as Xen would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Runs,
    Paused,
    Suspended,
    Off,
}

impl State {
    /// `XEN_DOMINF_*`.
    fn flags(self) -> u32 {
        const SHUTDOWN: u32 = 1 << 2;
        match self {
            Self::Runs => 1 << 5,
            Self::Paused => 1 << 3,
            Self::Suspended => SHUTDOWN | 2 << 16,
            Self::Off => SHUTDOWN,
        }
    }
}

/// What the guest does when it is asked to suspend.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guest {
    /// Nothing.
    Deaf,
    /// It takes the request at once, and suspends after a while.
    Suspends(Duration),
    /// It takes the request, and powers off.
    PowersOff,
}

/// The domain, below both libraries.
#[derive(Debug)]
struct Domain {
    state: Mutex<State>,
    calls: Mutex<Vec<String>>,
    full: AtomicBool,
}

impl Domain {
    fn note(&self, call: &str) {
        self.calls.lock().unwrap().push(call.to_owned());
    }
}

#[derive(Debug, Clone)]
struct Below(Arc<Domain>);

impl Hypervisor for Below {
    fn release(&self) -> Release {
        Release::new(4, 17)
    }
}

impl DomainCalls for Below {
    fn domain_getinfolist(
        &self,
        first: u32,
        _: u32,
    ) -> Result<Vec<DomainInfo>, xc::backend::CallError> {
        let flags = self.0.state.lock().unwrap().flags();
        let info = DomainInfo { domain: 7, flags, handle: [7; 16], ..DomainInfo::default() };
        Ok(if first <= 7 { vec![info] } else { Vec::new() })
    }
}

impl HostCalls for Below {}
impl MemoryCalls for Below {}
impl VcpuCalls for Below {}
impl SchedulerCalls for Below {}
impl EventCalls for Below {}
impl HvmCalls for Below {}
impl DeviceCalls for Below {}
impl FlaskCalls for Below {}

fn failed(errno: Errno) -> CallError {
    CallError::Failed { errno: Some(errno), said: Vec::new() }
}

impl ResumeCalls for Below {
    fn domain_resume(&self, _: DomId, fast: bool) -> Result<(), CallError> {
        self.0.note(if fast { "resume cooperatively" } else { "resume as new" });
        *self.0.state.lock().unwrap() = State::Runs;
        Ok(())
    }
}

impl SaveCalls for Below {
    fn domain_save(
        &self,
        _: DomId,
        to: BorrowedFd<'_>,
        _: u32,
        _: u32,
        callbacks: &mut dyn Saver,
    ) -> Result<(), CallError> {
        self.0.note("save");
        let suspended = callbacks.suspend() != 0;
        if !suspended || *self.0.state.lock().unwrap() != State::Suspended {
            return Err(failed(Errno::IO));
        }
        if self.0.full.load(Ordering::Relaxed) {
            return Err(failed(Errno::NOSPC));
        }
        rustix::io::write(to, b"a stream").map_err(failed)?;
        let progress = Progress { doing: "Frames", done: 2, total: 2 };
        if callbacks.progress(progress) { Ok(()) } else { Err(failed(Errno::BADF)) }
    }
}

impl PolicyCalls for Below {}
impl DumpCalls for Below {}

impl Backend for Below {
    fn allocate<'a>(
        &'a self,
        _: &CStr,
        _: Option<&CStr>,
    ) -> Result<Box<dyn Image + 'a>, CallError> {
        Err(failed(Errno::NOSYS))
    }
    fn set_memory_map(&self, _: DomId, _: &[xc::E820Entry]) -> Result<(), CallError> {
        Err(failed(Errno::NOSYS))
    }
    fn cpuid_apply_policy(&self, _: DomId, _: bool, _: bool, _: bool) -> Result<(), CallError> {
        Err(failed(Errno::NOSYS))
    }
}

/// What the store sees: domain 7, with a ring that nobody writes to.
struct Seen;

impl Machine for Seen {
    fn domain(&self, dom: DomId) -> Option<Life> {
        (dom == DomId::DOM0 || dom == DOM).then_some(Life::Alive)
    }
    fn connect(&mut self, _: DomId, _: Gfn, _: Port) -> Result<Box<dyn Link>, NoRing> {
        let (ours, theirs) = UnixStream::pair().map_err(|_| NoRing)?;
        Ok(Box::new(Silent(ours, theirs)))
    }
}

struct Silent(
    UnixStream,
    #[allow(dead_code, reason = "open, or the first would be at its end")] UnixStream,
);

impl Link for Silent {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
    fn receive(&mut self, _: &mut [u8]) -> io::Result<Option<usize>> {
        Ok(None)
    }
    fn send(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        Ok(Some(bytes.len()))
    }
}

/// Where the locks of this test's host are.
fn locks() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("locks-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// All of it.
pub(crate) struct Place {
    pub(crate) host: Host,
    locks: PathBuf,
    domain: Arc<Domain>,
    store: Client,
    over: Arc<AtomicBool>,
    guest: Option<JoinHandle<()>>,
    _daemon: Running,
}

impl Place {
    pub(crate) fn new(guest: Guest) -> Self {
        let daemon = Server::new(Core::new(Box::new(Seen), Quotas::default())).unwrap();
        let daemon = daemon.spawn().unwrap();
        let client = || Client::from_stream(daemon.connect().unwrap()).unwrap();
        let (calls, state) = (Mutex::default(), Mutex::new(State::Runs));
        let domain = Arc::new(Domain { state, calls, full: AtomicBool::new(false) });
        let store = client();
        store.write(&SHUTDOWN, "").unwrap();
        store.introduce(DOM, Gfn(1), Port(1)).unwrap();
        let xc = xc::Xc::with_backend(Arc::new(Below(Arc::clone(&domain))));
        let xg = xg::Xg::with_backend(Arc::new(Below(Arc::clone(&domain))));
        let locks = locks();
        let host = Host::from_parts(client(), xc, xg).of_another_machine(&locks);
        let over = Arc::new(AtomicBool::new(false));
        let its = (client(), Arc::clone(&domain), Arc::clone(&over));
        let guest = thread::spawn(move || live(guest, &its.0, &its.1, &its.2));
        Self { host, locks, domain, store, over, guest: Some(guest), _daemon: daemon }
    }

    pub(crate) fn state(&self) -> State {
        *self.domain.state.lock().unwrap()
    }

    pub(crate) fn set(&self, state: State) {
        *self.domain.state.lock().unwrap() = state;
    }

    /// From now on there is no room for a saved domain.
    pub(crate) fn fail_to_write(&self) {
        self.domain.full.store(true, Ordering::Relaxed);
    }

    /// The calls of libxenguest.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.domain.calls.lock().unwrap().clone()
    }

    /// What the guest is asked to do.
    pub(crate) fn request(&self) -> String {
        self.store.read_str_opt(&SHUTDOWN).unwrap().unwrap()
    }

    pub(crate) fn ask(&self, request: &str) {
        self.store.write(&SHUTDOWN, request).unwrap();
    }

    /// A path where there is no file.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}.image", std::process::id()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(guest) = self.guest.take() {
            let _ = guest.join();
        }
        let _ = std::fs::remove_dir_all(&self.locks);
    }
}

/// What the guest does until the test is over.
fn live(guest: Guest, store: &Client, domain: &Domain, over: &AtomicBool) {
    let asked = || store.read_opt(&SHUTDOWN).unwrap().as_deref() == Some(b"suspend");
    let becomes = |state| {
        store.write(&SHUTDOWN, "").unwrap();
        move || *domain.state.lock().unwrap() = state
    };
    while !over.load(Ordering::Relaxed) {
        match guest {
            Guest::Suspends(late) if asked() => {
                let suspend = becomes(State::Suspended);
                thread::sleep(late);
                suspend();
            }
            Guest::PowersOff if asked() => becomes(State::Off)(),
            _ => thread::sleep(Duration::from_millis(2)),
        }
    }
}

const SHUTDOWN: Path = Path::from_static("/local/domain/7/control/shutdown");
