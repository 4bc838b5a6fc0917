//! The host and its hypervisor.

use xen_abi::layout;
use xen_types::PageCount;

use crate::opened::on_every_release;

on_every_release! {
    fn the_version_is_put_together(stub, xc) {
        assert_eq!(xc.version().unwrap(), format!("4.{}.3-stub", stub.minor()));
    }

    fn the_hosts_state_is_read_where_the_release_has_it(stub, xc) {
        let layout = layout("xc_physinfo_t", stub.minor()).unwrap();
        let facts = layout.bytes(&[
            ("nr_cpus", 2), ("cpu_khz", 2_000_000), ("capabilities", 0x0b), ("total_pages", 786_303),
            ("free_pages", 515_675), ("outstanding_pages", 17), ("max_mfn", 786_399),
        ]);
        stub.on("xc_physinfo", move |call| {
            call.write(1, &facts);
            0
        });
        let host = xc.physinfo().unwrap();
        assert_eq!((host.nr_cpus, host.cpu_khz), (2, 2_000_000));
        assert_eq!(host.capabilities.bits(), 0x0b);
        assert_eq!((host.total, host.free), (PageCount(786_303), PageCount(515_675)));
        assert_eq!((host.outstanding, host.max_mfn), (PageCount(17), 786_399));
    }
}
