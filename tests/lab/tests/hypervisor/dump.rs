//! Core dumps of running guests, beside what `xl dump-core` writes. Of PV guests alone: for HVM and
//! PVH libxenguest tries to map each of the frames below 4 GiB, a million, which takes many minutes here.

use std::error::Error as _;
use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use xc::{GuestKind, Kind};
use xen_types::DomId;
use xg::Xg;

use crate::support::{Domain, Outcome, open};

/// A guest that `xenops` started, destroyed at the end of the test.
struct Started(DomId);

impl Started {
    fn new(config: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let output = Command::new("xenops").args(["create", config]).output()?;
        let id = String::from_utf8(output.stdout)?.trim().parse();
        Ok(Self(id.map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = Command::new("xenops").args(["destroy", &self.0.to_string()]).status();
    }
}

/// The names of an ELF file's sections, and where they are.
fn sections(file: &[u8]) -> Option<Vec<(String, Range<usize>)>> {
    let number = |at: usize, bytes: usize| {
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(file.get(at..at + bytes)?);
        usize::try_from(u64::from_le_bytes(number)).ok()
    };
    let (headers, count, names) = (number(0x28, 8)?, number(0x3c, 2)?, number(0x3e, 2)?);
    let names = number(headers + 64 * names + 0x18, 8)?;
    let section = |index| {
        let header = headers + 64 * index;
        let name = file.get(names + number(header, 4)?..)?.split(|&byte| byte == 0).next()?;
        let (start, size) = (number(header + 0x18, 8)?, number(header + 0x20, 8)?);
        Some((String::from_utf8(name.to_vec()).ok()?, start..start + size))
    };
    (1..count).map(section).collect()
}

/// Xen goes on telling the time to a paused domain, in its shared info.
fn without_time(mut file: Vec<u8>) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let sections = sections(&file).ok_or("no sections")?;
    let shared_info = sections.into_iter().find(|(name, _)| name == ".xen_shared_info");
    file[shared_info.ok_or("no shared info")?.1].fill(0);
    Ok(file)
}

/// Where two dumps differ first, with what is there.
fn difference(one: &[u8], other: &[u8]) -> Option<(usize, Vec<u8>, Vec<u8>)> {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let from = |dump: &[u8]| dump[same..].iter().copied().take(16).collect::<Vec<u8>>();
    (one != other).then(|| (same, from(one), from(other)))
}

/// Takes the first 16 MiB of a dump, if they are equal to these bytes, and is full then.
struct Full<'a>(&'a [u8], usize);

impl Write for Full<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1 >= 16 << 20 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // All but the shared info, which is the one piece of a page.
        let same = bytes.len() == 4096 || bytes == &self.0[self.1..][..bytes.len()];
        assert!(same, "{} bytes at {}", bytes.len(), self.1);
        self.1 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a file, which is gone then: dom0's memory holds files as well.
fn taken(file: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::read(file)?;
    fs::remove_file(file)?;
    Ok(bytes)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guests_dump_is_the_one_xl_writes() -> Outcome {
    let xc = open()?;
    let xg = Xg::open(&xc)?;
    let guest = Started::new("/guests/hello-pv.toml")?;
    let until = ["console", "hello-pv", "--until", "HELLO-READY", "--timeout", "120"];
    assert!(Command::new("xenops").args(until).status()?.success());
    xc.pause(guest.0)?;
    let file = Path::new("/tmp/core");
    xg.dump_core(guest.0, file)?;
    let ours = taken(file)?;
    let id = guest.0.to_string();
    assert!(Command::new("xl").args(["dump-core", &id]).arg(file).status()?.success());
    let names: Vec<_> = sections(&ours).ok_or("no sections")?.into_iter().map(|s| s.0).collect();
    assert_eq!(
        names,
        [".shstrtab", ".note.Xen", ".xen_prstatus", ".xen_shared_info", ".xen_pages", ".xen_p2m"]
    );
    let ours = without_time(ours)?;
    assert_eq!(difference(&ours, &without_time(taken(file)?)?), None);
    let mut full = Full(&ours, 0);
    let error = xg.dump_core_to(guest.0, &mut full).unwrap_err();
    assert_eq!(error.to_string(), format!("write the core dump of domain {id}"));
    assert!((16 << 20..ours.len()).contains(&full.1), "{} of {} bytes", full.1, ours.len());

    assert_eq!(ours[..5], *b"\x7fELF\x02");
    let memory = xc.info(guest.0)?.current_pages.get() * 4096;
    assert!(ours.len() as u64 > memory, "{} bytes of {memory}", ours.len());
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_that_publishes_no_map_of_its_memory_is_not_dumped() -> Outcome {
    let xc = open()?;
    let guest = Started::new("/guests/tiny-pv.toml")?;
    let error = Xg::open(&xc)?.dump_core(guest.0, Path::new("/tmp/core")).unwrap_err();
    fs::remove_file("/tmp/core")?;
    let cause = error.source().ok_or("no cause")?.to_string();
    assert!(cause.contains("p2m_size < nr_pages"), "{cause}");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_that_is_not_set_up_is_not_dumped() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let xg = Xg::open(&dom.xc)?;
    let without = xg.dump_core(dom.id, Path::new("/tmp/core.none")).unwrap_err();
    assert_eq!(without.kind(), Kind::Invalid);
    assert!(!Path::new("/tmp/core.none").exists());
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let mut nothing = Vec::new();
    xg.dump_core_to(dom.id, &mut nothing).unwrap_err();
    assert_eq!(nothing, Vec::<u8>::new());
    let absent = DomId::new(0x7fef).ok_or("reserved")?;
    let gone = xg.dump_core(absent, Path::new("/tmp/core.none")).unwrap_err();
    assert_eq!(gone.kind(), Kind::NotFound);
    let nowhere = Path::new("/nowhere/core");
    assert_eq!(xg.dump_core(dom.id, nowhere).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}
