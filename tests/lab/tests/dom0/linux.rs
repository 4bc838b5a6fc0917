//! A Linux guest that does what is typed on its console.

use std::cell::Cell;
use std::process::{Command, Stdio};

use super::{Config, Guest, ok, run, until, xenops};

/// What a guest is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine<'a> {
    /// The word for it in a configuration.
    pub(crate) kind: &'a str,
    /// In MiB.
    pub(crate) memory: u32,
    pub(crate) ramdisk: &'a str,
}

impl<'a> Machine<'a> {
    /// The smallest on which a hello guest of a kind starts.
    pub(crate) fn of(kind: &'a str) -> Self {
        let memory = if kind == "pv" { 128 } else { 192 };
        Self { kind, memory, ramdisk: "/guests/hello.cpio" }
    }
}

/// A hello guest with the word `obey`.
#[derive(Debug)]
pub(crate) struct Linux {
    pub(crate) guest: Guest,
    asked: Cell<u32>,
}

impl Linux {
    /// Boots one with `xenops`, with further lines of TOML.
    ///
    /// QEMU's emulated SVM lets a PVH guest triple-fault now and then at the very start (docs/lab.md):
    /// only one that ended before it said a word is tried again, and told.
    pub(crate) fn boot(name: &str, kind: &str, more: &str) -> Self {
        Self::boot_on(name, &Machine::of(kind), more)
    }

    /// The same on another machine than the usual.
    pub(crate) fn boot_on(name: &str, machine: &Machine<'_>, more: &str) -> Self {
        let config = Config::new(name, &toml(name, machine, more));
        for _ in 0..3 {
            let guest = Guest::create(name, &config);
            let booted = run_console(name);
            if booted.is_some() {
                return Self { guest, asked: Cell::new(0) };
            }
            assert!(ok("xl", &["list", name]).contains("reboot") || machine.kind == "pvh");
            eprintln!("{name}: a triple fault in early boot, tried again");
        }
        panic!("three triple faults in a row are not the emulator's");
    }

    /// One that somebody else has made of [`Linux::config`] and that is up.
    pub(crate) const fn of(guest: Guest) -> Self {
        Self { guest, asked: Cell::new(0) }
    }

    /// The configuration of one.
    pub(crate) fn config(name: &str, kind: &str, more: &str) -> Config {
        Config::new(name, &toml(name, &Machine::of(kind), more))
    }

    pub(crate) fn name(&self) -> &str {
        &self.guest.name
    }

    /// Types a command; what it printed.
    pub(crate) fn ask(&self, command: &str) -> String {
        let number = self.asked.replace(self.asked.get() + 1);
        // What is typed is echoed, so the mark must not stand in it.
        let typed = format!("{command}; echo ENDED-$(({number}))-\n");
        let mark = format!("ENDED-{number}-");
        let console = ["console", self.name(), "--until", &mark, "--timeout", "60"];
        let mut child = Command::new("xenops")
            .args(console)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start xenops");
        // Kept open: the end of the input would end the console.
        let mut input = child.stdin.take().expect("it is piped");
        std::io::Write::write_all(&mut input, typed.as_bytes()).expect("type");
        let output = child.wait_with_output().expect("it ends by itself");
        drop(input);
        let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?} did not end: {text:?} {error}");
        let lines = text.lines().filter(|line| !line.contains("ENDED-"));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Types a command that must succeed; what it printed.
    pub(crate) fn does(&self, command: &str) -> String {
        let text = self.ask(&format!("{command} 2>&1 && echo IT-WORKED"));
        let (said, worked) = text.rsplit_once("IT-WORKED").unwrap_or((&text, "no"));
        assert_ne!(worked, "no", "{command:?} failed in the guest: {text}");
        said.to_owned()
    }

    /// Types a command again and again until it succeeds.
    pub(crate) fn comes_to(&self, command: &str) {
        let yes = format!("{command} >/dev/null 2>&1 && echo IT-WORKED-$((1 + 1))");
        until(command, || self.ask(&yes).contains("IT-WORKED-2"));
    }

    /// The MD5 sum of a file or device in the guest.
    pub(crate) fn md5(&self, path: &str) -> String {
        let text = self.ask(&format!("md5sum {path}"));
        let sum = text.lines().find_map(|line| line.strip_suffix(&format!("  {path}")));
        sum.unwrap_or_else(|| panic!("no sum in {text:?}")).to_owned()
    }
}

/// The MD5 sum of a file in dom0.
pub(crate) fn md5(path: &str) -> String {
    let text = ok("md5sum", &[path]);
    text.split_whitespace().next().expect("it prints one").to_owned()
}

fn toml(name: &str, machine: &Machine<'_>, more: &str) -> String {
    let Machine { kind, memory, ramdisk } = machine;
    format!(
        "name = \"{name}\"\ntype = \"{kind}\"\nkernel = \"/guests/vmlinux\"\n\
         ramdisk = \"{ramdisk}\"\ntsc_mode = \"native\"\nmemory = {memory}\n\
         cmdline = \"console=hvc0 loglevel=1 mitigations=off obey\"\n{more}\n"
    )
}

fn run_console(name: &str) -> Option<()> {
    let ran = xenops(&["console", name, "--until", "HELLO-READY", "--timeout", "100"]);
    match ran.status {
        Some(0) => Some(()),
        _ => {
            let state = run("xenops", &["list", name]).out;
            assert!(state.contains("reboot"), "{ran:?}: {state}");
            None
        }
    }
}
