//! A guest of a few KB for tests that start many: see README.md.
//!
//! ```text
//!   entry ──> start_pv / start_pvh ──> run ──> serve ──> shutdown
//! ```
//!
//! It runs on one vcpu with interrupts off. An idle one sleeps in `SCHEDOP_poll` without a timeout
//! and is woken by its console or its store alone.

#![no_std]
#![no_main]

mod console;
mod entry;
mod events;
mod hostile;
mod hypercall;
mod platform;
mod ring;
mod store;

use core::panic::PanicInfo;

use crate::console::Console;
use crate::hypercall::Reason;
use crate::platform::{Boot, HvmStartInfo, Services, StartInfo};
use crate::store::{Error, Store};

/// Where `entry` goes on in a PV domain.
extern "C" fn start_pv(info: &'static StartInfo) -> ! {
    run(Boot::Pv(info))
}

/// Where `entry` goes on in a PVH domain.
extern "C" fn start_pvh(info: &'static HvmStartInfo) -> ! {
    run(Boot::Pvh(info))
}

fn run(boot: Boot) -> ! {
    let (Ok(mut services), Ok(domid)) = (boot.attach(), hypercall::own_domid()) else {
        // There is no console to say so on.
        hypercall::shutdown(Reason::Crash);
    };
    services.console.line(format_args!(
        "TINY-HELLO {} domid={domid} cmdline=[{}]",
        boot.name(),
        boot.command_line().escape_ascii()
    ));
    let reason = match work(boot, &mut services) {
        Ok(reason) => reason,
        Err(error) => {
            services.console.line(format_args!("TINY-FATAL store: {error}"));
            Reason::Crash
        }
    };
    services.console.drain();
    hypercall::shutdown(reason)
}

/// Does what this guest does until it is to stop.
fn work(boot: Boot, services: &mut Services) -> Result<Reason, Error> {
    services.store.watch(ORDERS)?;
    match services.store.write("data/tiny", "up") {
        // A toolstack need not let its guests write there.
        Ok(()) | Err(Error::Refused) => {}
        Err(broken) => return Err(broken),
    }
    hostile::write(boot.command_line(), services)?;
    services.console.line(format_args!("TINY-READY"));
    hostile::flood(boot.command_line(), &mut services.store)?;
    match asked_by(boot.command_line()) {
        Some(reason) => Ok(reason),
        None => serve(services, boot.command_line()),
    }
}

/// What the command line wants done at once.
fn asked_by(command_line: &[u8]) -> Option<Reason> {
    command_line.split(u8::is_ascii_whitespace).find_map(|word| match word {
        b"halt" => Some(Reason::PowerOff),
        b"reboot" => Some(Reason::Reboot),
        b"crash" => Some(Reason::Crash),
        _ => None,
    })
}

/// Counts lines of input and obeys orders until one of them is to stop.
fn serve(services: &mut Services, command_line: &[u8]) -> Result<Reason, Error> {
    let Services { console, store, events } = services;
    let ports = [console.port(), store.port()];
    let mut count: u64 = 0;
    loop {
        ports.into_iter().for_each(|port| events.clear(port));
        let ordered = store.take_event()?;
        let obeys = ordered && !hostile::answers(command_line, console, store)?;
        if obeys && let Some(reason) = obey(console, store)? {
            return Ok(reason);
        }
        let input = console.take_lines();
        for _ in 0..input.unwrap_or(0) {
            count += 1;
            console.line(format_args!("TINY-COUNT {count}"));
        }
        // Lines and requests clear the ports too: sleep only after a round that made none.
        if !ordered && input.is_none() {
            events.wait(&ports);
        }
    }
}

/// Reads and carries out the order that may stand in the store.
fn obey(console: &Console<'_>, store: &mut Store<'_>) -> Result<Option<Reason>, Error> {
    let order = match store.read(ORDERS) {
        Ok(order) => order,
        // None was ever given.
        Err(Error::Refused) => return Ok(None),
        Err(broken) => return Err(broken),
    };
    let reason = match order {
        b"" => return Ok(None),
        b"poweroff" | b"halt" => Reason::PowerOff,
        b"reboot" => Reason::Reboot,
        unknown => {
            console.line(format_args!("TINY-SHUTDOWN {} unsupported", unknown.escape_ascii()));
            return Ok(None);
        }
    };
    console.line(format_args!("TINY-SHUTDOWN {}", order.escape_ascii()));
    match store.write(ORDERS, "") {
        // Not allowed to say so: the toolstack will see it stop.
        Ok(()) | Err(Error::Refused) => Ok(Some(reason)),
        Err(broken) => Err(broken),
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    hypercall::shutdown(Reason::Crash)
}

/// Where toolstacks write what they want of a guest (docs/misc/xenstore-paths.pandoc, Xen 4.17).
const ORDERS: &str = "control/shutdown";
