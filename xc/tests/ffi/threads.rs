//! Threads and the library's own traces in them.

use crate::opened::{DOM, ESRCH, open};

#[test]
fn a_failure_is_told_to_the_thread_that_called() {
    let (stub, xc) = open(17);
    stub.on("xc_domain_pause", |call| call.fail(ESRCH));
    let errno = std::thread::scope(|scope| {
        let caller = scope.spawn(|| xc.pause(DOM).unwrap_err().errno());
        xc.unpause(DOM).unwrap();
        caller.join().unwrap()
    });
    assert_eq!(errno.map(|errno| errno.raw_os_error()), Some(ESRCH));
}
