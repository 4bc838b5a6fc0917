//! Handles and the library below.

use std::thread;

use xc::{Kind, OpenOptions, Profile, Release};
use xen_types::DomId;

use crate::support::{Outcome, open};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
#[allow(unsafe_code, reason = "promises layouts")]
fn layouts_of_another_release_are_refused_before_use() -> Outcome {
    let oldest = Profile::of(Profile::OLDEST).ok_or("no profile for the oldest release")?;
    // SAFETY: wrong layouts must differ in the size of the domain or host information: 4.15's do.
    let options = unsafe { OpenOptions::new().layouts(oldest) };
    let refused = options.open().unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
    let cause = std::error::Error::source(&refused).ok_or("no cause")?.to_string();
    assert!(cause.ends_with("xc_domaininfo_t has 112 bytes there and 104 in the layouts assumed"));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_handle_serves_many_threads_beside_a_second_handle() -> Outcome {
    let (one, other) = (open()?, open()?);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(one.info(DomId::DOM0).unwrap().id, DomId::DOM0);
                    let absent = DomId::new(0x7fef).unwrap();
                    assert_eq!(other.pause(absent).unwrap_err().kind(), Kind::NotFound);
                }
            });
        }
    });
    drop(one);
    assert_eq!(other.info(DomId::DOM0)?.id, DomId::DOM0);
    assert!(other.release() >= Release::new(4, 15));
    Ok(())
}
