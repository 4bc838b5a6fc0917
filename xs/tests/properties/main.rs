//! Laws that hold for any input, tried with random ones.
//!
//! A failure prints the smallest input that it found; make that a test of its own beside the code.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod mux;
mod packets;
mod parts;
mod paths;
mod perms;

use proptest::prelude::*;
use proptest::test_runner::Config;
use xen_types::DomId;
use xs::Path;

/// As many cases as there is patience for, and no files of past failures.
fn config() -> Config {
    Config { failure_persistence: None, ..Config::with_cases(512) }
}

fn domain() -> impl Strategy<Value = DomId> {
    (0_u16..0x7FF0).prop_map(|id| DomId::new(id).unwrap())
}

/// A path of any kind that is not too long.
fn path() -> impl Strategy<Value = Path> {
    "/|[/@]?[a-zA-Z0-9_@-]{1,6}(/[a-zA-Z0-9_@-]{1,6}){0,4}"
        .prop_map(|path| Path::new(path).unwrap())
}
