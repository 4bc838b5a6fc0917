//! Runs the suite of the store: `cargo xtask daemons test`, and in dom0 `cargo xtask lab test`.
//!
//! On ours it runs always. What needs a daemon is ignored unless asked for: with `STORE_DAEMONS` it
//! starts those that it needs; without, it takes the one that runs here.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Facts mostly wait for a daemon, and not for a processor.
    arguments.test_threads.get_or_insert(8);
    let trials = conformance::store::trials().into_iter();
    let trials = trials.map(|trial| {
        let (name, needs_daemon) = (trial.name.clone(), trial.needs_daemon);
        let run = move || {
            trial.run();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(needs_daemon)
    });
    // Not `exit`, which would leave the daemons' folders behind.
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
