//! The ACPI tables of a PVH guest, as few as Linux needs to find its CPUs and its timer.
//!
//! ```text
//! RSDP --> XSDT --> FADT --> DSDT: one processor object per virtual CPU
//!               \-> MADT: one local APIC per virtual CPU
//! ```
//!
//! Without a MADT Linux does not install its Xen timer (observed with 6.1:
//! `native_smp_prepare_cpus` returns early). The machine is declared hardware-reduced: a PVH guest
//! has none of the ports that the full FADT describes. Layouts: ACPI 6.5, chapter 5.2.

mod dsdt;

/// Where the tables go: the start of the hole, `ACPI_INFO_PHYSICAL_ADDRESS` of Xen's
/// `tools/libacpi`. The RSDP comes first, so this is also what the start info points to.
pub(crate) const ADDRESS: u64 = crate::layout::Layout::PVH_HOLE_START;

/// A local APIC id has 8 bits and is twice the number of the virtual CPU
/// (`vlapic_reset`, `xen/arch/x86/hvm/vlapic.c`, and libxl's MADT, 4.17 and 4.20).
pub(crate) const MOST_VCPUS: u8 = 128;

/// The tables of a guest with `vcpus` virtual CPUs, at most [`MOST_VCPUS`], of which the first
/// `online` can be used, to stand at [`ADDRESS`].
pub(crate) fn tables(vcpus: u8, online: u8) -> Vec<u8> {
    let vcpus = (0..vcpus.min(MOST_VCPUS)).map(|vcpu| vcpu < online);
    let dsdt = table(b"DSDT", 2, &dsdt::processors(vcpus.clone()));
    let madt = table(b"APIC", 4, &madt(vcpus));
    let dsdt_at = ADDRESS + RSDP_ROOM;
    let fadt_at = align(dsdt_at + dsdt.len() as u64);
    let fadt = table(b"FACP", 5, &fadt(dsdt_at));
    let madt_at = align(fadt_at + fadt.len() as u64);
    let xsdt_at = align(madt_at + madt.len() as u64);
    let xsdt = table(b"XSDT", 1, &[fadt_at, madt_at].map(u64::to_le_bytes).concat());

    let mut image = rsdp(xsdt_at);
    for (at, table) in [(dsdt_at, dsdt), (fadt_at, fadt), (madt_at, madt), (xsdt_at, xsdt)] {
        // The addresses were counted up from ADDRESS above.
        image.resize((at - ADDRESS) as usize, 0);
        image.extend(table);
    }
    image
}

fn rsdp(xsdt_at: u64) -> Vec<u8> {
    let mut rsdp = b"RSD PTR \0".to_vec();
    rsdp.extend(OEM);
    rsdp.push(2); // revision: there is an XSDT
    rsdp.extend(0_u32.to_le_bytes()); // no RSDT
    rsdp.extend(36_u32.to_le_bytes());
    rsdp.extend(xsdt_at.to_le_bytes());
    rsdp.extend([0; 4]); // second checksum, reserved
    rsdp[8] = checksum(&rsdp[..20]);
    rsdp[32] = checksum(&rsdp);
    rsdp
}

/// What follows the header in revision 5, 232 bytes.
fn fadt(dsdt_at: u64) -> Vec<u8> {
    let mut body = vec![0; 232];
    let mut put = |at: usize, value: &[u8]| body[at - 36..][..value.len()].copy_from_slice(value);
    put(109, &(NO_VGA | NO_CMOS_CLOCK).to_le_bytes());
    put(112, &(WBINVD | NO_POWER_BUTTON | NO_SLEEP_BUTTON | HARDWARE_REDUCED).to_le_bytes());
    put(140, &dsdt_at.to_le_bytes());
    body
}

fn madt(vcpus: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut body = [LOCAL_APIC_ADDRESS, 0].map(u32::to_le_bytes).concat();
    for (vcpu, online) in (0..MOST_VCPUS).zip(vcpus) {
        body.extend([0, 8, vcpu, 2 * vcpu]); // local APIC, length, processor, id
        body.extend(u32::from(online).to_le_bytes()); // enabled
    }
    body
}

fn table(signature: &[u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(36 + body.len()).expect("at most 4 to 5 KiB, of 128 processors");
    let mut table = signature.to_vec();
    table.extend(length.to_le_bytes());
    table.extend([revision, 0]);
    table.extend(OEM);
    table.extend(b"PVH     ");
    table.extend(1_u32.to_le_bytes());
    table.extend(b"xg  ");
    table.extend(1_u32.to_le_bytes());
    table.extend(body);
    table[9] = checksum(&table);
    table
}

/// What makes the sum of the bytes zero, if the checksum's own byte is.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

fn align(at: u64) -> u64 {
    at.next_multiple_of(16)
}

const OEM: &[u8; 6] = b"Xen   ";
const RSDP_ROOM: u64 = 64;
const LOCAL_APIC_ADDRESS: u32 = 0xFEE0_0000;
/// `IAPC_BOOT_ARCH` of the FADT.
const NO_VGA: u16 = 1 << 2;
const NO_CMOS_CLOCK: u16 = 1 << 5;
/// Flags of the FADT.
const WBINVD: u32 = 1 << 0;
const NO_POWER_BUTTON: u32 = 1 << 4;
const NO_SLEEP_BUTTON: u32 = 1 << 5;
const HARDWARE_REDUCED: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of `image` at a guest address.
    fn at(image: &[u8], address: u64) -> &[u8] {
        &image[(address - ADDRESS) as usize..]
    }

    fn u32_at(bytes: &[u8], offset: usize) -> u32 {
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
    }

    fn u64_at(bytes: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
    }

    /// A table whose checksum holds, found by its address.
    fn found(image: &[u8], address: u64) -> &[u8] {
        let rest = at(image, address);
        let table = &rest[..u32_at(rest, 4) as usize];
        assert_eq!(checksum(table), 0, "checksum of {:?}", &table[..4]);
        table
    }

    #[test]
    fn every_table_is_found_from_the_rsdp_with_a_good_checksum() {
        let image = tables(2, 2);
        assert_eq!(&image[..8], b"RSD PTR ");
        assert_eq!((checksum(&image[..20]), checksum(&image[..36])), (0, 0));
        let xsdt = found(&image, u64_at(&image, 24));
        let fadt = found(&image, u64_at(xsdt, 36));
        let madt = found(&image, u64_at(xsdt, 44));
        let dsdt = found(&image, u64_at(fadt, 140));
        assert_eq!(
            [&xsdt[..4], &fadt[..4], &madt[..4], &dsdt[..4]],
            [b"XSDT", b"FACP", b"APIC", b"DSDT"]
        );
        assert_eq!([xsdt.len(), fadt.len(), madt.len(), dsdt.len()], [52, 268, 60, 116]);
    }

    #[test]
    fn local_apic_ids_are_twice_the_processors_number() {
        let madt = table(b"APIC", 4, &madt([true, false].into_iter()));
        assert_eq!(madt[44..], [0, 8, 0, 0, 1, 0, 0, 0, 0, 8, 1, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn a_processor_that_is_not_online_is_in_both_tables() {
        let (all, some) = (tables(3, 3), tables(3, 2));
        assert_eq!(all.len(), some.len());
        // The checksums of the two tables, the state of the object and the flag of the entry.
        assert_eq!(all.iter().zip(&some).filter(|(a, b)| a != b).count(), 4);
    }

    #[test]
    fn the_machine_is_hardware_reduced() {
        let fadt = table(b"FACP", 5, &fadt(0));
        assert_eq!(u32_at(&fadt, 112) >> 20, 1);
    }

    /// XSA-464: there a guest found what libxl's memory happened to hold.
    #[test]
    fn what_is_between_the_tables_is_zero() {
        let image = tables(2, 2);
        let xsdt_at = u64_at(&image, 24);
        let xsdt = found(&image, xsdt_at);
        let [fadt_at, madt_at] = [36, 44].map(|entry| u64_at(xsdt, entry));
        let dsdt_at = u64_at(found(&image, fadt_at), 140);
        let mut rest = image.clone();
        rest[..36].fill(0);
        for table_at in [xsdt_at, fadt_at, madt_at, dsdt_at] {
            let start = (table_at - ADDRESS) as usize;
            rest[start..start + found(&image, table_at).len()].fill(0);
        }
        assert_eq!(rest, vec![0; image.len()]);
    }

    #[test]
    fn the_tables_of_the_largest_guest_fit_two_pages() {
        assert!(tables(MOST_VCPUS, MOST_VCPUS).len() <= 2 * 4096);
    }
}
