//! The machine that a PVH guest of `xenops` finds, held against the one it finds under `xl`.
//!
//! The observer is the guest: the same Linux says what it made of memory map and ACPI tables.

mod dom0;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use dom0::{Config, Guest, ok};
use xc::Xc;
use xen_types::{Deadline, DomId};

/// What the guest said of its machine.
#[derive(Debug)]
struct Machine {
    /// `/proc/iomem`, but for what lies within another range.
    ranges: Vec<String>,
    online: String,
    objects: String,
}

impl Machine {
    fn of_console(log: &str) -> Self {
        let said = |what: &str| {
            let prefix = format!("{what} ");
            let lines = log.lines().filter_map(|line| line.trim_end().strip_prefix(&prefix));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        Self {
            ranges: said("iomem"),
            online: said("online").concat(),
            objects: said("objects").concat(),
        }
    }

    fn ranges(&self, what: &str) -> Vec<&str> {
        let of = |line: &&String| line.rsplit_once(" : ").is_some_and(|(_, kind)| kind == what);
        self.ranges.iter().filter(of).map(String::as_str).collect()
    }
}

fn booted(by: &str, create: impl Fn(&str) -> Guest) -> Machine {
    let xc = Xc::open().expect("open the hypervisor");
    // A PVH guest on the emulated processor triple-faults now and then before its first line; Xen
    // takes that for a reboot.
    for attempt in 0..3 {
        let name = format!("machine-{by}-{}-{attempt}", std::process::id());
        let guest = create(&name);
        let path = format!("/var/log/xen/console/guest-{name}.log");
        let mut log = String::new();
        let id = DomId::new(guest.id.parse().expect("a number")).expect("a domain's");
        let ended = || xc.info(id).expect("it is there").shutdown.is_some();
        let deadline = Deadline::after(Duration::from_secs(240));
        while !log.contains("HELLO-READY") && !ended() {
            assert!(!deadline.passed(Instant::now()), "{name}: not ready within 240 s: {log}");
            thread::sleep(Duration::from_millis(50));
            log = fs::read_to_string(&path).unwrap_or_default();
        }
        let _ = fs::remove_file(&path);
        if log.contains("HELLO-READY") {
            return Machine::of_console(&log);
        }
        assert!(log.is_empty(), "ended without a word more than this: {log}");
        eprintln!("a triple fault in early boot, tried again");
    }
    panic!("three triple faults in a row are not the emulator's");
}

fn by_xl(name: &str) -> Guest {
    let config = Config::new(name, &format!("name=\"{name}\"\n{MACHINE}on_reboot=\"preserve\"\n"));
    ok("xl", &["create", "-e", config.path()]);
    let id = ok("xl", &["domid", name]).trim().to_owned();
    Guest { name: name.to_owned(), id }
}

fn by_xenops(name: &str) -> Guest {
    let config = Config::new(name, &format!("name=\"{name}\"\n{MACHINE}"));
    Guest::create(name, &config)
}

/// For both programs.
const MACHINE: &str = "type=\"pvh\"\nkernel=\"/guests/vmlinux\"\nramdisk=\"/guests/hello.cpio\"\n\
                       cmdline=\"console=hvc0 loglevel=1 mitigations=off lab.machine\"\n\
                       memory=512\nvcpus=2\ntsc_mode=\"native\"\n";

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_finds_the_memory_and_the_cpus_that_it_finds_under_xl() {
    let (xl, xenops) = (booted("xl", by_xl), booted("xenops", by_xenops));
    for machine in [&xl, &xenops] {
        assert_eq!(machine.online, "0-1", "{machine:?}");
        assert_eq!(machine.ranges("System RAM").last(), Some(&"00100000-1fffffff : System RAM"));
    }
    assert_eq!(xenops.ranges("System RAM"), xl.ranges("System RAM"));
    assert_eq!(xenops.ranges("Reserved"), xl.ranges("Reserved"));
    // libxl's tables are as long as they are for 128 CPUs; both start where the hole starts.
    let start =
        |machine: &Machine| machine.ranges("ACPI Tables").first().map(|r| r[..8].to_owned());
    assert_eq!((start(&xenops), start(&xl)), (Some("fc000000".into()), Some("fc000000".into())));
    // libxl has objects of the older kind, which Linux names itself, for all CPUs there could be.
    assert!(xenops.objects.contains("ACPI0007:00 ACPI0007:01"), "{xenops:?}");
    assert!(!xenops.objects.contains("ACPI0007:02"), "{xenops:?}");
    assert!(xl.objects.contains("LNXCPU:00"), "{xl:?}");
}
