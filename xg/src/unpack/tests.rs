use super::*;

/// What the samples hold: text, a run, more than one block of bzip2, and calls of machine code, which
/// the x86 filter of xz rewrites. They are Debian 12's: `gzip -9 -n`, `bzip2 -1`, `lzma -9`, `lz4 -l -9`,
/// `lz4 -9`, `zstd -22 --ultra`, `xz --check=crc32 --x86 --lzma2=dict=128MiB`.
fn content() -> Vec<u8> {
    let mut content: Vec<u8> = (1..=3000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    content.resize(content.len() + 100_000, 0);
    content.extend(b"abcdefgh".repeat(20_000));
    for call in 0..200_u32 {
        content.push(0xe8);
        content.extend((0x1000 - 5 * call).to_le_bytes());
        content.push(0x90);
    }
    content
}

/// Not `Vec<u8>`, which a failed test would print.
#[derive(PartialEq)]
struct Content(Vec<u8>);

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

fn exactly(compression: Compression, stream: &[u8], size: usize) -> Result<Content, UnpackError> {
    let size = Some(u32::try_from(size).unwrap());
    unpack(Packed { compression, stream, size }).map(|content| Content(content.unwrap()))
}

fn whatever(compression: Compression, stream: &[u8]) -> Result<Content, UnpackError> {
    unpack(Packed { compression, stream, size: None }).map(|content| Content(content.unwrap()))
}

/// That a sample becomes its content, that less or more is noticed, and that a part is no whole.
fn holds(compression: Compression, sample: &[u8]) {
    let content = Content(content());
    let size = content.0.len();
    assert_eq!(exactly(compression, sample, size).unwrap(), content);
    assert_eq!(whatever(compression, sample).unwrap(), content);
    let less = exactly(compression, sample, size - 1).unwrap_err();
    assert!(matches!(less, UnpackError::Size { found, .. } if found == size), "{less:?}");
    let more = exactly(compression, sample, size + 1).unwrap_err();
    assert!(matches!(more, UnpackError::Size { found, .. } if found == size), "{more:?}");
    // Of a format without a checksum only the size tells that something is missing.
    exactly(compression, &sample[..sample.len() * 3 / 4], size).unwrap_err();
}

/// That a bit that changed in the middle is noticed, which takes a checksum.
fn notices_damage(compression: Compression, sample: &[u8]) {
    let mut damaged = sample.to_vec();
    damaged[sample.len() / 2] ^= 0x10;
    let error = whatever(compression, &damaged).unwrap_err();
    assert!(matches!(error, UnpackError::Damaged(_)), "{error:?}");
}

#[test]
fn gzip_is_unpacked() {
    let sample = include_bytes!("samples/content.gz");
    holds(Compression::Gzip, sample);
    notices_damage(Compression::Gzip, sample);
}

#[test]
fn bzip2_is_unpacked() {
    let sample = include_bytes!("samples/content.bz2");
    holds(Compression::Bzip2, sample);
    notices_damage(Compression::Bzip2, sample);
}

#[test]
fn xz_with_the_filter_of_kernels_is_unpacked() {
    let sample = include_bytes!("samples/content.xz");
    holds(Compression::Xz, sample);
    notices_damage(Compression::Xz, sample);
}

#[test]
fn lzma_is_unpacked() {
    holds(Compression::Lzma, include_bytes!("samples/content.lzma"));
}

#[test]
fn lz4_in_the_frames_of_kernels_is_unpacked() {
    holds(Compression::Lz4, include_bytes!("samples/content.lz4"));
}

#[test]
fn lz4_in_frames_of_its_own_is_unpacked() {
    let sample = include_bytes!("samples/content.frames.lz4");
    holds(Compression::Lz4, sample);
    notices_damage(Compression::Lz4, sample);
}

#[test]
fn zstd_is_unpacked() {
    let sample = include_bytes!("samples/content.zst");
    holds(Compression::Zstd, sample);
    notices_damage(Compression::Zstd, sample);
}

#[test]
fn lzo_is_left_to_libxenguest() {
    let packed = Packed { compression: Compression::Lzo, stream: b"", size: Some(1) };
    assert!(unpack(packed).unwrap().is_none());
}

#[test]
fn a_bzimage_that_says_more_than_a_gibibyte_is_refused_before_it_is_read() {
    let size = u32::try_from(MAX_BYTES).unwrap() + 1;
    let packed = Packed { compression: Compression::Xz, stream: b"", size: Some(size) };
    assert!(matches!(unpack(packed), Err(UnpackError::TooLarge)));
}

#[test]
fn a_small_file_that_becomes_too_large_is_refused() {
    struct Zeroes;
    impl Read for Zeroes {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(0);
            Ok(buffer.len())
        }
    }
    assert!(
        matches!(Bound::Exactly(1 << 16).fill(Zeroes), Err(UnpackError::Size { found, .. }) if found == (1 << 16) + 1)
    );
    assert!(matches!(Bound::Most.fill(Zeroes), Err(UnpackError::TooLarge)));
}

#[test]
fn a_dictionary_above_the_bound_is_refused_before_there_is_one() {
    let mut sample = include_bytes!("samples/content.lzma").to_vec();
    sample[1..5].copy_from_slice(&(512_u32 << 20).to_le_bytes());
    assert!(matches!(whatever(Compression::Lzma, &sample), Err(UnpackError::NoMemory)));
}

/// Every byte of it wrong in three ways, and every beginning of it.
#[test]
fn hostile_bzip2_gives_an_error_or_what_it_gave_before() {
    let sample = &include_bytes!("samples/small.bz2")[..];
    let content = whatever(Compression::Bzip2, sample).unwrap();
    let changed = (0..sample.len()).flat_map(|at| {
        [0x01, 0x80, 0xff].map(|flip| {
            let mut changed = sample.to_vec();
            changed[at] ^= flip;
            whatever(Compression::Bzip2, &changed)
        })
    });
    let cut = (0..sample.len()).map(|end| whatever(Compression::Bzip2, &sample[..end]));
    assert_eq!(changed.flatten().find(|given| *given != content), None);
    assert_eq!(cut.flatten().next(), None);
}
