//! The processor objects of the DSDT, in AML (ACPI 6.5, chapter 20).
//!
//! ```text
//! Scope (\_SB) {
//!     Device (PR00) { Name (_HID, "ACPI0007")  Name (_UID, 0)  Name (_STA, 15) }
//!     Device (PR01) { ... }
//! }
//! ```
//!
//! `_UID` is the number under which the MADT has the processor's local APIC. libxl's processors
//! have the same names and numbers (`mk_dsdt.c`), and methods that look into the MADT, for changes
//! while the guest runs; a PVH guest is never told of such changes by ACPI.

/// What follows the header, for processors that are online or not.
pub(super) fn processors(online: impl IntoIterator<Item = bool>) -> Vec<u8> {
    let processors = (0..=u8::MAX).zip(online);
    let devices = processors.flat_map(|(number, online)| device(number, online));
    let mut content = br"\_SB_".to_vec();
    content.extend(devices);
    [&[SCOPE][..], &package(&content)].concat()
}

fn device(number: u8, online: bool) -> Vec<u8> {
    let mut content = format!("PR{number:02X}").into_bytes();
    content.extend(named(b"_HID", b"\x0dACPI0007\0")); // a string
    content.extend(named(b"_UID", &[BYTE, number]));
    content.extend(named(b"_STA", &[BYTE, if online { PRESENT } else { 0 }]));
    [&DEVICE[..], &package(&content)].concat()
}

fn named(name: &[u8; 4], value: &[u8]) -> Vec<u8> {
    [&[NAME][..], name, value].concat()
}

/// A length of content and itself, and the content. It has 6 bits in one byte, or 4 in the first
/// and 8 in each of the others, whose number stands in the two highest of the first.
fn package(content: &[u8]) -> Vec<u8> {
    let with = |own: usize| own + content.len();
    let mut package = match (with(1), with(2), with(3)) {
        (length @ ..64, _, _) => vec![length as u8],
        (_, length @ ..0x1000, _) => vec![0x40 | (length & 15) as u8, (length >> 4) as u8],
        (_, _, length) => {
            vec![0x80 | (length & 15) as u8, (length >> 4) as u8, (length >> 12) as u8]
        }
    };
    package.extend(content);
    package
}

const NAME: u8 = 0x08;
const BYTE: u8 = 0x0A;
const SCOPE: u8 = 0x10;
const DEVICE: [u8; 2] = [0x5B, 0x82];
/// `_STA`: present, enabled, shown and working.
const PRESENT: u8 = 0x0F;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_has_its_number_and_its_state() {
        assert_eq!(
            processors([true, false]),
            b"\x10\x4f\x04\\_SB_\
              \x5b\x82\x22PR00\x08_HID\x0dACPI0007\0\x08_UID\x0a\x00\x08_STA\x0a\x0f\
              \x5b\x82\x22PR01\x08_HID\x0dACPI0007\0\x08_UID\x0a\x01\x08_STA\x0a\x00"
        );
    }

    #[test]
    fn a_length_counts_itself() {
        assert_eq!(package(&[0; 62])[..1], [63]);
        assert_eq!(package(&[0; 63])[..2], [0x41, 4]); // 65
        assert_eq!(package(&[0; 4093])[..2], [0x4f, 0xff]); // 4095
        assert_eq!(package(&[0; 4094])[..3], [0x81, 0x00, 0x01]); // 4097
    }
}
