//! Handles and the library below.

use xc::{Kind, OpenOptions, Profile};

use crate::support::Outcome;

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
