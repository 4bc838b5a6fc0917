use std::error::Error as _;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use xen_types::Kind;

use super::*;

/// Frames 0x10 to 0x1f of domain 7, but for 0x13, which is paged out, and 0x15, which is missing.
#[derive(Debug)]
struct Machine {
    memory: OwnedFd,
    asked: Mutex<Vec<String>>,
}

impl ForeignDevice for Machine {
    fn map_frames(
        &self,
        domid: u16,
        frames: &[u64],
        writable: bool,
    ) -> Result<MappedFrames, Errno> {
        if domid != 7 {
            return Err(Errno::SRCH);
        }
        let first = frames.first().ok_or(Errno::INVAL)? - 0x10;
        let mapping = Mapping::new(self.memory.as_fd(), first * 4096, frames.len(), writable)?;
        let failure = |frame: &u64| match frame {
            0x13 => Errno::NOENT.raw_os_error(),
            0x15 => Errno::INVAL.raw_os_error(),
            _ => 0,
        };
        Ok(MappedFrames { mapping, failures: frames.iter().map(failure).collect() })
    }
    fn map_resource(
        &self,
        resource: ResourceOf,
        first: u32,
        pages: usize,
        writable: bool,
    ) -> Result<Mapping, Errno> {
        let ResourceOf { domid, kind, id } = resource;
        self.asked.lock().unwrap().push(format!("{domid} {kind} {id} {first}"));
        Mapping::new(self.memory.as_fd(), 0, pages, writable)
    }
    fn resource_size(&self, _: ResourceOf) -> Result<u64, Errno> {
        Ok(64)
    }
    fn restrict(&self, _: u16) -> Result<(), Errno> {
        Ok(())
    }
}

fn machine() -> (ForeignMemory, Arc<Machine>) {
    let memory = memfd_create("machine", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&memory, 16 * 4096).unwrap();
    let machine = Arc::new(Machine { memory, asked: Mutex::default() });
    (ForeignMemory::with_device(machine.clone()), machine)
}

fn guest() -> DomId {
    DomId::new(7).unwrap()
}

fn frames(numbers: std::ops::Range<u64>) -> Vec<Gfn> {
    numbers.map(Gfn).collect()
}

#[test]
fn frames_lie_next_to_each_other() {
    let (foreign, _) = machine();
    let pages = foreign.map(guest(), &frames(0x10..0x12), Access::Write).unwrap();
    pages.write(4094, b"over").unwrap();
    let second = foreign.map(guest(), &frames(0x11..0x12), Access::Read).unwrap();
    let mut seen = [0; 2];
    second.read(0, &mut seen).unwrap();
    assert_eq!(&seen, b"er");
}

#[test]
fn one_frame_that_fails_fails_the_mapping_and_is_named() {
    let (foreign, _) = machine();
    let error = foreign.map(guest(), &frames(0x14..0x17), Access::Read).unwrap_err();
    let missing = FrameFailure { index: 1, gfn: Gfn(0x15), errno: Errno::INVAL };
    assert_eq!(error.failed_frames(), [missing]);
    assert_eq!((error.kind(), error.to_string()), (Kind::Invalid, "domain 7: map 3 frames".into()));
    assert_eq!(error.source().unwrap().to_string(), "gfn 0x15: Invalid argument (os error 22)");
    let error = foreign.map(guest(), &frames(0x13..0x14), Access::Read).unwrap_err();
    assert_eq!(error.kind(), Kind::Again);
}

#[test]
fn a_frame_left_out_is_never_touched() {
    let (foreign, _) = machine();
    let pages = foreign.map_present(guest(), &frames(0x12..0x16), Access::Write).unwrap();
    let left_out: Vec<_> = pages.failures().iter().map(|failure| failure.gfn).collect();
    assert_eq!(left_out, [Gfn(0x13), Gfn(0x15)]);
    let of_the_first = |error: Error| error.failed_frames()[0].gfn;
    assert_eq!(of_the_first(pages.load_u8(4096).unwrap_err()), Gfn(0x13));
    assert_eq!(of_the_first(pages.write(4095, b"xy").unwrap_err()), Gfn(0x13));
    assert_eq!(of_the_first(pages.read(8192, &mut [0; 8192]).unwrap_err()), Gfn(0x15));
    assert_eq!(of_the_first(pages.store_u32(16380, 1).unwrap_err()), Gfn(0x15));
    pages.store_u32(8192, 1).unwrap();
    pages.write(4095, b"x").unwrap();
    pages.read(8192, &mut [0; 4096]).unwrap();
}

#[test]
fn resources_have_the_numbers_of_the_header() {
    let (foreign, machine) = machine();
    let map = |resource, first| foreign.map_resource(guest(), resource, first, 1, Access::Read);
    map(Resource::GrantTable, 3).unwrap();
    map(Resource::GrantStatus, 0).unwrap();
    map(Resource::IoreqServer(5), 1).unwrap();
    map(Resource::VmTrace(2), 0).unwrap();
    assert_eq!(*machine.asked.lock().unwrap(), ["7 1 0 3", "7 1 1 0", "7 0 5 1", "7 2 2 0"]);
}

#[test]
fn absurd_numbers_of_frames_are_refused() {
    let (foreign, _) = machine();
    assert_eq!(foreign.map(guest(), &[], Access::Read).unwrap_err().kind(), Kind::Invalid);
    let many = frames(0..(ForeignMemory::MOST_FRAMES as u64 + 1));
    assert_eq!(foreign.map(guest(), &many, Access::Read).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn a_domain_that_is_gone_is_not_found() {
    let (foreign, _) = machine();
    let error = foreign.map(DomId::DOM0, &frames(0x10..0x11), Access::Read).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}
