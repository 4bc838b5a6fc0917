//! Gives a running guest a disk, waits until its driver has it, and takes it away again when a line comes
//! on standard input: `cargo run -p examples --example attach-disk -- DOMAIN xvdb PATH`, in the control domain.
//!
//! The path is a block device or a file. Ends with 3 where no Xen runs.

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use xenops::device::Vbd;
use xenops::{AttachOptions, Deadline, DetachOptions, Host, Kind, Limits};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let host = match Host::open() {
        Err(error) if error.kind() == Kind::Unavailable => {
            println!("no Xen here: {error}");
            return Ok(ExitCode::from(3));
        }
        opened => opened?,
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [whom, disk, path] = &arguments[..] else {
        return Err("usage: attach-disk DOMAIN DISK PATH".into());
    };
    let dom = host.find(whom)?.id;
    let disk = Vbd::phy(disk.parse()?, path)?;
    let options = AttachOptions { connected: true, ..AttachOptions::default() };
    let device = host.attach(dom, &disk, options, &half_a_minute())?;
    println!("{device} is there; a line takes it away");
    io::stdin().read_line(&mut String::new())?;
    match host.detach(&device, DetachOptions::default(), &half_a_minute()) {
        Err(error) if error.kind() == Kind::TimedOut => {
            println!("{whom} does not let go of it, so it is taken by force: {error}");
            host.detach(&device, DetachOptions { force: true }, &half_a_minute())?;
        }
        detached => detached?,
    }
    println!("{device} is gone");
    Ok(ExitCode::SUCCESS)
}

fn half_a_minute() -> Limits {
    Limits::until(Deadline::after(Duration::from_secs(30)))
}
