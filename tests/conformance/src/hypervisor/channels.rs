//! Event channels of the caller's own domain, through the kernel's device.

use std::thread;
use std::time::{Duration, Instant};

use xc::{GuestKind, Kind};
use xen_types::{Deadline, DomId, Port};

use super::ctx::{pair, shortly, soon, until};
use super::{Ctx, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        a_notification_arrives_and_many_make_at_most_two_events,
        a_wait_without_an_event_ends_at_its_deadline,
        threads_on_one_device_exchange_events_without_losing_any,
        a_foreign_loop_sees_an_event_again_only_after_unmasking,
        a_dropped_port_is_closed,
        a_binding_to_a_port_of_another_domain_has_an_event_at_once,
        a_port_that_was_allocated_has_no_event_until_the_other_end_rings,
        the_other_end_of_a_closed_port_may_be_bound_anew,
        a_notification_to_nobody_is_no_error,
        a_port_that_is_not_there_is_not_bound,
        a_restricted_device_is_for_one_domain,
    ]
    .into()
}

fn a_notification_arrives_and_many_make_at_most_two_events(ctx: &Ctx) -> Outcome {
    let (one, other) = pair(&ctx.channels()?)?;
    for _ in 0..100 {
        one.notify()?;
    }
    other.wait(soon())?;
    // The first notification masks the port; those after it make one more event.
    let _second = other.wait(shortly());
    assert_eq!(other.wait(shortly()).unwrap_err().kind(), Kind::TimedOut);
    one.notify()?;
    other.wait(soon())?;
    Ok(())
}

fn a_wait_without_an_event_ends_at_its_deadline(ctx: &Ctx) -> Outcome {
    let (_one, other) = pair(&ctx.channels()?)?;
    let started = Instant::now();
    let error = other.wait(Deadline::after(Duration::from_millis(300))).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert!((300..3000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    Ok(())
}

fn threads_on_one_device_exchange_events_without_losing_any(ctx: &Ctx) -> Outcome {
    let channels = ctx.channels()?;
    let pairs = [pair(&channels)?, pair(&channels)?, pair(&channels)?];
    thread::scope(|scope| {
        for (one, other) in &pairs {
            scope.spawn(|| {
                for _ in 0..200 {
                    one.notify().unwrap();
                    one.wait(soon()).unwrap();
                }
            });
            scope.spawn(|| {
                for _ in 0..200 {
                    other.wait(soon()).unwrap();
                    other.notify().unwrap();
                }
            });
        }
    });
    Ok(())
}

fn a_foreign_loop_sees_an_event_again_only_after_unmasking(ctx: &Ctx) -> Outcome {
    let channels = ctx.channels()?;
    let (one, other) = pair(&channels)?;
    one.notify()?;
    until("the event is pending", || channels.pending().unwrap() == [other.port()]);
    one.notify()?;
    assert_eq!(channels.pending()?, []);
    other.unmask()?;
    until("the second event is pending", || channels.pending().unwrap() == [other.port()]);
    Ok(())
}

fn a_dropped_port_is_closed(ctx: &Ctx) -> Outcome {
    let channels = ctx.channels()?;
    let port: Port = channels.bind_unbound_port(DomId::DOM0)?.port();
    let gone = channels.bind_interdomain(DomId::DOM0, port).unwrap_err();
    assert_eq!(gone.kind(), Kind::Invalid);
    Ok(())
}

fn a_binding_to_a_port_of_another_domain_has_an_event_at_once(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    let ours = ctx.channels()?.bind_interdomain(dom.id, port)?;
    ours.wait(soon())?;
    assert_eq!(ours.wait(shortly()).unwrap_err().kind(), Kind::TimedOut);
    Ok(())
}

fn a_port_that_was_allocated_has_no_event_until_the_other_end_rings(ctx: &Ctx) -> Outcome {
    let channels = ctx.channels()?;
    let one = channels.bind_unbound_port(DomId::DOM0)?;
    assert_eq!(one.wait(shortly()).unwrap_err().kind(), Kind::TimedOut);
    let other = channels.bind_interdomain(DomId::DOM0, one.port())?;
    other.notify()?;
    one.wait(soon())?;
    Ok(())
}

fn the_other_end_of_a_closed_port_may_be_bound_anew(ctx: &Ctx) -> Outcome {
    let channels = ctx.channels()?;
    let (one, other) = pair(&channels)?;
    other.close()?;
    let again = channels.bind_interdomain(DomId::DOM0, one.port())?;
    one.notify()?;
    again.wait(soon())?;
    Ok(())
}

fn a_notification_to_nobody_is_no_error(ctx: &Ctx) -> Outcome {
    let channels = ctx.channels()?;
    channels.bind_unbound_port(DomId::DOM0)?.notify()?;
    let (one, other) = pair(&channels)?;
    drop(other);
    one.notify()?;
    Ok(())
}

fn a_port_that_is_not_there_is_not_bound(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    let channels = ctx.channels()?;
    let free = channels.bind_interdomain(dom.id, Port(9)).unwrap_err();
    let beyond = channels.bind_interdomain(dom.id, Port(1 << 20)).unwrap_err();
    assert_eq!([free.kind(), beyond.kind()], [Kind::Invalid; 2]);
    dom.end()?;
    let gone = channels.bind_interdomain(dom.id, Port(1)).unwrap_err();
    assert_eq!(gone.kind(), Kind::NotFound);
    Ok(())
}

fn a_restricted_device_is_for_one_domain(ctx: &Ctx) -> Outcome {
    let (dom, other) = (ctx.empty(GuestKind::Pv)?, ctx.empty(GuestKind::Pv)?);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let channels = ctx.channels()?;
    assert_eq!(channels.restrict(DomId::DOM0).unwrap_err().kind(), Kind::Invalid);
    channels.restrict(dom.id)?;
    let of_other = channels.bind_interdomain(other.id, Port(1)).unwrap_err();
    let of_ours = channels.bind_unbound_port(dom.id).unwrap_err();
    let again = channels.restrict(dom.id).unwrap_err();
    assert_eq!([of_other.kind(), of_ours.kind(), again.kind()], [Kind::Denied; 3]);
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    channels.bind_interdomain(dom.id, port)?;
    Ok(())
}
