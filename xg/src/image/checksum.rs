//! CRC-64/XZ: 64 bits, so that what it misses of gigabytes is nothing to reckon with, and one
//! flipped bit, two, or all within 64 are never missed. Forty lines of our own: no dependency to
//! keep.

use std::fmt;

/// The length and the checksum of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seal {
    /// How many bytes.
    pub length: u64,
    /// Their CRC-64 as xz computes it (ECMA-182, reflected).
    pub checksum: u64,
}

impl Seal {
    /// The seal of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut checksum = Checksum::new();
        checksum.feed(bytes);
        checksum.seal()
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, checksum {:016x}", self.length, self.checksum)
    }
}

/// A checksum of bytes that come in pieces of any size.
#[derive(Debug, Clone)]
pub struct Checksum {
    length: u64,
    state: u64,
}

impl Checksum {
    /// The checksum of nothing.
    pub const fn new() -> Self {
        Self { length: 0, state: u64::MAX }
    }

    /// Adds bytes at the end.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let (words, rest) = bytes.as_chunks::<8>();
        let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
        let mut state = self.state;
        // Written out: it has to be bearable in the emulated lab too, without an optimiser.
        for word in words {
            let [a, b, c, d, e, f, g, h] = (u64::from_le_bytes(*word) ^ state).to_le_bytes();
            state = t0[a as usize]
                ^ t1[b as usize]
                ^ t2[c as usize]
                ^ t3[d as usize]
                ^ t4[e as usize]
                ^ t5[f as usize]
                ^ t6[g as usize]
                ^ t7[h as usize];
        }
        for byte in rest {
            let index = usize::from(byte ^ state.to_le_bytes()[0]);
            state = TABLES[7][index] ^ (state >> 8);
        }
        self.state = state;
    }

    /// The seal of all that was fed.
    pub const fn seal(&self) -> Seal {
        Seal { length: self.length, checksum: !self.state }
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

/// What a byte does to the checksum when 7, 6, … 0 bytes follow it in its word.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut state = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            state = if state & 1 == 1 { (state >> 1) ^ POLYNOMIAL } else { state >> 1 };
            bit += 1;
        }
        tables[7][byte] = state;
        byte += 1;
    }
    let mut table = 7;
    while table > 0 {
        table -= 1;
        let mut byte = 0;
        while byte < 256 {
            let state: u64 = tables[table + 1][byte];
            tables[table][byte] = (state >> 8) ^ tables[7][(state & 0xff) as usize];
            byte += 1;
        }
    }
    tables
}

/// ECMA-182, reflected.
const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;

#[cfg(test)]
mod tests {
    use super::*;

    fn bitwise(bytes: &[u8]) -> u64 {
        !bytes.iter().fold(u64::MAX, |state, byte| {
            (0..8).fold(state ^ u64::from(*byte), |state, _| {
                if state & 1 == 1 { (state >> 1) ^ POLYNOMIAL } else { state >> 1 }
            })
        })
    }

    #[test]
    fn the_published_check_value_comes_out() {
        assert_eq!(Seal::of(b"123456789"), Seal { length: 9, checksum: 0x995d_c9bb_df19_39fa });
    }

    #[test]
    fn words_and_bytes_give_the_same() {
        let bytes: Vec<u8> = (0..=255).cycle().map(|n: u8| n.wrapping_mul(31)).take(1003).collect();
        assert_eq!(Seal::of(&bytes).checksum, bitwise(&bytes));
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let bytes: Vec<u8> = (0..200).collect();
        let mut checksum = Checksum::new();
        bytes.chunks(7).for_each(|piece| checksum.feed(piece));
        assert_eq!(checksum.seal(), Seal::of(&bytes));
    }
}
