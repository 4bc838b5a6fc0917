//! A domain 0 with both grant devices and event channels, in memory. It has the kernel's habits that
//! a channel rests on: what happens when pages are unmapped, and masked ports.
//!
//! Also part of `tests/channel.rs`.

#![allow(dead_code, reason = "unit tests and integration tests take the part they need")]
#![allow(clippy::unwrap_used, reason = "for tests")]

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use eventchn::EventChannels;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use xc::grant::backend::*;
use xc::grant::{Grants, Shares};
use xen_types::{Deadline, DomId, Port};

/// The machine. Page n of its memory is granted as reference 100 + n.
#[derive(Debug)]
pub(crate) struct Machine {
    memory: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_page: u32,
    /// How often grants were noted.
    notes: u64,
    granted: BTreeMap<u32, bool>,
    /// Grants noted for mapping: the first reference, by index.
    noted: BTreeMap<u64, u32>,
    /// What happens at the unmapping, by the page's index in either device.
    orders: BTreeMap<u64, UnmapNotify>,
    ports: Vec<PortState>,
    /// How often yet a port rings again as soon as it is unmasked.
    echoes: u32,
}

#[derive(Debug)]
struct PortState {
    peer: Option<u32>,
    masked: bool,
    pending: bool,
    bound: bool,
    device: Arc<OwnedFd>,
}

/// Each note of gntdev has offsets of its own, a multiple of this apart; those of gntalloc are below.
const MAPPED: u64 = 1 << 30;

impl Machine {
    pub(crate) fn new() -> Arc<Self> {
        let memory = memfd_create("machine", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&memory, PAGES * 4096).unwrap();
        Arc::new(Self { memory, state: Mutex::default() })
    }

    pub(crate) fn grants(self: &Arc<Self>) -> Grants {
        Grants::with_device(self.clone())
    }

    pub(crate) fn shares(self: &Arc<Self>) -> Shares {
        Shares::with_device(self.clone())
    }

    pub(crate) fn events(self: &Arc<Self>) -> EventChannels {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        let device = Events { machine: self.clone(), read, write: Arc::new(write) };
        EventChannels::with_backend(Box::new(device))
    }

    /// All of the memory, to play the other end in ways it should not.
    pub(crate) fn memory(&self) -> Mapping {
        Mapping::new(self.memory.as_fd(), 0, PAGES as usize, true).unwrap()
    }

    /// How many pages are granted, mapped, and ports bound.
    pub(crate) fn in_use(&self) -> (usize, usize, usize) {
        let state = self.state.lock().unwrap();
        let bound = state.ports.iter().filter(|port| port.bound).count();
        (state.granted.len(), state.noted.len(), bound)
    }

    /// Has every port ring again as soon as it is unmasked, so many times in all, as a peer does that
    /// rings without end.
    pub(crate) fn ring_on(&self, times: u32) {
        self.state.lock().unwrap().echoes = times;
    }

    /// How many of these rings are left.
    pub(crate) fn echoes(&self) -> u32 {
        self.state.lock().unwrap().echoes
    }

    fn ended(&self, index: u64) {
        let mut state = self.state.lock().unwrap();
        let Some((at, order)) = state.orders.iter().find(|(at, _)| **at / 4096 == index / 4096)
        else {
            return;
        };
        let (at, order) = (*at, *order);
        state.orders.remove(&at);
        if order.action & UNMAP_NOTIFY_CLEAR_BYTE != 0 {
            self.memory().store_u8((at % MAPPED) as usize, 0).unwrap();
        }
        if order.action & UNMAP_NOTIFY_SEND_EVENT != 0 {
            let peer = state.ports[order.event_channel_port as usize].peer;
            state.send(peer);
        }
    }
}

const PAGES: u64 = 64;

impl GrantDevice for Machine {
    fn map_grant_ref(&self, grants: &[GrantOf]) -> Result<u64, Errno> {
        let mut state = self.state.lock().unwrap();
        let first = grants.first().ok_or(Errno::INVAL)?.reference;
        state.notes += 1;
        let index = MAPPED * state.notes + u64::from(first.wrapping_sub(100)) * 4096;
        // Only such that lie next to each other: all that the tests map do.
        for (grant, expected) in grants.iter().zip(first..) {
            assert_eq!(grant.reference, expected);
        }
        state.noted.insert(index, first);
        Ok(index)
    }
    fn mmap(&self, index: u64, pages: usize, writable: bool) -> Result<Mapping, Errno> {
        let state = self.state.lock().unwrap();
        let first = *state.noted.get(&index).ok_or(Errno::INVAL)?;
        let granted = |reference| state.granted.get(&reference).copied();
        for reference in (first..).take(pages) {
            if !granted(reference).is_some_and(|for_writing| for_writing || !writable) {
                return Err(Errno::INVAL);
            }
        }
        Mapping::new(self.memory.as_fd(), index % MAPPED, pages, writable)
    }
    fn unmap_grant_ref(&self, index: u64, _: u32) -> Result<(), Errno> {
        self.state.lock().unwrap().noted.remove(&index).ok_or(Errno::NOENT)?;
        self.ended(index);
        Ok(())
    }
    fn set_unmap_notify(&self, notify: UnmapNotify) -> Result<(), Errno> {
        self.state.lock().unwrap().orders.insert(notify.index, notify);
        Ok(())
    }
    fn grant_copy(&self, _: &mut [GrantCopy<'_>]) -> Result<Vec<i16>, Errno> {
        Err(Errno::NOSYS)
    }
}

impl ShareDevice for Machine {
    fn alloc_gref(&self, _: u16, writable: bool, count: u32) -> Result<(u64, Vec<u32>), Errno> {
        let mut state = self.state.lock().unwrap();
        let first = state.next_page;
        if u64::from(first + count) > PAGES {
            return Err(Errno::NOSPC);
        }
        state.next_page += count;
        let references: Vec<u32> = (first..first + count).map(|page| 100 + page).collect();
        state.granted.extend(references.iter().map(|reference| (*reference, writable)));
        Ok((u64::from(first) * 4096, references))
    }
    fn mmap(&self, index: u64, pages: usize) -> Result<Mapping, Errno> {
        Mapping::new(self.memory.as_fd(), index, pages, true)
    }
    fn dealloc_gref(&self, index: u64, count: u32) -> Result<(), Errno> {
        let first = 100 + (index / 4096) as u32;
        let mut state = self.state.lock().unwrap();
        state.granted.retain(|reference, _| !(first..first + count).contains(reference));
        drop(state);
        self.ended(index);
        Ok(())
    }
    fn set_unmap_notify(&self, notify: UnmapNotify) -> Result<(), Errno> {
        GrantDevice::set_unmap_notify(self, notify)
    }
}

impl State {
    fn bind(&mut self, peer: Option<u32>, device: &Arc<OwnedFd>) -> Port {
        if self.ports.is_empty() {
            // Port 0 is none.
            let (masked, pending, bound) = (true, false, false);
            self.ports.push(PortState {
                peer: None,
                masked,
                pending,
                bound,
                device: device.clone(),
            });
        }
        let (masked, pending, bound) = (false, false, true);
        self.ports.push(PortState { peer, masked, pending, bound, device: device.clone() });
        Port(self.ports.len() as u32 - 1)
    }

    fn send(&mut self, port: Option<u32>) {
        let Some(number) = port else { return };
        let port = &mut self.ports[number as usize];
        port.pending = true;
        if port.bound && !port.masked {
            (port.masked, port.pending) = (true, false);
            rustix::io::write(&*port.device, &number.to_ne_bytes()).unwrap();
        }
    }
}

/// One open event-channel device.
#[derive(Debug)]
struct Events {
    machine: Arc<Machine>,
    read: OwnedFd,
    write: Arc<OwnedFd>,
}

impl eventchn::Backend for Events {
    fn bind_interdomain(&self, _: DomId, remote: Port) -> Result<Port, Errno> {
        let mut state = self.machine.state.lock().unwrap();
        match state.ports.get(remote.0 as usize) {
            Some(port) if port.bound && port.peer.is_none() => {}
            _ => return Err(Errno::INVAL),
        }
        let port = state.bind(Some(remote.0), &self.write);
        state.ports[remote.0 as usize].peer = Some(port.0);
        state.send(Some(port.0));
        Ok(port)
    }
    fn bind_unbound_port(&self, _: DomId) -> Result<Port, Errno> {
        Ok(self.machine.state.lock().unwrap().bind(None, &self.write))
    }
    fn bind_virq(&self, _: u32) -> Result<Port, Errno> {
        Err(Errno::EXIST)
    }
    fn unbind(&self, port: Port) -> Result<(), Errno> {
        let mut state = self.machine.state.lock().unwrap();
        state.ports[port.0 as usize].bound = false;
        if let Some(peer) = state.ports[port.0 as usize].peer.take() {
            state.ports[peer as usize].peer = None;
        }
        Ok(())
    }
    fn notify(&self, port: Port) -> Result<(), Errno> {
        let mut state = self.machine.state.lock().unwrap();
        let peer = state.ports[port.0 as usize].peer;
        state.send(peer);
        Ok(())
    }
    fn poll(&self, deadline: Deadline) -> Result<bool, Errno> {
        let left = deadline.remaining(Instant::now());
        let (tv_sec, tv_nsec) = (left.as_secs() as i64, left.subsec_nanos().into());
        let mut files = [PollFd::new(&self.read, PollFlags::IN)];
        poll(&mut files, Some(&Timespec { tv_sec, tv_nsec })).map(|ready| ready > 0)
    }
    fn read(&self, ports: &mut [u32]) -> Result<usize, Errno> {
        let mut bytes = [0; 4];
        rustix::io::read(&self.read, &mut bytes)?;
        ports[0] = u32::from_ne_bytes(bytes);
        Ok(1)
    }
    fn unmask(&self, port: Port) -> Result<(), Errno> {
        let mut state = self.machine.state.lock().unwrap();
        let echo = state.echoes > 0;
        state.echoes = state.echoes.saturating_sub(1);
        let bound = &mut state.ports[port.0 as usize];
        bound.masked = false;
        if bound.pending || echo {
            state.send(Some(port.0));
        }
        Ok(())
    }
    fn reset(&self) -> Result<(), Errno> {
        Ok(())
    }
    fn restrict(&self, _: DomId) -> Result<(), Errno> {
        Ok(())
    }
    fn fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}
