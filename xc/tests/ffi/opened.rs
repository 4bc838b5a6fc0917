//! A recording library and a handle opened with it.

use std::path::Path;

use xc::{OpenOptions, Release, Xc};
use xen_abi::Stub;
use xen_types::DomId;

/// The domain that the tests speak of.
pub(crate) const DOM: DomId = DomId::new(5).unwrap();

/// Where libraries are put.
pub(crate) fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// How to open these libraries as those of 4.`minor`.
pub(crate) fn options(stub: &Stub, minor: u16) -> OpenOptions {
    let options = OpenOptions::new().release(Release::new(4, minor));
    // SAFETY: the libraries must be those of the release: they have its prototypes; where they do
    // not, that is the subject of the test.
    unsafe { options.library_directory(stub.directory()) }
}

/// The libraries of 4.`minor` and a handle. What opening called is forgotten.
pub(crate) fn open(minor: u16) -> (Stub, Xc) {
    opened(Stub::new(scratch(), minor))
}

/// The same, with libraries that lack some functions.
pub(crate) fn open_without(minor: u16, missing: &[&str]) -> (Stub, Xc) {
    opened(Stub::without(scratch(), minor, missing))
}

fn opened(stub: Stub) -> (Stub, Xc) {
    let xc = options(&stub, stub.minor()).open().unwrap();
    stub.calls();
    (stub, xc)
}

/// The errno of ESRCH.
pub(crate) const ESRCH: i32 = 3;

/// Tests that hold for every release: each becomes one test a release.
macro_rules! on_every_release {
    ($(fn $fact:ident($stub:ident, $xc:ident) $body:block)*) => {
        $(mod $fact {
            #[allow(unused_imports, reason = "some facts need nothing of the file")]
            use super::*;

            fn fact($stub: &xen_abi::Stub, $xc: &xc::Xc) $body

            $crate::opened::on_every_release! { @tests
                xen_4_15: 15, xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20,
                xen_4_21: 21, xen_4_22: 22,
            }
        })*
    };
    (@tests $($test:ident: $minor:literal,)*) => {
        $(#[test]
        fn $test() {
            let (stub, xc) = $crate::opened::open($minor);
            fact(&stub, &xc);
        })*
    };
}
pub(crate) use on_every_release;
