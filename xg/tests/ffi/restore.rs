//! Reading a domain from a stream.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex};

use xc::GuestKind;
use xen_abi::{Call, Stub};
use xen_types::{DomId, Port};
use xg::{Kind, RestoreOptions, Restored, StreamKind};

use crate::called_back::Table;
use crate::opened::{DOM, Opened, on_releases};

type Answers = Arc<Mutex<Vec<i32>>>;

/// A restore that does this with the functions it is given.
fn restores(
    stub: &Stub,
    does: impl Fn(&Call<'_>, &Table, &mut Vec<i32>) -> i64 + Send + Sync + 'static,
) -> Answers {
    let (answers, minor) = (Answers::default(), stub.minor());
    let written = Arc::clone(&answers);
    stub.on("xc_domain_restore", move |call| {
        let table = Table::of(call, 10, "struct restore_callbacks", minor);
        does(call, &table, &mut written.lock().unwrap())
    });
    answers
}

/// The frames of the rings, as the library writes them.
fn rings(call: &Call<'_>) -> i64 {
    call.write(4, &0x1234_5678_9abc_u64.to_le_bytes());
    call.write(7, &0xf_eff8_u64.to_le_bytes());
    0
}

fn options(kind: GuestKind) -> RestoreOptions {
    let mut options = RestoreOptions::new(kind, Port(3), Port(4));
    options.store_domain = DomId::new(1).unwrap();
    options.console_domain = DomId::new(2).unwrap();
    options
}

fn restore(opened: &Opened, options: &RestoreOptions, patience: usize) -> xg::Result<Restored> {
    let file = File::open("/dev/null").unwrap();
    let mut asked = 0;
    opened.xg.restore(DOM, file.as_fd(), options, &mut || {
        asked += 1;
        asked <= patience
    })
}

on_releases! {
    [xen_4_15: 15, xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20, xen_4_21: 21,
     xen_4_22: 22]

    fn the_ends_go_in_and_the_rings_come_out(opened) {
        let minor = opened.stub.minor();
        restores(&opened.stub, move |call, table, answers| {
            assert_eq!((call.number(2), call.number(3), call.number(5)), (5, 3, 1));
            assert_eq!((call.number(6), call.number(8), call.number(9)), (4, 2, 0));
            assert_eq!(call.signed(11), -1);
            let without = ["suspend", "postcopy", "wait_checkpoint", "restore_results"];
            assert!(!without.iter().any(|field| table.has(field)));
            assert!(minor < 22 || call.number(12) == 0);
            answers.push(table.static_data_done(0));
            rings(call)
        });
        let restored = restore(opened, &options(GuestKind::Pv), 99).unwrap();
        assert_eq!(restored.store, xg::RingFrame::Machine(xen_types::Mfn(0x1234_5678_9abc)));
        assert_eq!(restored.console.number(), 0xf_eff8);
        assert!(!restored.without_policy);
        assert_eq!(opened.calls().len(), 1);
    }

    fn a_stream_without_a_cpu_policy_gives_the_domain_that_of_the_options(opened) {
        let answers = restores(&opened.stub, |call, table, answers| {
            answers.push(table.static_data_done(3));
            rings(call)
        });
        let restored = restore(opened, &options(GuestKind::Pvh), 99).unwrap();
        assert!(restored.without_policy);
        assert_eq!(restored.store, xg::RingFrame::Guest(xen_types::Gfn(0x1234_5678_9abc)));
        assert_eq!(*answers.lock().unwrap(), [0]);
        assert!(
            opened.calls()[1].starts_with("xc_cpuid_apply_policy(5, 1, null, 0, 1, 0, 0, null")
        );
    }

    fn a_stream_without_registers_alone_keeps_its_cpuid_policy(opened) {
        let answers = restores(&opened.stub, |call, table, answers| {
            answers.push(table.static_data_done(2));
            rings(call)
        });
        let restored = restore(opened, &options(GuestKind::Pvh), 99).unwrap();
        assert!(!restored.without_policy);
        assert_eq!(*answers.lock().unwrap(), [0]);
        assert_eq!(opened.calls().len(), 1);
    }

    fn a_refused_policy_is_the_reason_that_is_given(opened) {
        opened.stub.on("xc_cpuid_apply_policy", |call| call.fail(22));
        let answers = restores(&opened.stub, |call, table, answers| {
            answers.push(table.static_data_done(1));
            call.fail(5)
        });
        let error = restore(opened, &options(GuestKind::Pv), 99).unwrap_err();
        assert_eq!(error.to_string(), "set the CPU policy of domain 5");
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(*answers.lock().unwrap(), [-1]);
    }

    fn a_stream_that_ends_too_early_is_an_error_of_the_restore(opened) {
        restores(&opened.stub, |call, _, _| call.fail(5));
        let error = restore(opened, &options(GuestKind::Pv), 99).unwrap_err();
        assert_eq!(error.to_string(), "restore domain 5");
    }

    fn a_caller_who_does_not_want_to_begin_calls_nothing(opened) {
        let error = restore(opened, &options(GuestKind::Pv), 0).unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled);
        assert_eq!(opened.calls(), Vec::<String>::new());
    }

    fn a_caller_who_stops_after_the_head_of_the_stream_fails_it(opened) {
        let answers = restores(&opened.stub, |call, table, answers| {
            answers.push(table.static_data_done(3));
            call.fail(0)
        });
        let error = restore(opened, &options(GuestKind::Pv), 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled);
        assert_eq!(*answers.lock().unwrap(), [-1]);
        assert_eq!(opened.calls().len(), 1);
    }

    fn checkpoints_are_taken_and_counted(opened) {
        let answers = restores(&opened.stub, |call, table, answers| {
            assert_eq!(call.number(9), 1);
            answers.push(table.call("checkpoint"));
            answers.push(table.call("checkpoint"));
            rings(call)
        });
        let mut options = options(GuestKind::Pv);
        options.stream = StreamKind::Checkpoints;
        let restored = restore(opened, &options, 99).unwrap();
        assert_eq!(restored.checkpoints, 2);
        assert_eq!(*answers.lock().unwrap(), [1, 1]);
    }

    fn a_panic_of_the_caller_passes_the_library_by(opened) {
        let answers = restores(&opened.stub, |call, table, answers| {
            answers.push(table.static_data_done(0));
            answers.push(table.call("checkpoint"));
            call.fail(0)
        });
        let file = File::open("/dev/null").unwrap();
        let (mut asked, options) = (0, options(GuestKind::Pv));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            opened.xg.restore(DOM, file.as_fd(), &options, &mut || {
                asked += 1;
                assert!(asked == 1, "as told");
                true
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"as told"));
        assert_eq!((asked, &*answers.lock().unwrap()), (2, &vec![-1, 0]));
    }
}
