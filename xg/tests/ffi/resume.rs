//! Going on after a suspension.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use rustix::io::Errno;
use xc::foreign::{ForeignDevice, ForeignMemory, MappedFrames, Mapping, ResourceOf};
use xen_abi::layout;
use xg::Kind;

use crate::opened::{DOM, Opened, on_releases, open};

on_releases! {
    [xen_4_15: 15, xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20, xen_4_21: 21,
     xen_4_22: 22]

    fn a_domain_is_resumed_by_the_library_that_has_the_call(opened) {
        opened.xg.resume(DOM).unwrap();
        assert_eq!(opened.calls(), ["xc_domain_resume(5, 1)"]);
    }

    fn a_domain_that_is_not_suspended_is_refused(opened) {
        opened.stub.on("xc_domain_resume", |call| call.fail(22));
        let error = opened.xg.resume(DOM).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Invalid, "domain 5: resume"));
    }
}

/// A suspended domain as Xen tells of it, with the page that its guest left.
struct Suspended {
    hvm: bool,
    width: i64,
    frames: u64,
    store: u64,
    console: u64,
}

impl Suspended {
    /// A PV guest of 16 MiB that left what is right.
    const PV: Self = Self { hvm: false, width: 8, frames: 4096, store: 0xffe, console: 0xfff };

    /// Resumes it; what it came to and the calls but for those that look.
    fn resume(&self, opened: &Opened) -> (xg::Result<()>, Vec<String>) {
        let minor = opened.stub.minor();
        let info = layout("xc_domaininfo_t", minor).unwrap();
        // Shut down, for suspension.
        let flags = 1 << 2 | 2 << 16 | u64::from(self.hvm) << 1;
        let fields = [("domain", 5), ("flags", flags), ("tot_pages", 4096), ("max_vcpu_id", 1)];
        let info = info.bytes(&fields);
        let context = layout("vcpu_guest_context_t", minor).unwrap();
        let context = context.bytes(&[("user_regs.rdx", 0x77)]);
        let (width, frames) = (self.width, self.frames);
        opened
            .stub
            .on("xc_domain_getinfolist", move |call| {
                call.write(3, &info);
                1
            })
            .on("xc_domain_get_guest_width", move |call| {
                call.write(2, &u32::try_from(width).unwrap().to_le_bytes());
                0
            })
            .on("xc_domain_nr_gpfns", move |call| {
                call.write(2, &frames.to_le_bytes());
                0
            })
            .on("xc_vcpu_getcontext", move |call| {
                call.write(3, &context);
                0
            });
        let start_info = layout("struct start_info", minor).unwrap();
        let left = [("store_mfn", self.store), ("console.domU.mfn", self.console)];
        let page = Arc::new(Page(start_info.bytes(&left)));
        let memory = ForeignMemory::with_device(page);
        let resumed = opened.xg.resume_as_new(&opened.xc, &memory, DOM);
        let mut calls = opened.calls();
        calls.retain(|call| call.starts_with("xc_domain_resume"));
        (resumed, calls)
    }

    /// Why it is not resumed.
    fn refusal(&self, opened: &Opened) -> (Kind, String) {
        let (resumed, calls) = self.resume(opened);
        assert_eq!(calls, Vec::<String>::new());
        let error = resumed.unwrap_err();
        (error.kind(), error.to_string())
    }
}

/// The start info of domain 5, machine frame 0x77.
#[derive(Debug)]
struct Page(Vec<u8>);

impl ForeignDevice for Page {
    fn map_frames(&self, dom: u16, frames: &[u64], writable: bool) -> Result<MappedFrames, Errno> {
        assert_eq!((dom, frames, writable), (5, &[0x77][..], false));
        let mut file = tempfile();
        file.write_all(&self.0).unwrap();
        file.set_len(4096).unwrap();
        let mapping = Mapping::new(file.as_fd(), 0, 1, false)?;
        Ok(MappedFrames { mapping, failures: vec![0] })
    }
    fn map_resource(&self, _: ResourceOf, _: u32, _: usize, _: bool) -> Result<Mapping, Errno> {
        Err(Errno::NOSYS)
    }
    fn resource_size(&self, _: ResourceOf) -> Result<u64, Errno> {
        Err(Errno::NOSYS)
    }
    fn restrict(&self, _: u16) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }
}

/// A file without a name.
fn tempfile() -> File {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    rustix::fs::memfd_create("start info", flags).unwrap().into()
}

on_releases! {
    [xen_4_15: 15, xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20, xen_4_21: 21,
     xen_4_22: 22]

    fn a_pv_guest_that_left_what_is_right_goes_on_as_new(opened) {
        let (resumed, calls) = Suspended::PV.resume(opened);
        resumed.unwrap();
        assert_eq!(calls, ["xc_domain_resume(5, 0)"]);
    }

    fn a_hvm_guest_goes_on_as_new_whatever_its_memory_holds(opened) {
        let hvm = Suspended { hvm: true, store: u64::MAX, ..Suspended::PV };
        let (resumed, calls) = hvm.resume(opened);
        resumed.unwrap();
        assert_eq!(calls, ["xc_domain_resume(5, 0)"]);
    }

    fn a_frame_beyond_the_map_is_not_looked_up(opened) {
        let store = Suspended { store: 4096, ..Suspended::PV }.refusal(opened);
        let said = "resume domain 5: the store's frame that its guest left is 0x1000";
        assert_eq!(store, (Kind::Invalid, said.to_owned()));
        let console = Suspended { console: u64::MAX, ..Suspended::PV }.refusal(opened);
        let said = "resume domain 5: the console's frame that its guest left is 0xffffffffffffffff";
        assert_eq!(console, (Kind::Invalid, said.to_owned()));
    }

    fn a_frame_beyond_what_is_surely_mapped_of_a_large_map_is_not_looked_up(opened) {
        let large = Suspended { frames: 1 << 20, store: 1 << 18, ..Suspended::PV };
        assert_eq!(large.refusal(opened).0, Kind::Invalid);
        let below = Suspended { store: (1 << 18) - 1, ..large };
        below.resume(opened).0.unwrap();
    }

    fn a_map_smaller_than_the_memory_or_larger_than_its_lists_is_refused(opened) {
        let small = Suspended { frames: 4095, store: 0, console: 0, ..Suspended::PV };
        assert_eq!(small.refusal(opened).0, Kind::Invalid);
        let vast = Suspended { frames: (1 << 27) + 1, ..Suspended::PV }.refusal(opened);
        let said = "resume domain 5: the size of its map that its guest left is 0x8000001";
        assert_eq!(vast, (Kind::Invalid, said.to_owned()));
    }

    fn a_32_bit_pv_guest_is_not_resumed_as_new(opened) {
        let narrow = Suspended { width: 4, ..Suspended::PV };
        assert_eq!(narrow.refusal(opened).0, Kind::Unavailable);
    }
}

#[test]
fn a_domain_that_runs_is_not_resumed_as_new() {
    let opened = open(17);
    let info = layout("xc_domaininfo_t", 17).unwrap().bytes(&[("domain", 5), ("flags", 1 << 5)]);
    opened.stub.on("xc_domain_getinfolist", move |call| {
        call.write(3, &info);
        1
    });
    let memory = ForeignMemory::with_device(Arc::new(Page(Vec::new())));
    let error = opened.xg.resume_as_new(&opened.xc, &memory, DOM).unwrap_err();
    assert_eq!(error.to_string(), "resume domain 5: it has not suspended itself");
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(opened.calls(), ["xc_domain_getinfolist(5, 1, &)"]);
}
