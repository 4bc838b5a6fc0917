//! Core dumps.

use std::error::Error as _;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::io;
use std::path::Path;
use std::sync::Arc;

use xen_abi::{Call, Stub, layout};
use xg::backend::{DumpCalls as _, LibXenGuest};
use xg::{Error, Kind};

use crate::opened::{DOM, on_releases, open};

/// Answers that the domain exists, with its last virtual CPU of this number.
fn exists(stub: &Stub, last_vcpu: u64) {
    let layout = layout("xc_domaininfo_t", stub.minor()).unwrap();
    stub.on("xc_domain_getinfolist", move |call| {
        call.write(3, &layout.bytes(&[("domain", 5), ("max_vcpu_id", last_vcpu)]));
        1
    });
}

/// Does with a piece what the library does: hands it to the caller's function, and gives up if that
/// returns anything but 0.
fn hand_over(call: &Call<'_>, piece: &mut [u8]) -> Result<(), i64> {
    type Take = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_char, c_uint) -> c_int;
    let (argument, take) = (call.number(2) as *mut c_void, call.number(3) as *const ());
    // SAFETY: must be a function of this type: dumpcore_rtn_t of xenctrl.h.
    let take = unsafe { std::mem::transmute::<*const (), Take>(take) };
    let length = piece.len().try_into().unwrap();
    let handle = std::ptr::null_mut();
    // SAFETY: must be given its own argument and a piece of that length: both are.
    match unsafe { take(handle, argument, piece.as_mut_ptr().cast(), length) } {
        0 => Ok(()),
        other => Err(other.into()),
    }
}

/// Dumps a header, nothing, a page and the end of it.
fn dump(stub: &Stub) {
    stub.on("xc_domain_dumpcore_via_callback", |call| {
        let mut pieces = [b"\x7fELF".to_vec(), Vec::new(), vec![7; 4096], vec![8; 5000]];
        let done = pieces.iter_mut().try_for_each(|piece| hand_over(call, piece));
        done.err().unwrap_or(0)
    });
}

/// Takes so many bytes and then fails or panics.
struct Full(usize, fn() -> io::Error);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or_else(self.1)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

on_releases! {
    [xen_4_15: 15, xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20, xen_4_21: 21,
     xen_4_22: 22]

    fn a_domain_is_dumped_into_a_file_by_the_library_that_has_the_call(opened) {
        exists(&opened.stub, 0);
        opened.stub.on("xc_domain_dumpcore", |call| {
            assert_eq!(call.read(2, 15), *b"/var/dump/core\0");
            0
        });
        opened.xg.dump_core(DOM, Path::new("/var/dump/core")).unwrap();
        let asked = "xc_domain_getinfolist(5, 1, &)";
        let frames = "xc_domain_nr_gpfns(5, &)";
        assert_eq!(opened.calls(), [asked, frames, "xc_domain_dumpcore(5, &)"]);
    }

    fn a_file_that_cannot_be_made_is_named(opened) {
        exists(&opened.stub, 0);
        opened.stub.on("xc_domain_dumpcore", |_| -2);
        let error = opened.xg.dump_core(DOM, Path::new("/nowhere/core")).unwrap_err();
        assert_eq!(error.to_string(), "domain 5: dump the core to /nowhere/core");
        assert_eq!(error.kind(), Kind::NotFound);
    }

    fn the_pieces_of_a_dump_arrive_in_order(opened) {
        exists(&opened.stub, 0);
        dump(&opened.stub);
        let mut bytes = Vec::new();
        opened.xg.dump_core_to(DOM, &mut bytes).unwrap();
        assert_eq!(bytes, [b"\x7fELF".to_vec(), vec![7; 4096], vec![8; 5000]].concat());
    }

    fn a_full_disk_ends_the_dump_with_its_own_error(opened) {
        exists(&opened.stub, 0);
        dump(&opened.stub);
        let mut full = Full(4100, || io::ErrorKind::StorageFull.into());
        let error = opened.xg.dump_core_to(DOM, &mut full).unwrap_err();
        assert_eq!(error.to_string(), "write the core dump of domain 5");
        let Error::Write { source, .. } = error else { panic!("{error:?}") };
        assert_eq!((source.kind(), full.0), (io::ErrorKind::StorageFull, 0));
    }

    fn a_panic_of_the_writer_passes_the_library_by(opened) {
        exists(&opened.stub, 0);
        dump(&opened.stub);
        let mut broken = Full(4, || panic!("broken writer"));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            opened.xg.dump_core_to(DOM, &mut broken)
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"broken writer"));
        // The handle was closed on the way out.
        let calls = opened.stub.calls();
        assert_eq!(calls.last().map(String::as_str), Some("xc_interface_close()"));
    }

    fn a_pv_domain_that_says_it_has_too_many_frames_is_not_dumped(opened) {
        exists(&opened.stub, 0);
        opened.stub.on("xc_domain_nr_gpfns", |call| {
            call.write(2, &((1_u64 << 27) + 1).to_le_bytes());
            0
        });
        let error = opened.xg.dump_core(DOM, Path::new("/core")).unwrap_err();
        assert_eq!(
            error.source().unwrap().to_string(),
            "it says that it has 134217729 frames, more than libxenguest has room for"
        );
        assert_eq!(error.kind(), Kind::Invalid);
        let asked = ["xc_domain_getinfolist(5, 1, &)", "xc_domain_nr_gpfns(5, &)"];
        assert_eq!(opened.calls(), asked);
    }

    fn a_domain_without_virtual_cpus_is_not_dumped(opened) {
        exists(&opened.stub, u64::from(u32::MAX));
        let error = opened.xg.dump_core(DOM, Path::new("/core")).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "it has no virtual CPU");
        assert_eq!(error.kind(), Kind::Invalid);
        let error = opened.xg.dump_core_to(DOM, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(opened.calls(), ["xc_domain_getinfolist(5, 1, &)"; 2]);
    }
}

#[test]
fn an_absent_domain_is_not_dumped() {
    let opened = open(17);
    let error = opened.xg.dump_core(DOM, Path::new("/core")).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(error.to_string(), "domain 5: dump the core to /core");
    assert!(error.source().is_some());
}

#[test]
fn the_seam_itself_does_not_dump_a_domain_without_virtual_cpus() {
    let opened = open(17);
    exists(&opened.stub, u64::from(u32::MAX));
    let backend = LibXenGuest::beside(Arc::clone(opened.xc.library().unwrap())).unwrap();
    assert!(backend.domain_dumpcore(DOM, c"/core").is_err());
    assert!(backend.domain_dumpcore_via_callback(DOM, &mut |_| true).is_err());
    assert_eq!(opened.calls(), ["xc_domain_getinfolist(5, 1, &)"; 2]);
}
