//! The core answers as the C xenstored does: the same steps, made up at random, on both.
//!
//! The C xenstored of Xen 4.17 runs without Xen, see package `store-daemons`. Each step is taken by
//! both before the next, and whatever any connection is sent then must be the same, byte for byte;
//! so must the whole store be in the end. What differs by intent is never made up: see the section
//! on differences in the documentation of `xs_server`.
//!
//! `DIFFERENTIAL_SEED`, `DIFFERENTIAL_SEEDS` and `DIFFERENTIAL_STEPS` say with which number to begin,
//! how many to try, and how many steps to take for each. The daemon lets a guest change the store
//! only some 200 times a second while a transaction is open, so several run at a time.

#![forbid(unsafe_code)]

mod author;
mod lockstep;
mod ours;
mod random;
mod step;
mod theirs;

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use author::Author;
use lockstep::Lockstep;
use random::Random;
use step::Step;
use xs::proto::Op;
use xs_server::Quotas;

/// How often each operation ended in what.
type Outcomes = BTreeMap<(u32, String), u64>;

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn the_core_answers_as_the_c_xenstored() {
    let seeds = number("DIFFERENTIAL_SEED", 1)..;
    let seeds = seeds.start..seeds.start + number("DIFFERENTIAL_SEEDS", 6);
    let steps = number("DIFFERENTIAL_STEPS", 1000);
    let next = AtomicU64::new(seeds.start);
    let asked = AtomicU64::new(0);
    let outcomes = Mutex::new(Outcomes::new());
    thread::scope(|scope| {
        for _ in 0..number("DIFFERENTIAL_THREADS", 6) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    asked.fetch_add(compare(seed, steps, &outcomes), Ordering::Relaxed);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    for ((op, outcome), times) in &outcomes {
        println!("{times:9} {:?} {outcome}", Op(*op));
    }
    println!("{} steps, no difference", asked.load(Ordering::Relaxed));
    // Whether much happened at all.
    for (op, outcome) in EXPECTED {
        assert!(outcomes.contains_key(&(op.0, outcome.into())), "no {op:?} ended in {outcome}");
    }
}

/// Takes steps on both sides. Returns how many, those to look at the outcome included.
fn compare(seed: u64, steps: u64, outcomes: &Mutex<Outcomes>) -> u64 {
    println!("seed {seed}");
    let mut both = Lockstep::start(seed, quotas(seed));
    let mut author = Author::new(seed);
    for step in Author::beginning() {
        both.step(&step);
    }
    for count in 0..steps {
        let step = author.next(&both.there());
        if step.acquaints() {
            both.step(&Step::tick());
        }
        let sent = both.step(&step);
        author.learn(&step, &sent);
        if count % 32 == 0 {
            both.look_for_more();
        }
    }
    both.look_for_more();
    both.compare_trees();
    let mut outcomes = outcomes.lock().expect("nobody panics with them");
    for (what, times) in std::mem::take(&mut both.outcomes) {
        *outcomes.entry(what).or_default() += times;
    }
    both.requests.into()
}

/// The usual ones, or such that they are soon used up.
fn quotas(seed: u64) -> Quotas {
    let mut quotas = Quotas::default();
    let mut random = Random::new(seed);
    if random.once_in(2) {
        quotas.nodes = 6 + random.below(30);
        quotas.watches = 1 + random.below(6);
        quotas.transactions = 1 + random.below(3);
        quotas.permissions = 1 + random.below(4);
        quotas.node_size = 60 + random.below(200);
        quotas.transaction_nodes = 3 + random.below(20);
    }
    quotas.memory = 0;
    quotas
}

/// What even a short run has, or it compares nothing that matters.
const EXPECTED: [(Op, &str); 10] = [
    (Op::WATCH_EVENT, "OK"),
    (Op::TRANSACTION_END, "OK"),
    (Op::TRANSACTION_END, "EAGAIN"),
    (Op::WRITE, "OK"),
    (Op::WRITE, "EACCES"),
    (Op::WRITE, "ENOSPC"),
    (Op::RM, "OK"),
    (Op::SET_PERMS, "OK"),
    (Op::SET_TARGET, "OK"),
    (Op::RELEASE, "OK"),
];

fn number(variable: &str, usual: u64) -> u64 {
    env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}
