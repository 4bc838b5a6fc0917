//! Virtual CPUs.

use crate::opened::{DOM, on_every_release};

on_every_release! {
    fn virtual_cpus_are_created_by_number(stub, xc) {
        xc.set_max_vcpus(DOM, 3).unwrap();
        assert_eq!(stub.calls(), ["xc_domain_max_vcpus(5, 3)"]);
    }
}
