//! Event channels of other domains.

use xen_types::{DomId, Port};

use crate::opened::{DOM, on_every_release};

on_every_release! {
    fn a_port_is_allocated_for_another_domain(stub, xc) {
        let layout = xen_abi::layout("xc_domaininfo_t", stub.minor()).unwrap();
        stub.on("xc_domain_getinfolist", |call| {
            call.write(3, &layout.bytes(&[("domain", 5)]));
            1
        });
        stub.on("xc_evtchn_alloc_unbound", |_| 77);
        assert_eq!(xc.alloc_unbound_port(DOM, DomId::new(9).unwrap()).unwrap(), Port(77));
        assert_eq!(stub.calls(), ["xc_domain_getinfolist(5, 1, &)", "xc_evtchn_alloc_unbound(5, 9)"]);
    }
}
