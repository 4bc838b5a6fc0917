use std::sync::Arc;

use super::*;
use crate::backend::fake::Fake;

const DOM: DomId = DomId::new(4).unwrap();

fn over(fake: Fake) -> (Xc, Arc<Fake>) {
    let fake = Arc::new(fake);
    (Xc::with_backend(fake.clone()), fake)
}

#[test]
fn a_ceiling_is_rounded_up_to_a_page() {
    let (xc, fake) = over(Fake::default());
    xc.set_max_mem(DOM, Bytes(4097)).unwrap();
    assert_eq!(fake.calls(), ["domain_setmaxmem 4 8 KiB"]);
}

#[test]
fn the_paging_pool_is_set_in_bytes_where_the_call_exists() {
    let (xc, fake) = over(Fake::default());
    xc.set_paging_pool(DOM, Bytes(1)).unwrap();
    assert_eq!(fake.calls(), ["set_paging_mempool_size 4 4096"]);
}

#[test]
fn before_4_17_the_paging_pool_is_set_and_read_in_mib() {
    let (xc, fake) = over(Fake { paging_mempool: None, ..Fake::default() });
    xc.set_paging_pool(DOM, Bytes(1024 * 1024 + 1)).unwrap();
    assert_eq!(xc.paging_pool(DOM).unwrap(), MiB(3).to_bytes());
    assert_eq!(fake.calls(), ["shadow_control 4 31 2", "shadow_control 4 30 0"]);
}
