//! Prints what the hypervisor knows of itself and its host: version, memory, processors, nodes, pools.
//! `cargo run -p examples --example host-info`, in the control domain.
//!
//! Ends with 3 where no Xen runs.

use std::error::Error as _;
use std::process::ExitCode;

use xc::{Kind, NodeId, Numa, Xc};

fn main() -> xc::Result<ExitCode> {
    let xc = match Xc::open() {
        Err(error) if error.kind() == Kind::Unavailable => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            println!("no Xen here: {error}{cause}");
            return Ok(ExitCode::from(3));
        }
        opened => opened?,
    };
    hypervisor(&xc)?;
    host(&xc)?;
    processors(&xc)?;
    pools(&xc)?;
    Ok(ExitCode::SUCCESS)
}

fn hypervisor(xc: &Xc) -> xc::Result<()> {
    let built = xc.compile_info()?;
    println!("version: {}", xc.version()?);
    println!("changeset: {}", xc.changeset()?.escape_ascii());
    println!("compiler: {}", built.compiler.escape_ascii());
    println!("date: {}", built.date.escape_ascii());
    if let Some(id) = xc.build_id()? {
        println!("build id: {}", id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    println!("command line: {}", xc.command_line()?.escape_ascii());
    println!("guests: {}", xc.guest_interfaces()?.escape_ascii());
    println!("scheduler: {}", xc.scheduler()?);
    Ok(())
}

fn host(xc: &Xc) -> xc::Result<()> {
    let host = xc.physinfo()?;
    let (total, free) = (host.total.to_mib_down(), host.free.to_mib_down());
    println!("memory: {total}, {free} of it free");
    println!("processors: {} at {} kHz", host.nr_cpus, host.cpu_khz);
    let numa = xc.numa()?;
    for (NodeId(number), node) in numa.nodes() {
        let (size, free) = (node.size.to_pages_down().to_mib_down(), node.free.to_pages_down());
        let distances = distances(&numa, NodeId(number));
        println!("node {number}: {size}, {} free, distances {distances}", free.to_mib_down());
    }
    Ok(())
}

fn distances(numa: &Numa, from: NodeId) -> String {
    let to = |to| numa.distance(from, to).map_or("?".to_owned(), |distance| distance.to_string());
    numa.nodes().map(|(node, _)| to(node)).collect::<Vec<_>>().join(",")
}

fn processors(xc: &Xc) -> xc::Result<()> {
    let idle = xc.cpu_idle_times()?;
    for (cpu, place) in xc.cpu_topology()?.into_iter().enumerate() {
        let Some(place) = place else { continue };
        let node = place.node.map_or("?".to_owned(), |node| node.0.to_string());
        let idle = idle.get(cpu).map_or(0.0, std::time::Duration::as_secs_f64);
        let (core, socket) = (place.core, place.socket);
        println!(
            "processor {cpu}: core {core}, socket {socket}, node {node}, idle for {idle:.1} s"
        );
    }
    Ok(())
}

fn pools(xc: &Xc) -> xc::Result<()> {
    for pool in xc.cpupools() {
        let pool = pool?;
        let (id, scheduler, cpus, domains) = (pool.id, pool.scheduler, pool.cpus, pool.domains);
        println!("pool {id}: {scheduler}, processors {cpus}, domains: {domains}");
    }
    println!("processors in no pool: {}", xc.free_cpus()?.len());
    Ok(())
}
