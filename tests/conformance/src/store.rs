//! The xenstore: its behaviour as a client sees it.
//!
//! ```text
//!   fact  ──┐
//!   store  ─┼─▶ Trial "c/ring/blocking/what_is_written_is_read" ─▶ Ctx ─▶ fact(&Ctx)
//!   subject ┤      (a name and a function; tests/store.rs runs them)
//!   front ──┘
//! ```
//!
//! A fact is a function over `Ctx`. Where the daemons differ the fact says both, and the authority
//! for each; ours does as the C daemon does, unless a fact says otherwise. None is left out on any.

mod conn;
mod ctx;
mod fact;
mod guest;
mod host;
mod ours;
mod place;
mod pump;
mod ring;
mod trial;
mod wire;

mod conflicts;
mod directories;
mod domains;
mod errors;
mod failures;
mod flights;
mod limits;
mod permissions;
mod quotas;
mod refusals;
mod sharing;
mod special;
mod transactions;
mod values;
mod waits;
mod watches;

pub use trial::{Trial, trials};

use ctx::{Ctx, Per};
use fact::{Fact, facts};

/// All facts.
fn all() -> Vec<Fact> {
    [
        values::facts(),
        directories::facts(),
        permissions::facts(),
        transactions::facts(),
        conflicts::facts(),
        watches::facts(),
        special::facts(),
        waits::facts(),
        domains::facts(),
        quotas::facts(),
        limits::facts(),
        errors::facts(),
        refusals::facts(),
        flights::facts(),
        sharing::facts(),
        failures::facts(),
    ]
    .concat()
}
