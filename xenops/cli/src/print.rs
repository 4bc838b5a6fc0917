//! How `list` prints domains.

use std::io::{self, Write};

use serde::Serialize;
use xenops::{Domain, State};

/// One domain in the JSON output. The keys are a promise to scripts.
#[derive(Debug, Serialize)]
struct Record<'a> {
    domid: u16,
    name: Option<&'a str>,
    uuid: String,
    state: String,
    memory_kib: u64,
    vcpus: u32,
    cpu_time_seconds: f64,
}

/// Prints a JSON array.
pub(crate) fn json(domains: &[Domain], out: &mut impl Write) -> io::Result<()> {
    let records: Vec<Record<'_>> = domains
        .iter()
        .map(|domain| Record {
            domid: domain.id.raw(),
            name: domain.name.as_deref(),
            uuid: domain.uuid.to_string(),
            state: domain.state.to_string(),
            memory_kib: domain.memory.get(),
            vcpus: domain.vcpus,
            cpu_time_seconds: domain.cpu_time.as_secs_f64(),
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &records)?;
    writeln!(out)
}

/// Prints a line for each domain under a heading.
pub(crate) fn table(domains: &[Domain], out: &mut impl Write) -> io::Result<()> {
    let name = |domain: &Domain| domain.name.as_deref().map_or("-".to_owned(), printable);
    let width = domains.iter().map(|d| name(d).chars().count()).max().unwrap_or(0).max(8);
    writeln!(
        out,
        "{:<width$} {:>5} {:>8} {:>5} {:<9} {:>9} UUID",
        "NAME", "ID", "MEM/MiB", "VCPUS", "STATE", "TIME/s"
    )?;
    for domain in domains {
        writeln!(
            out,
            "{:<width$} {:>5} {:>8} {:>5} {:<9} {:>9.1} {}",
            name(domain),
            domain.id,
            domain.memory.to_mib_up().get(),
            domain.vcpus,
            state(domain.state),
            domain.cpu_time.as_secs_f64(),
            domain.uuid,
        )?;
    }
    Ok(())
}

fn state(state: State) -> String {
    state.to_string()
}

/// Names come from the store, where other tools write too: nothing in them moves the cursor.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J"), "a\u{fffd}[2J");
    }
}
