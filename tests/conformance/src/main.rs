//! Prints `docs/conformance.md`.

#![allow(clippy::print_stdout, reason = "it is what this is for")]

fn main() {
    print!("{}", conformance::hypervisor::table());
}
