//! Prints the devices of a domain and what becomes of them, until the domain has gone:
//! `cargo run -p examples --example watch-devices -- DOMAIN`, in the control domain.
//!
//! Which devices there are is read from the toolstacks' record, how far they are from both ends; a guest
//! can write what it likes into its own. Ends with 3 where no Xen runs.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use xenops::device::DeviceId;
use xenops::{Deadline, Host, Kind};
use xs::Path;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let host = match Host::open() {
        Err(error) if error.kind() == Kind::Unavailable => {
            println!("no Xen here: {error}");
            return Ok(ExitCode::from(3));
        }
        opened => opened?,
    };
    let whom = std::env::args().nth(1).ok_or("usage: watch-devices DOMAIN")?;
    let dom = host.find(&whom)?.id;
    // Whoever serves a device writes below its home; so do domains that come and go.
    let mut watch = host.store().watch(&Path::DOMAINS)?;
    let mut known = BTreeMap::<DeviceId, String>::new();
    loop {
        match watch.wait(Deadline::after(Duration::from_secs(3600))) {
            Err(error) if error.kind() == Kind::TimedOut => continue,
            event => event?,
        };
        // One look answers all events that are there by now.
        while watch.try_next()?.is_some() {}
        let listed = match host.devices(dom) {
            Err(error) if error.kind() == Kind::NotFound => break,
            listed => listed?,
        };
        let now = listed.into_iter().map(|listed| match listed.found {
            Ok(found) => {
                (listed.device, format!("served by domain {}, {}", found.server, found.state))
            }
            Err(why) => (listed.device, format!("not understood: {why}")),
        });
        let now: BTreeMap<_, _> = now.collect();
        for (device, state) in now.iter().filter(|(device, state)| known.get(device) != Some(state))
        {
            println!("{device}: {state}");
        }
        for device in known.keys().filter(|device| !now.contains_key(device)) {
            println!("{device} is gone");
        }
        known = now;
    }
    println!("domain {dom} is gone");
    Ok(ExitCode::SUCCESS)
}
