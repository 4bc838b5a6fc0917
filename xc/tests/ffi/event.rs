//! Event channels of other domains.

use xc::{Pirq, PortBinding};
use xen_abi::layout;
use xen_types::{DomId, Port};

use crate::opened::{DOM, on_every_release};

on_every_release! {
    fn a_port_is_allocated_for_another_domain(stub, xc) {
        let layout = layout("xc_domaininfo_t", stub.minor()).unwrap();
        stub.on("xc_domain_getinfolist", |call| {
            call.write(3, &layout.bytes(&[("domain", 5)]));
            1
        });
        stub.on("xc_evtchn_alloc_unbound", |_| 77);
        assert_eq!(xc.alloc_unbound_port(DOM, DomId::new(9).unwrap()).unwrap(), Port(77));
        assert_eq!(stub.calls(), ["xc_domain_getinfolist(5, 1, &)", "xc_evtchn_alloc_unbound(5, 9)"]);
    }

    fn ports_are_closed_by_domain(stub, xc) {
        xc.reset_ports(DOM).unwrap();
        assert_eq!(stub.calls(), ["xc_evtchn_reset(5)"]);
    }

    fn what_a_port_is_bound_to_stands_in_a_union(stub, xc) {
        let layout = layout("xc_evtchn_status_t", stub.minor()).unwrap();
        let answer = |values: &'static [(&'static str, u64)]| {
            stub.on("xc_evtchn_status", move |call| {
                let asked = call.read(1, layout.size);
                assert_eq!((layout.value(&asked, "dom"), layout.value(&asked, "port")), (5, 77));
                call.write(1, &layout.bytes(values));
                0
            });
            let status = xc.port_status(DOM, Port(77)).unwrap();
            (status.binding, status.vcpu)
        };
        let (seven, dom0) = (DomId::new(7).unwrap(), DomId::DOM0);
        assert_eq!(answer(&[("status", 0)]), (PortBinding::Closed, 0));
        assert_eq!(
            answer(&[("status", 1), ("u.unbound.dom", 7), ("vcpu", 3)]),
            (PortBinding::Unbound(seven), 3)
        );
        assert_eq!(
            answer(&[("status", 2), ("u.interdomain.dom", 0), ("u.interdomain.port", 1 << 16)]),
            (PortBinding::Interdomain(dom0, Port(1 << 16)), 0)
        );
        assert_eq!(answer(&[("status", 3), ("u.pirq", 1 << 20)]), (PortBinding::Pirq(Pirq(1 << 20)), 0));
        assert_eq!(answer(&[("status", 4), ("u.virq", 8)]), (PortBinding::Virq(8), 0));
        assert_eq!(answer(&[("status", 5), ("vcpu", 1)]), (PortBinding::Ipi, 1));
        assert_eq!(answer(&[("status", 6)]), (PortBinding::Unknown(6), 0));
        assert_eq!(
            answer(&[("status", 1), ("u.unbound.dom", 0x7ff4)]),
            (PortBinding::Unknown(1), 0)
        );
    }
}
