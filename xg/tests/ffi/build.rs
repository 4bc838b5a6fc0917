//! Builds.

use std::collections::HashMap;
use std::error::Error as _;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use xc::{GuestKind, OpenOptions, Release, Xc};
use xen_abi::{Call, Stub, layout};
use xen_types::{DomId, MiB, Port};
use xg::backend::{Backend as _, CallError, Content, LibXenGuest};
use xg::{BuildConfig, Kernel, Kind, Xg};

/// The errno of EBUSY.
const EBUSY: i32 = 16;

/// What the library's images are like.
#[derive(Clone, Copy)]
struct Image {
    /// The machine frames; the third is that of the store's page.
    map: &'static [u64; 4],
    /// By how many words everything stands later than measured.
    shift: usize,
}

const IMAGE: Image = Image { map: &[100, 101, 102, 103], shift: 0 };

/// What is in every image of 4.19.
const NEW: [(&str, u64); 4] = [
    ("max_kernel_size", 1 << 30),
    ("max_module_size", 1 << 30),
    ("max_devicetree_size", 1 << 30),
    ("flags", 16),
];

impl Image {
    /// A new image that belongs to this handle.
    fn words(self, handle: u64) -> Vec<u64> {
        let fields = [&NEW[..], &[("xch", handle)]].concat();
        let bytes = layout("struct xc_dom_image", 19).unwrap().bytes(&fields);
        let words = bytes.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
        std::iter::repeat_n(0, self.shift).chain(words).collect()
    }

    /// The bytes of one whose building is done.
    fn built(self) -> Vec<u8> {
        let map = self.map.as_ptr().addr() as u64;
        let places = [("console_pfn", 1), ("xenstore_pfn", 2), ("pv_p2m", map), ("p2m_size", 4)];
        let fields = [&NEW[..], &places, &[("total_pages", 4)]].concat();
        layout("struct xc_dom_image", 19).unwrap().bytes(&fields)
    }
}

/// The images that there are, by their handles.
type Images = Mutex<HashMap<u64, Vec<u64>>>;

fn allocate(images: &Images, image: Image, call: &Call<'_>) -> i64 {
    let handle = call.number(0);
    let mut images = images.lock().unwrap();
    if images.contains_key(&handle) {
        call.fail(EBUSY);
        return 0; // a null pointer
    }
    let words = images.entry(handle).or_insert(image.words(handle));
    words.as_ptr().addr().cast_signed() as i64
}

/// Opens a Xen with libraries of 4.19 named for `minor`.
fn xen(minor: u16, image: Image) -> (Stub, Xc) {
    let stub = Stub::named(Path::new(env!("CARGO_TARGET_TMPDIR")), 19, minor, &[]);
    let handles = AtomicI64::new(0x10000);
    let images = Arc::new(Images::default());
    let released = Arc::clone(&images);
    stub.on("xc_interface_open", move |_| handles.fetch_add(16, Ordering::Relaxed));
    stub.on("xc_dom_allocate", move |call| allocate(&images, image, call));
    stub.on("xc_dom_release", move |call| {
        let address = call.number(0);
        released.lock().unwrap().retain(|_, words| words.as_ptr().addr() as u64 != address);
        0
    });
    stub.on("xc_dom_build_image", move |call| {
        call.write(0, &image.built());
        0
    });
    let options = OpenOptions::new().release(Release::new(4, minor));
    // SAFETY: the libraries must be those of the release: they have the calls and layouts of 4.19 and
    // all known ones after it, and what differs is the subject of the tests.
    let options = unsafe { options.library_directory(stub.directory()) };
    // SAFETY: the calls must be those of the newest known release: the libraries' are.
    let options = unsafe { options.allow_unknown_release(true) };
    let xc = options.open().unwrap();
    stub.calls();
    (stub, xc)
}

/// The header of a flat image: passes inspection, and the library does not look.
fn build(xc: &Xc) -> xg::Result<xg::Built> {
    let header = [0x336e_c578, 0, 0_u32.wrapping_sub(0x336e_c578)].map(u32::to_le_bytes).concat();
    let kernel = Kernel::from_bytes("vmlinuz", header).unwrap();
    let config = BuildConfig::new(GuestKind::Pv, kernel, MiB(16), Port(1), Port(2));
    Xg::open(xc).unwrap().build(DomId::new(5).unwrap(), &config)
}

#[test]
fn a_build_goes_through_the_library_beside_libxenctrl() {
    let (stub, xc) = xen(20, IMAGE);
    let built = build(&xc).unwrap();
    assert_eq!((built.store.number(), built.console.number()), (102, 101));
    let calls = stub.calls();
    assert!(calls.contains(&"xc_dom_kernel_mem(&, &, 12)".to_owned()), "{calls:?}");
    assert!(calls.contains(&"xc_dom_boot_xen_init(&, &, 5)".to_owned()), "{calls:?}");
    assert!(calls.contains(&"xc_dom_mem_init(&, 16)".to_owned()), "{calls:?}");
}

#[test]
fn a_release_that_xc_opened_on_request_is_built_with_too() {
    let built = build(&xen(30, IMAGE).1).unwrap();
    assert_eq!(built.store.number(), 102);
}

#[test]
fn an_image_laid_out_otherwise_is_refused_with_library_and_release() {
    let error = build(&xen(20, Image { shift: 1, ..IMAGE }).1).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.to_string(), "build domain 5: xc_dom_allocate");
    let cause = error.source().unwrap().to_string();
    assert!(
        cause.ends_with(
            "/libxenguest.so.4.20: not the image layout of Xen 4.20: \
             MaxKernelSize of a new one is 0x0"
        ),
        "{cause}"
    );
}

#[test]
fn a_hole_in_the_map_is_no_frame() {
    let error = build(&xen(20, Image { map: &[100, 101, u64::MAX, 103], ..IMAGE }).1).unwrap_err();
    assert_eq!(error.to_string(), "build domain 5: xc_dom_p2m");
}

#[test]
fn two_images_at_once_have_a_handle_each() {
    let (_stub, xc) = xen(20, IMAGE);
    let builder = LibXenGuest::beside(Arc::clone(xc.library().unwrap())).unwrap();
    let first = builder.allocate(c"", None).unwrap();
    let second = builder.allocate(c"", None); // refused for a handle that has an image
    assert!(second.is_ok(), "{second:?}");
    drop(first);
}

/// How often this was called.
fn count(stub: &Stub, call: &str) -> usize {
    stub.calls().iter().filter(|made| made.starts_with(call)).count()
}

#[test]
fn a_third_module_is_refused_without_a_call() {
    let (stub, xc) = xen(20, IMAGE);
    let builder = LibXenGuest::beside(Arc::clone(xc.library().unwrap())).unwrap();
    let mut image = builder.allocate(c"", None).unwrap();
    image.kernel_mem(nothing()).unwrap();
    image.module_mem(nothing()).unwrap();
    image.module_mem(nothing()).unwrap();
    assert_eq!(image.module_mem(nothing()), Err(CallError::TooManyModules));
    assert_eq!(count(&stub, "xc_dom_module_mem"), 2);
}

#[test]
fn an_image_is_not_built_before_it_is_parsed() {
    let (stub, xc) = xen(20, IMAGE);
    let builder = LibXenGuest::beside(Arc::clone(xc.library().unwrap())).unwrap();
    let mut image = builder.allocate(c"", None).unwrap();
    image.kernel_mem(nothing()).unwrap();
    image.boot_xen_init(DomId::DOM0).unwrap();
    assert_eq!(image.build_image(), Err(CallError::OutOfOrder("xc_dom_build_image")));
    assert_eq!(image.mem_init(16), Err(CallError::OutOfOrder("xc_dom_mem_init")));
    image.parse_image().unwrap();
    image.mem_init(16).unwrap();
    assert_eq!(count(&stub, "xc_dom_build_image"), 0);
}

#[test]
fn after_a_step_that_failed_no_other_is_made() {
    let (stub, xc) = xen(20, IMAGE);
    stub.on("xc_dom_boot_xen_init", |call| call.fail(EBUSY));
    let builder = LibXenGuest::beside(Arc::clone(xc.library().unwrap())).unwrap();
    let mut image = builder.allocate(c"", None).unwrap();
    image.kernel_mem(nothing()).unwrap();
    image.boot_xen_init(DomId::DOM0).unwrap_err();
    assert_eq!(image.parse_image(), Err(CallError::OutOfOrder("xc_dom_parse_image")));
    assert_eq!(count(&stub, "xc_dom_parse_image"), 0);
}

fn nothing() -> Arc<Content> {
    Arc::new(Vec::new().into())
}
