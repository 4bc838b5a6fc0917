//! Everybody at once: two programs of domain 0 and three guests say anything, in any pieces, read or
//! do not, break their rings, come and go. The server does not panic and comes to rest, its counts
//! are what a recount finds, no node is lost, and what it keeps for anybody is bounded.

#![no_main]

#[path = "../../tests/world/mod.rs"]
mod world;

use std::alloc::System;
use std::os::unix::net::UnixStream;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use xen_types::DomId;
use xs::proto::Op;
use xs_server::{Life, Quotas};

use world::{Guest, Peer, Wire, World, packet};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

fuzz_target!(|input: &[u8]| {
    let before = MEMORY.allocated();
    let mut host = Host::new();
    let mut input = Input(input);
    while let Some(step) = input.byte() {
        host.step(step, &mut input);
    }
    host.world.settle();
    host.check();
    let held = MEMORY.allocated().saturating_sub(before);
    assert!(held < MOST_HELD, "{held} bytes held");
    host.end();
});

struct Host {
    world: World,
    programs: [Peer<UnixStream>; 2],
    guests: [Option<Peer<Guest>>; 3],
    steps: usize,
}

impl Host {
    fn new() -> Self {
        let mut quotas = Quotas::default();
        for (name, value) in [("memory", MEMORY_QUOTA), ("nodes", 20), ("transactions", 3)] {
            assert!(quotas.set(name, value));
        }
        let mut world = World::with(quotas);
        let programs = [world.connect(), world.connect()];
        let guests = [1, 2, 3].map(|dom| Some(world.guest(dom)));
        Self { world, programs, guests, steps: 0 }
    }

    fn step(&mut self, step: u8, input: &mut Input<'_>) {
        let who = usize::from(step) % 5;
        match step / 5 % 12 {
            0..=5 => {
                let bytes = input.request();
                self.say(who, &bytes);
            }
            6 => {
                let bytes = input.piece();
                self.say(who, &bytes);
            }
            7 => self.read(who),
            8 => self.world.turn(),
            9 => self.change(who, input),
            10 => self.poke(who, input),
            _ => {
                self.world.settle();
                self.check();
            }
        }
        self.steps += 1;
        if self.steps % 64 == 0 {
            self.world.turn();
        }
    }

    fn say(&mut self, who: usize, bytes: &[u8]) {
        match (self.programs.get_mut(who), self.guests.get_mut(who.wrapping_sub(2))) {
            (Some(program), _) => drop(program.wire.put(bytes)),
            (None, Some(Some(guest))) => drop(guest.wire.put(bytes)),
            _ => {}
        }
    }

    fn read(&mut self, who: usize) {
        match (self.programs.get_mut(who), self.guests.get_mut(who.wrapping_sub(2))) {
            (Some(program), _) => {
                program.take();
                program.arrived.clear();
            }
            // It may be told whatever it wrote itself.
            (None, Some(Some(guest))) => drop(guest.wire.get()),
            _ => {}
        }
    }

    /// A program goes and comes, or a domain does.
    fn change(&mut self, who: usize, input: &mut Input<'_>) {
        if let Some(program) = self.programs.get_mut(who) {
            match input.byte() {
                Some(how) if how % 2 == 0 => {
                    // It may have been ended.
                    program.wire.shutdown(std::net::Shutdown::Write).unwrap_or_default();
                }
                _ => *program = self.world.connect(),
            }
            return;
        }
        let dom = u16::try_from(who - 1).expect("it is small");
        let guest = &mut self.guests[who - 2];
        match (guest.is_some(), input.byte().unwrap_or_default() % 4) {
            (true, 0) => self.world.becomes(dom, Some(Life::Shutdown)),
            (true, 1) => self.world.becomes(dom, Some(Life::Dying)),
            (true, _) => {
                self.world.becomes(dom, None);
                *guest = None;
            }
            (false, _) => *guest = Some(self.world.build(dom)),
        }
    }

    /// A guest writes where only the store may, or rings.
    fn poke(&mut self, who: usize, input: &mut Input<'_>) {
        let Some(Some(guest)) = self.guests.get(who.wrapping_sub(2)) else { return };
        let (Some(word), Some(value)) = (input.byte(), input.byte()) else { return };
        let offset = 2048 + usize::from(word % 7) * 4;
        guest.wire.page.set(offset, u32::from(value) << (word % 25));
        guest.wire.bell.strike().expect("it is not torn");
    }

    fn check(&mut self) {
        let problems = self.world.server.core().problems();
        assert!(problems.is_empty(), "{problems:#?}");
        for dom in 1..=3 {
            let dom = DomId::new(dom).expect("it is small");
            let core = self.world.server.core();
            let unread = core.ring_of(dom).map_or(0, |id| core.outgoing(id).len());
            assert!(unread <= MOST_UNREAD, "{unread} bytes kept for domain {dom}");
        }
    }

    /// When all have gone, nothing is left of the guests.
    fn end(mut self) {
        for (dom, guest) in [1, 2, 3].into_iter().zip(&mut self.guests) {
            if guest.take().is_some() {
                self.world.becomes(dom, None);
            }
        }
        self.world.settle();
        self.check();
        for dom in 1..=3 {
            let dom = DomId::new(dom).expect("it is small");
            assert_eq!(self.world.server.core().ring_of(dom), None);
        }
    }
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// Some bytes as they are.
    fn piece(&mut self) -> Vec<u8> {
        let count = usize::from(self.byte().unwrap_or_default()).min(self.0.len());
        let (piece, rest) = self.0.split_at(count);
        self.0 = rest;
        piece.to_vec()
    }

    /// A packet that is one; its payload is made of words, and of what else is in the input.
    fn request(&mut self) -> Vec<u8> {
        let (op, tx) = (self.byte().unwrap_or_default(), self.byte().unwrap_or_default());
        let count = self.byte().unwrap_or_default() % 16;
        let mut payload = Vec::new();
        for _ in 0..count {
            match self.byte() {
                Some(byte @ 0x80..) => payload.extend(WORDS[usize::from(byte) % WORDS.len()]),
                Some(byte) => payload.push(byte),
                None => break,
            }
        }
        payload.truncate(4096);
        packet(Op(u32::from(op % 28)), 1, u32::from(tx % 4), &payload)
    }
}

const WORDS: [&[u8]; 32] = [
    b"/",
    b"/a",
    b"/a/b",
    b"a",
    b"b/c/d/e",
    b"/local/domain/1",
    b"/local/domain/2",
    b"/local/domain/3",
    b"/local",
    b"@introduceDomain",
    b"@releaseDomain",
    b"\0",
    b"\0",
    b"\0",
    b"T\0",
    b"F\0",
    b"n0\0",
    b"n1\0",
    b"b2\0",
    b"r3\0",
    b"w1\0",
    b"1\0",
    b"2\0",
    b"3\0",
    b"token\0",
    b"quota\0",
    b"nodes\0",
    b"memory\0",
    b"check\0",
    &[b'x'; 300],
    &[b'y'; 1900],
    b"1\02\03\0",
];

/// What a guest may have in the store.
const MEMORY_QUOTA: usize = 30_000;

/// Unread events count against the quota; answers stop at 128 KiB, after the one that is over.
const MOST_UNREAD: usize = 128 * 1024 + 16 + 4096;

/// What 4096 bytes of input can make of a host: 5 connections, and events for all of them.
const MOST_HELD: usize = 32 * 1024 * 1024;
