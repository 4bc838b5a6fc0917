//! A program of domain 0: what it has open, and what goes wrong with its calls.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Shutdown;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventchn::EventChannels;
use rustix::io::Errno;
use xc::Xc;
use xen_types::{DomId, Port};
use xenops::system::System;
use xg::Xg;
use xs::Client;

use crate::builder::Builder;
use crate::calls::Handle;
use crate::evtchn::Device;
use crate::faults::{Deed, How, Plan, Which};
use crate::linux::Dom0;
use crate::machine::Machine;
use crate::relay;

/// A page of a domain, mapped by a program until this is dropped or the program killed.
#[derive(Debug)]
pub struct Mapping {
    process: Arc<Process>,
    number: u64,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let mapped = self.process.open().mapped.remove(&self.number);
        if let Some((dom, page)) = mapped {
            self.process.machine.xen(|xen| xen.let_go(dom, page));
        }
    }
}

/// A device that a program has open, until this is dropped or the program killed.
#[derive(Debug)]
pub(crate) struct OpenDevice {
    process: Arc<Process>,
    number: u64,
}

impl OpenDevice {
    pub(crate) fn of(process: &Arc<Process>, path: &'static str) -> Self {
        let mut open = process.open();
        open.last_device += 1;
        let number = open.last_device;
        open.devices.insert(number, path);
        Self { process: Arc::clone(process), number }
    }
}

impl Drop for OpenDevice {
    fn drop(&mut self) {
        self.process.open().devices.remove(&self.number);
    }
}

/// A program that runs in domain 0. Its handles are those of the product, over this machine.
#[derive(Debug)]
pub struct Process {
    machine: Machine,
    /// Tells it from others of the machine.
    pub(crate) number: u64,
    plan: Mutex<Plan>,
    killed: AtomicBool,
    open: Mutex<Open>,
}

impl Process {
    pub(crate) fn new(machine: Machine, number: u64, plan: Plan) -> Self {
        Self {
            machine,
            number,
            plan: Mutex::new(plan),
            killed: AtomicBool::new(false),
            open: Mutex::default(),
        }
    }

    /// A handle to the hypervisor.
    pub fn xc(self: &Arc<Self>) -> Xc {
        Xc::with_backend(Arc::new(Handle::open(Arc::clone(self))))
    }

    /// A domain builder.
    pub fn xg(self: &Arc<Self>) -> Xg {
        Xg::with_backend(Arc::new(Builder::open(Arc::clone(self))))
    }

    /// The event-channel device, opened anew.
    ///
    /// # Errors
    /// If this, the real, process has no descriptor left.
    pub fn event_channels(self: &Arc<Self>) -> io::Result<EventChannels> {
        Ok(EventChannels::with_backend(Box::new(Device::open(Arc::clone(self))?)))
    }

    /// A connection to the machine's xenstored, each request of which is a call.
    ///
    /// # Errors
    /// If the daemon does not run, or this, the real, process has no descriptor left.
    pub fn store(self: &Arc<Self>) -> io::Result<Client> {
        let (near, end) = relay::before(self.machine.connect()?, self)?;
        self.open().streams.push(end);
        let client = Client::from_stream(near).map_err(io::Error::other)?;
        Ok(client.with_clock(self.machine.clock()))
    }

    /// The system that it runs on, each call of which is counted. From the first on the machine's
    /// drivers serve devices.
    pub fn system(self: &Arc<Self>) -> Arc<dyn System> {
        self.machine.drive();
        Arc::new(Dom0(Arc::clone(self)))
    }

    /// Maps a page of a domain, as a back-end or a daemon does: of HVM and PVH by its guest frame,
    /// of PV by its machine frame.
    ///
    /// # Errors
    /// [`Errno::SRCH`] if there is no such domain, [`Errno::INVAL`] if it has no page there.
    pub fn map_page(self: &Arc<Self>, dom: DomId, frame: u64) -> Result<Mapping, Errno> {
        let page = self.machine.xen(|xen| xen.hold(dom, frame))?;
        let mut open = self.open();
        open.mappings += 1;
        let number = open.mappings;
        open.mapped.insert(number, (dom, page));
        Ok(Mapping { process: Arc::clone(self), number })
    }

    /// Has something be done just before a call of this process, once: what others do meanwhile, at a moment
    /// that can be chosen.
    pub fn before(&self, call: Which, deed: impl FnOnce() + Send + 'static) {
        self.plan().add_deed(call, Deed(Box::new(deed)));
    }

    /// The machine it runs on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Kills it: what it has open is closed. What runs it here runs on, with errors, and without
    /// effect on the machine.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        let Open { ports, files, streams, mapped, .. } = std::mem::take(&mut *self.open());
        files.into_iter().for_each(|file| self.machine.linux().lock().blocks.close(file));
        for stream in streams {
            stream.shutdown(Shutdown::Both).unwrap_or_default();
        }
        self.machine.xen(|xen| {
            for port in ports {
                xen.close_port(DomId::DOM0, port).unwrap_or_default();
            }
            for (dom, page) in mapped.into_values() {
                xen.let_go(dom, page);
            }
        });
    }

    /// The call that went wrong last, if one did.
    pub fn failed(&self) -> Option<String> {
        self.plan().failed()
    }

    /// The names of the calls that it has made, in order: all, or those since
    /// [`Process::forget_calls`].
    pub fn calls(&self) -> Vec<String> {
        self.plan().made().to_vec()
    }

    /// Drops the names of the calls made, of which a process that lives long has many. Faults still
    /// count from its start.
    pub fn forget_calls(&self) {
        self.plan().forget();
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and says what goes wrong with it.
    ///
    /// # Errors
    /// If the process has been killed.
    pub(crate) fn verdict(&self, name: &str) -> Result<Option<How>, Killed> {
        if self.killed.load(Ordering::SeqCst) {
            return Err(Killed);
        }
        let (verdict, deed) = {
            let mut plan = self.plan();
            (plan.verdict(name), plan.deed(name))
        };
        if let Some(Deed(deed)) = deed {
            deed();
        }
        Ok(verdict)
    }

    /// Makes a call, unless it is one to go wrong.
    pub(crate) fn pass<T, E>(
        &self,
        name: &'static str,
        failure: impl Fn(Errno) -> E,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let verdict = self.verdict(name);
        let _under_way = self.machine.hold_clock();
        self.carry_out(verdict, failure, call)
    }

    /// The same of a call that waits for others, which may take as long as the clock says.
    pub(crate) fn pass_in_time<T, E>(
        &self,
        name: &'static str,
        failure: impl Fn(Errno) -> E,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let verdict = self.verdict(name);
        self.carry_out(verdict, failure, call)
    }

    fn carry_out<T, E>(
        &self,
        verdict: Result<Option<How>, Killed>,
        failure: impl Fn(Errno) -> E,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        match verdict {
            Ok(None) => call(),
            Ok(Some(How::Undone | How::Conflict)) => Err(failure(Errno::IO)),
            Ok(Some(How::Unheard)) => call().and(Err(failure(Errno::IO))),
            Ok(Some(How::DeathBefore)) => {
                self.kill();
                Err(failure(Errno::BADF))
            }
            Ok(Some(How::DeathAfter)) => {
                let done = call();
                self.kill();
                done.and(Err(failure(Errno::BADF)))
            }
            Err(Killed) => Err(failure(Errno::BADF)),
        }
    }

    /// A port that it has bound, until it closes it.
    pub(crate) fn gain(&self, port: Port) {
        self.open().ports.insert(port);
    }

    /// Gives a port up; false if it has gone with the process.
    pub(crate) fn lose(&self, port: Port) -> bool {
        self.open().ports.remove(&port)
    }

    /// A file that it has opened, until it closes it.
    pub(crate) fn gain_file(&self, file: RawFd) {
        self.open().files.insert(file);
    }

    /// Gives a file up; false if it has gone with the process.
    pub(crate) fn lose_file(&self, file: RawFd) -> bool {
        self.open().files.remove(&file)
    }

    /// The number of its next connection to the store.
    pub(crate) fn connection(&self) -> u64 {
        let mut open = self.open();
        open.connections += 1;
        let number = open.connections;
        open.connected.insert(number);
        number
    }

    /// A watch of one of its connections, until it ends it.
    pub(crate) fn gain_watch(&self, connection: u64, watch: Vec<u8>) {
        self.open().watches.insert((connection, watch));
    }

    pub(crate) fn lose_watch(&self, connection: u64, watch: &[u8]) {
        self.open().watches.remove(&(connection, watch.to_vec()));
    }

    /// A connection has ended, its watches with it.
    pub(crate) fn lose_connection(&self, connection: u64) {
        let mut open = self.open();
        open.watches.retain(|(of, _)| *of != connection);
        open.connected.remove(&connection);
    }

    /// What its descriptors are of, in order: connections to the store, devices of Xen, mapped pages, files of
    /// the control domain.
    pub fn descriptors(&self) -> Vec<String> {
        let open = self.open();
        let store = open.connected.iter().map(|_| "/run/xenstored/socket".to_owned());
        let devices = open.devices.values().map(|path| (*path).to_owned());
        let mapped = open.mapped.values().map(|(dom, _)| format!("a page of domain {dom}"));
        let files = open.files.iter().map(|_| "a file".to_owned());
        let mut all: Vec<_> = store.chain(devices).chain(mapped).chain(files).collect();
        all.sort();
        all
    }

    /// The paths that it watches.
    pub(crate) fn watched(&self) -> Vec<String> {
        let path = |watch: &[u8]| {
            let path = watch.split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(path).into_owned()
        };
        self.open().watches.iter().map(|(_, watch)| path(watch)).collect()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the kernel closes when the process ends.
#[derive(Debug, Default)]
struct Open {
    ports: BTreeSet<Port>,
    files: BTreeSet<RawFd>,
    streams: Vec<UnixStream>,
    connections: u64,
    connected: BTreeSet<u64>,
    /// Devices, each with its path.
    devices: BTreeMap<u64, &'static str>,
    last_device: u64,
    /// Each with its connection, as path and token.
    watches: BTreeSet<(u64, Vec<u8>)>,
    /// Pages, each with its domain.
    mapped: BTreeMap<u64, (DomId, u64)>,
    mappings: u64,
}

/// The process is no more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Killed;
