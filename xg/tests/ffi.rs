//! Builds through the C boundary, without Xen: against stub libraries compiled from `tests/stub` here
//! and in `xc`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]
#![allow(unsafe_code, reason = "loads libraries from folders")]

use std::error::Error as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use xc::{GuestKind, OpenOptions, Release, Xc};
use xen_types::{DomId, MiB, Port};
use xg::backend::{Backend as _, LibXenGuest};
use xg::{BuildConfig, Kernel, Kind, Xg};

/// Opens a Xen whose libraries, stubs of 4.19 named for `minor`, are in a folder of the test's own.
fn xen(test: &str, minor: u16, defines: &[&str]) -> Xc {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    let reports = format!("-DREPORTS={minor}");
    for (name, source) in [
        ("libxenctrl", concat!(env!("CARGO_MANIFEST_DIR"), "/../xc/tests/stub/libxenctrl.c")),
        ("libxenguest", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stub/libxenguest.c")),
    ] {
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wall", "-Werror", "-DMINOR=19", &reports])
            .args(defines)
            .arg(source)
            .arg("-o")
            .arg(folder.join(format!("{name}.so.4.{minor}")))
            .status()
            .unwrap();
        assert!(compiled.success(), "cc failed");
    }
    let options = OpenOptions::new().release(Release::new(4, minor));
    // SAFETY: the libraries must be those of the release: the stubs have the calls and layouts of
    // 4.19 and all known ones after it, and what differs is the subject of the tests.
    let options = unsafe { options.library_directory(folder) };
    // SAFETY: the calls must be those of the newest known release: the stubs' are.
    let options = unsafe { options.allow_unknown_release(true) };
    options.open().unwrap()
}

/// A gzip header: passes inspection, and the stub does not look.
fn build(xc: &Xc) -> xg::Result<xg::Built> {
    let kernel = Kernel::from_bytes("vmlinuz", b"\x1f\x8b\x08\0\0\0".to_vec()).unwrap();
    let config = BuildConfig::new(GuestKind::Pv, kernel, MiB(16), Port(1), Port(2));
    Xg::open(xc).unwrap().build(DomId::new(5).unwrap(), &config)
}

#[test]
fn a_build_goes_through_the_library_beside_libxenctrl() {
    let built = build(&xen("beside", 20, &[])).unwrap();
    assert_eq!((built.store.number(), built.console.number()), (102, 101));
}

#[test]
fn a_release_that_xc_opened_on_request_is_built_with_too() {
    let built = build(&xen("unknown", 30, &[])).unwrap();
    assert_eq!(built.store.number(), 102);
}

#[test]
fn an_image_laid_out_otherwise_is_refused_with_library_and_release() {
    let error = build(&xen("shifted", 20, &["-DSHIFT=8"])).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.to_string(), "build domain 5: xc_dom_allocate");
    let cause = error.source().unwrap().to_string();
    assert!(
        cause.ends_with(
            "shifted/libxenguest.so.4.20: not the image layout of Xen 4.20: \
             MaxKernelSize of a new one is 0x0"
        ),
        "{cause}"
    );
}

#[test]
fn a_hole_in_the_map_is_no_frame() {
    let error = build(&xen("hole", 20, &["-DSTORE_FRAME=-1"])).unwrap_err();
    assert_eq!(error.to_string(), "build domain 5: xc_dom_p2m");
}

#[test]
fn two_images_at_once_have_a_handle_each() {
    let xc = xen("handles", 20, &[]);
    let builder = LibXenGuest::beside(Arc::clone(xc.library().unwrap())).unwrap();
    let first = builder.allocate(c"", None).unwrap();
    let second = builder.allocate(c"", None); // the stub refuses a handle that has an image
    assert!(second.is_ok(), "{second:?}");
    drop(first);
}
