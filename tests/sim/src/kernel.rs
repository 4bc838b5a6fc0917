//! A file that is a kernel, as far as toolstacks look at it.

/// The smallest 64-bit ELF that may start as a PV and as a PVH guest: a header, one segment of
/// notes.
pub fn kernel() -> Vec<u8> {
    let notes = [
        note(XEN_VERSION, b"xen-3.0\0"),
        note(GUEST_OS, b"linux\0\0\0"),
        note(PHYS32_ENTRY, &0x10_0000_u64.to_le_bytes()),
    ]
    .concat();
    let size = (notes.len() as u64).to_le_bytes();
    let ident = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0";
    let (header, segment): (&[&[u8]], &[&[u8]]) = (
        &[
            &ident,
            &2_u16.to_le_bytes(),  // an executable
            &62_u16.to_le_bytes(), // x86-64
            &1_u32.to_le_bytes(),
            &0_u64.to_le_bytes(), // no entry
            &64_u64.to_le_bytes(),
            &0_u64.to_le_bytes(),
            &0_u32.to_le_bytes(),
            &[64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0],
        ],
        &[
            &4_u32.to_le_bytes(), // notes
            &4_u32.to_le_bytes(),
            &120_u64.to_le_bytes(),
            &0_u64.to_le_bytes(),
            &0_u64.to_le_bytes(),
            &size,
            &size,
            &4_u64.to_le_bytes(),
        ],
    );
    [header.concat(), segment.concat(), notes].concat()
}

fn note(kind: u32, value: &[u8; 8]) -> Vec<u8> {
    let words = [4, 8, kind].map(u32::to_le_bytes);
    [&words.concat(), &b"Xen\0"[..], value].concat()
}

/// `XEN_ELFNOTE_*` (`xen/include/public/elfnote.h`).
const XEN_VERSION: u32 = 5;
const GUEST_OS: u32 = 6;
const PHYS32_ENTRY: u32 = 18;
