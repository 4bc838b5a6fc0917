//! Process 1 of a lab dom0: runs what `cargo xtask lab` asks for.
//!
//! dom0's `/init` ends by executing this. Each virtio-serial port whose name begins with
//! [`PORT_PREFIX`] carries one session at a time, each served by a thread of its own; the main
//! thread reaps. While nobody is connected every thread sleeps in the kernel, so that an idle lab
//! costs dom0 nothing.
//!
//! It must not touch xenstore: with the store daemon dead, opening the store hangs.

mod command;
mod facts;
mod port;
mod power;
mod reaper;
mod session;
mod upload;

use std::sync::Arc;
use std::thread;

use lab_tests::protocol::PORT_PREFIX;
use port::Port;
use reaper::Reaper;

fn main() {
    let ports = match Port::all(PORT_PREFIX) {
        Ok(ports) if !ports.is_empty() => ports,
        Ok(_) => fail(&format!("no virtio-serial port is named {PORT_PREFIX}*")),
        Err(error) => fail(&format!("open the virtio-serial ports: {error}")),
    };
    let reaper = Arc::new(Reaper::default());
    for port in ports {
        let reaper = Arc::clone(&reaper);
        thread::spawn(move || {
            let error = session::serve(&Arc::new(port), &reaper);
            eprintln!("LAB: a command port is lost: {error}");
        });
    }
    println!("LAB: agent ready");
    reaper.run()
}

fn fail(what: &str) -> ! {
    println!("LAB-FAILED agent: {what}");
    power::off()
}
