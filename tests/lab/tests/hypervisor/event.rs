//! Event channels.

use std::thread;
use std::time::{Duration, Instant};

use eventchn::{EventChannels, Virq};
use xc::{GuestKind, Kind, PortBinding};
use xen_types::{Deadline, DomId, Port};

use crate::support::{Domain, Outcome, pair, shortly, soon, until};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_port_of_a_domain_with_virtual_cpus_can_be_bound_once() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let too_early = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0).unwrap_err();
    assert_eq!(too_early.kind(), Kind::Invalid);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    let channels = EventChannels::open()?;
    let bound = channels.bind_interdomain(dom.id, port)?;
    bound.notify()?;
    let taken = channels.bind_interdomain(dom.id, port).unwrap_err();
    assert_eq!(taken.kind(), Kind::Invalid);
    assert_eq!(taken.to_string(), format!("bind port {port} of domain {}", dom.id));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_notification_arrives_and_many_make_at_most_two_events() -> Outcome {
    let (one, other) = pair(&EventChannels::open()?)?;
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

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_wait_without_an_event_ends_at_its_deadline() -> Outcome {
    let (_one, other) = pair(&EventChannels::open()?)?;
    let started = Instant::now();
    let error = other.wait(Deadline::after(Duration::from_millis(300))).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert!((300..3000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn threads_on_one_device_exchange_events_without_losing_any() -> Outcome {
    let channels = EventChannels::open()?;
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

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_foreign_loop_sees_an_event_again_only_after_unmasking() -> Outcome {
    let channels = EventChannels::open()?;
    let (one, other) = pair(&channels)?;
    one.notify()?;
    until("the event is pending", || channels.pending().unwrap() == [other.port()]);
    one.notify()?;
    assert_eq!(channels.pending()?, []);
    other.unmask()?;
    until("the second event is pending", || channels.pending().unwrap() == [other.port()]);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_dropped_port_is_closed() -> Outcome {
    let channels = EventChannels::open()?;
    let port: Port = channels.bind_unbound_port(DomId::DOM0)?.port();
    let gone = channels.bind_interdomain(DomId::DOM0, port).unwrap_err();
    assert_eq!(gone.kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_interrupt_for_domain_deaths_belongs_to_xenstored() -> Outcome {
    let error = EventChannels::open()?.bind_virq(Virq::DOM_EXC).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_port_is_unbound_then_bound_then_closed() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let status = |port| dom.xc.port_status(dom.id, port).map(|status| status.binding);
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    assert_eq!(status(port)?, PortBinding::Unbound(DomId::DOM0));
    let channels = EventChannels::open()?;
    let ours = channels.bind_interdomain(dom.id, port)?;
    assert_eq!(status(port)?, PortBinding::Interdomain(DomId::DOM0, ours.port()));
    let other_end = dom.xc.port_status(DomId::DOM0, ours.port())?.binding;
    assert_eq!(other_end, PortBinding::Interdomain(dom.id, port));
    drop(ours);
    assert_eq!(status(port)?, PortBinding::Unbound(DomId::DOM0));
    dom.xc.reset_ports(dom.id)?;
    assert_eq!(status(port)?, PortBinding::Closed);
    assert_eq!(status(Port(1 << 20)).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn ports_of_a_domain_that_runs_are_not_reset() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.unpause(dom.id)?;
    assert_eq!(dom.xc.reset_ports(dom.id).unwrap_err().kind(), Kind::Invalid);
    dom.xc.pause(dom.id)?;
    dom.xc.reset_ports(dom.id)?;
    Ok(())
}
