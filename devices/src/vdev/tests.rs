use super::*;

fn number(text: &str) -> Result<u32, InvalidVdev> {
    text.parse().map(Vdev::number)
}

fn name(number: u32) -> String {
    Vdev::new(number).unwrap().to_string()
}

/// xen-api, `device_number_test.ml`, and xen-vbd-interface(7).
#[test]
fn names_stand_for_the_numbers_of_the_interface() {
    assert_eq!(number("xvda"), Ok(51712));
    assert_eq!(number("xvda1"), Ok(51713));
    assert_eq!(number("xvdp15"), Ok(51967));
    assert_eq!(number("hda"), Ok(768));
    assert_eq!(number("hda1"), Ok(769));
    assert_eq!(number("hdb63"), Ok(895));
    assert_eq!(number("hdc2"), Ok(5634));
    assert_eq!(number("hdd"), Ok(5696));
    assert_eq!(number("sda"), Ok(2048));
    assert_eq!(number("sda1"), Ok(2049));
    assert_eq!(number("sdb3"), Ok(2067));
    assert_eq!(number("sdp15"), Ok(2303));
}

#[test]
fn disks_that_do_not_fit_the_old_numbers_get_extended_ones() {
    assert_eq!(number("xvda16"), Ok(0x1000_0010));
    assert_eq!(number("xvdq"), Ok(0x1000_1000));
    assert_eq!(number("xvdaa"), Ok(268_442_112));
    assert_eq!(number("xvdtq37"), Ok(0x1002_1825));
    assert_eq!(number("d1048575p255"), Ok(0x1fff_ffff));
}

#[test]
fn linux_numbers_of_further_ide_disks_are_understood() {
    assert_eq!(number("hde"), Ok(8448));
    assert_eq!(number("hdf"), Ok(8512));
    assert_eq!(number("hdg"), Ok(8704));
    assert_eq!(number("hdh"), Ok(8768));
    assert_eq!(number("hdi"), Ok(14336));
    assert_eq!(number("hdp"), Ok(22848));
    assert_eq!(number("hdt"), Ok(23360));
    assert_eq!(name(22848), "hdp");
}

#[test]
fn places_are_names_of_disks_for_pv_drivers() {
    assert_eq!(number("d0"), number("xvda"));
    assert_eq!(number("d0p0"), number("xvda"));
    assert_eq!(number("d1p2"), number("xvdb2"));
    assert_eq!(number("d536p37"), number("xvdtq37"));
}

#[test]
fn numbers_are_read_as_c_reads_them() {
    assert_eq!(number("51712"), Ok(51712));
    assert_eq!(number("0xca00"), Ok(51712));
    assert_eq!(number("0XCA00"), Ok(51712));
    assert_eq!(number("0145000"), Ok(51712));
    assert_eq!(number("0"), Ok(0));
    assert_eq!(number("2147483647"), Ok(2_147_483_647));
}

#[test]
fn what_is_no_disk_is_refused() {
    assert_eq!(number(""), Err(InvalidVdev::Form));
    assert_eq!(number("xvd"), Err(InvalidVdev::Form));
    assert_eq!(number("xvd1"), Err(InvalidVdev::Form));
    assert_eq!(number("xvda01"), Err(InvalidVdev::Form));
    assert_eq!(number("xvda1b"), Err(InvalidVdev::Form));
    assert_eq!(number("xvdA"), Err(InvalidVdev::Form));
    assert_eq!(number("vda"), Err(InvalidVdev::Form));
    assert_eq!(number("d"), Err(InvalidVdev::Form));
    assert_eq!(number("dp1"), Err(InvalidVdev::Form));
    assert_eq!(number("d0p"), Err(InvalidVdev::Form));
    assert_eq!(number("d0p0q"), Err(InvalidVdev::Form));
    assert_eq!(number("d-1"), Err(InvalidVdev::Form));
    assert_eq!(number("+1"), Err(InvalidVdev::Form));
    assert_eq!(number("0x"), Err(InvalidVdev::Form));
    assert_eq!(number("08"), Err(InvalidVdev::Form));
}

#[test]
fn disks_and_partitions_have_bounds() {
    assert_eq!(number("d1048576"), Err(InvalidVdev::OutOfRange));
    assert_eq!(number("xvda256"), Err(InvalidVdev::OutOfRange));
    assert_eq!(number("sdq"), Err(InvalidVdev::OutOfRange));
    assert_eq!(number("sda16"), Err(InvalidVdev::OutOfRange));
    assert_eq!(number("hdu"), Err(InvalidVdev::OutOfRange));
    assert_eq!(number("hda64"), Err(InvalidVdev::OutOfRange));
    assert_eq!(number("xvdzzzzzzzz"), Err(InvalidVdev::OutOfRange));
    assert_eq!(number("2147483648"), Err(InvalidVdev::OutOfRange));
    assert_eq!(number("99999999999"), Err(InvalidVdev::OutOfRange));
}

#[test]
fn a_number_that_no_name_stands_for_stays_a_number() {
    assert_eq!(name(0x1000_0000), "268435456"); // disk 0 in the extended form, which is xvda's place
    assert_eq!(name(0x2000_0000), "536870912");
    assert_eq!(name(42), "42");
    assert_eq!(name((3 << 8) | 128), "896"); // hda has 64 numbers, hdb the next
}

#[test]
fn a_number_says_its_place() {
    let place = |number| Vdev::new(number).unwrap().place();
    assert_eq!(place(5634), Some(Place { bus: Bus::Ide, disk: 2, partition: 2 }));
    assert_eq!(place(0x1000_0000), Some(Place { bus: Bus::Xen, disk: 0, partition: 0 }));
    assert_eq!(place(42), None);
}
