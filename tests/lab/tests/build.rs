//! What `xg` builds on a real Xen: PV and PVH Linux guests that say hello, and builds that fail.
//!
//! Between `xc`, `xg` and `xs` only, in libxl's order; `xenops` does the same with undo and devices.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod answered;

use std::error::Error as _;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use xc::{CreateConfig, GuestKind, HvmParam, TscMode, Xc};
use xen_types::{Deadline, DomId, DomainUuid, Gfn, MiB, ShutdownReason};
use xg::{BuildConfig, Built, CpuOptions, Kernel, Ramdisk, Xg};
use xs::{Access, Client, Path, Perms, Store, appears};

/// A domain as far as it has ports, with what built it; destroyed at the end of the test.
struct Guest {
    xc: Xc,
    xg: Xg,
    id: DomId,
    config: BuildConfig,
}

impl Guest {
    fn create(name: u8, kind: GuestKind, vcpus: u32, kernel: Kernel) -> Self {
        let xc = answered::open().unwrap();
        let xg = Xg::open(&xc).unwrap();
        let memory = MiB(128);
        let mut uuid = *b"lab build test\0\0";
        uuid[15] = name;
        let config = CreateConfig::new(kind, DomainUuid::from_bytes(uuid), vcpus);
        let id = xc.create_domain(&config).unwrap();
        xc.set_max_vcpus(id, vcpus).unwrap();
        xc.set_max_mem(id, MiB(memory.get() + 1).to_bytes()).unwrap();
        let store = xc.alloc_unbound_port(id, DomId::DOM0).unwrap();
        let console = xc.alloc_unbound_port(id, DomId::DOM0).unwrap();
        if kind == GuestKind::Pvh {
            xc.set_hvm_param(id, HvmParam::TIMER_MODE, 1).unwrap();
        } else {
            xc.set_memory_map_limit(id, memory.to_kib()).unwrap();
        }
        // Every RDTSC of a PVH guest would exit on this emulated host otherwise.
        xc.set_tsc_mode(id, TscMode::Native).unwrap();
        if kind == GuestKind::Pvh {
            xc.set_paging_pool(id, MiB(4).to_bytes()).unwrap();
        }
        xg.apply_cpu_policy(id, &CpuOptions::DEFAULT).unwrap();
        let mut config = BuildConfig::new(kind, kernel, memory, store, console);
        config.vcpus = vcpus;
        Self { xc, xg, id, config }
    }

    fn linux(name: u8, kind: GuestKind, vcpus: u32) -> Self {
        let mut guest = Self::create(name, kind, vcpus, Kernel::load(KERNEL).unwrap());
        guest.config.ramdisk = Some(Ramdisk::load("/guests/hello.cpio").unwrap());
        guest.config.cmdline = c"console=hvc0 loglevel=8 lab.built-by-xg".to_owned();
        guest
    }

    fn build(&self) -> xg::Result<Built> {
        self.xg.build(self.id, &self.config)
    }

    fn home(&self) -> Path {
        Path::domain(self.id)
    }

    /// Tells xenconsoled and xenstored about the guest; gives its name, which no earlier guest had,
    /// whose console log would be taken for this one's.
    fn introduce(&self, name: &str, built: &Built) -> String {
        let name = format!("{name}-{}", self.id);
        let client = Client::open().unwrap();
        let home = self.home();
        let write = |node: &str, value: String| {
            client.write(&home.try_join(node).unwrap(), value).unwrap();
        };
        client.mkdir(&home).unwrap();
        client.set_perms(&home, &Perms::new(self.id, Access::None)).unwrap();
        write("name", name.clone());
        write("domid", self.id.to_string());
        write("store/port", self.config.store.to_string());
        write("store/ring-ref", built.store.number().to_string());
        write("console/type", "xenconsoled".to_owned());
        write("console/output", "pty".to_owned());
        write("console/limit", "1048576".to_owned());
        write("console/port", self.config.console.to_string());
        write("console/ring-ref", built.console.number().to_string());
        client.introduce(self.id, Gfn(built.store.number()), self.config.store).unwrap();
        name
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Err(e) = self.xc.destroy_domain(self.id) {
            eprintln!("left behind: {e}");
        }
        if let Ok(client) = Client::open() {
            let _ = client.rm_if_exists(&self.home());
        }
    }
}

/// A Linux guest that has said hello, and its console as xenconsoled logged it until then.
///
/// QEMU's emulated SVM lets a PVH guest triple-fault now and then, in the loop of port reads with
/// which Linux measures its clock at the very start (seen on Xen 4.17, once in some fifty boots). Xen
/// reports that as a reboot before the first line; only that is tried again, and told.
fn booted(name: &str, number: u8, kind: GuestKind, vcpus: u32) -> (Guest, String) {
    for _ in 0..3 {
        let guest = Guest::linux(number, kind, vcpus);
        let built = guest.build().unwrap();
        let name = guest.introduce(name, &built);
        guest.xc.unpause(guest.id).unwrap();
        if let Some(log) = hello(&guest, &name) {
            return (guest, log);
        }
        eprintln!("{name}: a triple fault in early boot, tried again");
    }
    panic!("three triple faults in a row are not the emulator's");
}

/// The console log of a guest once it has said hello; `None` if it ended by itself without a word.
fn hello(guest: &Guest, name: &str) -> Option<String> {
    let path = format!("/var/log/xen/console/guest-{name}.log");
    let deadline = Deadline::after(Duration::from_secs(180));
    loop {
        let log = fs::read_to_string(&path).unwrap_or_default();
        if log.contains("HELLO") {
            return Some(log);
        }
        let shutdown = guest.xc.info(guest.id).unwrap().shutdown;
        if shutdown == Some(ShutdownReason::Reboot) && log.is_empty() {
            return None;
        }
        assert!(
            !deadline.passed(Instant::now()),
            "no hello within three minutes in {path}:\n{log}"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

fn causes(error: &xg::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn boots_and_says_hello(name: &str, number: u8, kind: GuestKind, vcpus: u32) -> String {
    let (guest, log) = booted(name, number, kind, vcpus);
    assert!(!guest.xc.info(guest.id).unwrap().is_crashed());
    log
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_linux_boots_and_sees_its_command_line() {
    let log = boots_and_says_hello("xg-pv", 1, GuestKind::Pv, 1);
    assert!(log.contains("lab.built-by-xg"), "{log}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_linux_boots_with_its_timer() {
    let log = boots_and_says_hello("xg-pvh", 2, GuestKind::Pvh, 1);
    assert!(log.contains("lab.built-by-xg"), "{log}");
    // Without ACPI tables Linux gets that far too, but without this line.
    assert!(log.contains("installing Xen timer for CPU 0"), "{log}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_linux_brings_up_all_its_cpus() {
    let log = boots_and_says_hello("xg-pvh-smp", 7, GuestKind::Pvh, 2);
    assert!(log.contains("Brought up 1 node, 2 CPUs"), "{log}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_linux_brings_up_all_its_cpus() {
    let log = boots_and_says_hello("xg-pv-smp", 8, GuestKind::Pv, 2);
    assert!(log.contains("Brought up 1 node, 2 CPUs"), "{log}");
}

fn powers_off_when_asked(name: &str, number: u8, kind: GuestKind) {
    let (guest, _) = booted(name, number, kind, 1);
    let client = Client::open().unwrap();
    let node = |below| guest.home().try_join(below).unwrap();
    let minute = || Deadline::after(Duration::from_secs(60));
    client.wait(&appears(node("control/feature-poweroff")), minute()).unwrap();
    client.write(&node("control/shutdown"), "poweroff").unwrap();
    let deadline = minute();
    let stopped = || guest.xc.info(guest.id).unwrap().shutdown;
    while stopped().is_none() && !deadline.passed(Instant::now()) {
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(stopped(), Some(ShutdownReason::Poweroff));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_linux_powers_off_when_asked_through_its_store_ring() {
    powers_off_when_asked("xg-pv-off", 9, GuestKind::Pv);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_linux_powers_off_when_asked_through_its_store_ring() {
    powers_off_when_asked("xg-pvh-off", 10, GuestKind::Pvh);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_real_kernel_passes_inspection_and_half_of_it_does_not() {
    let whole = Kernel::load(KERNEL).unwrap();
    whole.check(GuestKind::Pv).unwrap();
    whole.check(GuestKind::Pvh).unwrap();
    let bytes = whole.bytes();
    let half = Kernel::from_bytes("half", bytes[..bytes.len() / 2].to_vec()).unwrap();
    let error = half.inspect().unwrap_err();
    assert!(causes(&error).starts_with("kernel half: truncated: "), "{}", causes(&error));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_kernel_that_only_libxenguest_can_judge_is_refused_in_its_words() {
    // A bzImage with an LZO payload passes inspection: what is in it is libxenguest's to find out.
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
    image[0x24c] = 12;
    image.extend(b"\x89LZO\0\r\n\x1a\n\0\0\0");
    let kernel = Kernel::from_bytes("junk.lzo", image).unwrap();
    let guest = Guest::create(3, GuestKind::Pv, 1, kernel);
    let error = guest.build().unwrap_err();
    let text = causes(&error);
    assert!(text.contains("libxenguest said: "), "{text}");
    assert_eq!(error.kind(), xg::Kind::Invalid);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn memory_above_the_ceiling_is_no_memory() {
    let mut guest = Guest::linux(4, GuestKind::Pvh, 1);
    guest.config.memory = MiB(160);
    guest.config.max_memory = MiB(160);
    let error = guest.build().unwrap_err();
    assert_eq!(error.kind(), xg::Kind::NoMemory, "{}", causes(&error));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_build_that_fails_after_mapping_memory_leaves_nothing_that_keeps_the_domain_alive() {
    let mut guest = Guest::linux(5, GuestKind::Pv, 1);
    // Less than the kernel: it fails when the domain is populated and being filled.
    guest.config.memory = MiB(48);
    let error = guest.build().unwrap_err();
    assert_eq!(error.kind(), xg::Kind::NoMemory);
    assert!(causes(&error).contains("xc_dom_build_image"), "{}", causes(&error));
    let (xc, id) = (guest.xc.clone(), guest.id);
    drop(guest);
    assert_eq!(xc.info(id).unwrap_err().kind(), xc::Kind::NotFound);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_unknown_feature_is_refused_with_libxenguests_reason() {
    let mut guest = Guest::linux(6, GuestKind::Pv, 1);
    guest.config.features = Some(c"writable_descriptor_tables".to_owned());
    let error = guest.build().unwrap_err();
    assert_eq!(error.kind(), xg::Kind::Invalid);
    let text = causes(&error);
    assert!(text.contains("unsupported feature requested"), "{text}");
}

const KERNEL: &str = "/guests/vmlinux";
