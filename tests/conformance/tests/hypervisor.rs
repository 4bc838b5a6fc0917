//! Runs the suite of the hypervisor: on simulated machines here, on a real Xen in dom0.
//!
//! `cargo xtask daemons test` asks for what is ignored, too, and has daemons for it but no Xen: there the
//! trials on one are not in the suite.
//!
//! At the end it says how many facts were shown where, which `cargo xtask test` passes on.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let without_xen = std::env::var_os("STORE_DAEMONS").is_some();
    let trials = conformance::hypervisor::trials().into_iter();
    let shown = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    let counts = Arc::clone(&shown);
    let trials = trials.filter(|trial| !(trial.needs_xen && without_xen)).map(move |trial| {
        let (name, needs_xen) = (trial.name.clone(), trial.needs_xen);
        let counts = Arc::clone(&counts);
        let run = move || {
            trial.run().map_err(|error| Failed::from(format!("{error:?}")))?;
            let place = trial.name.split('/').next().unwrap_or_default();
            *counts.lock().map_err(|e| e.to_string())?.entry(place.into()).or_default() += 1;
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(needs_xen)
    });
    let page =
        Trial::test("the_page_in_docs_is_of_these_facts", the_page_in_docs_is_of_these_facts);
    let trials = trials.chain([page]).collect();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    for (place, count) in shown.lock().iter().flat_map(|shown| shown.iter()) {
        println!("facts: {count} shown on {place}");
    }
    conclusion.exit_code()
}

fn the_page_in_docs_is_of_these_facts() -> Result<(), Failed> {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md"))?;
    match page == conformance::hypervisor::table() {
        true => Ok(()),
        false => Err("run: cargo run -p conformance > docs/conformance.md".into()),
    }
}
