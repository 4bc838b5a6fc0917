//! A guest's kernel: a script that has what a guest has, its ring to the store and its own
//! shutdown, and no more.
//!
//! It does what the tiny guest of `tests/guests` does: it writes `data/tiny`, watches
//! `control/shutdown` and obeys; and it has drivers for disks, network interfaces and consoles, see
//! [`Fronts`]. Words of its command line change that, see [`Manners`]. Asked to suspend it does so, as Linux
//! does. If it was saved it begins anew where it was restored, with what its memory says.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use xen_types::{Port, ShutdownReason};
use xs::ring::{Bell, Page};
use xs::{Client, Kind, Path, Store as _, View as _};

use crate::balloon::{Balloon, Follows};
use crate::front::{Crashed, Front, Fronts};
use crate::hypervisor::Hypervisor;
use crate::linux::{Bus, Devices, Linux};
use crate::page::Page as Memory;
use crate::store::{clear, event};
use crate::xen::domain::Run;
use crate::xen::ports::Listener;

/// What a domain that was built is started with.
#[derive(Debug, Clone)]
pub(crate) struct Boot {
    pub(crate) command_line: Vec<u8>,
    /// The machine frame of the ring to the store.
    pub(crate) ring: u64,
    /// Its own port to the store.
    pub(crate) port: Port,
    /// Whether it goes on after a suspension, in which it was saved.
    pub(crate) restored: bool,
}

/// How a guest behaves, by the words of its command line.
#[derive(Debug, Clone, Copy, Default)]
struct Manners {
    /// `deaf`: it acknowledges no request and obeys none.
    deaf: bool,
    /// `lazy`: it acknowledges requests and obeys none.
    lazy: bool,
    /// `crash-asked`: asked to stop, it crashes.
    crash_asked: bool,
    /// `serves`: it serves devices of others, see [`Bus`].
    serves: bool,
    /// `keeps-memory`, `half-memory`: what it does about its target.
    follows: Follows,
    /// `halt`, `reboot`, `crash`: it does so once it has started.
    at_once: Option<ShutdownReason>,
    /// The words of [`Front`].
    front: Front,
}

impl Manners {
    fn of(command_line: &[u8]) -> Self {
        let mut manners = Self::default();
        for word in command_line.split(u8::is_ascii_whitespace) {
            match word {
                b"deaf" => manners.deaf = true,
                b"lazy" => manners.lazy = true,
                b"crash-asked" => manners.crash_asked = true,
                b"serves" => manners.serves = true,
                b"keeps-memory" => manners.follows = Follows::Nothing,
                b"half-memory" => manners.follows = Follows::Half,
                b"halt" => manners.at_once = Some(ShutdownReason::Poweroff),
                b"reboot" => manners.at_once = Some(ShutdownReason::Reboot),
                b"crash" => manners.at_once = Some(ShutdownReason::Crash),
                word => manners.front = Front::of(word).unwrap_or(manners.front),
            }
        }
        manners
    }
}

/// Starts the kernel of a domain, which ends with the domain or with the machine.
pub(crate) fn start(xen: &Arc<Hypervisor>, run: Run, linux: Arc<Linux>, boot: Boot) {
    let (kernel, dom) = (Kernel { xen: Arc::clone(xen), whom: run, linux }, run.dom);
    let hold = xen.time.hold();
    let life = move || {
        kernel.xen.time.note();
        drop(hold); // from now on it is known that it has something to do
        // It ends when nobody answers any more: the store, or the hypervisor.
        if let Ok(Some(reason)) = kernel.run(&boot) {
            kernel.xen.call_by(run, |xen| xen.shut_down(dom, reason.raw()));
        }
    };
    let name = format!("guest {dom}");
    thread::Builder::new().name(name).spawn(life).map(drop).expect("a thread for a guest");
}

struct Kernel {
    xen: Arc<Hypervisor>,
    whom: Run,
    linux: Arc<Linux>,
}

impl Kernel {
    /// Runs until it stops by itself, with a reason, or is no more.
    fn run(&self, boot: &Boot) -> xs::Result<Option<ShutdownReason>> {
        let Ok(event) = event() else { return Ok(None) };
        let bell = Arc::new(event);
        let listener = Listener::Bell(Arc::clone(&bell));
        let memory = self.xen.call_by(self.whom, |xen| {
            xen.listen(self.whom.dom, boot.port, listener);
            xen.content(boot.ring)
        });
        let Some(memory) = memory else { return Ok(None) };
        let page = OfGuest { xen: Arc::clone(&self.xen), whom: self.whom, memory };
        let channel =
            BellOfGuest { xen: Arc::clone(&self.xen), whom: self.whom, port: boot.port, bell };
        // A kernel waits for its answers without end, also while its domain is paused.
        let store = Client::over_ring(page, channel)?
            .with_clock(self.xen.time.clock())
            .with_request_timeout(Duration::MAX);
        let mut manners = Manners::of(&boot.command_line);
        manners.at_once = manners.at_once.filter(|_| !boot.restored);
        self.serve(&store, manners, boot.ring)
    }

    fn serve(
        &self,
        store: &Client,
        manners: Manners,
        ring: u64,
    ) -> xs::Result<Option<ShutdownReason>> {
        let orders = Path::from_static("control/shutdown");
        // Of what it may read it hears: its own home, and its backends.
        let mut changes = store.watch(&Path::DOMAINS)?;
        match store.write(&Path::from_static("data/tiny"), "up") {
            // A toolstack need not let its guests write there.
            Err(error) if error.kind() != Kind::Denied => return Err(error),
            _ => {}
        }
        if manners.at_once.is_some() {
            return Ok(manners.at_once);
        }
        let dom = self.whom.dom;
        let hvm = self.xen.call_by(self.whom, |xen| xen.dom(dom).is_ok_and(|own| own.is_hvm()));
        let mut fronts = Fronts {
            xen: &self.xen,
            whom: self.whom,
            store,
            manners: manners.front,
            hvm: hvm.unwrap_or_default(),
            devices: BTreeMap::new(),
        };
        let (linux, xen) = (Arc::clone(&self.linux), Arc::clone(&self.xen));
        let (bus, mut served) = (Bus { linux, xen, whom: self.whom }, Devices::default());
        let mut balloon = Balloon::new(&self.xen, self.whom, manners.follows, ring);
        loop {
            changes.wait(store.clock().after(Duration::MAX))?;
            while changes.try_next()?.is_some() {}
            if let Some(Crashed) = fronts.look()? {
                return Ok(Some(ShutdownReason::Crash));
            }
            balloon.look(store)?;
            if manners.serves
                && let Err(error) = bus.look(store, &mut served)
                && error.kind() == Kind::Unavailable
            {
                return Err(error);
            }
            if manners.deaf {
                continue;
            }
            // Most changes are of something else.
            if order(store.read_opt(&orders)?).is_none() {
                continue;
            }
            // In one, as Linux takes it (`shutdown_handler`): it may be taken back meanwhile.
            let taken = store.transaction(|tx| {
                let taken = order(tx.read_opt(&orders)?);
                taken.map_or(Ok(()), |_| tx.write(&orders, ""))?;
                Ok(taken)
            })?;
            let Some(reason) = taken else { continue };
            if manners.lazy {
                continue;
            }
            if manners.crash_asked {
                return Ok(Some(ShutdownReason::Crash));
            }
            if reason != ShutdownReason::Suspend {
                return Ok(Some(reason));
            }
            if !self.suspend() {
                return Ok(None);
            }
        }
    }

    /// `do_suspend` (`drivers/xen/manage.c`), if it was not saved: rings and ports stay. False if it does not
    /// go on.
    fn suspend(&self) -> bool {
        let dom = self.whom.dom;
        self.xen.call_by(self.whom, |xen| xen.shut_down(dom, ShutdownReason::Suspend.raw()));
        self.xen.call_by(self.whom, |_| ()).is_some()
    }
}

/// What `control/shutdown` asks for.
fn order(request: Option<Vec<u8>>) -> Option<ShutdownReason> {
    match request?.as_slice() {
        b"suspend" => Some(ShutdownReason::Suspend),
        b"poweroff" | b"halt" => Some(ShutdownReason::Poweroff),
        b"reboot" => Some(ShutdownReason::Reboot),
        _ => None,
    }
}

/// The guest's side of its ring.
struct OfGuest {
    xen: Arc<Hypervisor>,
    whom: Run,
    memory: Arc<Memory>,
}

impl Page for OfGuest {
    fn load(&self, offset: usize) -> u32 {
        self.memory.load(offset)
    }

    /// A guest that does not run writes nothing.
    fn store(&self, offset: usize, value: u32) {
        self.xen.call_by(self.whom, |_| self.memory.store(offset, value)).unwrap_or_default();
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.memory.read(offset, bytes);
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        self.xen.call_by(self.whom, |_| self.memory.write(offset, bytes)).unwrap_or_default();
    }
}

/// The guest's end of the event channel of its ring.
struct BellOfGuest {
    xen: Arc<Hypervisor>,
    whom: Run,
    port: Port,
    bell: Arc<OwnedFd>,
}

impl BellOfGuest {
    fn end() -> io::Error {
        io::ErrorKind::NotConnected.into()
    }
}

impl Bell for BellOfGuest {
    fn fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn ring(&self) -> io::Result<()> {
        let sent = self.xen.call_by(self.whom, |xen| xen.send(self.whom.dom, self.port));
        Ok(sent.ok_or_else(Self::end)??)
    }

    /// The end of the domain is the end of whatever its kernel waits for.
    fn acknowledge(&self) -> io::Result<()> {
        self.xen.call_by(self.whom, |_| clear(&self.bell)).ok_or_else(Self::end)
    }
}
