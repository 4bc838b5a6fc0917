//! An HVM guest made with `xc` and `xg` alone, and its device model, which libxl would start.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use xc::foreign::ForeignMemory;
use xc::grant::Access;
use xc::{CreateConfig, GuestKind, HvmParam, TimerMode, TscMode, Xc};
use xen_types::{Deadline, DomId, DomainUuid, Gfn, MiB};
use xg::{BuildConfig, Built, CpuOptions, Firmware, Kernel, Xg};
use xs::{Client, Path, Store, becomes};

use crate::answered;
use crate::dom0::{ok, pids_of};

/// A domain as far as it has ports; with all that it has, gone at the end of the test.
pub(crate) struct Hvm {
    pub(crate) xc: Xc,
    pub(crate) xg: Xg,
    pub(crate) id: DomId,
    pub(crate) config: BuildConfig,
    device_model: Option<Child>,
}

impl Hvm {
    /// What precedes the build, as `libxl__build_pre` does it.
    pub(crate) fn create(number: u8, memory: MiB, max_memory: MiB) -> Self {
        let xc = answered::open().unwrap();
        let xg = Xg::open(&xc).unwrap();
        let mut uuid = *b"lab HVM test\0\0\0\0";
        uuid[15] = number;
        let config = CreateConfig::new(GuestKind::Hvm, DomainUuid::from_bytes(uuid), 2);
        let id = xc.create_domain(&config).unwrap();
        xc.set_max_vcpus(id, 2).unwrap();
        xc.set_max_mem(id, MiB(memory.get() + 1).to_bytes()).unwrap();
        let store = xc.alloc_unbound_port(id, DomId::DOM0).unwrap();
        let console = xc.alloc_unbound_port(id, DomId::DOM0).unwrap();
        xc.set_hpet(id, true).unwrap();
        xc.set_timer_alignment(id, true).unwrap();
        xc.set_timer_mode(id, TimerMode::NoDelayForMissedTicks).unwrap();
        xc.set_tsc_mode(id, TscMode::Default).unwrap();
        xc.set_paging_pool(id, MiB(4).to_bytes()).unwrap();
        xg.apply_cpu_policy(id, &CpuOptions::DEFAULT).unwrap();
        let kernel = Kernel::load(hvmloader()).unwrap();
        let mut config = BuildConfig::new(GuestKind::Hvm, kernel, memory, store, console);
        (config.vcpus, config.max_memory) = (2, max_memory);
        config.hvm.firmware = Some(Firmware::load(SEABIOS).unwrap());
        Self { xc, xg, id, config, device_model: None }
    }

    pub(crate) fn build(&self) -> Built {
        self.xg.build(self.id, &self.config).unwrap()
    }

    /// Writes what `hvmloader`, the daemons and the device model look for, and introduces the
    /// domain.
    pub(crate) fn introduce(&self, built: &Built, more: &[(&str, String)]) {
        let client = Client::open().unwrap();
        let home = Path::domain(self.id);
        let write = |node: &str, value: String| {
            client.write(&home.try_join(node).unwrap(), value).unwrap();
        };
        client.mkdir(&home).unwrap();
        client.set_perms(&home, &xs::Perms::new(self.id, xs::Access::None)).unwrap();
        write("domid", self.id.to_string());
        write("store/port", self.config.store.to_string());
        write("store/ring-ref", built.store.number().to_string());
        write("hvmloader/bios", "seabios".to_owned());
        write("hvmloader/allow-memory-relocate", "0".to_owned());
        write("platform/acpi", "1".to_owned());
        more.iter().for_each(|(node, value)| write(node, value.clone()));
        client.mkdir(&device_model(self.id)).unwrap();
        client.introduce(self.id, Gfn(built.store.number()), self.config.store).unwrap();
    }

    /// Starts QEMU and waits until it is ready to serve the guest.
    pub(crate) fn start_device_model(&mut self) {
        let log = File::create(self.log()).unwrap();
        let domid = self.id.to_string();
        let child = Command::new(QEMU)
            .args(["-xen-domid", &domid, "-no-shutdown", "-nodefaults", "-no-user-config"])
            .args(["-vnc", "none", "-display", "none", "-serial", "none", "-net", "none"])
            .args(["-boot", "order=c", "-smp", "2,maxcpus=2", "-m", "128"])
            .args(["-machine", "xenfv,suppress-vmdesc=on"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.device_model = Some(child);
        let state = device_model(self.id).try_join("state").unwrap();
        let running = Client::open()
            .unwrap()
            .wait(&becomes(state, "running"), Deadline::after(Duration::from_secs(60)));
        assert!(running.is_ok(), "{running:?}: {:?}", fs::read_to_string(self.log()));
    }

    fn log(&self) -> String {
        format!("/tmp/device-model-{}.log", self.id)
    }
}

impl Drop for Hvm {
    fn drop(&mut self) {
        if let Some(qemu) = &mut self.device_model {
            let _ = qemu.kill();
            let _ = qemu.wait();
            let _ = fs::remove_file(format!("/tmp/device-model-{}.log", self.id));
        }
        if let Err(e) = self.xc.destroy_domain(self.id) {
            eprintln!("left behind: {e}");
        }
        if let Ok(client) = Client::open() {
            let _ = client.rm_if_exists(&Path::domain(self.id));
            let _ = client.rm_if_exists(&device_model(self.id));
        }
    }
}

/// Where toolstack and device model of a guest meet, and the folder of all of them, which stays.
pub(crate) fn device_model(guest: DomId) -> Path {
    device_models().try_join(&guest.to_string()).unwrap()
}

pub(crate) fn device_models() -> Path {
    Path::domain(DomId::DOM0).try_join("device-model").unwrap()
}

pub(crate) fn no_device_model_runs() -> bool {
    pids_of("xen-qemu-system-i386").is_empty()
}

/// What a guest's firmware tells Xen, up to the end of its search for something to boot.
pub(crate) fn firmware_log(guest: DomId) -> Vec<String> {
    let prefix = format!("(d{guest}) ");
    let deadline = Deadline::after(Duration::from_secs(240));
    let mut log: Vec<String> = Vec::new();
    while !log.iter().any(|line| line.starts_with("No bootable device.")) {
        assert!(!deadline.passed(Instant::now()), "not at its end within 240 s: {log:#?}");
        thread::sleep(Duration::from_millis(200));
        let more = ok("xl", &["dmesg", "-c"]);
        let said = |line: &str| Some(line.split_once(&prefix)?.1.to_owned());
        log.extend(more.lines().filter_map(said));
    }
    log
}

/// Bytes of a guest's memory, from a frame on.
pub(crate) fn memory(guest: DomId, first: u64, frames: u64) -> Vec<u8> {
    let frames: Vec<Gfn> = (first..first + frames).map(Gfn).collect();
    let pages = ForeignMemory::open().unwrap().map(guest, &frames, Access::Read).unwrap();
    let mut bytes = vec![0; frames.len() * 4096];
    pages.read(0, &mut bytes).unwrap();
    bytes
}

/// The parameters that the header names, with the kind of failure for those that none may read.
pub(crate) fn parameters(xc: &Xc, guest: DomId) -> Vec<(u32, Result<u64, xc::Kind>)> {
    (0..39).map(|one| (one, xc.hvm_param(guest, HvmParam(one)).map_err(|e| e.kind()))).collect()
}

fn hvmloader() -> String {
    let release = Xc::open().unwrap().release();
    format!("/usr/lib/xen-{release}/boot/hvmloader")
}

const SEABIOS: &str = "/usr/share/seabios/bios-256k.bin";
const QEMU: &str = "/usr/libexec/xen-qemu-system-i386";
