//! The frames of a domain by its own numbers, and what is in them.

use std::collections::BTreeMap;

use xen_types::DomId;

use super::stream::PAGE;
use crate::xen::physmap::Entry;
use crate::xen::{Outcome, Xen};

/// What is at a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    NoMemory,
    /// A page of zeros.
    Zeros,
    Bytes(Vec<u8>),
}

/// All frames of a domain. For an HVM or PVH guest those that have memory; what is on demand is touched.
pub(super) fn frames(xen: &mut Xen, dom: DomId) -> Outcome<BTreeMap<u64, Frame>> {
    let domain = xen.dom(dom)?;
    if !domain.is_hvm() {
        let map = domain.p2m.clone();
        return Ok((0..).zip(map.into_iter().map(|mfn| frame(xen, mfn))).collect());
    }
    let mut found = BTreeMap::new();
    for gfn in domain.memory.physmap.gfns().collect::<Vec<_>>() {
        let touched = xen.touch(dom, gfn);
        match xen.dom(dom)?.memory.physmap.entry(gfn) {
            Some(Entry::Page(page)) => {
                found.insert(gfn, frame(xen, Some(page)));
            }
            Some(Entry::OnDemand) => touched?,
            // Xen's own, which the guest maps anew.
            Some(Entry::Special(_)) | None => {}
        }
    }
    Ok(found)
}

fn frame(xen: &Xen, page: Option<u64>) -> Frame {
    let Some(page) = page else { return Frame::NoMemory };
    let Some(content) = xen.content_if_any(page) else { return Frame::Zeros };
    let mut bytes = vec![0; PAGE];
    content.read(0, &mut bytes);
    if bytes.iter().all(|byte| *byte == 0) { Frame::Zeros } else { Frame::Bytes(bytes) }
}
