//! Guests that run: the tiny one of `tests/guests` on Xen, the script that does the same on a
//! simulated machine; built and ended by `xenops`.

use std::collections::BTreeSet;

use eventchn::Virq;
use xc::PortBinding;
use xen_types::{DomId, Port, ShutdownReason};
use xenops::{GuestKind, State, Stop};
use xs::{Client, Path, View as _};

use super::ctx::{Guest, shortly, soon, until};
use super::{Ctx, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        a_guest_writes_to_the_store_over_its_own_ring,
        a_guest_that_waits_is_blocked,
        a_guest_that_is_asked_to_power_off_does_and_goes,
        a_guest_that_is_asked_to_reboot_acknowledges_and_says_why_it_stopped,
        a_guest_may_end_at_once,
        a_guest_may_crash,
        a_paused_guest_obeys_once_it_runs,
        a_name_is_for_one_guest,
        a_guest_that_is_destroyed_leaves_nothing,
        the_port_to_the_store_is_bound_by_xenstored,
        an_introduction_is_told_to_who_watches,
        a_shutdown_is_told_to_who_watches,
        xenstored_hears_of_no_death_while_another_domain_has_the_interrupt_for_them,
        the_interrupt_for_domain_deaths_belongs_to_xenstored,
    ]
    .into()
}

/// Waits until the guest has started.
fn is_up(guest: &Guest) {
    let node = Path::domain(guest.id).join("data/tiny");
    let store = guest.host.store();
    until("the guest is up", || store.read_opt(&node).is_ok_and(|value| value.is_some()));
}

/// Waits until a guest has shut down; why it did.
fn stopped(guest: &Guest) -> ShutdownReason {
    let mut reason = None;
    until("the guest has stopped", || {
        reason = guest.host.xc().info(guest.id).unwrap().shutdown;
        reason.is_some()
    });
    reason.unwrap()
}

fn a_guest_writes_to_the_store_over_its_own_ring(ctx: &Ctx) -> Outcome {
    let guest = ctx.guest("writer", GuestKind::Pvh, "")?;
    is_up(&guest);
    let node = Path::domain(guest.id).join("data/tiny");
    assert_eq!(guest.host.store().read(&node)?, b"up");
    Ok(())
}

fn a_guest_that_waits_is_blocked(ctx: &Ctx) -> Outcome {
    let guest = ctx.guest("waiter", GuestKind::Pv, "")?;
    is_up(&guest);
    until("it waits", || guest.host.domain(guest.id).unwrap().state == State::Blocked);
    assert_eq!(guest.host.xc().info(guest.id)?.online_vcpus, 1);
    Ok(())
}

fn a_guest_that_is_asked_to_power_off_does_and_goes(ctx: &Ctx) -> Outcome {
    let guest = ctx.guest("asked", GuestKind::Pvh, "")?;
    is_up(&guest);
    guest.host.shut_down(guest.id, &Ctx::limits())?;
    assert_eq!(guest.host.domain(guest.id).unwrap_err().kind(), xenops::Kind::NotFound);
    Ok(())
}

fn a_guest_that_is_asked_to_reboot_acknowledges_and_says_why_it_stopped(ctx: &Ctx) -> Outcome {
    let guest = ctx.guest("rebooter", GuestKind::Pv, "")?;
    is_up(&guest);
    guest.host.request_stop(guest.id, Stop::Reboot)?;
    assert_eq!(stopped(&guest), ShutdownReason::Reboot);
    let order = Path::domain(guest.id).join("control/shutdown");
    assert_eq!(guest.host.store().read(&order)?, b"");
    Ok(())
}

fn a_guest_may_end_at_once(ctx: &Ctx) -> Outcome {
    let guest = ctx.guest("short", GuestKind::Pvh, "halt")?;
    assert_eq!(stopped(&guest), ShutdownReason::Poweroff);
    Ok(())
}

fn a_guest_may_crash(ctx: &Ctx) -> Outcome {
    let guest = ctx.guest("broken", GuestKind::Pv, "crash")?;
    assert_eq!(stopped(&guest), ShutdownReason::Crash);
    assert!(guest.host.xc().info(guest.id)?.is_crashed());
    Ok(())
}

fn a_paused_guest_obeys_once_it_runs(ctx: &Ctx) -> Outcome {
    let guest = ctx.guest("paused", GuestKind::Pvh, "")?;
    is_up(&guest);
    guest.host.pause(guest.id)?;
    guest.host.request_stop(guest.id, Stop::Poweroff)?;
    std::thread::sleep(std::time::Duration::from_millis(200)); // what must not happen needs time
    let order = Path::domain(guest.id).join("control/shutdown");
    assert_eq!(guest.host.store().read(&order)?, b"poweroff");
    guest.host.unpause(guest.id)?;
    assert_eq!(stopped(&guest), ShutdownReason::Poweroff);
    Ok(())
}

fn a_name_is_for_one_guest(ctx: &Ctx) -> Outcome {
    let _guest = ctx.guest("only", GuestKind::Pv, "")?;
    let error = ctx.guest("only", GuestKind::Pv, "").unwrap_err();
    assert_eq!(error.kind(), xenops::Kind::Exists);
    Ok(())
}

/// All nodes there are.
fn nodes(store: &Client) -> xs::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut paths = vec![Path::ROOT];
    while let Some(path) = paths.pop() {
        paths.extend(store.directory(&path)?.iter().map(|name| path.join(name)));
        found.insert(path.to_string());
    }
    Ok(found)
}

fn a_guest_that_is_destroyed_leaves_nothing(ctx: &Ctx) -> Outcome {
    let host = ctx.host()?;
    let (before, domains) = (nodes(host.store())?, host.domains()?.len());
    let guest = ctx.guest("trace", GuestKind::Pvh, "")?;
    is_up(&guest);
    assert_ne!(nodes(host.store())?, before);
    guest.host.destroy(guest.id, &Ctx::limits())?;
    assert_eq!((nodes(host.store())?, host.domains()?.len()), (before, domains));
    Ok(())
}

fn the_port_to_the_store_is_bound_by_xenstored(ctx: &Ctx) -> Outcome {
    let guest = ctx.guest("bound", GuestKind::Pvh, "")?;
    is_up(&guest);
    let node = Path::domain(guest.id).join("store/port");
    let port = Port(guest.host.store().read_str(&node)?.parse()?);
    let binding = guest.host.xc().port_status(guest.id, port)?.binding;
    assert!(matches!(binding, PortBinding::Interdomain(DomId::DOM0, _)), "{binding:?}");
    Ok(())
}

fn an_introduction_is_told_to_who_watches(ctx: &Ctx) -> Outcome {
    let host = ctx.host()?;
    let mut introductions = host.store().watch(&Path::INTRODUCE_DOMAIN)?;
    introductions.wait(soon())?; // that the watch is there
    assert_eq!(introductions.wait(shortly()).unwrap_err().kind(), xs::Kind::TimedOut);
    let _guest = ctx.guest("introduced", GuestKind::Pv, "")?;
    introductions.wait(soon())?;
    Ok(())
}

fn a_shutdown_is_told_to_who_watches(ctx: &Ctx) -> Outcome {
    let guest = ctx.guest("told", GuestKind::Pv, "")?;
    is_up(&guest);
    let mut ends = guest.host.store().watch(&Path::RELEASE_DOMAIN)?;
    ends.wait(soon())?; // that the watch is there
    assert_eq!(ends.wait(shortly()).unwrap_err().kind(), xs::Kind::TimedOut);
    guest.host.xc().shutdown(guest.id, ShutdownReason::Poweroff)?;
    ends.wait(soon())?;
    Ok(())
}

fn xenstored_hears_of_no_death_while_another_domain_has_the_interrupt_for_them(
    ctx: &Ctx,
) -> Outcome {
    let guest = ctx.guest("unheard", GuestKind::Pv, "")?;
    is_up(&guest);
    let mut deaths = guest.host.store().watch(&Path::RELEASE_DOMAIN)?;
    deaths.wait(soon())?; // that the watch is there
    let heir = ctx.empty(xc::GuestKind::Pv)?;

    heir.xc.set_virq_handler(heir.id, Virq::DOM_EXC.0)?;
    heir.xc.shutdown(guest.id, ShutdownReason::Poweroff)?;
    assert_eq!(deaths.wait(shortly()).unwrap_err().kind(), xs::Kind::TimedOut);

    heir.xc.set_virq_handler(DomId::DOM0, Virq::DOM_EXC.0)?;
    heir.xc.destroy_domain(heir.id)?;
    deaths.wait(soon())?;
    Ok(())
}

fn the_interrupt_for_domain_deaths_belongs_to_xenstored(ctx: &Ctx) -> Outcome {
    let error = ctx.channels()?.bind_virq(Virq::DOM_EXC).unwrap_err();
    assert_eq!(error.kind(), xc::Kind::Exists);
    Ok(())
}
