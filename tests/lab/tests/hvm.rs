//! HVM guests that `xg` builds on a real Xen, with a device model, held against those of `xl`.
//!
//! The machine of these tests has QEMU in dom0, and Xen logs what firmware says.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod answered;
mod dom0;
mod hvm_guest;

use dom0::{Config, Guest, Leavings, ok};
use hvm_guest::{Hvm, device_models, firmware_log, memory, no_device_model_runs, parameters};
use xc::HvmParam;
use xen_types::{DomId, MiB, PageCount};
use xg::Firmware;
use xs::{Client, Store};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_hvm_guest_runs_its_firmware_and_leaves_nothing() {
    Client::open().unwrap().mkdir(&device_models()).unwrap();
    let before = Leavings::now();
    let mut guest = Hvm::create(1, MiB(128), MiB(128));
    let pool = guest.xc.paging_pool(guest.id).unwrap();
    let built = guest.build();
    // Builders of other toolstacks have lowered it.
    assert_eq!(guest.xc.paging_pool(guest.id).unwrap(), pool);
    guest.introduce(&built, &[]);
    guest.start_device_model();
    guest.xc.unpause(guest.id).unwrap();
    let log = firmware_log(guest.id);
    let said = |line: &str| log.iter().any(|said| said.starts_with(line));
    assert!(said("HVM Loader"), "{log:#?}");
    assert!(said("System requested SeaBIOS"), "{log:#?}");
    assert!(said("SeaBIOS (version 1."), "{log:#?}");
    assert!(said(" - CPU1 ... "), "{log:#?}");
    drop(guest);
    before.assert_unchanged();
    assert!(no_device_model_runs());
}

/// A paused guest of `xl` with the device model of the guests here.
fn by_xl(name: &str) -> Guest {
    let text = "type=\"hvm\"\nmemory=128\nvcpus=2\nvga=\"none\"\nvnc=0\nserial=\"none\"\n\
                shadow_memory=4\n";
    let config = Config::new(name, &format!("name=\"{name}\"\n{text}"));
    ok("xl", &["create", "-p", "-e", config.path()]);
    let id = ok("xl", &["domid", name]).trim().to_owned();
    Guest { name: name.to_owned(), id }
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_hvm_guest_has_the_parameters_and_the_table_that_it_has_under_xl() {
    let xl = by_xl("hvm-of-xl");
    let theirs: DomId = DomId::new(xl.id.parse().unwrap()).unwrap();
    let ours = Hvm::create(2, MiB(128), MiB(128));
    ours.build();
    assert_eq!(parameters(&ours.xc, ours.id), parameters(&ours.xc, theirs));
    assert_eq!(ours.xc.hvm_param(ours.id, HvmParam::STORE_PFN).unwrap(), 0xfeffc);
    let table = |guest| memory(guest, 0x9f, 1)[0x800..0x830].to_vec();
    assert_eq!(&table(ours.id)[..8], b"HVM INFO");
    assert_eq!(table(ours.id), table(theirs));
    let pages = |guest| ours.xc.info(guest).unwrap().current_pages;
    assert_eq!(pages(ours.id), pages(theirs));
}

/// The memory map that SeaBIOS hands on.
fn map_of(log: &[String]) -> Vec<&str> {
    let lines = log.iter().skip_while(|line| !line.starts_with("e820 map has")).skip(1);
    lines.take_while(|line| line.starts_with("  ")).map(|line| line.trim()).collect()
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_hvm_guest_has_the_memory_map_that_it_has_under_xl() {
    let xl = by_xl("hvm-of-xl");
    let theirs: DomId = DomId::new(xl.id.parse().unwrap()).unwrap();
    ok("xl", &["unpause", &xl.id]);
    let of_xl = firmware_log(theirs);
    drop(xl);
    let mut guest = Hvm::create(3, MiB(128), MiB(128));
    let built = guest.build();
    guest.introduce(&built, &[]);
    guest.start_device_model();
    guest.xc.unpause(guest.id).unwrap();
    let ours = firmware_log(guest.id);
    assert!(map_of(&ours).len() > 4, "{ours:#?}");
    assert_eq!(map_of(&ours), map_of(&of_xl));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_an_hvm_guest_does_not_start_with_is_populated_on_demand() {
    let guest = Hvm::create(4, MiB(64), MiB(128));
    guest.build();
    let state = guest.xc.pod_state(guest.id).unwrap();
    // All but the screen's hole waits for the guest to touch it, save what the builder touched.
    assert!(state.outstanding > state.cached, "{state:?}");
    assert!(state.pages < PageCount(0x4000 + 0x40), "{state:?}");
    assert!(state.pages > PageCount(0x4000 - 0x40), "{state:?}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn tables_of_the_toolstack_reach_the_guest() {
    let mut guest = Hvm::create(5, MiB(128), MiB(128));
    guest.config.hvm.acpi = Some(Firmware::from_bytes("SSDT", table()).unwrap());
    guest.config.hvm.smbios = Some(Firmware::from_bytes("board", structure()).unwrap());
    let built = guest.build();
    let (acpi, smbios) = (built.acpi.unwrap(), built.smbios.unwrap());
    assert_eq!((acpi.length, smbios.length), (36, 34));
    let hex = |number: u64| format!("{number:#x}");
    guest.introduce(
        &built,
        &[
            ("hvmloader/acpi/address", hex(acpi.address)),
            ("hvmloader/acpi/length", hex(acpi.length.into())),
            ("hvmloader/smbios/address", hex(smbios.address)),
            ("hvmloader/smbios/length", hex(smbios.length.into())),
        ],
    );
    guest.start_device_model();
    guest.xc.unpause(guest.id).unwrap();
    firmware_log(guest.id);
    let has = |memory: &[u8], what: &[u8]| memory.windows(what.len()).any(|w| w == what);
    assert!(has(&memory(guest.id, 0xfc000, 11), b"LABTABLE"), "no ACPI table");
    assert!(has(&smbios_structures(guest.id), b"Lab Board"), "no SMBIOS structure");
}

/// What the entry point of version 2, which SeaBIOS has put into the last 64 KiB below 1 MiB, leads to
/// (DMTF DSP0134, 5.2.1).
fn smbios_structures(guest: DomId) -> Vec<u8> {
    let bios = memory(guest, 0xf0, 16);
    let is_entry = |at: &[u8]| at.starts_with(b"_SM_") && at[16..].starts_with(b"_DMI_");
    let entry = bios.windows(31).find(|at| is_entry(at)).expect("an entry point");
    let length = u16::from_le_bytes(entry[22..24].try_into().unwrap());
    let address = u32::from_le_bytes(entry[24..28].try_into().unwrap());
    let (first, last) = (address >> 12, (address + u32::from(length) - 1) >> 12);
    memory(guest, first.into(), u64::from(last - first + 1))
}

/// An SSDT without contents.
fn table() -> Vec<u8> {
    let mut table = b"SSDT\x24\0\0\0\x02\0LAB   LABTABLE\x01\0\0\0LAB \x01\0\0\0".to_vec();
    table[9] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    table
}

/// A base board (type 2) after its length.
fn structure() -> Vec<u8> {
    let mut structure = vec![30, 0, 0, 0];
    structure.extend([2, 8, 0, 0, 1, 2, 0, 0]);
    structure.extend(b"Lab Makers\0Lab Board\0\0");
    structure
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_hvm_guest_with_a_larger_hole_has_its_memory_above_four_gib() {
    let mut guest = Hvm::create(6, MiB(300), MiB(300));
    guest.config.hvm.hole = MiB(3840);
    guest.build();
    let table = memory(guest.id, 0x9f, 1)[0x800..0x830].to_vec();
    let number = |at: usize| u32::from_le_bytes(table[at..at + 4].try_into().unwrap());
    assert_eq!((number(20), number(28)), (0x1_0000, 0x10_2c00));
}
