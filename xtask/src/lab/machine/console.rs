//! The serial log, read while QEMU writes it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::failure::Cause;

#[derive(Debug)]
pub(crate) struct Console {
    path: PathBuf,
    file: Option<File>,
    lines: Lines,
}

impl Console {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, lines: Lines::default() }
    }

    /// Ignores what is in the log so far.
    pub(super) fn skip_to_the_end(&mut self) -> io::Result<()> {
        if let Some(file) = self.file()? {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(())
    }

    /// Reads what is new, and says if it is the end of the machine.
    pub(super) fn look(&mut self) -> io::Result<Option<Cause>> {
        let Some(file) = self.file()? else { return Ok(None) };
        let mut new = Vec::new();
        file.read_to_end(&mut new)?;
        Ok(self.lines.push(&new))
    }

    /// What the log says of `cause` now that it is complete.
    pub(super) fn whole_story(&mut self, cause: Cause) -> Cause {
        // An unreadable log leaves what is known.
        let _ = self.look();
        match cause {
            Cause::XenPanic(_) | Cause::Dom0Panic(_) => self.lines.found.clone().unwrap_or(cause),
            _ => cause,
        }
    }

    /// How many guests have triple-faulted by now.
    pub(crate) fn triple_faults(&mut self) -> io::Result<usize> {
        self.look()?;
        Ok(self.lines.triple_faults)
    }

    fn file(&mut self) -> io::Result<Option<&mut File>> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(self.file.as_mut())
    }
}

/// The last `count` lines of a log.
pub(super) fn tail(log: &Path, count: usize) -> String {
    match fs::read(log) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<_> = text.lines().map(str::trim_end).collect();
            lines[lines.len().saturating_sub(count)..].join("\n")
        }
        Err(error) => format!("(unreadable: {error})"),
    }
}

/// Cuts the log into lines and knows the words that end a machine.
#[derive(Debug, Default)]
struct Lines {
    unfinished: Vec<u8>,
    found: Option<Cause>,
    triple_faults: usize,
    /// Xen prints the reason of a panic on the line after `Panic on CPU`
    /// (xen/drivers/char/console.c, 4.17).
    reason_follows: bool,
}

impl Lines {
    /// Takes new bytes; returns the first cause of death, once.
    fn push(&mut self, bytes: &[u8]) -> Option<Cause> {
        let known = self.found.is_some();
        self.unfinished.extend_from_slice(bytes);
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            self.line(String::from_utf8_lossy(&line).trim_end());
        }
        if known { None } else { self.found.clone() }
    }

    fn line(&mut self, line: &str) {
        // What a guest says is not about this machine.
        if line.starts_with("(d") {
            return;
        }
        let words = line.strip_prefix("(XEN) ").unwrap_or(line);
        // hvm_triple_fault, xen/arch/x86/hvm/hvm.c
        self.triple_faults += usize::from(words.contains(" Triple fault - "));
        if let (true, Some(Cause::XenPanic(said))) = (self.reason_follows, &mut self.found) {
            said.push(' ');
            said.push_str(words);
            self.reason_follows = false;
        }
        if self.found.is_some() {
            return;
        }
        self.reason_follows = words.starts_with("Panic on CPU");
        self.found = if words.starts_with("Panic on CPU") || words.starts_with("Xen BUG at") {
            Some(Cause::XenPanic(words.into()))
        } else if line.contains("Kernel panic - not syncing") || words.contains("Dom0 crashed") {
            Some(Cause::Dom0Panic(words.into()))
        } else {
            line.find("LAB-FAILED").map(|at| Cause::InitFailed(line[at..].into()))
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hypervisor_panic_is_told_with_its_reason() {
        let mut lines = Lines::default();
        lines.push(b"(XEN) ****************************************\r\n(XEN) Panic on CPU 1:\r\n");
        lines.push(b"(XEN) FATAL TRAP: vector = 2 (NMI)\r\n");
        let story = "Panic on CPU 1: FATAL TRAP: vector = 2 (NMI)";
        assert_eq!(lines.found, Some(Cause::XenPanic(story.into())));
    }

    #[test]
    fn a_line_is_read_when_it_is_whole() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"[    9.1] Kernel panic - not syn"), None);
        let panic = "[    9.1] Kernel panic - not syncing: sysrq";
        assert_eq!(lines.push(b"cing: sysrq\r\n"), Some(Cause::Dom0Panic(panic.into())));
    }

    #[test]
    fn the_first_cause_counts() {
        let mut lines = Lines::default();
        lines.push(b"Kernel panic - not syncing: a\n(XEN) Hardware Dom0 crashed: rebooting\n");
        assert_eq!(lines.found, Some(Cause::Dom0Panic("Kernel panic - not syncing: a".into())));
    }

    #[test]
    fn a_panic_of_a_guest_is_no_panic_of_the_machine() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"(d7) Kernel panic - not syncing: guest\n"), None);
    }

    #[test]
    fn guests_that_triple_fault_are_counted() {
        let mut lines = Lines::default();
        lines.push(b"(XEN) d654v0 Triple fault - invoking HVM shutdown action 1\r\n");
        assert_eq!(lines.push(b"(d7) a Triple fault - says the guest\n"), None);
        assert_eq!(lines.triple_faults, 1);
    }

    #[test]
    fn init_says_what_failed() {
        let mut lines = Lines::default();
        let cause = lines.push(b"LAB-FAILED xenstored\n");
        assert_eq!(cause, Some(Cause::InitFailed("LAB-FAILED xenstored".into())));
    }
}
