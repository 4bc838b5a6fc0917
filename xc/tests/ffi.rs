//! The calls through the C boundary, per release, without Xen: against a stub library compiled from
//! `tests/stub/libxenctrl.c` with the structures of that release.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]
#![allow(unsafe_code, reason = "loads libraries from folders")]

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use xc::{
    CreateConfig, E820Entry, E820Kind, GuestKind, HvmParam, Kind, OpenOptions, Release, TscMode, Xc,
};
use xen_types::{Bytes, DomId, DomainUuid, KiB, MiB, PageCount, Port, ShutdownReason};

const DOM: DomId = DomId::new(5).unwrap();

/// Compiles the stub as `libxenctrl.so.4.{name}` into a folder of the test's own.
fn stub(test: &str, name: u16, defines: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stub/libxenctrl.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
        .arg(folder.join(format!("libxenctrl.so.4.{name}")))
        .args(defines)
        .arg(source)
        .status()
        .unwrap();
    assert!(compiled.success(), "cc failed");
    folder
}

fn options(folder: PathBuf, minor: u16) -> OpenOptions {
    let options = OpenOptions::new().release(Release::new(4, minor));
    // SAFETY: the libraries must be those of the release: stubs with its prototypes, whose layouts
    // are the subject of the tests.
    unsafe { options.library_directory(folder) }
}

fn open(test: &str, minor: u16) -> Xc {
    options(stub(test, minor, &[&format!("-DMINOR={minor}")]), minor).open().unwrap()
}

fn refusal(folder: PathBuf, minor: u16) -> String {
    let error = options(folder, minor).open().unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    error.source().unwrap().to_string()
}

/// What every release must do alike.
fn exercise(minor: u16) {
    let xc = open("exercise", minor);
    assert_eq!(xc.version().unwrap(), format!("4.{minor}.3-stub"));

    let host = xc.physinfo().unwrap();
    assert_eq!((host.total, host.free), (PageCount(786_303), PageCount(515_675)));
    assert_eq!((host.outstanding, host.max_mfn), (PageCount(17), 786_399));

    let listed: Vec<_> = xc
        .domains()
        .unwrap()
        .iter()
        .map(|d| (d.id.raw(), d.uuid.to_bytes()[15], d.cpupool))
        .collect();
    assert_eq!(listed, [(0, 0, 100), (5, 5, 105), (9, 9, 109)]);

    let mut config = CreateConfig::new(GuestKind::Pvh, DomainUuid::from_bytes([1; 16]), 3);
    config.msr_relaxed = true;
    config.grant_version = Some(2);
    assert_eq!(xc.create_domain(&config).unwrap().raw(), 0x311);

    assert_eq!(xc.paging_pool(DOM).unwrap(), MiB(3).to_bytes());
    assert_eq!(xc.hvm_param(DOM, HvmParam::STORE_EVTCHN).unwrap(), 0x2_0000_0005);
    xc.set_tsc_mode(DOM, TscMode::Native).unwrap();
    every_argument_arrives(&xc);
    assert_eq!(xc.pause(DOM).unwrap_err().kind(), Kind::Busy);
    assert_eq!(xc.pause(DomId::DOM0).unwrap_err().kind(), Kind::NotFound);

    let missing = xc.unpause(DOM).unwrap_err();
    assert_eq!(missing.kind(), Kind::Unavailable);
    let cause = missing.source().unwrap().to_string();
    assert_eq!(cause, format!("Xen 4.{minor} has no xc_domain_unpause"));
}

/// The stub knows these arguments and refuses others. Where C has 64 bits there is more than 32.
fn every_argument_arrives(xc: &Xc) {
    let entry = |start, size, kind| E820Entry { start, size: Bytes(size), kind };
    let map = [entry(0, 0xa0000, E820Kind::Ram), entry(1 << 32, 4096, E820Kind::Acpi)];
    let uuid = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    xc.set_max_mem(DOM, KiB(0x1_0000_0004).to_bytes()).unwrap();
    xc.set_memory_map_limit(DOM, KiB(0x1_0000_0008)).unwrap();
    xc.set_memory_map(DOM, &map).unwrap();
    xc.claim_pages(DOM, PageCount(0x1_0000_0001)).unwrap();
    xc.set_max_vcpus(DOM, 3).unwrap();
    xc.shutdown(DOM, ShutdownReason::Crash).unwrap();
    xc.set_handle(DOM, DomainUuid::from_bytes(uuid)).unwrap();
    xc.set_hvm_param(DOM, HvmParam::STORE_PFN, 0x1_0000_0002).unwrap();
    assert_eq!(xc.alloc_unbound_port(DOM, DomId::new(9).unwrap()).unwrap(), Port(77));
    xc.set_paging_pool(DOM, MiB(4).to_bytes()).unwrap();
    xc.destroy_domain(DOM).unwrap();
}

macro_rules! releases {
    ($($name:ident: $minor:literal,)*) => {
        $(#[test]
        fn $name() {
            exercise($minor);
        })*
    };
}

releases! {
    calls_reach_a_library_of_4_15: 15,
    calls_reach_a_library_of_4_16: 16,
    calls_reach_a_library_of_4_17: 17,
    calls_reach_a_library_of_4_18: 18,
    calls_reach_a_library_of_4_19: 19,
    calls_reach_a_library_of_4_20: 20,
    calls_reach_a_library_of_4_21: 21,
    calls_reach_a_library_of_4_22: 22,
}

#[test]
fn a_second_pool_reaches_4_17_and_is_refused_before() {
    let mut config = CreateConfig::new(GuestKind::Pv, DomainUuid::from_bytes([1; 16]), 1);
    config.cpupool = 1;
    assert_eq!(open("pool", 17).create_domain(&config).unwrap().raw(), 0x100);
    let error = open("pool", 16).create_domain(&config).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[test]
fn a_library_with_older_layouts_under_a_newer_name_is_refused() {
    let cause = refusal(stub("older", 17, &["-DMINOR=15", "-DREPORTS=17"]), 17);
    assert!(cause.ends_with("xc_domaininfo_t has 104 bytes there and 112 in the layouts assumed"));
}

#[test]
fn a_library_with_newer_layouts_under_an_older_name_is_refused() {
    let cause = refusal(stub("newer", 16, &["-DMINOR=17", "-DREPORTS=16"]), 16);
    assert!(cause.ends_with("xc_physinfo_t has 112 bytes there and 104 in the layouts assumed"));
}

#[test]
fn a_hypervisor_of_another_release_is_refused_with_both_named() {
    let cause = refusal(stub("other", 17, &["-DMINOR=17", "-DREPORTS=18"]), 17);
    assert_eq!(cause, "the library belongs to Xen 4.17, the hypervisor is Xen 4.18");
}

#[test]
fn an_unknown_release_is_opened_only_on_request() {
    let folder = stub("unknown", 30, &["-DMINOR=22", "-DREPORTS=30"]);
    assert_eq!(refusal(folder.clone(), 30), "Xen 4.30 is not known here (known: 4.15 to 4.22)");
    // SAFETY: the calls must be those of the newest known release: the stub is compiled for it.
    let allowed = unsafe { options(folder, 30).allow_unknown_release(true) };
    let xc = allowed.open().unwrap();
    assert_eq!(xc.release(), Release::new(4, 30));
}

#[test]
fn a_structure_that_has_grown_unnoticed_reads_zeroes() {
    let folder = stub("grown", 20, &["-DMINOR=20", "-DGROWN"]);
    let xc = options(folder, 20).open().unwrap();
    let mut config = CreateConfig::new(GuestKind::Pvh, DomainUuid::from_bytes([0xff; 16]), 3);
    config.grant_version = Some(2);
    assert_eq!(xc.create_domain(&config).unwrap().raw(), 0x310);
}

#[test]
fn a_thread_that_failed_may_end_after_the_library_was_dropped() {
    let (xc, other) = (open("thread", 17), open("thread", 17));
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        other.pause(DOM).unwrap_err(); // leaves a destructor in the library to this thread
        drop(other);
        tell.send(()).unwrap();
        ended.recv().unwrap();
    });
    told.recv().unwrap();
    drop(xc);
    end.send(()).unwrap();
    thread.join().unwrap();
}
