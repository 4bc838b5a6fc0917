use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::*;
use crate::Kind;

/// A device whose pending ports a test feeds in through a pipe, and which notes the other calls.
#[derive(Debug)]
struct Fed {
    events: OwnedFd,
    calls: Arc<Mutex<Vec<String>>>,
    next_port: Mutex<u32>,
    overflowed: Arc<AtomicBool>,
}

struct Feed {
    events: OwnedFd,
    calls: Arc<Mutex<Vec<String>>>,
    overflowed: Arc<AtomicBool>,
}

impl Feed {
    fn event(&self, port: Port) {
        rustix::io::write(&self.events, &port.0.to_ne_bytes()).unwrap();
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

impl Fed {
    fn note(&self, call: String) -> Result<(), Errno> {
        self.calls.lock().unwrap().push(call);
        Ok(())
    }
}

impl Backend for Fed {
    fn bind_interdomain(&self, _: DomId, _: Port) -> Result<Port, Errno> {
        let mut next = self.next_port.lock().unwrap();
        *next += 1;
        Ok(Port(*next))
    }
    fn bind_unbound_port(&self, _: DomId) -> Result<Port, Errno> {
        Err(Errno::NOSPC)
    }
    fn bind_virq(&self, _: u32) -> Result<Port, Errno> {
        Err(Errno::EXIST)
    }
    fn unbind(&self, port: Port) -> Result<(), Errno> {
        self.note(format!("unbind {port}"))
    }
    fn notify(&self, port: Port) -> Result<(), Errno> {
        self.note(format!("notify {port}"))
    }
    fn poll(&self, deadline: Deadline) -> Result<bool, Errno> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let left = deadline.remaining(Instant::now());
        let timeout =
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        poll(&mut [PollFd::new(&self.events, PollFlags::IN)], Some(&timeout)).map(|n| n > 0)
    }
    fn read(&self, ports: &mut [u32]) -> Result<usize, Errno> {
        if self.overflowed.load(Ordering::SeqCst) {
            return Err(Errno::FBIG);
        }
        let mut bytes = [0; 4];
        rustix::io::read(&self.events, &mut bytes)?;
        ports[0] = u32::from_ne_bytes(bytes);
        Ok(1)
    }
    fn unmask(&self, port: Port) -> Result<(), Errno> {
        self.note(format!("unmask {port}"))
    }
    fn reset(&self) -> Result<(), Errno> {
        while rustix::io::read(&self.events, &mut [0; 4]).is_ok() {}
        self.overflowed.store(false, Ordering::SeqCst);
        self.note("reset".to_owned())
    }
    fn restrict(&self, dom: DomId) -> Result<(), Errno> {
        self.note(format!("restrict {dom}"))?;
        if dom == DomId::DOM0 { Err(Errno::INVAL) } else { Err(Errno::ACCESS) }
    }
    fn fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

fn fed() -> (EventChannels, Feed) {
    use rustix::pipe::{PipeFlags, pipe_with};
    let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
    let calls = Arc::<Mutex<_>>::default();
    let overflowed = Arc::<AtomicBool>::default();
    let device = Fed {
        events: read,
        calls: calls.clone(),
        next_port: Mutex::new(0),
        overflowed: overflowed.clone(),
    };
    let channels = EventChannels::with_backend(Box::new(device));
    (channels, Feed { events: write, calls, overflowed })
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn passed() -> Deadline {
    Deadline::at(Instant::now())
}

#[test]
fn an_event_before_the_wait_is_kept_and_its_port_unmasked() {
    let (channels, feed) = fed();
    let bound = channels.bind_interdomain(DomId::DOM0, Port(9)).unwrap();
    feed.event(bound.port());
    bound.wait(passed()).unwrap();
    assert_eq!(feed.calls(), ["unmask 1"]);
}

#[test]
fn an_event_is_consumed_once() {
    let (channels, feed) = fed();
    let bound = channels.bind_interdomain(DomId::DOM0, Port(9)).unwrap();
    feed.event(bound.port());
    bound.wait(passed()).unwrap();
    let error = bound.wait(passed()).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(error.to_string(), "wait for an event on port 1");
}

#[test]
fn an_event_read_while_waiting_for_another_port_is_not_lost() {
    let (channels, feed) = fed();
    let first = channels.bind_interdomain(DomId::DOM0, Port(9)).unwrap();
    let second = channels.bind_interdomain(DomId::DOM0, Port(10)).unwrap();
    feed.event(second.port());
    feed.event(first.port());
    first.wait(soon()).unwrap();
    second.wait(passed()).unwrap();
}

#[test]
fn events_of_other_ports_do_not_put_the_deadline_off() {
    let (channels, feed) = fed();
    let first = channels.bind_interdomain(DomId::DOM0, Port(9)).unwrap();
    let second = channels.bind_interdomain(DomId::DOM0, Port(10)).unwrap();
    feed.event(second.port()); // which a reading of its own brings, as every event here
    feed.event(first.port()); // what a wait that reads on would find
    assert_eq!(first.wait(passed()).unwrap_err().kind(), Kind::TimedOut);
    second.wait(passed()).unwrap();
    first.wait(passed()).unwrap();
}

#[test]
fn threads_on_two_ports_wake_each_other_when_one_reads_for_both() {
    let (channels, feed) = fed();
    let first = channels.bind_interdomain(DomId::DOM0, Port(9)).unwrap();
    let second = channels.bind_interdomain(DomId::DOM0, Port(10)).unwrap();
    let deadline = Deadline::after(Duration::from_secs(10));
    let (done, finished) = std::sync::mpsc::channel();
    let wait_often = |bound: &Bound| {
        for _ in 0..200 {
            bound.wait(deadline).unwrap(); // a sleeper that nobody wakes sleeps until then
            done.send(()).unwrap();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| wait_often(&first));
        scope.spawn(|| wait_often(&second));
        for _ in 0..200 {
            feed.event(second.port());
            finished.recv_timeout(Duration::from_secs(15)).unwrap();
            feed.event(first.port());
            finished.recv_timeout(Duration::from_secs(15)).unwrap();
        }
    });
}

#[test]
fn a_port_that_is_unbound_has_no_more_events_and_is_unbound_once() {
    let (channels, feed) = fed();
    let bound = channels.bind_interdomain(DomId::DOM0, Port(9)).unwrap();
    feed.event(bound.port());
    bound.close().unwrap();
    assert_eq!(channels.pending().unwrap(), []);
    assert_eq!(feed.calls(), ["unbind 1"]);
}

#[test]
fn after_an_overflow_every_port_has_an_event_and_the_device_goes_on() {
    let (channels, feed) = fed();
    let first = channels.bind_interdomain(DomId::DOM0, Port(9)).unwrap();
    let second = channels.bind_interdomain(DomId::DOM0, Port(10)).unwrap();
    feed.overflowed.store(true, Ordering::SeqCst);
    feed.event(first.port()); // what makes the device readable
    first.wait(passed()).unwrap();
    second.wait(passed()).unwrap();
    assert_eq!(feed.calls(), ["reset", "unmask 1", "unmask 2"]);
    feed.event(second.port());
    second.wait(passed()).unwrap();
    assert_eq!(first.wait(passed()).unwrap_err().kind(), Kind::TimedOut);
}

#[test]
fn dropping_a_port_unbinds_it() {
    let (channels, feed) = fed();
    drop(channels.bind_interdomain(DomId::DOM0, Port(9)).unwrap());
    assert_eq!(feed.calls(), ["unbind 1"]);
}

#[test]
fn a_foreign_loop_gets_the_ports_and_unmasks_them_itself() {
    let (channels, feed) = fed();
    let bound = channels.bind_interdomain(DomId::DOM0, Port(9)).unwrap();
    feed.event(bound.port());
    assert_eq!(channels.pending().unwrap(), [bound.port()]);
    assert_eq!(feed.calls(), Vec::<String>::new());
    bound.unmask().unwrap();
    assert_eq!(feed.calls(), ["unmask 1"]);
}

#[test]
fn a_virtual_interrupt_bound_elsewhere_exists_already() {
    let (channels, _feed) = fed();
    let error = channels.bind_virq(Virq::DOM_EXC).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (Kind::Exists, "bind virtual interrupt 3".into())
    );
}

#[test]
fn a_restriction_that_is_refused_says_why() {
    let (channels, feed) = fed();
    let refused = channels.restrict(DomId::new(7).unwrap()).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.to_string()),
        (Kind::Denied, "restrict ports to domain 7".into())
    );
    assert_eq!(channels.restrict(DomId::DOM0).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(feed.calls(), ["restrict 7", "restrict 0"]);
}
