#[path = "../../tests/page/mod.rs"]
mod page;

use std::error::Error as _;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{MemfdFlags, Mode, OFlags, fchmod, ftruncate, memfd_create};
use rustix::io::{Errno, pwrite};
use xc::Release;
use xen_types::{PageCount, Port};

use super::*;
use crate::backend::{
    Container, Content, DumpCalls, Hypervisor, PolicyCalls, ResumeCalls, SaveCalls,
};
use crate::{CpuOptions, Firmware, Kernel, Kind, Ramdisk};
use page::Page;

/// Notes every call and field as text; fails at the call it is told to. Not a simulation.
#[derive(Debug, Default)]
struct Recorder {
    calls: Mutex<Vec<String>>,
    fails_at: Option<&'static str>,
    /// A file that somebody tries to write during `build_image`.
    written: Option<PathBuf>,
    old: bool,
}

impl Recorder {
    fn failing_at(call: &'static str) -> Self {
        Self { fails_at: Some(call), ..Self::default() }
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn note(&self, call: String) -> Result<(), CallError> {
        let fails = self.fails_at.is_some_and(|name| call.starts_with(name));
        self.calls.lock().unwrap().push(call);
        if !fails {
            return Ok(());
        }
        Err(CallError::Failed { errno: Some(Errno::INVAL), said: vec!["as told".to_owned()] })
    }

    fn field(&self, field: String) {
        self.calls.lock().unwrap().push(field);
    }
}

impl Hypervisor for Recorder {
    fn release(&self) -> Release {
        Release::new(4, if self.old { 16 } else { 17 })
    }
}

impl PolicyCalls for Recorder {}
impl DumpCalls for Recorder {}
impl ResumeCalls for Recorder {}
impl SaveCalls for Recorder {}

impl Backend for Recorder {
    fn allocate<'a>(
        &'a self,
        cmdline: &CStr,
        features: Option<&CStr>,
    ) -> Result<Box<dyn Image + 'a>, CallError> {
        self.note(format!("allocate {cmdline:?} {features:?}"))?;
        Ok(Box::new(Recording(self)))
    }
    fn set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError> {
        self.note(format!("set_memory_map {dom} of {}", map.len()))
    }
    fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> Result<(), CallError> {
        self.note(format!("hvm_param_set {dom} {param} {value}"))
    }
    fn cpuid_apply_policy(
        &self,
        dom: DomId,
        restore: bool,
        itsc: bool,
        nested: bool,
    ) -> Result<(), CallError> {
        self.note(format!("cpuid_apply_policy {dom} restore {restore} itsc {itsc} nested {nested}"))
    }
}

#[derive(Debug)]
struct Recording<'a>(&'a Recorder);

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.0.field("release".to_owned());
    }
}

impl Image for Recording<'_> {
    fn set_container_type(&mut self, container: Container) {
        self.0.field(format!("container_type {container:?}"));
    }
    fn set_flags(&mut self, flags: u64) {
        self.0.field(format!("flags {flags}"));
    }
    fn set_console(&mut self, port: Port, domain: DomId) {
        self.0.field(format!("console {port} of {domain}"));
    }
    fn set_xenstore(&mut self, port: Port, domain: DomId) {
        self.0.field(format!("xenstore {port} of {domain}"));
    }
    fn set_claim_enabled(&mut self, claim: bool) {
        self.0.field(format!("claim {claim}"));
    }
    fn set_max_vcpus(&mut self, vcpus: u32) {
        self.0.field(format!("max_vcpus {vcpus}"));
    }
    fn set_target_pages(&mut self, pages: PageCount) {
        self.0.field(format!("target_pages {:#x}", pages.get()));
    }
    fn set_mmio(&mut self, start: u64, size: u64) {
        self.0.field(format!("mmio {start:#x} {size:#x}"));
    }
    fn set_lowmem_end(&mut self, end: u64) {
        self.0.field(format!("lowmem_end {end:#x}"));
    }
    fn set_highmem_end(&mut self, end: u64) {
        self.0.field(format!("highmem_end {end:#x}"));
    }
    fn set_vga_hole_size(&mut self, pages: PageCount) {
        self.0.field(format!("vga_hole_size {}", pages.get()));
    }
    fn set_device_model(&mut self, device_model: bool) {
        self.0.field(format!("device_model {device_model}"));
    }
    fn set_system_firmware_module(&mut self, module: Arc<Content>) {
        self.0.field(format!("system_firmware_module {}", module.len()));
    }
    fn set_acpi_module(&mut self, module: Vec<u8>, address: u64) {
        self.0.field(format!(
            "acpi_module {} at {address:#x}",
            String::from_utf8_lossy(&module[..4])
        ));
    }
    fn set_smbios_module(&mut self, module: Arc<Content>) {
        self.0.field(format!("smbios_module {}", module.len()));
    }
    fn set_e820(&mut self, map: &[E820Entry]) {
        self.0.field(format!("e820 of {}", map.len()));
    }
    fn kernel_mem(&mut self, kernel: Arc<Content>) -> Result<(), CallError> {
        self.0.note(format!("kernel_mem {}", kernel.len()))
    }
    fn module_mem(&mut self, module: Arc<Content>) -> Result<(), CallError> {
        self.0.note(format!("module_mem {}", module.len()))
    }
    fn boot_xen_init(&mut self, dom: DomId) -> Result<(), CallError> {
        self.0.note(format!("boot_xen_init {dom}"))
    }
    fn parse_image(&mut self) -> Result<(), CallError> {
        self.0.note("parse_image".to_owned())
    }
    fn mem_init(&mut self, mib: u32) -> Result<(), CallError> {
        self.0.note(format!("mem_init {mib}"))
    }
    fn boot_mem_init(&mut self) -> Result<(), CallError> {
        self.0.note("boot_mem_init".to_owned())
    }
    fn build_image(&mut self) -> Result<(), CallError> {
        self.0.written.as_deref().map(open_to_write);
        self.0.note("build_image".to_owned())
    }
    fn boot_image(&mut self) -> Result<(), CallError> {
        self.0.note("boot_image".to_owned())
    }
    fn gnttab_init(&mut self) -> Result<(), CallError> {
        self.0.note("gnttab_init".to_owned())
    }
    fn console_pfn(&self) -> Gfn {
        Gfn(0xc0)
    }
    fn xenstore_pfn(&self) -> Gfn {
        Gfn(0x50)
    }
    fn acpi_module_guest_addr(&self) -> u64 {
        0x14_0000
    }
    fn smbios_module_guest_addr(&self) -> u64 {
        0x15_0000
    }
    fn pv_p2m(&self, gfn: Gfn) -> Option<Mfn> {
        Some(Mfn(gfn.0 + 0x7_0000))
    }
}

fn seven() -> DomId {
    DomId::new(7).unwrap()
}

/// The header of a flat image: passes inspection, and what is in it is libxenguest's to judge.
fn flat() -> Vec<u8> {
    [0x336e_c578, 0, 0_u32.wrapping_sub(0x336e_c578)].map(u32::to_le_bytes).concat()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, content).unwrap();
    encoder.finish().unwrap()
}

fn config(kind: GuestKind) -> BuildConfig {
    let kernel = Kernel::from_bytes("vmlinuz", flat()).unwrap();
    BuildConfig {
        ramdisk: Some(Ramdisk::from_bytes("initrd", vec![0; 9]).unwrap()),
        cmdline: c"console=hvc0".to_owned(),
        ..BuildConfig::new(kind, kernel, MiB(128), Port(1), Port(2))
    }
}

/// An HVM guest with firmware and tables.
fn hvm() -> BuildConfig {
    let mut config = BuildConfig { ramdisk: None, ..config(GuestKind::Hvm) };
    let firmware = |bytes: &[u8]| Some(Firmware::from_bytes("firmware", bytes.to_vec()).unwrap());
    config.hvm.firmware = firmware(&[0; 5]);
    config.hvm.acpi = firmware(b"SSDT....");
    config.hvm.smbios = firmware(&[0; 7]);
    config.hvm.video_memory = MiB(8);
    config
}

fn build(recorder: Recorder, config: &BuildConfig) -> (Result<Built>, Vec<String>) {
    let recorder = Arc::new(recorder);
    let built = Xg::with_backend(recorder.clone())
        .with_foreign_memory(Page::of_libxenguest().foreign())
        .build(seven(), config);
    (built, recorder.calls())
}

#[test]
fn a_pv_guest_is_built_in_libxls_order() {
    let (built, calls) = build(Recorder::default(), &config(GuestKind::Pv));
    assert_eq!(
        calls,
        [
            r#"allocate "console=hvc0" None"#,
            "console 2 of 0",
            "xenstore 1 of 0",
            "claim false",
            "max_vcpus 1",
            "container_type Pv",
            "flags 0",
            "kernel_mem 12",
            "module_mem 9",
            "boot_xen_init 7",
            "parse_image",
            "mem_init 128",
            "boot_mem_init",
            "build_image",
            "boot_image",
            "gnttab_init",
            "release",
        ]
    );
    let (store, console) = (RingFrame::Machine(Mfn(0x7_0050)), RingFrame::Machine(Mfn(0x7_00c0)));
    assert_eq!(built.unwrap(), Built { store, console, acpi: None, smbios: None });
}

#[test]
fn a_pvh_guest_is_told_its_memory_before_it_is_filled() {
    let (built, calls) = build(Recorder::default(), &config(GuestKind::Pvh));
    assert_eq!(
        calls[5..],
        [
            "container_type Hvm",
            "target_pages 0x8000",
            "mmio 0xfc000000 0x4000000",
            "lowmem_end 0x8000000",
            "highmem_end 0x0",
            "vga_hole_size 0",
            "device_model false",
            "kernel_mem 12",
            "module_mem 9",
            "boot_xen_init 7",
            "parse_image",
            "mem_init 128",
            "boot_mem_init",
            "acpi_module RSD  at 0xfc000000",
            "set_memory_map 7 of 3",
            "e820 of 3",
            "build_image",
            "boot_image",
            "gnttab_init",
            "release",
        ]
    );
    let built = built.unwrap();
    assert_eq!((built.store.number(), built.console.number()), (0x50, 0xc0));
}

#[test]
fn an_hvm_guest_is_built_with_its_firmware_and_a_device_model() {
    let (built, calls) = build(Recorder::default(), &hvm());
    assert_eq!(
        calls[5..],
        [
            "container_type Hvm",
            "target_pages 0x7800",
            "mmio 0xf0000000 0x10000000",
            "lowmem_end 0x7800000",
            "highmem_end 0x0",
            "vga_hole_size 32",
            "device_model true",
            "system_firmware_module 5",
            "acpi_module SSDT at 0x0",
            "smbios_module 7",
            "kernel_mem 12",
            "boot_xen_init 7",
            "parse_image",
            "mem_init 120",
            "boot_mem_init",
            "set_memory_map 7 of 1",
            "e820 of 1",
            "build_image",
            "boot_image",
            "gnttab_init",
            "release",
        ]
    );
    let built = built.unwrap();
    assert_eq!(built.store, RingFrame::Guest(Gfn(0x50)));
    assert_eq!(built.acpi, Some(HvmModule { address: 0x14_0000, length: 8 }));
    assert_eq!(built.smbios, Some(HvmModule { address: 0x15_0000, length: 7 }));
}

#[test]
fn video_memory_is_part_of_the_maximum_too() {
    let mut config = hvm();
    config.max_memory = MiB(4096);
    config.hvm.hole = MiB(1024);
    let (_, calls) = build(Recorder::default(), &config);
    assert_eq!(
        calls[6..10],
        [
            "target_pages 0x7800",
            "mmio 0xc0000000 0x40000000",
            "lowmem_end 0xc0000000",
            "highmem_end 0x13f800000",
        ]
    );
    assert!(calls.contains(&"mem_init 4088".to_owned()), "{calls:?}");
    assert!(calls.contains(&"set_memory_map 7 of 2".to_owned()), "{calls:?}");
}

#[test]
fn the_table_of_an_hvm_guests_firmware_is_completed() {
    let mut config = hvm();
    (config.vcpus, config.online_vcpus, config.hvm.apic) = (3, Some(2), false);
    let page = Page::of_libxenguest();
    let recorder = Arc::new(Recorder::default());
    let xg = Xg::with_backend(recorder).with_foreign_memory(page.foreign());
    xg.build(seven(), &config).unwrap();
    let table = page.bytes(0x800, 48);
    assert_eq!((table[13], table[16], table[32], table[33]), (0, 3, 0b11, 0));
    assert_eq!(table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0);
    assert_eq!(page.bytes(0x830, 8), [0; 8]);
}

#[test]
fn an_hvm_guest_without_that_table_is_not_built() {
    let recorder = Arc::new(Recorder::default());
    let xg = Xg::with_backend(recorder).with_foreign_memory(Page::empty().foreign());
    let error = xg.build(seven(), &hvm()).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (Kind::Other, "build domain 7: hvm_info_table".into())
    );
    let cause = error.source().unwrap().to_string();
    assert_eq!(cause, "there is none: [00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00]");
}

#[test]
fn a_guest_of_4_16_is_told_its_ports_by_the_toolstack() {
    let told =
        |config: &BuildConfig| build(Recorder { old: true, ..Recorder::default() }, config).1;
    let ports = ["gnttab_init", "hvm_param_set 7 2 1", "hvm_param_set 7 18 2", "release"];
    let hvm = told(&hvm());
    assert_eq!(hvm[hvm.len() - 4..], ports);
    let pvh = told(&config(GuestKind::Pvh));
    assert_eq!(pvh[pvh.len() - 4..], ports);
    assert!(!told(&config(GuestKind::Pv)).contains(&ports[1].to_owned()));
}

#[test]
fn a_ballooned_guest_has_the_map_of_its_maximum_under_pvh_only() {
    let mut config = config(GuestKind::Pvh);
    config.max_memory = MiB(256);
    let (_, pvh) = build(Recorder::default(), &config);
    assert!(pvh.contains(&"mem_init 256".to_owned()), "{pvh:?}");
    assert!(pvh.contains(&"target_pages 0x8000".to_owned()), "{pvh:?}");
    config.kind = GuestKind::Pv;
    let (_, pv) = build(Recorder::default(), &config);
    assert!(pv.contains(&"mem_init 128".to_owned()), "{pv:?}");
}

#[test]
fn a_failure_at_any_call_ends_the_build_names_the_call_and_releases_the_image() {
    let fallible = [
        "kernel_mem",
        "module_mem",
        "boot_xen_init",
        "parse_image",
        "mem_init",
        "boot_mem_init",
        "set_memory_map",
        "build_image",
        "boot_image",
        "gnttab_init",
    ];
    let ends = fallible.map(|call| {
        let (built, calls) = build(Recorder::failing_at(call), &config(GuestKind::Pvh));
        let error = built.unwrap_err();
        assert!(error.to_string().ends_with(call), "{error}");
        let last = calls[calls.len() - 2].split(' ').next().unwrap().to_owned();
        (last, calls[calls.len() - 1].clone())
    });
    assert_eq!(ends, fallible.map(|call| (call.to_owned(), "release".to_owned())));
}

/// A configuration whose kernel is in place, and its file, which is on tmpfs.
fn in_place() -> (BuildConfig, File, PathBuf) {
    let memory = memfd_create(c"kernel", MemfdFlags::CLOEXEC).unwrap();
    fchmod(&memory, Mode::RUSR | Mode::WUSR).unwrap();
    pwrite(&memory, &flat(), 0).unwrap();
    ftruncate(&memory, 1 << 20).unwrap();
    let file = File::open(format!("/proc/self/fd/{}", memory.as_raw_fd())).unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let kernel = Kernel::load_in_place(&path).unwrap();
    (BuildConfig { kernel, ..config(GuestKind::Pv) }, file, path)
}

/// Opens a file to write without waiting, which fails under a lease.
fn open_to_write(path: &Path) {
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    File::options().write(true).custom_flags(nonblock).open(path).unwrap_err();
}

#[test]
fn a_kernel_in_place_is_built_from() {
    let (config, _file, _) = in_place();
    let (built, calls) = build(Recorder::default(), &config);
    built.unwrap();
    assert_eq!(calls[7], "kernel_mem 1048576");
}

#[test]
fn a_kernel_in_place_that_somebody_wants_to_write_begins_no_build() {
    let (config, _file, path) = in_place();
    open_to_write(&path);
    let (built, calls) = build(Recorder::default(), &config);
    assert_eq!(built.unwrap_err().kind(), Kind::Again);
    assert_eq!(calls, [""; 0]);
}

#[test]
fn a_kernel_in_place_that_somebody_wants_to_write_during_a_build_ends_it() {
    let (config, _file, path) = in_place();
    let recorder = Recorder { written: Some(path), ..Recorder::default() };
    let (built, calls) = build(recorder, &config);
    assert_eq!(built.unwrap_err().kind(), Kind::Again);
    assert_eq!(calls[calls.len() - 2..], ["build_image", "release"]);
}

#[test]
fn what_libxenguest_said_is_the_cause() {
    let (built, _) = build(Recorder::failing_at("parse_image"), &config(GuestKind::Pv));
    let error = built.unwrap_err();
    assert_eq!(error.to_string(), "build domain 7: xc_dom_parse_image");
    assert_eq!(
        error.source().unwrap().to_string(),
        "Invalid argument (os error 22); libxenguest said: as told"
    );
    assert_eq!(error.kind(), Kind::Invalid);
}

#[test]
fn nothing_is_called_for_what_cannot_be_built() {
    let refused = |change: fn(&mut BuildConfig)| {
        let mut config = config(GuestKind::Pvh);
        change(&mut config);
        let (built, calls) = build(Recorder::default(), &config);
        assert_eq!(calls, Vec::<String>::new());
        let error = built.unwrap_err();
        (error.kind(), error.source().unwrap().to_string())
    };
    assert_eq!(
        refused(|c| c.vcpus = 129),
        (Kind::Unavailable, "129 virtual CPUs: a guest that is not PV can have 128".to_owned())
    );
    assert_eq!(refused(|c| c.vcpus = 0), (Kind::Invalid, "no virtual CPU".to_owned()));
    assert_eq!(refused(|c| c.online_vcpus = Some(0)).1, "0 of 1 virtual CPUs online");
    assert_eq!(refused(|c| c.online_vcpus = Some(2)).1, "2 of 1 virtual CPUs online");
    assert_eq!(refused(|c| c.memory = MiB(0)).0, Kind::Invalid);
    assert_eq!(
        refused(|c| c.max_memory = MiB(64)).1,
        "a memory target of 128 MiB above the maximum of 64 MiB"
    );
    assert_eq!(
        refused(|c| {
            c.max_memory = MiB(1 << 24);
            c.memory = MiB(1 << 24);
        })
        .1,
        "16777216 MiB of memory: 1 MiB to 16777215 MiB can be built"
    );
    assert_eq!(
        refused(|c| c.kernel = Kernel::from_bytes("k", vec![0]).unwrap()),
        (Kind::Invalid, "neither an ELF file nor a bzImage".to_owned())
    );
}

#[test]
fn libxenguest_is_given_the_unpacked_kernel() {
    let mut config = config(GuestKind::Pv);
    config.kernel = Kernel::from_bytes("vmlinuz.gz", gzip(&flat())).unwrap();
    let (built, calls) = build(Recorder::default(), &config);
    built.unwrap();
    assert!(calls.contains(&"kernel_mem 12".to_owned()), "{calls:?}");
}

#[test]
fn a_kernel_that_cannot_be_unpacked_costs_no_call() {
    let mut config = config(GuestKind::Pv);
    config.kernel = Kernel::from_bytes("vmlinuz.gz", b"\x1f\x8b\x08\0\0\0".to_vec()).unwrap();
    let (built, calls) = build(Recorder::default(), &config);
    assert_eq!(built.unwrap_err().to_string(), "unpack gzip kernel vmlinuz.gz");
    assert_eq!(calls, Vec::<String>::new());
}

#[test]
fn nothing_is_called_for_an_hvm_guest_that_cannot_be_built() {
    let refused = |change: fn(&mut BuildConfig)| {
        let mut config = hvm();
        change(&mut config);
        let (built, calls) = build(Recorder::default(), &config);
        assert_eq!(calls, Vec::<String>::new());
        built.unwrap_err().source().unwrap().to_string()
    };
    assert_eq!(
        refused(|c| c.ramdisk = Some(Ramdisk::from_bytes("initrd", vec![0]).unwrap())),
        "a ramdisk for an HVM guest, which boots through its firmware"
    );
    assert_eq!(
        refused(|c| c.hvm.video_memory = MiB(127)),
        "127 MiB of video memory in 128 MiB of memory"
    );
    let hole = |mib| format!("a hole of {mib} MiB for devices: 256 MiB to 3840 MiB can be had");
    assert_eq!(refused(|c| c.hvm.hole = MiB(255)), hole(255));
    assert_eq!(refused(|c| c.hvm.hole = MiB(3841)), hole(3841));
    assert_eq!(refused(|c| c.vcpus = 129), "129 virtual CPUs: a guest that is not PV can have 128");
}

#[test]
fn a_command_line_that_a_pv_guest_would_see_cut_is_refused() {
    let mut config = config(GuestKind::Pv);
    config.cmdline = CString::new("x".repeat(1024)).unwrap();
    let (built, _) = build(Recorder::default(), &config);
    assert_eq!(
        built.unwrap_err().source().unwrap().to_string(),
        "a command line of 1024 bytes: a PV guest can be given 1023"
    );
    config.kind = GuestKind::Pvh;
    build(Recorder::default(), &config).0.unwrap();
}

#[test]
fn features_are_asked_of_pv_kernels_only() {
    let mut config = config(GuestKind::Pv);
    config.features = Some(c"pae_pgdir_above_4gb".to_owned());
    let (_, pv) = build(Recorder::default(), &config);
    assert_eq!(pv[0], r#"allocate "console=hvc0" Some("pae_pgdir_above_4gb")"#);
    config.kind = GuestKind::Pvh;
    let (_, pvh) = build(Recorder::default(), &config);
    assert_eq!(pvh[0], r#"allocate "console=hvc0" None"#);
}

#[test]
fn the_cpu_policy_reaches_the_call() {
    let recorder = Arc::new(Recorder::default());
    let options = CpuOptions { invariant_tsc: true, ..CpuOptions::DEFAULT };
    Xg::with_backend(recorder.clone()).apply_cpu_policy(seven(), &options).unwrap();
    assert_eq!(recorder.calls(), ["cpuid_apply_policy 7 restore false itsc true nested false"]);
}
