//! Virtual NUMA topologies.

use std::ffi::c_uint;

use rustix::io::Errno;
use xen_types::DomId;
use xenctrl_sys::VmemRange;

use super::super::{LibXenCtrl, check};
use crate::backend::{CallError, Vnuma, VnumaSizes};

impl LibXenCtrl {
    pub(super) fn set_vnuma(
        &self,
        dom: DomId,
        ranges: &[VmemRange],
        distances: &[u32],
        vcpus: &[u32],
        nodes: &[u32],
    ) -> Result<(), CallError> {
        let function = self.functions().memory.domain_setvnuma;
        let (function, handle) = self.callable("xc_domain_setvnuma", function)?;
        if nodes.len().checked_mul(nodes.len()) != Some(distances.len()) {
            return Err(Errno::INVAL.into());
        }
        let number = |length: usize| u32::try_from(length).map_err(|_| Errno::TOOBIG);
        let counts = (number(nodes.len())?, number(ranges.len())?, number(vcpus.len())?);
        let mut ranges = ranges.to_vec();
        let [mut distances, mut vcpus, mut nodes] = [distances, vcpus, nodes].map(<[_]>::to_vec);
        let ranges = ranges.as_mut_ptr().cast();
        let [distances, vcpus, nodes] =
            [&mut distances, &mut vcpus, &mut nodes].map(|list| list.as_mut_ptr().cast());
        // SAFETY: the arrays must have as many elements as the numbers say, the distances those of
        // the nodes squared, which was checked, and be writable, as libxc copies them back out though
        // Xen changes none (xc_domain.c): they are copies, which nobody else sees.
        check(unsafe {
            function(
                handle,
                dom.into(),
                counts.0,
                counts.1,
                counts.2,
                ranges,
                distances,
                vcpus,
                nodes,
            )
        })
        .map(drop)
    }

    pub(super) fn vnuma(&self, dom: DomId, sizes: &mut VnumaSizes) -> Result<Vnuma, CallError> {
        let function = self.functions().memory.domain_getvnuma;
        let (function, handle) = self.callable("xc_domain_getvnuma", function)?;
        let square = |nodes: u32| (nodes as usize).checked_mul(nodes as usize).ok_or(Errno::TOOBIG);
        let mut answer = Vnuma {
            ranges: vec![VmemRange::default(); sizes.ranges as usize],
            distances: vec![0; square(sizes.nodes)?],
            vcpus: vec![0; sizes.vcpus as usize],
        };
        let ranges = answer.ranges.as_mut_ptr().cast();
        let distances = answer.distances.as_mut_ptr().cast::<[c_uint; 0]>();
        let vcpus = answer.vcpus.as_mut_ptr().cast::<[c_uint; 0]>();
        let VnumaSizes { nodes, ranges: range_count, vcpus: vcpu_count } = sizes;
        // SAFETY: the arrays must have as many elements as the numbers say at the time of the call,
        // the distances those of the nodes squared, all of which libxc overwrites (xc_domain.c): the
        // vectors were made for them. Any bytes are valid elements.
        check(unsafe {
            function(handle, dom.into(), nodes, range_count, vcpu_count, ranges, distances, vcpus)
        })?;
        answer.ranges.truncate(sizes.ranges as usize);
        answer.distances.truncate(square(sizes.nodes)?);
        answer.vcpus.truncate(sizes.vcpus as usize);
        Ok(answer)
    }
}
