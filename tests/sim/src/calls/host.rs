//! The host and its hypervisor.

use xc::backend::{CpuTopology, HostCalls, NodeMemory, PhysInfo};

use super::{Answer, Handle};

impl HostCalls for Handle {
    fn version(&self) -> Answer<u32> {
        let (major, minor) = (self.release.major, self.release.minor);
        self.ask("xc_version", |_| u32::from(major) << 16 | u32::from(minor))
    }

    fn extra_version(&self) -> Answer<Vec<u8>> {
        self.ask("xc_version", |_| b".0-sim".to_vec())
    }

    fn version_pagesize(&self) -> Answer<u32> {
        self.ask("xc_version", |_| 4096)
    }

    fn physinfo(&self) -> Answer<PhysInfo> {
        self.ask("xc_physinfo", |xen| xen.physinfo())
    }

    fn get_online_cpus(&self) -> Answer<u32> {
        self.ask("xc_get_online_cpus", |xen| xen.physinfo().nr_cpus)
    }

    fn get_max_nodes(&self) -> Answer<u32> {
        self.ask("xc_get_max_nodes", |xen| xen.physinfo().max_node_id + 1)
    }

    fn cputopoinfo(&self, max: u32) -> Answer<Vec<CpuTopology>> {
        self.ask("xc_cputopoinfo", |xen| xen.topology(max))
    }

    fn numainfo(&self, max: u32) -> Answer<(Vec<NodeMemory>, Vec<u32>)> {
        self.ask("xc_numainfo", |xen| xen.numa(max))
    }

    fn getcpuinfo(&self, max: u32) -> Answer<Vec<u64>> {
        self.ask("xc_getcpuinfo", |xen| xen.idle_times(max))
    }
}
