//! A pair of recording libraries of one release, opened.

use std::path::Path;

use xc::{OpenOptions, Release, Xc};
use xen_abi::Stub;
use xen_types::DomId;
use xg::Xg;

/// The domain that the tests speak of.
pub(crate) const DOM: DomId = DomId::new(5).unwrap();

/// What is opened.
pub(crate) struct Opened {
    pub(crate) stub: Stub,
    pub(crate) xc: Xc,
    pub(crate) xg: Xg,
}

/// The libraries of 4.`minor`. What opening called is forgotten.
pub(crate) fn open(minor: u16) -> Opened {
    let stub = Stub::new(Path::new(env!("CARGO_TARGET_TMPDIR")), minor);
    let options = OpenOptions::new().release(Release::new(4, minor));
    // SAFETY: the libraries must be those of the release: they have its prototypes.
    let options = unsafe { options.library_directory(stub.directory()) };
    let xc = options.open().unwrap();
    let xg = Xg::open(&xc).unwrap();
    stub.calls();
    Opened { stub, xc, xg }
}

impl Opened {
    /// The calls made since the last look, but for opening and closing handles.
    pub(crate) fn calls(&self) -> Vec<String> {
        let mut calls = self.stub.calls();
        calls.retain(|call| !call.starts_with("xc_interface_"));
        calls
    }
}

/// Tests that hold for every release of a list: each becomes one test a release.
macro_rules! on_releases {
    ($releases:tt $(fn $fact:ident($opened:ident) $body:block)*) => {
        $(mod $fact {
            #[allow(unused_imports, reason = "some facts need nothing of the file")]
            use super::*;

            fn fact($opened: &$crate::opened::Opened) $body

            $crate::opened::on_releases! { @tests $releases }
        })*
    };
    (@tests [$($test:ident: $minor:literal),* $(,)?]) => {
        $(#[test]
        fn $test() {
            fact(&$crate::opened::open($minor));
        })*
    };
}
pub(crate) use on_releases;
