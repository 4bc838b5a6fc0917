//! Images of running guests that xl saved, or we: what `xg` reads in them is what Xen's own verifier
//! reads, record by record.
//!
//! Of a file of ours the verifier is given the stream, as it stands there: its standard input is the
//! file, at the place that `xg` says.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

#[path = "saving/counting.rs"]
#[allow(dead_code, reason = "shared with tests that look at what the guests say")]
mod counting;
mod dom0;

use std::error::Error as _;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use xc::Xc;
use xen_types::{Deadline, PageCount};
use xenops::{Afterwards, GuestKind, Host, SaveOptions};
use xg::image::{self, Image};
use xg::stream::{Body, Event, Format, Guest, LibxcHeader, Machine, Record, RecordKind, Writer};

use counting::{Counting, config, minutes};
use dom0::{Config, ok, run};

/// A saved guest: a file in dom0's memory, removed at the end of the test.
struct Saved(String);

impl Saved {
    /// Starts a Linux guest, and saves it once it is up.
    fn by_xl(name: &str, kind: &str, memory: u64) -> Self {
        // One that triple-faults in early boot, as the emulator lets PVH guests now and then, is
        // started again by xl.
        let config = Config::new(
            name,
            &format!(
                "name=\"{name}\"\ntype=\"{kind}\"\nkernel=\"/guests/vmlinux\"\n\
                 ramdisk=\"/guests/hello.cpio\"\nmemory={memory}\ntsc_mode=\"native\"\n\
                 cmdline=\"console=hvc0 loglevel=1 mitigations=off\"\non_reboot=\"restart\"\n"
            ),
        );
        let file = Self(format!("/tmp/{name}.img"));
        ok("xl", &["create", config.path()]);
        let log = format!("/var/log/xen/console/guest-{name}.log");
        let deadline = Deadline::after(Duration::from_secs(120));
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("HELLO-READY") {
                break;
            }
            assert!(!deadline.passed(Instant::now()), "not up within two minutes: {said:?}");
            thread::sleep(Duration::from_millis(100));
        }
        ok("xl", &["save", name, &file.0]);
        file
    }

    /// Starts a Linux guest, and saves it into a file of ours.
    fn by_us(name: &str, kind: GuestKind, live: bool) -> Self {
        let host = Host::open().expect("open the host");
        // It writes all the time, so that a live save has something to send again.
        let guest = Counting::start(&host, &config(name, kind, "hello.writes=8"));
        let file = Self(format!("/tmp/{name}.img"));
        let (afterwards, path) = (Afterwards::Removed, file.0.as_ref());
        let how = SaveOptions { live, afterwards, ..SaveOptions::default() };
        host.save_to_file(guest.id, path, b"a guest", &how, &minutes(5), &mut |_| ())
            .expect("save");
        file
    }

    fn inspect(&self, tell: impl FnMut(&Event<'_>)) -> xg::Result<Image> {
        image::inspect_each(&self.0, File::open(&self.0).unwrap(), tell)
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let name = self.0.trim_start_matches("/tmp/").trim_end_matches(".img");
        // Gone already after a save that went well.
        let _ = run("xl", &["destroy", name]);
    }
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_image_of_a_pv_guest_reads_as_xens_verifier_reads_it() {
    let saved = Saved::by_xl("image-pv", "pv", 96);
    let image = reads_as_the_verifier_says(&saved, PageCount(96 * 256));
    assert_eq!((image.summary.guest, image.summary.vcpus), (Guest::Pv64, 1));
    assert_eq!((image.summary.format, image.summary.passes), (Format::Xl, 1));
    assert!(image.summary.p2m_size >= PageCount(96 * 256), "{:?}", image.summary);
    assert!(image.summary.pages.tables[3] > 0, "{:?}", image.summary);

    let half = fs::metadata(&saved.0).unwrap().len() / 2;
    let cut = File::open(&saved.0).unwrap().take(half);
    let error = xg::inspect(&saved.0, cut).unwrap_err();
    let place = error.source().unwrap().source().unwrap();
    assert!(place.to_string().contains("(PAGE_DATA)"), "{place}");
    assert!(place.source().unwrap().to_string().starts_with("truncated: "), "{place:?}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_image_of_a_pvh_guest_reads_as_xens_verifier_reads_it() {
    let saved = Saved::by_xl("image-pvh", "pvh", 192);
    let image = reads_as_the_verifier_says(&saved, PageCount(192 * 256));
    assert_eq!((image.summary.guest, image.summary.vcpus), (Guest::Pvh, 1));
    assert_eq!((image.summary.format, image.summary.passes), (Format::Xl, 1));
    assert!(image.summary.cpuid_leaves > 10, "{:?}", image.summary);

    let printed = ok("inspect-image", &["--records", &saved.0]);
    assert!(printed.contains("guest: Pvh, 1 virtual CPUs\n"), "{printed}");
    assert!(printed.contains(" HVM_CONTEXT, "), "{printed}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_file_of_ours_with_a_pv_guest_reads_as_xens_verifier_reads_its_stream() {
    let saved = Saved::by_us("our-pv", GuestKind::Pv, false);
    let image = reads_as_the_verifier_says(&saved, PageCount(128 * 256));
    assert_eq!((image.summary.guest, image.summary.passes), (Guest::Pv64, 1));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_file_of_ours_with_a_pvh_guest_reads_as_xens_verifier_reads_its_stream() {
    let saved = Saved::by_us("our-pvh", GuestKind::Pvh, false);
    let image = reads_as_the_verifier_says(&saved, PageCount(192 * 256));
    assert_eq!((image.summary.guest, image.summary.passes), (Guest::Pvh, 1));
    assert_eq!((image.summary.format, &image.description[..]), (Format::Libxc, &b"a guest"[..]));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_file_of_ours_with_a_guest_saved_live_reads_as_xens_verifier_reads_its_stream() {
    let saved = Saved::by_us("our-live", GuestKind::Pvh, true);
    let image = reads_as_the_verifier_says(&saved, PageCount(192 * 256));
    assert_eq!(image.summary.guest, Guest::Pvh);
    // Rounds over all of its memory that nothing but the page numbers shows.
    assert!(image.summary.passes > 1, "{:?}", image.summary);
}

/// Compares line by line, and looks at what is the same for every guest.
fn reads_as_the_verifier_says(saved: &Saved, memory: PageCount) -> Image {
    let mut lines = Lines::default();
    let image = saved.inspect(|event| lines.tell(event)).unwrap();
    let verified = match &image.envelope {
        Some(envelope) => verified("libxc", &saved.0, envelope.stream_at()),
        None => verified("xl", &saved.0, 0),
    };
    assert_eq!(lines.told, verified);
    assert!(lines.told.len() >= 11, "{:?}", lines.told);

    let summary = &image.summary;
    let running = Xc::open().unwrap().version().unwrap();
    assert_eq!(summary.writer, writer(&running.to_string()));
    assert_eq!((summary.version, summary.checkpoints), (3, 0));
    assert_eq!((summary.reserved, summary.passed_over), (0, 0));
    // Most of the guest's memory is in use or was: xl saves all of it.
    assert!(summary.pages.with_contents() > memory.get() * 9 / 10, "{summary:?}");
    assert!(summary.size.get() > summary.contents.get(), "{summary:?}");
    image
}

fn writer(version: &str) -> Writer {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    Writer::Xen { major: numbers.next().unwrap(), minor: numbers.next().unwrap() }
}

/// What Xen's verifier says of what stands in a file from a place on, which it must find in order.
fn verified(format: &str, file: &str, from: u64) -> Vec<String> {
    let libraries = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let xen = libraries.into_iter().find(|path| path.join("bin/verify-stream-v2").exists());
    let xen = xen.expect("dom0 has Xen's verifier");
    let mut input = File::open(file).unwrap();
    input.seek(SeekFrom::Start(from)).unwrap();
    let output = Command::new("timeout")
        .args(["240", "python3"])
        .arg(xen.join("bin/verify-stream-v2"))
        .args(["--verbose", &format!("--format={format}")])
        .env("PYTHONPATH", xen.join("lib/python"))
        .stdin(input)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What was read, in the words of `xen/migration/libxc.py` and `libxl.py` of Xen's Python.
#[derive(Default)]
struct Lines {
    told: Vec<String>,
    pages: u32,
}

impl Lines {
    fn tell(&mut self, event: &Event<'_>) {
        match event {
            Event::Xl(_) => self.told.push("Processed xl header".to_owned()),
            Event::Libxl(_) => self.told.push("Libxl Header: little endian".to_owned()),
            Event::Libxc(header) => self.headers(header),
            Event::Record(record) if record.head.kind == RecordKind::PageData => self.pages += 1,
            Event::Record(record) => self.record(record),
            _ => {}
        }
    }

    fn headers(&mut self, header: &LibxcHeader) {
        let machine = match header.machine {
            Machine::Pv => "x86 PV",
            Machine::Hvm => "x86 HVM",
        };
        let Writer::Xen { major, minor } = header.writer else { panic!("{header:?}") };
        let version = header.version;
        self.told.push(format!("Libxc Image Header: Version {version}, little endian"));
        self.told.push(format!("Domain Header: {machine} from Xen {major}.{minor}"));
    }

    fn record(&mut self, record: &Record) {
        let pages = std::mem::take(&mut self.pages);
        if pages > 0 {
            self.told.push(format!("Squashed {pages} Page Data records together"));
        }
        self.told.push(format!("{}, length {}", name(record.head.kind), record.head.length));
        self.told.extend(details(record));
    }
}

fn name(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::End => "Libxc Record: End",
        RecordKind::PvInfo => "Libxc Record: x86 PV info",
        RecordKind::P2mFrames => "Libxc Record: x86 PV P2M frames",
        RecordKind::VcpuBasic => "Libxc Record: x86 PV vcpu basic",
        RecordKind::VcpuExtended => "Libxc Record: x86 PV vcpu extended",
        RecordKind::VcpuXsave => "Libxc Record: x86 PV vcpu xsave",
        RecordKind::VcpuMsrs => "Libxc Record: x86 PV vcpu msrs",
        RecordKind::SharedInfo => "Libxc Record: Shared info",
        RecordKind::TscInfo => "Libxc Record: TSC info",
        RecordKind::HvmContext => "Libxc Record: HVM context",
        RecordKind::HvmParams => "Libxc Record: HVM params",
        RecordKind::StaticDataEnd => "Libxc Record: Static data end",
        RecordKind::CpuidPolicy => "Libxc Record: x86 CPUID policy",
        RecordKind::MsrPolicy => "Libxc Record: x86 MSR policy",
        RecordKind::LibxcContext => "Libxl Record: Libxc context",
        RecordKind::LibxlEnd => "Libxl Record: End",
        other => panic!("xl writes no {other} for such a guest"),
    }
}

fn details(record: &Record) -> Option<String> {
    match &record.body {
        Body::PvInfo { width, levels } => {
            Some(format!("  {}bit guest, {levels} levels of pagetables", 8 * width))
        }
        Body::P2mFrames { first, last, .. } => {
            Some(format!("  Start pfn {first:#x}, End {last:#x}"))
        }
        Body::Vcpu { vcpu, context } => {
            let (_, part) = name(record.head.kind).rsplit_once(' ').unwrap();
            Some(format!("  vcpu{vcpu} {part} context, {} bytes", context.len()))
        }
        Body::TscInfo(tsc) => Some(format!(
            "  Mode {}, {} kHz, {} ns, incarnation {}",
            tsc.mode.raw(),
            tsc.khz,
            tsc.elapsed.as_nanos(),
            tsc.incarnation
        )),
        _ => None,
    }
}
