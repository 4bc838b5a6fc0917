//! What attaching and detaching takes, on a real Xen: `xenops`, by system calls and by Xen's scripts,
//! against `xl`.
//!
//! ```text
//! for each round, in shuffled order
//!   attach ──▶ time ──▶ both ends connected ──▶ detach ──▶ time ──▶ nothing left of it
//! ```
//! All take turns with one Linux guest, whose drivers connect and let go. What is waited for between
//! the two is outside of what is measured: neither command waits for the guest to connect.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// A disk or a network interface, by who attaches and detaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A file behind a loop device.
    Vbd,
    /// A port of a bridge.
    Vif,
}

/// Who attaches and detaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugger {
    /// `xenops`, by system calls.
    Native,
    /// `xenops`, with Xen's scripts.
    Scripts,
    /// `xl`.
    Xl,
}

impl Plugger {
    /// How the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Scripts => "scripts",
            Self::Xl => "xl",
        }
    }
}

/// A Linux guest with drivers for disks and network interfaces, destroyed when this is dropped.
#[derive(Debug)]
pub struct Guest {
    id: String,
}

impl Guest {
    /// Creates one and waits until its drivers are loaded.
    ///
    /// # Errors
    /// If there is no such guest within two minutes.
    pub fn boot() -> Result<Self> {
        // By `xl`, which attaches devices to its own domains alone.
        std::fs::write(CONFIG, CFG).with_context(|| format!("write {CONFIG}"))?;
        run(&["xl", "create", CONFIG])?;
        let id = run(&["xl", "domid", NAME])?.trim().to_owned();
        let guest = Self { id };
        run(&["xenops", "console", NAME, "--until", "HELLO-READY", "--timeout", "120"])?;
        Ok(guest)
    }

    /// Attaches a device and detaches it again; how long either took.
    ///
    /// # Errors
    /// If a command fails, or the guest does not connect or let go within 20 s.
    pub fn plug(&self, device: Device, by: Plugger, number: u32) -> Result<[Duration; 2]> {
        let disk = virtual_disk(number).to_string();
        let file = format!("format=raw,vdev={disk},access=rw,target={IMAGE}");
        let (attach, detach): (Vec<&str>, Vec<&str>) = match (device, by) {
            (Device::Vbd, Plugger::Xl) => {
                (vec!["xl", "block-attach", NAME, &file], vec!["xl", "block-detach", NAME, &disk])
            }
            (Device::Vif, Plugger::Xl) => (
                vec!["xl", "network-attach", NAME, "bridge=xenbr0"],
                vec!["xl", "network-detach", NAME, "0"],
            ),
            (Device::Vbd, _) => {
                let disks = ["xenops", "attach", "vbd", NAME, "--target", IMAGE, "--vdev", &disk];
                let detach = vec!["xenops", "detach", "vbd", NAME, &disk, "--timeout", "60"];
                ([&disks[..], &HOW, &[by.name()]].concat(), detach)
            }
            (Device::Vif, _) => {
                let port = ["xenops", "attach", "vif", NAME, "--bridge", "xenbr0"];
                let detach = vec!["xenops", "detach", "vif", NAME, "0", "--timeout", "60"];
                ([&port[..], &HOW, &[by.name()]].concat(), detach)
            }
        };
        let attached = timed(&attach)?;
        let number = if device == Device::Vif { 0 } else { virtual_disk(number) };
        self.connects(device, number)?;
        let detached = timed(&detach)?;
        self.has_gone(device, number)?;
        Ok([attached, detached])
    }

    /// Attaches so many disks of their own files, one after the other; how long each took.
    ///
    /// # Errors
    /// As for [`Guest::plug`].
    pub fn fill(&self, disks: u32, by: Plugger) -> Result<Vec<Duration>> {
        let mut took = Vec::new();
        for number in 0..disks {
            let disk = virtual_disk(number).to_string();
            let image = format!("/tmp/many-{number}.img");
            make_image(&image)?;
            let file = format!("format=raw,vdev={disk},access=rw,target={image}");
            took.push(match by {
                Plugger::Xl => timed(&["xl", "block-attach", NAME, &file])?,
                _ => {
                    let one =
                        ["xenops", "attach", "vbd", NAME, "--target", &image, "--vdev", &disk];
                    timed(&[&one[..], &HOW, &[by.name()]].concat())?
                }
            });
            self.connects(Device::Vbd, virtual_disk(number))?;
        }
        Ok(took)
    }

    fn connects(&self, device: Device, number: u32) -> Result<()> {
        let state = format!("{}/state", self.backend(device, number));
        until("both ends to connect", || {
            let shown = Command::new("xenstore-read").arg(&state).output()?;
            Ok(shown.stdout.starts_with(b"4"))
        })
    }

    /// Until the guest's driver has gone too: it would not look at a next device of the number.
    fn has_gone(&self, device: Device, number: u32) -> Result<()> {
        let backend = self.backend(device, number);
        until("the device to go", || {
            Ok(!Command::new("xenstore-exists").arg(&backend).status()?.success())
        })?;
        thread::sleep(SETTLED);
        Ok(())
    }

    fn backend(&self, device: Device, number: u32) -> String {
        let kind = if device == Device::Vbd { "vbd" } else { "vif" };
        format!("/local/domain/0/backend/{kind}/{}/{number}", self.id)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // A guest that is left behind ends with the lab.
        let _ = Command::new("xenops").args(["destroy", NAME, "--timeout", "120"]).status();
    }
}

/// Makes a file of a disk.
///
/// # Errors
/// If it cannot be written.
pub fn make_image(path: &str) -> Result<()> {
    std::fs::write(path, vec![0; 1 << 20]).with_context(|| format!("write {path}"))
}

/// The number in the store (xen-vbd-interface(7)), of a disk without partitions.
fn virtual_disk(number: u32) -> u32 {
    if number < 16 { 202 << 8 | number << 4 } else { 1 << 28 | number << 8 }
}

fn timed(command: &[&str]) -> Result<Duration> {
    let start = Instant::now();
    run(command)?;
    Ok(start.elapsed())
}

fn run(command: &[&str]) -> Result<String> {
    let (program, rest) = command.split_first().context("a command has a name")?;
    let ran =
        Command::new(program).args(rest).output().with_context(|| format!("run {program}"))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{}: {}", command.join(" "), said.trim());
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

fn until(what: &str, mut yes: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !yes()? {
        ensure!(start.elapsed() < PATIENCE, "waited for {what}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The disk that is attached again and again.
pub const IMAGE: &str = "/tmp/plugged.img";
const NAME: &str = "plugged";
const CONFIG: &str = "/tmp/plugged.cfg";
const HOW: [&str; 3] = ["--timeout", "110", "--hotplug"];
const PATIENCE: Duration = Duration::from_secs(20);
const SETTLED: Duration = Duration::from_millis(300);
const CFG: &str = "name=\"plugged\"\ntype=\"pv\"\nkernel=\"/guests/vmlinux\"\n\
                   ramdisk=\"/guests/hello.cpio\"\ntsc_mode=\"native\"\nmemory=512\n\
                   extra=\"console=hvc0 loglevel=1 mitigations=off\"\n";
