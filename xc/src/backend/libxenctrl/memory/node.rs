//! Bitmaps of NUMA nodes.

use rustix::io::Errno;
use xen_types::DomId;

use super::super::{LibXenCtrl, check};
use crate::backend::{CallError, HostCalls as _};

impl LibXenCtrl {
    pub(super) fn set_node_affinity(&self, dom: DomId, nodes: &[u8]) -> Result<(), CallError> {
        let function = self.functions().memory.domain_node_setaffinity;
        let mut map = vec![0_u8; self.nodemap_bytes()?];
        let known = nodes.len().min(map.len());
        map[..known].copy_from_slice(&nodes[..known]);
        if nodes[known..].iter().any(|&byte| byte != 0) {
            return Err(Errno::INVAL.into());
        }
        let (function, handle) = self.callable("xc_domain_node_setaffinity", function)?;
        // SAFETY: as many bytes must be readable as xc_get_nodemap_size says (xc_domain.c): the map
        // was made of that size. They are not written.
        check(unsafe { function(handle, dom.into(), map.as_mut_ptr().cast()) }).map(drop)
    }

    pub(super) fn node_affinity(&self, dom: DomId) -> Result<Vec<u8>, CallError> {
        let function = self.functions().memory.domain_node_getaffinity;
        let mut map = vec![0_u8; self.nodemap_bytes()?];
        let (function, handle) = self.callable("xc_domain_node_getaffinity", function)?;
        // SAFETY: as many bytes must be writable as xc_get_nodemap_size says (xc_domain.c): the map
        // was made of that size.
        check(unsafe { function(handle, dom.into(), map.as_mut_ptr().cast()) })?;
        Ok(map)
    }

    /// What `xc_get_nodemap_size` returns: it does this division. libxc asks the number once and
    /// keeps it (`xc_misc.c`), so that it is the same in the calls that follow.
    fn nodemap_bytes(&self) -> Result<usize, CallError> {
        Ok(self.get_max_nodes()?.div_ceil(8) as usize)
    }
}
