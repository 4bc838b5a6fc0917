//! Virtual CPUs.

use crate::opened::{DOM, on_every_release};

on_every_release! {
    fn virtual_cpus_are_created_by_number(stub, xc) {
        xc.set_max_vcpus(DOM, 3).unwrap();
        assert_eq!(stub.calls(), ["xc_domain_max_vcpus(5, 3)"]);
    }

    fn the_processors_of_the_host_are_those_it_can_have(stub, xc) {
        stub.on("xc_get_max_cpus", |_| 3);
        assert_eq!(xc.all_cpus().unwrap().to_string(), "0-2");
        assert_eq!(stub.calls(), ["xc_get_max_cpus()"]);
    }
}
