//! Any record of any device: reading it does not panic, and what is understood is written as a record
//! that is understood the same, with paths and values that a store takes.
//!
//! The first line is the kind, a space and the number; each line after it a key, `=` and a value, which
//! may be anything but a line feed.

#![no_main]

use std::collections::BTreeMap;

use devices::{Device, DeviceId, Generic, Kind, Record, Spec, paths};
use libfuzzer_sys::fuzz_target;
use xen_types::DomId;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let Some(device) = lines.next().and_then(device) else { return };
    let fields: BTreeMap<_, _> = lines.filter_map(field).collect();
    for value in fields.values().filter_map(|value| str::from_utf8(value).ok()) {
        // What is read as the path of an end is the path of that end.
        if let Some((server, kind, dom, number)) = paths::parse_backend(value) {
            let path = paths::DomainPaths(dom).backend(server, &kind, number);
            assert_eq!(path.as_str(), value);
        }
        if let Some((dom, kind, number)) = paths::parse_frontend(value) {
            assert_eq!(paths::DomainPaths(dom).frontend(&kind, number).as_str(), value);
        }
    }
    let Ok(record) = Record::new(&device, fields) else { return };
    same(&record, Device::from_record(&record).ok());
    same(&record, Generic::from_record(&record).ok());
});

/// Writes and reads a description again.
fn same<S: Spec + PartialEq + std::fmt::Debug>(record: &Record, understood: Option<S>) {
    let Some(spec) = understood else { return };
    let ends = record.ends();
    assert_eq!(spec.ends(ends.device.dom), *ends);
    let tree = spec.tree(ends.device.dom);
    for node in tree.nodes() {
        assert!(node.path.check_length().is_ok());
        assert!(node.value.len() <= 2048, "{node}");
    }
    let recorded = Record::in_tree(&tree, &ends.device);
    let again = recorded.or_else(|_| Record::in_backend(&tree, ends));
    assert_eq!(
        S::from_record(&again.expect("a tree has a record or a serving end")).ok(),
        Some(spec)
    );
}

fn device(line: &[u8]) -> Option<DeviceId> {
    let (kind, number) = str::from_utf8(line).ok()?.split_once(' ')?;
    let (kind, number) = (Kind::new(kind).ok()?, paths::parse_number(number)?);
    Some(DeviceId { dom: DomId::new(7)?, kind, number })
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    Some((String::from_utf8(line[..at].to_vec()).ok()?, line[at + 1..].to_vec()))
}
