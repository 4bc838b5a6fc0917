//! What `eventchn` does beyond one process: restriction, tokio's runtime, another process.

mod dom0;
mod roles;
mod waiting;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll::Ready;
use std::time::{Duration, Instant};

use dom0::{Config, Guest, ok};
use eventchn::tokio::Events;
use eventchn::{EventChannels, Kind};
use roles::{Actor, argument, role, say};
use waiting::{pair, soon};
use xen_types::{Deadline, DomId, Port};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn in_tokio<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_restricted_device_binds_no_ports_of_other_domains() -> Outcome {
    let guest = Guest::create("restricted", &Config::tiny("restricted", "pv", ""));
    let dom: DomId = guest.id.parse()?;
    let channels = EventChannels::open()?;
    let (one, other) = pair(&channels)?;

    channels.restrict(dom)?;

    let denied = channels.bind_unbound_port(dom).unwrap_err();
    assert_eq!(denied.kind(), Kind::Denied);
    let denied = channels.bind_interdomain(DomId::DOM0, Port(1)).unwrap_err();
    assert_eq!(denied.kind(), Kind::Denied);
    assert_eq!(channels.restrict(dom).unwrap_err().kind(), Kind::Denied);
    let its_port = xc::Xc::open()?.alloc_unbound_port(dom, DomId::DOM0)?;
    channels.bind_interdomain(dom, its_port)?.notify()?;
    one.notify()?; // what was bound before stays
    other.wait(soon())?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_device_cannot_be_restricted_to_domain_0() -> Outcome {
    let channels = EventChannels::open()?;
    assert_eq!(channels.restrict(DomId::DOM0).unwrap_err().kind(), Kind::Invalid);
    channels.bind_unbound_port(DomId::DOM0)?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_task_waits_for_an_event_until_its_deadline() -> Outcome {
    let (near, far) = (EventChannels::open()?, EventChannels::open()?);
    let one = near.bind_unbound_port(DomId::DOM0)?;
    let other = far.bind_interdomain(DomId::DOM0, one.port())?;
    in_tokio(async {
        let events = Events::new(near)?;
        let start = Instant::now();
        let short = Deadline::after(Duration::from_millis(300));
        let late = events.wait(&one, short).await.unwrap_err();
        assert_eq!(late.kind(), Kind::TimedOut);
        assert!((300..5000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());

        let mut waiting = pin!(events.wait(&one, soon()));
        assert!(poll_fn(|context| Ready(waiting.as_mut().poll(context))).await.is_pending());
        other.notify()?;
        waiting.await?;
        Ok(())
    })
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn tasks_on_one_device_exchange_events_without_losing_any() -> Outcome {
    let channels = EventChannels::open()?;
    let (one, other) = pair(&channels)?;
    in_tokio(async {
        let events = Events::new(channels)?;
        let serve = async {
            for _ in 0..200 {
                one.notify()?;
                events.wait(&one, soon()).await?;
            }
            Ok(())
        };
        let answer = async {
            for _ in 0..200 {
                events.wait(&other, soon()).await?;
                other.notify()?;
            }
            Ok(())
        };
        let (served, answered): (eventchn::Result<()>, eventchn::Result<()>) =
            tokio::join!(serve, answer);
        served?;
        answered?;
        Ok(())
    })
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn two_processes_exchange_events_and_one_that_is_killed_closes_its_port() -> Outcome {
    if role().is_some() {
        let bound =
            EventChannels::open()?.bind_interdomain(DomId::DOM0, Port(argument(0).parse()?))?;
        bound.wait(soon())?; // of the fresh binding
        say("bound");
        for _ in 0..100 {
            bound.wait(soon())?;
            bound.notify()?;
        }
        say("answered");
        roles::sleep_for_good()
    }
    let channels = EventChannels::open()?;
    let bound = channels.bind_unbound_port(DomId::DOM0)?;
    let test = "two_processes_exchange_events_and_one_that_is_killed_closes_its_port";
    let mut other = Actor::start(test, "answer", &[&bound.port().to_string()]);
    assert_eq!(other.says(), "bound");
    for _ in 0..100 {
        bound.notify()?;
        bound.wait(soon())?;
    }
    assert_eq!(other.says(), "answered");
    other.kill();
    // Its end is closed: the port can be bound anew.
    let again = EventChannels::open()?.bind_interdomain(DomId::DOM0, bound.port())?;
    again.notify()?;
    bound.wait(soon())?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_ping_example_tells_its_round_trips() {
    let said = ok("evtchn-ping", &["200"]);
    assert!(said.starts_with("200 round trips, "), "{said}");
}
