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
    writeln!(out, "{}", harmless(&serde_json::to_string_pretty(&records)?))
}

/// JSON with those characters escaped that a terminal would obey: JSON itself demands it for a part
/// of them only. Outside of strings there are none but the ends of lines.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_obeyed(c) {
            text.push(c);
        } else {
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
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

/// Text from elsewhere, such as a name in the store where other tools write too, on one line and
/// with nothing in it that a terminal obeys.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { '\u{fffd}' } else { c }).collect()
}

/// The same for text of several lines.
pub(crate) fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Whether a terminal does something for this character other than to show it: moves the cursor,
/// starts an escape sequence, or turns the direction of what follows (Unicode, UAX #9), so that a
/// line says another thing than it holds.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        assert_eq!(printable("a\u{9b}2J\n"), "a\u{fffd}2J\u{fffd}");
    }

    #[test]
    fn a_name_cannot_turn_the_line_around() {
        assert_eq!(printable("a\u{202e}b\u{2066}"), "a\u{fffd}b\u{fffd}");
        assert_eq!(printable("gr\u{fc}n \u{5d0}"), "gr\u{fc}n \u{5d0}");
    }

    #[test]
    fn several_lines_stay_lines() {
        assert_eq!(printable_lines("a\u{1b}\n\u{7}b"), "a\u{fffd}\n\u{fffd}b");
    }

    #[test]
    fn json_holds_a_hostile_name_and_shows_none_of_it_to_the_terminal() {
        let name = "a\u{1b}[2J\u{9b}2J\u{7f}\u{202e}";
        let json = harmless(&serde_json::to_string_pretty(&[name]).unwrap());
        assert_eq!(json, "[\n  \"a\\u001b[2J\\u009b2J\\u007f\\u202e\"\n]");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [name]);
    }
}
