//! The compressions of kernels, told by their magic numbers.

use std::fmt;

/// How a kernel is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum Compression {
    Bzip2,
    Gzip,
    Lz4,
    Lzma,
    Lzo,
    Xz,
    Zstd,
}

impl Compression {
    /// Of the payload of a bzImage, as `xc_dom_probe_bzimage_kernel` tells them apart, in its order.
    pub(super) fn of_payload(payload: &[u8]) -> Option<Self> {
        first_of(&PAYLOADS, payload)
    }

    /// Of a file that holds nothing else. Shorter ones are not taken for compressed
    /// (`xc_dom_check_gzip`).
    pub(super) fn of_file(file: &[u8]) -> Option<Self> {
        if file.len() < 6 {
            return None;
        }
        first_of(&FILES, file).or_else(|| is_lzma(file).then_some(Self::Lzma))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bzip2 => "bzip2",
            Self::Gzip => "gzip",
            Self::Lz4 => "LZ4",
            Self::Lzma => "LZMA",
            Self::Lzo => "LZO",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}

fn first_of(magics: &[(&[u8], Compression)], bytes: &[u8]) -> Option<Compression> {
    let found = magics.iter().find(|(magic, _)| bytes.starts_with(magic));
    found.map(|(_, compression)| *compression)
}

/// A file of LZMA has no magic number. Its header is one byte of properties, the size of the
/// dictionary and that of the content, 2^64 - 1 if unknown; lzma(1) writes the properties 0x5d, a
/// power of two or the sum of two neighbours, and a size below 2^38 (file(1) and xz tell it by these).
fn is_lzma(file: &[u8]) -> bool {
    let Some((header, _)) = file.split_first_chunk::<13>() else { return false };
    let [properties, d0, d1, d2, d3, size @ ..] = *header;
    let dictionary = u32::from_le_bytes([d0, d1, d2, d3]);
    let size = u64::from_le_bytes(size);
    properties == 0x5d
        && dictionary >= 1 << 12
        && (dictionary >> dictionary.trailing_zeros()) <= 3
        && (size == u64::MAX || size < 1 << 38)
}

const PAYLOADS: [(&[u8], Compression); 7] = [
    (b"\x1f\x8b", Compression::Gzip),
    (b"BZh", Compression::Bzip2),
    (b"\xfd7zXZ\0", Compression::Xz),
    (b"\x28\xb5\x2f\xfd", Compression::Zstd),
    (b"\x5d\0", Compression::Lzma),
    (b"\x89LZO\0", Compression::Lzo),
    (b"\x02\x21", Compression::Lz4),
];

/// LZ4 in its legacy frames, as in a bzImage, and in those that lz4(1) makes by itself.
const FILES: [(&[u8], Compression); 6] = [
    (b"\x1f\x8b", Compression::Gzip),
    (b"BZh", Compression::Bzip2),
    (b"\xfd7zXZ\0", Compression::Xz),
    (b"\x28\xb5\x2f\xfd", Compression::Zstd),
    (b"\x02\x21\x4c\x18", Compression::Lz4),
    (b"\x04\x22\x4d\x18", Compression::Lz4),
];
