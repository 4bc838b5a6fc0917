//! How `list` prints domains.

use std::io::{self, Write};

use serde::Serialize;
use xenops::Domain;

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

impl<'a> Record<'a> {
    fn of(domain: &'a Domain) -> Self {
        Self {
            domid: domain.id.raw(),
            name: domain.name.as_deref(),
            uuid: domain.uuid.to_string(),
            state: domain.state.to_string(),
            memory_kib: domain.memory.get(),
            vcpus: domain.vcpus,
            cpu_time_seconds: domain.cpu_time.as_secs_f64(),
        }
    }
}

/// Prints a JSON array.
pub(crate) fn json(domains: &[Domain], out: &mut impl Write) -> io::Result<()> {
    let records: Vec<Record<'_>> = domains.iter().map(Record::of).collect();
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
            domain.state.to_string(),
            domain.cpu_time.as_secs_f64(),
            domain.uuid,
        )?;
    }
    Ok(())
}

/// Text from elsewhere, such as a name in the store where other tools write too, with nothing in it
/// that moves the cursor.
pub(crate) fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_and_units_of_the_json_output_stay() {
        let record = Record {
            domid: 7,
            name: Some("web"),
            uuid: "00112233-4455-6677-8899-aabbccddeeff".into(),
            state: "blocked".into(),
            memory_kib: 16384,
            vcpus: 1,
            cpu_time_seconds: 1.5,
        };
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            "{\"domid\":7,\"name\":\"web\",\"uuid\":\"00112233-4455-6677-8899-aabbccddeeff\",\
             \"state\":\"blocked\",\"memory_kib\":16384,\"vcpus\":1,\"cpu_time_seconds\":1.5}"
        );
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J"), "a\u{fffd}[2J");
    }
}
