//! Prints a table of all domains, as `xl list` does, from the hypervisor alone:
//! `cargo run -p examples --example domains`, in the control domain.
//!
//! Names are in the xenstore, which is not asked. Ends with 3 where no Xen runs.

use std::error::Error as _;
use std::process::ExitCode;

use xc::{DomainFlags, DomainInfo, Kind, Xc};

fn main() -> xc::Result<ExitCode> {
    let xc = match Xc::open() {
        Err(error) if error.kind() == Kind::Unavailable => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            println!("no Xen here: {error}{cause}");
            return Ok(ExitCode::from(3));
        }
        opened => opened?,
    };
    println!("   ID {:36}    MiB VCPUs State   Time(s) Pool", "UUID");
    for domain in xc.domains()? {
        println!("{}", line(&domain));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(domain: &DomainInfo) -> String {
    format!(
        "{:5} {} {:6} {:5} {} {:9.1} {:4}",
        domain.id.raw(),
        domain.uuid,
        domain.current_pages.to_mib_down().get(),
        domain.online_vcpus,
        state(domain.flags),
        domain.cpu_time.as_secs_f64(),
        domain.cpupool,
    )
}

/// A letter for each thing that a domain can be.
fn state(flags: DomainFlags) -> String {
    let letters = [
        (DomainFlags::RUNNING, 'r'),
        (DomainFlags::BLOCKED, 'b'),
        (DomainFlags::PAUSED, 'p'),
        (DomainFlags::SHUTDOWN, 's'),
        (DomainFlags::DYING, 'd'),
    ];
    letters.map(|(flag, letter)| if flags.contains(flag) { letter } else { '-' }).iter().collect()
}
