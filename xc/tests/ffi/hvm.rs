//! What only HVM and PVH domains have.

use xc::HvmParam;

use crate::opened::{DOM, on_every_release};

on_every_release! {
    fn a_parameter_is_read_and_set_with_64_bits(stub, xc) {
        stub.on("xc_hvm_param_get", |call| {
            call.write(3, &0x2_0000_0005_u64.to_le_bytes());
            0
        });
        assert_eq!(xc.hvm_param(DOM, HvmParam::STORE_EVTCHN).unwrap(), 0x2_0000_0005);
        xc.set_hvm_param(DOM, HvmParam::STORE_PFN, 0x1_0000_0002).unwrap();
        assert_eq!(stub.calls(), ["xc_hvm_param_get(5, 2, &)", "xc_hvm_param_set(5, 1, 4294967298)"]);
    }
}
