//! The hypervisor: its behaviour as `xc` and `eventchn` see it, and what `xenops` makes of it.
//!
//! ```text
//!   fact  ──┐
//!   place ──┴─▶ Trial "sim-4.17/memory/a_claim_is_outstanding_until_given_back" ─▶ Ctx ─▶ fact(&Ctx)
//! ```
//!
//! A fact is a function over `Ctx`, shown on simulated machines of two releases by `cargo test`,
//! and in dom0 of a real Xen by `cargo xtask lab test`. Where releases differ the fact says so.
//! What cannot be shown on one of the two says why, and `docs/conformance.md` lists that.

#[path = "../../lab/tests/answered/mod.rs"]
mod answered;
mod ctx;
mod fact;
mod table;
mod trial;

mod channels;
mod claims;
mod create;
mod domains;
mod guests;
mod host;
mod hvm;
mod listing;
mod memory;
mod nodes;
mod physmap;
mod pod;
mod ports;
mod reservation;
mod vcpus;

pub use table::table;
pub use trial::{Trial, trials};

use ctx::{Ctx, Domain};
use fact::{Fact, Outcome, facts};

/// All facts, by subject.
fn all() -> Vec<Fact> {
    [
        channels::facts(),
        claims::facts(),
        create::facts(),
        domains::facts(),
        guests::facts(),
        host::facts(),
        hvm::facts(),
        listing::facts(),
        memory::facts(),
        nodes::facts(),
        physmap::facts(),
        pod::facts(),
        ports::facts(),
        reservation::facts(),
        vcpus::facts(),
    ]
    .concat()
}
