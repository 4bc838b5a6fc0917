//! `cargo xtask soak sim`: thousands of guests come and go, and after each all is as before the first.
//!
//! Two toolstacks live from the first cycle to the last, and see all guests. A cycle is drawn by lot:
//!
//! ```text
//!   one guest, made and ended by either toolstack            │ then, as before the first cycle:
//!   two guests at once, one of each toolstack                │ domains, pages, ports, store (Snapshot)
//!   a creation that fails at some call of it, by a third     │ watches and connections of the store,
//!   a creation killed at some call of it, swept by a fourth  │ threads, descriptors of this process (Held)
//! ```
//!
//! The machine, its store and the toolstacks are one process: what any of them keeps is seen.

mod held;
mod lot;

use std::sync::Arc;
use xen_sim::{How, Process, Which};
use xen_types::DomId;
use xenops::{CreateOptions, GuestKind, Host, Result};

use crate::site::{Site, long};
use held::{Held, resident};
use lot::{Cycle, End, Life, Lot};

#[test]
#[ignore = "minutes: cargo xtask soak sim"]
fn guests_come_and_go_by_thousands_without_a_trace() {
    let (cycles, seed) = (number("SOAK_CYCLES", 10_000), number("SOAK_SEED", 1));
    let mut lot = Lot::new(seed);
    let soak = Soak::new();
    let machine = soak.site.machine.snapshot().unwrap();
    let held = Held::now(&soak.toolstacks[0]);
    println!("soak: seed {seed}, {cycles} cycles");
    // What the first tenth has warmed up.
    let (warm, mut resident_when_warm) = (cycles.div_ceil(10), 0);
    for done in 1..=cycles {
        let cycle = lot.draw(&soak.calls);
        let told = Told { seed, done, cycle: &cycle };
        soak.run(&cycle);
        machine.assert_unchanged(&soak.site.machine);
        held.assert_unchanged(&soak.toolstacks[0]);
        drop(told);
        soak.processes.iter().for_each(|process| process.forget_calls());
        if done == warm {
            resident_when_warm = resident();
        }
        if done % warm == 0 {
            println!("soak: after {done:5}: VmRSS {} KiB, {}", resident(), held.line());
        }
    }
    println!("soak: {}", lot.drawn());
    let now = resident();
    let grown = now.saturating_sub(resident_when_warm);
    println!("soak: VmRSS {resident_when_warm} KiB after {warm}, {now} KiB after {cycles}");
    assert!(grown <= MOST_GROWN, "grown by {grown} KiB, more than {MOST_GROWN}");
}

/// What resident memory may grow by after the first tenth, in KiB: threads that come and go leave
/// the allocator's pools larger, by less and less.
const MOST_GROWN: u64 = 1024;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |value| value.parse().unwrap())
}

/// Says at a failure how to have it again.
struct Told<'a> {
    seed: u64,
    done: u64,
    cycle: &'a Cycle,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("soak: seed {}, cycle {}: {:?}", self.seed, self.done, self.cycle);
        }
    }
}

struct Soak {
    site: Site,
    processes: [Arc<Process>; 2],
    toolstacks: [Host; 2],
    /// How many calls the creation of a PV and of a PVH guest has.
    calls: [usize; 2],
}

impl Soak {
    fn new() -> Self {
        let site = Site::new();
        let calls = [GuestKind::Pv, GuestKind::Pvh].map(|kind| {
            // Faults that are none, to have the process.
            let (process, host) = site.faulty_in(&[]);
            let dom = site.create(&host, kind, "").unwrap();
            let calls = process.calls().len();
            host.destroy(dom, &long(&host)).unwrap();
            calls
        });
        let [(first, one), (second, other)] = [site.faulty_in(&[]), site.faulty_in(&[])];
        Self { site, processes: [first, second], toolstacks: [one, other], calls }
    }

    fn run(&self, cycle: &Cycle) {
        match *cycle {
            Cycle::One(ref life) => self.live("one", life),
            Cycle::Two(ref lives) => std::thread::scope(|scope| {
                scope.spawn(|| self.live("one", &lives[0]));
                scope.spawn(|| self.live("other", &lives[1]));
            }),
            Cycle::Failing { kind, how, call } => self.fail(kind, how, call),
        }
    }

    fn live(&self, name: &str, life: &Life) {
        let dom = self.create(&self.toolstacks[life.creator], name, life.kind).unwrap();
        let host = &self.toolstacks[life.remover];
        match life.end {
            End::Destroy => host.destroy(dom, &long(host)),
            End::ShutDown => host.shut_down(dom, &long(host)),
        }
        .unwrap();
    }

    /// Has a call of a creation go wrong, and another toolstack remove what a dead one has left.
    fn fail(&self, kind: GuestKind, how: How, call: usize) {
        let (process, host) = self.site.faulty(Which::Nth(call), how);
        let created = self.create(&host, "failing", kind);
        let dies = matches!(how, How::DeathBefore | How::DeathAfter);
        match created {
            // A creation that had to wait less had fewer calls.
            Ok(dom) if process.failed().is_none() => host.destroy(dom, &long(&host)).unwrap(),
            Ok(dom) => panic!("made domain {dom} in spite of {:?}", process.failed()),
            Err(_) if dies => self.sweep(),
            Err(error) => assert!(error.leftovers().is_empty(), "{:?}", error.leftovers()),
        }
    }

    fn sweep(&self) {
        let next = self.site.host();
        let domains = next.xc().domains().unwrap();
        let guests = domains.iter().map(|domain| domain.id).filter(|dom| *dom != DomId::DOM0);
        guests.for_each(|dom| next.destroy(dom, &long(&next)).unwrap());
    }

    fn create(&self, host: &Host, name: &str, kind: GuestKind) -> Result<DomId> {
        let mut config = self.site.config(kind, "");
        config.name = name.into();
        host.create(&config, CreateOptions::default(), &long(host))
    }
}
