use super::*;

/// A 64-bit little-endian ELF file: header, one loadable segment of 16 bytes, one note segment.
fn elf(notes: &[u8]) -> Vec<u8> {
    let notes_at = 64 + 2 * 56 + 16;
    let mut image = b"\x7fELF\x02\x01\x01".to_vec();
    image.resize(16, 0);
    push(&mut image, &[2_u16, 62]);
    image.extend(1_u32.to_le_bytes());
    image.extend([0_u64, 64, 0].map(u64::to_le_bytes).concat()); // entry, segments, sections
    image.extend(0_u32.to_le_bytes());
    push(&mut image, &[64, 56, 2, 64, 0, 0]);
    segment(&mut image, 1, 64 + 2 * 56, 16);
    segment(&mut image, 4, notes_at, notes.len() as u64);
    image.extend([0x90; 16]);
    image.extend(notes);
    image
}

fn push(image: &mut Vec<u8>, words: &[u16]) {
    image.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn segment(image: &mut Vec<u8>, kind: u32, offset: u64, size: u64) {
    image.extend(kind.to_le_bytes());
    image.extend(5_u32.to_le_bytes());
    image.extend([offset, 0, 0, size, size, 4096].map(u64::to_le_bytes).concat());
}

fn note(kind: u32, content: &[u8]) -> Vec<u8> {
    let mut note = [4, content.len() as u32, kind].map(u32::to_le_bytes).concat();
    note.extend(b"Xen\0");
    note.extend(content);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

fn linux_notes() -> Vec<u8> {
    [note(6, b"linux\0"), note(5, b"xen-3.0\0"), note(18, &0x100_0850_u32.to_le_bytes())].concat()
}

fn bzimage(payload: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
    image[0x248..0x24c].copy_from_slice(&0_u32.to_le_bytes());
    image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    image.extend(payload);
    image
}

#[test]
fn linux_starts_as_pv_and_as_pvh() {
    let format = inspect(&elf(&linux_notes())).unwrap();
    assert_eq!(format, Format::Elf(Elf { bits: 64, xen_notes: true, pv: true, pvh: true }));
    assert_eq!(format.supports(GuestKind::Pv), Ok(()));
    assert_eq!(format.supports(GuestKind::Pvh), Ok(()));
}

#[test]
fn an_hvm_guest_starts_from_firmware_alone() {
    let elf = |bits, xen_notes| Format::Elf(Elf { bits, xen_notes, pv: false, pvh: xen_notes });
    assert_eq!(elf(32, false).supports(GuestKind::Hvm), Ok(()));
    assert_eq!(elf(32, true).supports(GuestKind::Hvm), Err(ImageError::NotFirmware));
    assert_eq!(elf(64, false).supports(GuestKind::Hvm), Err(ImageError::NotFirmware));
    assert_eq!(elf(32, false).supports(GuestKind::Pvh), Ok(()));
}

#[test]
fn a_kernel_without_the_pvh_note_is_no_pvh_kernel() {
    let notes = [note(8, b"generic\0"), note(5, b"xen-3.0\0")].concat();
    let format = inspect(&elf(&notes)).unwrap();
    assert_eq!(format.supports(GuestKind::Pv), Ok(()));
    let error = format.supports(GuestKind::Pvh).unwrap_err();
    assert_eq!(error.to_string(), "no Pvh entry point in its Xen notes");
}

#[test]
fn a_kernel_with_the_pvh_note_alone_is_no_pv_kernel() {
    let format = inspect(&elf(&note(18, &[0; 4]))).unwrap();
    assert_eq!(format.supports(GuestKind::Pvh), Ok(()));
    assert_eq!(format.supports(GuestKind::Pv), Err(ImageError::NoEntry { guest: GuestKind::Pv }));
}

#[test]
fn a_32_bit_kernel_starts_as_pvh_and_not_as_pv() {
    let format = Format::Elf(Elf { bits: 32, xen_notes: true, pv: true, pvh: true });
    assert_eq!(format.supports(GuestKind::Pv), Err(ImageError::Bits32));
    assert_eq!(format.supports(GuestKind::Pvh), Ok(()));
}

#[test]
fn a_program_without_notes_is_neither() {
    let format = inspect(&elf(b"")).unwrap();
    assert!(format.supports(GuestKind::Pv).is_err());
    assert!(format.supports(GuestKind::Pvh).is_err());
}

#[test]
fn notes_of_another_owner_do_not_count() {
    let mut notes = linux_notes();
    notes[12..15].copy_from_slice(b"GNU");
    let Ok(Format::Elf(elf)) = inspect(&elf(&notes)) else { panic!("not ELF") };
    assert!(!elf.pv);
    assert!(elf.pvh);
}

#[test]
fn a_segment_beyond_the_end_is_a_truncated_file() {
    let mut image = elf(&linux_notes());
    image[64 + 32..64 + 40].copy_from_slice(&5000_u64.to_le_bytes());
    image[64 + 40..64 + 48].copy_from_slice(&5000_u64.to_le_bytes());
    let error = inspect(&image).unwrap_err();
    let size = image.len() as u64;
    assert_eq!(
        error,
        ImageError::Truncated { part: "the program segments", end: 64 + 112 + 5000, size }
    );
}

#[test]
fn a_file_cut_before_its_section_headers_says_so() {
    let mut image = elf(&linux_notes());
    image[40..48].copy_from_slice(&1000_u64.to_le_bytes());
    image[60..62].copy_from_slice(&3_u16.to_le_bytes());
    let error = inspect(&image).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "truncated: the section headers would end at byte 1192, the file has {}",
            image.len()
        )
    );
}

#[test]
fn every_truncation_of_an_elf_file_is_refused_or_lacks_only_notes() {
    let whole = elf(&linux_notes());
    let segments_end = 64 + 2 * 56 + 16;
    let refused = (4..segments_end).filter(|cut| inspect(&whole[..*cut]).is_err()).count();
    assert_eq!(refused, segments_end - 4);
}

/// Inspects `whole` with all bits set in `field`.
fn with_ones(whole: &[u8], field: std::ops::Range<usize>) -> Result<Format, ImageError> {
    let mut image = whole.to_vec();
    image[field].fill(0xff);
    inspect(&image)
}

#[test]
fn a_hostile_number_in_the_header_or_the_segment_is_refused_by_name() {
    let whole = elf(&linux_notes());
    let part = |field| match with_ones(&whole, field) {
        Err(ImageError::Truncated { part, .. }) => part,
        other => panic!("{other:?}"),
    };
    assert_eq!(part(32..40), "the program headers"); // where they are
    assert_eq!(part(54..56), "the program headers"); // how large each is
    assert_eq!(part(56..58), "the program headers"); // how many
    assert_eq!(part(40..48), "the section headers");
    assert_eq!(part(60..62), "the section headers");
    assert_eq!(part(64 + 8..64 + 16), "the program segments"); // where the segment is
    assert_eq!(part(64 + 32..64 + 40), "the program segments"); // its size in the file
}

#[test]
fn a_hostile_number_in_the_notes_hides_them_and_no_more() {
    let whole = elf(&linux_notes());
    let note_segment = 64 + 56;
    let hidden = Format::Elf(Elf { bits: 64, xen_notes: false, pv: false, pvh: false });
    assert_eq!(with_ones(&whole, note_segment + 8..note_segment + 16), Ok(hidden));
    // A segment that claims to be endless ends with the file.
    assert_eq!(with_ones(&whole, note_segment + 32..note_segment + 40), inspect(&whole));
}

/// 65535 segments and as many sections whose strings never end, in a file of 24 MiB: to look for
/// the ends takes 2 * 65535 passes over 16 MiB.
#[test]
fn strings_without_an_end_cost_no_time() {
    let (segments_at, sections_at, filler_at) = (64_u64, 64 + 65535 * 56, 8 << 20);
    let mut image = b"\x7fELF\x02\x01\x01".to_vec();
    image.resize(16, 0);
    push(&mut image, &[2_u16, 62]);
    image.extend(1_u32.to_le_bytes());
    image.extend([0, segments_at, sections_at].map(u64::to_le_bytes).concat());
    image.extend(0_u32.to_le_bytes());
    push(&mut image, &[64, 56, 65535, 64, 65535, 1]);
    (0..65535).for_each(|_| segment(&mut image, 4, filler_at, 64));
    let mut section = [0; 64];
    section[24..32].copy_from_slice(&filler_at.to_le_bytes());
    image.extend(section.repeat(65535));
    image.resize(24 << 20, 0xff);

    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(inspect(&image)));
    let judged = told.recv_timeout(std::time::Duration::from_secs(20)).expect("still looking");
    let nothing = Elf { bits: 64, xen_notes: false, pv: false, pvh: false };
    assert_eq!(judged, Ok(Format::Elf(nothing)));
}

#[test]
fn a_note_that_never_ends_is_given_up() {
    let mut notes = linux_notes();
    notes[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let Ok(Format::Elf(elf)) = inspect(&elf(&notes)) else { panic!("not ELF") };
    assert!(elf.xen_notes);
    assert!(!elf.pvh);
}

#[test]
fn an_elf_file_for_arm_is_named_by_its_machine() {
    let mut image = elf(&linux_notes());
    image[18..20].copy_from_slice(&183_u16.to_le_bytes());
    assert_eq!(inspect(&image), Err(ImageError::Machine(183)));
}

#[test]
fn the_compression_of_a_bzimage_is_told_by_its_magic() {
    let compression = |payload: &[u8]| inspect(&bzimage(payload));
    assert_eq!(compression(b"\xfd7zXZ\0..."), Ok(Format::BzImage(Compression::Xz)));
    assert_eq!(compression(b"\x1f\x8b\x08..."), Ok(Format::BzImage(Compression::Gzip)));
    assert_eq!(compression(b"\x28\xb5\x2f\xfd..."), Ok(Format::BzImage(Compression::Zstd)));
    assert_eq!(compression(b"\x02\x21\x4c\x18"), Ok(Format::BzImage(Compression::Lz4)));
    assert_eq!(compression(b"plain"), Err(ImageError::UnknownCompression));
}

#[test]
fn a_bzimage_cut_in_its_payload_is_truncated() {
    let image = bzimage(b"\xfd7zXZ\0...");
    let error = inspect(&image[..image.len() - 1]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "truncated: the compressed kernel would end at byte 1033, the file has 1032"
    );
}

#[test]
fn a_bzimage_cut_in_its_header_is_truncated() {
    let error = inspect(&bzimage(b"")[..0x24e]).unwrap_err();
    assert_eq!(error, ImageError::Truncated { part: "the setup header", end: 0x250, size: 0x24e });
}

#[test]
fn a_bzimage_without_a_payload_pointer_is_too_old() {
    let mut image = bzimage(b"\x1f\x8b");
    image[0x206] = 0x07;
    assert_eq!(
        inspect(&image).unwrap_err().to_string(),
        "a bzImage of boot protocol 2.07, older than 2.08"
    );
}

#[test]
fn a_compressed_file_is_told_by_its_magic() {
    let compression = |file: &[u8]| inspect(&[file, &[0; 16]].concat());
    assert_eq!(compression(b"\x1f\x8b\x08"), Ok(Format::Compressed(Compression::Gzip)));
    assert_eq!(compression(b"BZh9"), Ok(Format::Compressed(Compression::Bzip2)));
    assert_eq!(compression(b"\xfd7zXZ\0"), Ok(Format::Compressed(Compression::Xz)));
    assert_eq!(compression(b"\x28\xb5\x2f\xfd"), Ok(Format::Compressed(Compression::Zstd)));
    assert_eq!(compression(b"\x02\x21\x4c\x18"), Ok(Format::Compressed(Compression::Lz4)));
    assert_eq!(compression(b"\x04\x22\x4d\x18"), Ok(Format::Compressed(Compression::Lz4)));
    assert_eq!(inspect(b"\x1f\x8b\x08"), Err(ImageError::UnknownFormat));
}

#[test]
fn an_lzma_file_is_told_by_what_lzma_writes() {
    let header = |dictionary: u32, size: u64| {
        let header = [&[0x5d][..], &dictionary.to_le_bytes(), &size.to_le_bytes()].concat();
        inspect(&header)
    };
    let lzma = Ok(Format::Compressed(Compression::Lzma));
    assert_eq!(header(8 << 20, u64::MAX), lzma);
    assert_eq!(header(3 << 20, 65_906_612), lzma);
    assert_eq!(header(5 << 20, u64::MAX), Err(ImageError::UnknownFormat));
    assert_eq!(header(0, u64::MAX), Err(ImageError::UnknownFormat));
    assert_eq!(header(8 << 20, 1 << 38), Err(ImageError::UnknownFormat));
}

#[test]
fn the_payload_of_a_bzimage_ends_in_its_size() {
    let payload = b"\xfd7zXZ\0...\x39\x30\0\0";
    let packed =
        packed(&bzimage(payload)).map(|packed| packed.map(|p| (p.stream.to_vec(), p.size)));
    assert_eq!(packed, Ok(Some((b"\xfd7zXZ\0...".to_vec(), Some(12345)))));
}

#[test]
fn the_size_in_a_gzip_payload_is_part_of_it() {
    let payload = b"\x1f\x8b\x08...\x39\x30\0\0";
    let packed =
        packed(&bzimage(payload)).map(|packed| packed.map(|p| (p.stream.to_vec(), p.size)));
    assert_eq!(packed, Ok(Some((payload.to_vec(), Some(12345)))));
}

#[test]
fn what_is_not_compressed_has_nothing_to_unpack() {
    assert_eq!(packed(&elf(&linux_notes())), Ok(None));
}

#[test]
fn a_flat_image_is_known_by_its_checksum() {
    let mut image = vec![0; 4096];
    image[64..68].copy_from_slice(&0x336e_c578_u32.to_le_bytes());
    image[72..76].copy_from_slice(&(0_u32.wrapping_sub(0x336e_c578)).to_le_bytes());
    assert_eq!(inspect(&image), Ok(Format::Flat));
    image[68] = 1;
    assert_eq!(inspect(&image), Err(ImageError::UnknownFormat));
}

#[test]
fn nothing_is_no_kernel() {
    assert_eq!(inspect(b""), Err(ImageError::UnknownFormat));
    assert_eq!(
        inspect(b"\x7fELF").unwrap_err().to_string(),
        "truncated: the ELF header would end at byte 52, the file has 4"
    );
}
