//! Runs the suite of the hypervisor: on simulated machines here, on a real Xen in dom0.
//!
//! `cargo xtask daemons test` asks for what is ignored, too, and has daemons for it but no Xen: there the
//! trials on one are not in the suite.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let without_xen = std::env::var_os("STORE_DAEMONS").is_some();
    let trials = conformance::hypervisor::trials().into_iter();
    let trials = trials.filter(|trial| !(trial.needs_xen && without_xen)).map(|trial| {
        let (name, needs_xen) = (trial.name.clone(), trial.needs_xen);
        let run = move || trial.run().map_err(|error| Failed::from(format!("{error:?}")));
        Trial::test(name, run).with_ignored_flag(needs_xen)
    });
    let page =
        Trial::test("the_page_in_docs_is_of_these_facts", the_page_in_docs_is_of_these_facts);
    let trials = trials.chain([page]).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn the_page_in_docs_is_of_these_facts() -> Result<(), Failed> {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md"))?;
    match page == conformance::hypervisor::table() {
        true => Ok(()),
        false => Err("run: cargo run -p conformance > docs/conformance.md".into()),
    }
}
