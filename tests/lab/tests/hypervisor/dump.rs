//! Core dumps of running guests, beside what `xl dump-core` writes.

use std::fs;
use std::path::Path;
use std::process::Command;

use xc::{GuestKind, Kind, Xc};
use xen_types::DomId;
use xg::Xg;

use crate::support::{Domain, Outcome, eventually, open};

/// A guest that `xenops` started and this paused; destroyed at the end of the test.
struct Paused(DomId);

impl Paused {
    fn start(xc: &Xc, config: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let output = Command::new("xenops").args(["create", config]).output()?;
        let id = String::from_utf8(output.stdout)?.trim().parse();
        let guest = Self(id.map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?);
        eventually("the guest waits", || {
            xc.info(guest.0).is_ok_and(|info| info.flags.contains(xc::DomainFlags::BLOCKED))
        });
        xc.pause(guest.0)?;
        Ok(guest)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let _ = Command::new("xenops").args(["destroy", &self.0.to_string()]).status();
    }
}

/// The names of an ELF file's sections.
fn sections(file: &[u8]) -> Option<Vec<String>> {
    let u16_at = |at| Some(usize::from(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?)));
    let u32_at = |at| {
        let word = u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?);
        usize::try_from(word).ok()
    };
    let u64_at = |at| {
        let word = u64::from_le_bytes(file.get(at..at + 8)?.try_into().ok()?);
        usize::try_from(word).ok()
    };
    let (headers, count, names) = (u64_at(0x28)?, u16_at(0x3c)?, u16_at(0x3e)?);
    let names = u64_at(headers + 64 * names + 0x18)?;
    let name = |number| {
        let at = names + u32_at(headers + 64 * number)?;
        let bytes = file.get(at..)?.split(|&byte| byte == 0).next()?;
        String::from_utf8(bytes.to_vec()).ok()
    };
    (1..count).map(name).collect()
}

/// Dumps a paused guest in three ways and compares them.
fn dumped(config: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let xc = open()?;
    let xg = Xg::open(&xc)?;
    let guest = Paused::start(&xc, config)?;
    let (ours, theirs) = (Path::new("/tmp/core.ours"), Path::new("/tmp/core.theirs"));
    xg.dump_core(&xc, guest.0, ours)?;
    let status =
        Command::new("xl").args(["dump-core", &guest.0.to_string()]).arg(theirs).status()?;
    assert!(status.success());
    let mut pieces = Vec::new();
    xg.dump_core_to(&xc, guest.0, &mut pieces)?;
    let file = fs::read(ours)?;
    assert!(file == fs::read(theirs)?, "xl's dump is another");
    assert!(file == pieces, "the pieces are another dump");
    assert_eq!(file[..5], *b"\x7fELF\x02");
    let memory = xc.info(guest.0)?.current_pages.get() * 4096;
    assert!(file.len() as u64 > memory, "{} bytes of {memory}", file.len());
    fs::remove_file(ours)?;
    fs::remove_file(theirs)?;
    Ok(sections(&file).ok_or("no sections")?)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guests_dump_is_the_one_xl_writes() -> Outcome {
    let sections = dumped("/guests/tiny-pv.toml")?;
    assert_eq!(
        sections,
        [".shstrtab", ".note.Xen", ".xen_prstatus", ".xen_shared_info", ".xen_pages", ".xen_p2m"]
    );
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guests_dump_is_the_one_xl_writes() -> Outcome {
    let sections = dumped("/guests/tiny-pvh.toml")?;
    let first = sections.iter().map(String::as_str).take(3).collect::<Vec<_>>();
    assert_eq!(first, [".shstrtab", ".note.Xen", ".xen_prstatus"]);
    assert_eq!(sections.last().map(String::as_str), Some(".xen_pfn"));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_that_is_not_set_up_is_not_dumped() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let xg = Xg::open(&dom.xc)?;
    let without = xg.dump_core(&dom.xc, dom.id, Path::new("/tmp/core.none")).unwrap_err();
    assert_eq!(without.kind(), Kind::Invalid);
    assert!(!Path::new("/tmp/core.none").exists());
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let mut nothing = Vec::new();
    xg.dump_core_to(&dom.xc, dom.id, &mut nothing).unwrap_err();
    assert_eq!(nothing, Vec::<u8>::new());
    let absent = DomId::new(0x7fef).ok_or("reserved")?;
    let gone = xg.dump_core(&dom.xc, absent, Path::new("/tmp/core.none")).unwrap_err();
    assert_eq!(gone.kind(), Kind::NotFound);
    let nowhere = Path::new("/nowhere/core");
    assert_eq!(xg.dump_core(&dom.xc, dom.id, nowhere).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}
