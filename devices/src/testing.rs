//! What the tests of several kinds share.

use xen_types::DomId;

use crate::error::Result;
use crate::record::Record;
use crate::spec::Spec;

pub(crate) fn dom(id: u16) -> DomId {
    DomId::new(id).unwrap()
}

/// The description in the record that a description's tree leaves for domain 7.
pub(crate) fn read_back<S: Spec>(spec: &S) -> Result<S> {
    S::from_record(&record_of(spec)?)
}

/// The same record with another value of a key.
pub(crate) fn record_with(spec: &impl Spec, key: &str, value: &str) -> Record {
    let record = record_of(spec).unwrap();
    let mut fields = record.fields().clone();
    fields.insert(key.to_owned(), value.as_bytes().to_vec());
    Record::new(&spec.ends(dom(7)).device, fields).unwrap()
}

/// The nodes at and below a path that domain 7 would get, relative to it.
pub(crate) fn lines_below(spec: &impl Spec, top: &str) -> Vec<String> {
    let all = spec.tree(dom(7)).to_string();
    let below = all.lines().filter_map(|line| line.strip_prefix(top));
    below.filter(|rest| rest.starts_with([' ', '/'])).map(str::to_owned).collect()
}

fn record_of(spec: &impl Spec) -> Result<Record> {
    Record::in_tree(&spec.tree(dom(7)), &spec.ends(dom(7)).device)
}
