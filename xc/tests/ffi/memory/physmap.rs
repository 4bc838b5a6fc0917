//! Where in its address space a domain has which page.

use xc::{Kind, PhysmapBatch, PhysmapPage};
use xen_types::{DomId, Gfn, PageCount};

use crate::opened::{DOM, ESRCH, on_every_release};

const FAR: Gfn = Gfn(0x1_0000_0002);

fn list(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

on_every_release! {
    fn each_sort_of_page_has_its_space_and_index(stub, xc) {
        xc.add_to_physmap(DOM, PhysmapPage::SharedInfo, FAR).unwrap();
        xc.add_to_physmap(DOM, PhysmapPage::GrantFrame(3), FAR).unwrap();
        xc.add_to_physmap(DOM, PhysmapPage::GrantStatusFrame(1), FAR).unwrap();
        xc.add_to_physmap(DOM, PhysmapPage::Memory(Gfn(0x1_0000_0001)), FAR).unwrap();
        xc.remove_from_physmap(DOM, FAR).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_add_to_physmap(5, 0, 0, 4294967298)",
            "xc_domain_add_to_physmap(5, 1, 3, 4294967298)",
            "xc_domain_add_to_physmap(5, 1, 2147483649, 4294967298)",
            "xc_domain_add_to_physmap(5, 2, 4294967297, 4294967298)",
            "xc_domain_remove_from_physmap(5, 4294967298)",
        ]);
    }

    fn a_batch_passes_both_lists_and_tells_each_outcome(stub, xc) {
        stub.on("xc_domain_add_to_physmap_batch", |call| {
            assert_eq!(call.read(5, 16), list(&[0x1_0000_0001, 7]));
            assert_eq!(call.read(6, 16), list(&[0x1_0000_0002, 9]));
            call.write(7, &[(-ESRCH).to_le_bytes(), 0_i32.to_le_bytes()].concat());
            0
        });
        let other = DomId::new(9).unwrap();
        let pages = [(Gfn(0x1_0000_0001), FAR), (Gfn(7), Gfn(9))];
        let outcomes = xc.add_to_physmap_batch(DOM, PhysmapBatch::Foreign(other, &pages)).unwrap();
        assert_eq!(outcomes[0].unwrap_err().kind(), Kind::NotFound);
        assert_eq!((outcomes[1], outcomes.len()), (Ok(()), 2));
        assert_eq!(stub.calls(), ["xc_domain_add_to_physmap_batch(5, 9, 4, 2, &, &, &)"]);
    }

    fn a_batch_of_the_domains_own_names_no_other(stub, xc) {
        xc.add_to_physmap_batch(DOM, PhysmapBatch::Memory(&[(Gfn(1), Gfn(2))])).unwrap();
        xc.add_to_physmap_batch(DOM, PhysmapBatch::GrantFrames(&[(1, Gfn(2))])).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_add_to_physmap_batch(5, 0, 2, 1, &, &, &)",
            "xc_domain_add_to_physmap_batch(5, 0, 1, 1, &, &, &)",
        ]);
    }

    fn a_batch_beyond_16_bits_is_not_cut(stub, xc) {
        let pages = vec![(Gfn(1), Gfn(2)); 65536];
        let error = xc.add_to_physmap_batch(DOM, PhysmapBatch::Memory(&pages)).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(stub.calls(), Vec::<String>::new());
    }

    fn the_span_of_guest_frames_is_read_with_64_bits(stub, xc) {
        stub.on("xc_domain_maximum_gpfn", |call| {
            call.write(2, &0x1_0000_0002_u64.to_le_bytes());
            0
        });
        stub.on("xc_domain_nr_gpfns", |call| {
            call.write(2, &0x1_0000_0003_u64.to_le_bytes());
            0
        });
        assert_eq!(xc.maximum_gfn(DOM).unwrap(), FAR);
        assert_eq!(xc.nr_gfns(DOM).unwrap(), PageCount(0x1_0000_0003));
        assert_eq!(stub.calls(), ["xc_domain_maximum_gpfn(5, &)", "xc_domain_nr_gpfns(5, &)"]);
    }
}
