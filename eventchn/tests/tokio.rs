//! Waiting in tokio's runtime, on a device that a test feeds.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eventchn::tokio::Events;
use eventchn::{Backend, EventChannels, Kind};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use xen_types::{Deadline, DomId, Port};

/// Pending ports come through a pipe, and unmasking is noted.
#[derive(Debug)]
struct Fed {
    events: OwnedFd,
    unmasked: Arc<Mutex<Vec<Port>>>,
    bound: Mutex<u32>,
}

struct Feed {
    events: OwnedFd,
    unmasked: Arc<Mutex<Vec<Port>>>,
}

impl Feed {
    fn event(&self, port: Port) {
        rustix::io::write(&self.events, &port.0.to_ne_bytes()).unwrap();
    }
}

impl Backend for Fed {
    fn bind_interdomain(&self, _: DomId, _: Port) -> Result<Port, Errno> {
        let mut bound = self.bound.lock().unwrap();
        *bound += 1;
        Ok(Port(*bound))
    }
    fn bind_unbound_port(&self, _: DomId) -> Result<Port, Errno> {
        Err(Errno::NOSPC)
    }
    fn bind_virq(&self, _: u32) -> Result<Port, Errno> {
        Err(Errno::EXIST)
    }
    fn unbind(&self, _: Port) -> Result<(), Errno> {
        Ok(())
    }
    fn notify(&self, _: Port) -> Result<(), Errno> {
        Ok(())
    }
    fn poll(&self, _: Deadline) -> Result<bool, Errno> {
        unimplemented!("a blocking wait")
    }
    fn read(&self, ports: &mut [u32]) -> Result<usize, Errno> {
        let mut bytes = [0; 4];
        rustix::io::read(&self.events, &mut bytes)?;
        ports[0] = u32::from_ne_bytes(bytes);
        Ok(1)
    }
    fn unmask(&self, port: Port) -> Result<(), Errno> {
        self.unmasked.lock().unwrap().push(port);
        Ok(())
    }
    fn reset(&self) -> Result<(), Errno> {
        Ok(())
    }
    fn restrict(&self, _: DomId) -> Result<(), Errno> {
        Ok(())
    }
    fn fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

fn fed() -> (Events, Feed) {
    let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
    let unmasked = Arc::<Mutex<_>>::default();
    let device = Fed { events: read, unmasked: unmasked.clone(), bound: Mutex::new(0) };
    let events = Events::new(EventChannels::with_backend(Box::new(device))).unwrap();
    (events, Feed { events: write, unmasked })
}

fn bind(events: &Events) -> eventchn::Bound {
    events.channels().bind_interdomain(DomId::DOM0, Port(9)).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn passed() -> Deadline {
    Deadline::at(Instant::now())
}

#[tokio::test]
async fn an_event_that_is_there_is_found_although_the_deadline_has_passed() {
    let (events, feed) = fed();
    let bound = bind(&events);
    feed.event(bound.port());
    events.wait(&bound, passed()).await.unwrap();
    assert_eq!(*feed.unmasked.lock().unwrap(), [bound.port()]);
    assert_eq!(events.wait(&bound, passed()).await.unwrap_err().kind(), Kind::TimedOut);
}

#[tokio::test]
async fn a_wait_ends_when_the_event_comes_and_not_before() {
    let (events, feed) = fed();
    let bound = bind(&events);
    let (waited, ()) = tokio::join!(events.wait(&bound, soon()), async {
        tokio::task::yield_now().await;
        feed.event(bound.port());
    });
    waited.unwrap();
}

#[tokio::test]
async fn a_wait_without_an_event_ends_at_its_deadline() {
    let (events, _feed) = fed();
    let bound = bind(&events);
    let start = Instant::now();
    let late = events.wait(&bound, Deadline::after(Duration::from_millis(50))).await.unwrap_err();
    assert_eq!(late.kind(), Kind::TimedOut);
    assert_eq!(late.to_string(), "wait for an event on port 1");
    assert!((50..10_000).contains(&start.elapsed().as_millis()));
}

#[tokio::test]
async fn a_task_that_reads_for_another_wakes_it() {
    let (events, feed) = fed();
    let (first, second) = (bind(&events), bind(&events));
    let rounds = |bound, other| {
        let (events, feed) = (&events, &feed);
        async move {
            for _ in 0..200 {
                events.wait(bound, soon()).await.unwrap();
                feed.event(other);
            }
        }
    };
    feed.event(first.port());
    tokio::join!(rounds(&first, second.port()), rounds(&second, first.port()));
}

#[tokio::test]
async fn a_dropped_wait_loses_no_event() {
    let (events, feed) = fed();
    let (first, second) = (bind(&events), bind(&events));
    feed.event(second.port());
    let dropped =
        tokio::time::timeout(Duration::from_millis(20), events.wait(&first, soon())).await;
    assert!(dropped.is_err());
    events.wait(&second, passed()).await.unwrap();
}

#[tokio::test]
async fn pending_ports_stay_masked() {
    let (events, feed) = fed();
    let bound = bind(&events);
    let (pending, ()) = tokio::join!(events.pending(soon()), async {
        tokio::task::yield_now().await;
        feed.event(bound.port());
    });
    assert_eq!(pending.unwrap(), [bound.port()]);
    assert_eq!(*feed.unmasked.lock().unwrap(), []);
}

#[tokio::test]
async fn a_port_of_another_device_is_refused() {
    let (events, _feed) = fed();
    let (others, _their_feed) = fed();
    let refused = events.wait(&bind(&others), soon()).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
}
