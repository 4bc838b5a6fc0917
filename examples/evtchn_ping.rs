//! Plays ping-pong with events between two ends in this domain and says how long a round trip takes:
//! `cargo run -p examples --example evtchn-ping -- 1000`, in the control domain.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use eventchn::{Bound, EventChannels};
use xen_types::{Deadline, DomId};

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: u32 = std::env::args().nth(1).map_or(Ok(1000), |n| n.parse())?;
    let deadline = Deadline::after(Duration::from_secs(60));

    // Two devices, as two programs would have.
    let (here, there) = (EventChannels::open()?, EventChannels::open()?);
    let one = here.bind_unbound_port(DomId::DOM0)?;
    let other = there.bind_interdomain(DomId::DOM0, one.port())?;
    other.wait(deadline)?; // a fresh binding has an event

    let start = Instant::now();
    thread::scope(|scope| {
        let answering = scope.spawn(|| answer(&other, rounds, deadline));
        for _ in 0..rounds {
            one.notify()?;
            one.wait(deadline)?;
        }
        answering.join().map_err(|_| "the other end panicked")??;
        Ok::<_, Box<dyn Error>>(())
    })?;
    let taken = start.elapsed();
    println!("{rounds} round trips, {:?} each", taken / rounds.max(1));
    Ok(())
}

fn answer(bound: &Bound, rounds: u32, deadline: Deadline) -> eventchn::Result<()> {
    for _ in 0..rounds {
        bound.wait(deadline)?;
        bound.notify()?;
    }
    Ok(())
}
