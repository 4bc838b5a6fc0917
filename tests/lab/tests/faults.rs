//! Whatever fails in the midst of a creation, nothing stays behind.
//!
//! Each walk creates the same guest again and again and makes the first call of one layer fail, then
//! the second, and so on, until a creation gets past them all.

mod dom0;
mod faulty;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use dom0::Leavings;
use faulty::{Fault, FaultyBuilder, FaultyHypervisor, FaultyStore, Gate, How, Then};
use xc::Xc;
use xen_types::{Deadline, DomId, MiB};
use xenops::{CreateOptions, DomainConfig, Error, GuestKind, Host, Leftover, Limits, Remnant};
use xg::Xg;
use xs::{Client, Path, Store, View};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_hypervisor_call_that_fails_leaves_nothing_of_a_pv_guest() {
    let failed = walk(GuestKind::Pv, How::Undone, faulty_hypervisor, nothing_is_left);
    assert!(failed >= 13, "{failed} calls");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_hypervisor_call_done_but_unheard_leaves_nothing_of_a_pv_guest() {
    let failed = walk(GuestKind::Pv, How::Unheard, faulty_hypervisor, nothing_is_left);
    assert!(failed >= 13, "{failed} calls");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_hypervisor_call_that_fails_leaves_nothing_of_a_pvh_guest() {
    let failed = walk(GuestKind::Pvh, How::Undone, faulty_hypervisor, nothing_is_left);
    assert!(failed >= 14, "{failed} calls");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_hypervisor_call_done_but_unheard_leaves_nothing_of_a_pvh_guest() {
    let failed = walk(GuestKind::Pvh, How::Unheard, faulty_hypervisor, nothing_is_left);
    assert!(failed >= 14, "{failed} calls");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_builder_call_that_fails_leaves_nothing_of_a_pv_guest() {
    let failed = walk(GuestKind::Pv, How::Undone, faulty_builder, nothing_is_left);
    assert!(failed >= 10, "{failed} calls");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_builder_call_done_but_unheard_leaves_nothing_of_a_pv_guest() {
    let failed = walk(GuestKind::Pv, How::Unheard, faulty_builder, nothing_is_left);
    assert!(failed >= 10, "{failed} calls");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_builder_call_that_fails_leaves_nothing_of_a_pvh_guest() {
    let failed = walk(GuestKind::Pvh, How::Undone, faulty_builder, nothing_is_left);
    assert!(failed >= 11, "{failed} calls");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_builder_call_done_but_unheard_leaves_nothing_of_a_pvh_guest() {
    let failed = walk(GuestKind::Pvh, How::Unheard, faulty_builder, nothing_is_left);
    assert!(failed >= 11, "{failed} calls");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_store_request_that_is_refused_leaves_nothing() {
    let failed = walk(GuestKind::Pv, How::Undone, refusing_store, nothing_is_left);
    assert!(failed >= 82, "{failed} requests");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_store_request_done_but_refused_leaves_nothing() {
    let failed = walk(GuestKind::Pvh, How::Unheard, refusing_store, nothing_is_left);
    assert!(failed >= 82, "{failed} requests");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_connection_lost_before_a_request_leaves_nothing_unnamed() {
    let failed = walk(GuestKind::Pv, How::Undone, vanishing_store, nothing_unnamed_is_left);
    assert!(failed >= 82, "{failed} requests");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_connection_lost_before_an_answer_leaves_nothing_unnamed() {
    let failed = walk(GuestKind::Pvh, How::Unheard, vanishing_store, nothing_unnamed_is_left);
    assert!(failed >= 82, "{failed} requests");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_connection_lost_at_the_introduction_leaves_what_the_error_names() {
    let before = Leavings::now();
    let host = vanishing_store(&gate(Fault::Every("INTRODUCE", How::Undone)));

    let error = create(&host, GuestKind::Pv).expect_err("the connection is lost");

    let named = named(&error);
    let store = Client::open().expect("the daemon runs on");
    let there: Vec<_> = named.iter().map(|path| store.read_opt(path).expect("read")).collect();
    assert_eq!(there, vec![Some(Vec::new()); 4], "{named:?}");
    nothing_unnamed_is_left(&error);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_that_cannot_be_destroyed_is_listed_as_left_behind() {
    let before = Leavings::now();
    let _sweep = Sweep;
    let xc = FaultyHypervisor::open(&gate(Fault::Every("domain_destroy", How::Undone)));
    let builder = FaultyBuilder::open(&xc, &gate(Fault::Every("boot_image", How::Undone)));
    let host = Host::from_parts(Client::open().expect("a store"), xc, builder);

    let error = create(&host, GuestKind::Pv).expect_err("the build fails");

    let left: Vec<_> = error.leftovers().iter().map(|left| &left.what).collect();
    let [Remnant::Domain(dom)] = left[..] else { panic!("left behind: {left:?}") };
    assert_eq!(ids(&Xc::open().expect("Xen runs")), [DomId::DOM0, *dom]);
    Host::open().expect("Xen runs").destroy(*dom, &limits()).expect("the real call works");
    before.assert_unchanged();
}

fn gate(fault: Fault) -> Arc<Gate> {
    Arc::new(Gate::new(fault))
}

fn faulty_hypervisor(gate: &Arc<Gate>) -> Host {
    let xc = FaultyHypervisor::open(gate);
    let builder = Xg::open(&xc).expect("a builder");
    Host::from_parts(Client::open().expect("a store"), xc, builder)
}

fn faulty_builder(gate: &Arc<Gate>) -> Host {
    let xc = Xc::open().expect("Xen runs");
    let builder = FaultyBuilder::open(&xc, gate);
    Host::from_parts(Client::open().expect("a store"), xc, builder)
}

fn refusing_store(gate: &Arc<Gate>) -> Host {
    on_store(FaultyStore::open(gate, Then::Error))
}

fn vanishing_store(gate: &Arc<Gate>) -> Host {
    on_store(FaultyStore::open(gate, Then::Loss))
}

fn on_store(store: Client) -> Host {
    let xc = Xc::open().expect("Xen runs");
    let builder = Xg::open(&xc).expect("a builder");
    Host::from_parts(store, xc, builder)
}

/// Fails one call after the other; returns how many could fail. Judges what each failure left.
///
/// Domains are looked for after each failure, all else at the end only, for the sake of time: no two
/// domains of a walk have a node in common, so that nothing is hidden by the next one.
fn walk(
    kind: GuestKind,
    how: How,
    host: impl Fn(&Arc<Gate>) -> Host,
    judge: impl Fn(&Error),
) -> usize {
    let before = Leavings::now();
    let _sweep = Sweep;
    let sound = Host::open().expect("Xen runs");
    let mut failed = 0;
    loop {
        let gate = gate(Fault::Nth(failed + 1, how));
        let created = create(&host(&gate), kind);
        match (created, gate.failed()) {
            (Err(error), Some(call)) => {
                println!("{call}: {}", told(&error));
                judge(&error);
                assert_eq!(ids(sound.xc()), [DomId::DOM0], "after {call}");
            }
            (Ok(dom), None) => {
                sound.destroy(dom, &limits()).expect("destroy it");
                before.assert_unchanged();
                return failed;
            }
            (created, call) => panic!("{created:?}, and what failed is {call:?}"),
        }
        failed += 1;
    }
}

fn create(host: &Host, kind: GuestKind) -> Result<DomId, Error> {
    let config = DomainConfig::new("faulty", kind, "/guests/tiny.elf", MiB(16));
    host.create(&config, CreateOptions::default(), &limits())
}

fn limits() -> Limits {
    Limits::until(Deadline::after(Duration::from_secs(60)))
}

fn nothing_is_left(error: &Error) {
    assert!(error.leftovers().is_empty(), "left behind: {:?}", error.leftovers());
}

/// Removes what the error names, after which nothing may be left.
fn nothing_unnamed_is_left(error: &Error) {
    let store = Client::open().expect("the daemon runs on");
    for path in named(error) {
        store.rm_if_exists(&path).expect("remove what was left");
    }
}

/// The store paths among what is left, and nothing else can be.
fn named(error: &Error) -> Vec<Path> {
    let path = |left: &Leftover| match &left.what {
        Remnant::StorePath(path) => Path::new(path).expect("a path"),
        other => panic!("left behind: {other}"),
    };
    error.leftovers().iter().map(path).collect()
}

fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn ids(xc: &Xc) -> Vec<DomId> {
    xc.domains().expect("list the domains").iter().map(|domain| domain.id).collect()
}

/// Removes the domains that a test which failed left behind.
struct Sweep;

impl Drop for Sweep {
    fn drop(&mut self) {
        let host = Host::open().expect("Xen runs");
        for dom in ids(host.xc()).into_iter().filter(|dom| *dom != DomId::DOM0) {
            let _ = host.destroy(dom, &limits());
        }
    }
}
