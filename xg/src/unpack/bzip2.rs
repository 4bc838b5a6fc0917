//! bzip2: no kept crate decodes it without a C library or unsafe code.
//!
//! ```text
//! BZh1-9 │ block │ block │ ... │ end mark, CRC of the blocks' CRCs
//!          block: mark, CRC, start of the text in its sorted rotations, code tables, Huffman codes
//! codes ──▶ runs of zeroes, places in a move-to-front list ──▶ last column of the sorted rotations
//!       ──▶ the text ──▶ four equal bytes are followed by how many more there are
//! ```
//! A block is taken apart as a whole, at most 900 000 bytes of it and the runs in them.

use std::io::{self, Read};

/// The content of one bzip2 stream.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bits: Bits<'a>,
    /// The most bytes of a block; 0 before the header is read.
    most: usize,
    block: Block,
    /// Of the blocks so far.
    combined: u32,
    ended: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(stream: &'a [u8]) -> Self {
        Self {
            bits: Bits { bytes: stream, held: 0, count: 0 },
            most: 0,
            block: Block::default(),
            combined: 0,
            ended: false,
        }
    }

    /// Goes to the next block, if there is one.
    fn advance(&mut self) -> io::Result<()> {
        if self.most == 0 {
            self.most = self.header()?;
        }
        let mark = u64::from(self.bits.take(24)?) << 24 | u64::from(self.bits.take(24)?);
        let crc = self.bits.take(16)? << 16 | self.bits.take(16)?;
        match mark {
            BLOCK => {
                self.combined = self.combined.rotate_left(1) ^ crc;
                self.block.decode(&mut self.bits, self.most, crc)
            }
            END if crc == self.combined => {
                self.ended = true;
                Ok(())
            }
            END => Err(invalid("the checksum of the whole is wrong")),
            _ => Err(invalid("neither a block nor the end")),
        }
    }

    fn header(&mut self) -> io::Result<usize> {
        let magic = self.bits.take(24)?;
        let level = self.bits.take(8)?;
        match level {
            0x31..=0x39 if magic == 0x42_5a_68 => Ok((level - 0x30) as usize * 100_000),
            _ => Err(invalid("not the header of bzip2")),
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() && !self.ended {
            let count = self.block.give(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.advance()?;
        }
        Ok(0)
    }
}

/// Bits, the highest of a byte first.
#[derive(Debug)]
struct Bits<'a> {
    bytes: &'a [u8],
    /// The bits to come are the lowest `count`; those above are used up.
    held: u64,
    count: u32,
}

impl Bits<'_> {
    /// The next bits, at most 32, with zeroes after the end.
    fn peek(&mut self, count: u32) -> u32 {
        while self.count < 32 {
            let Some((byte, rest)) = self.bytes.split_first() else { break };
            self.bytes = rest;
            self.held = self.held << 8 | u64::from(*byte);
            self.count += 8;
        }
        let missing = count.saturating_sub(self.count);
        let bits = (self.held << missing) >> (self.count + missing - count);
        (bits & ((1 << count) - 1)) as u32
    }

    fn skip(&mut self, count: u32) -> io::Result<()> {
        self.count = self.count.checked_sub(count).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(())
    }

    fn take(&mut self, count: u32) -> io::Result<u32> {
        let bits = self.peek(count);
        self.skip(count)?;
        Ok(bits)
    }

    fn flag(&mut self) -> io::Result<bool> {
        Ok(self.take(1)? == 1)
    }
}

/// A block, and how far it has been given out.
#[derive(Debug, Default)]
struct Block {
    /// For each place in the sorted rotations: its byte, lowest, and above it the place of the
    /// rotation that starts with what follows.
    chain: Vec<u32>,
    /// The place whose turn it is.
    at: u32,
    /// How many places there are still to give.
    left: usize,
    /// The last byte, and how often it came in a row, up to four.
    last: u8,
    run: u8,
    /// How often the last byte is to be repeated.
    repeat: u8,
    crc: Crc,
    said: u32,
}

impl Block {
    fn decode(&mut self, bits: &mut Bits<'_>, most: usize, crc: u32) -> io::Result<()> {
        if bits.flag()? {
            return Err(invalid("randomised, as no bzip2 since 0.9.5 writes"));
        }
        let start = bits.take(24)?;
        self.chain.clear();
        self.chain.try_reserve_exact(most).map_err(|_| io::ErrorKind::OutOfMemory)?;
        last_column(bits, most, &mut self.chain)?;
        self.invert(start)?;
        self.left = self.chain.len();
        (self.last, self.run, self.repeat) = (0, 0, 0);
        (self.crc, self.said) = (Crc::default(), crc);
        Ok(())
    }

    /// Inverts the transform of Burrows and Wheeler: the n-th of a byte in the last column is the n-th
    /// of it in the first.
    fn invert(&mut self, start: u32) -> io::Result<()> {
        let mut next = [0_u32; 256];
        for place in &self.chain {
            next[(place & 0xff) as usize] += 1;
        }
        let mut sum = 0;
        for count in &mut next {
            sum += std::mem::replace(count, sum);
        }
        for place in 0..self.chain.len() {
            let byte = (self.chain[place] & 0xff) as usize;
            // At most 900 000, as are the places.
            self.chain[next[byte] as usize] |= (place as u32) << 8;
            next[byte] += 1;
        }
        let first = self.chain.get(start as usize).ok_or_else(|| invalid("starts outside"))?;
        self.at = first >> 8;
        Ok(())
    }

    /// Gives out what fits, nothing only if there is nothing left.
    fn give(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut given = 0;
        while given < buffer.len() {
            if self.repeat > 0 {
                let count = usize::from(self.repeat).min(buffer.len() - given);
                buffer[given..given + count].fill(self.last);
                self.repeat -= count as u8;
                given += count;
                continue;
            }
            if self.left == 0 {
                break;
            }
            let place = self.chain[self.at as usize];
            let byte = (place & 0xff) as u8;
            self.at = place >> 8;
            self.left -= 1;
            if self.run == 4 {
                (self.repeat, self.run) = (byte, 0);
                continue;
            }
            self.run = if self.run > 0 && byte == self.last { self.run + 1 } else { 1 };
            self.last = byte;
            buffer[given] = byte;
            given += 1;
        }
        self.crc.add(&buffer[..given]);
        if self.left == 0 && self.repeat == 0 && self.crc.value() != self.said {
            return Err(invalid("the checksum of a block is wrong"));
        }
        Ok(given)
    }
}

/// Reads the codes of a block and appends what they stand for: bytes, in the order of the sorted
/// rotations that they end.
fn last_column(bits: &mut Bits<'_>, most: usize, column: &mut Vec<u32>) -> io::Result<()> {
    let mut front = used_bytes(bits)?;
    // Two for runs, one for each byte used but the first of the list, one for the end.
    let symbols = front.len() + 2;
    let (selectors, tables) = tables(bits, symbols)?;
    let end = (symbols - 1) as u16;
    let (mut run, mut weight) = (0_usize, 1_usize);
    for selector in selectors {
        let table = &tables[usize::from(selector)];
        for _ in 0..GROUP {
            let symbol = table.read(bits)?;
            if symbol <= RUN_B {
                run += weight << symbol;
                weight <<= 1;
                if run > most - column.len() {
                    return Err(invalid("a block above its size"));
                }
                continue;
            }
            column.resize(column.len() + run, u32::from(front[0]));
            (run, weight) = (0, 1);
            if symbol == end {
                return Ok(());
            }
            if column.len() == most {
                return Err(invalid("a block above its size"));
            }
            let place = usize::from(symbol) - 1;
            front[..=place].rotate_right(1);
            column.push(front[0].into());
        }
    }
    Err(invalid("a block without an end"))
}

/// The bytes that a block has, in order: a map of sixteenths, then those.
fn used_bytes(bits: &mut Bits<'_>) -> io::Result<Vec<u8>> {
    let sixteenths = bits.take(16)?;
    let mut used = Vec::with_capacity(256);
    for sixteenth in (0..16).filter(|n| sixteenths & (0x8000 >> n) != 0) {
        let bytes = bits.take(16)?;
        used.extend((0..16).filter(|n| bytes & (0x8000 >> n) != 0).map(|n| sixteenth << 4 | n));
    }
    if used.is_empty() { Err(invalid("a block of no bytes")) } else { Ok(used) }
}

/// Which table each group of codes is read by, and the tables.
fn tables(bits: &mut Bits<'_>, symbols: usize) -> io::Result<(Vec<u8>, Vec<Table>)> {
    let count = bits.take(3)? as usize;
    if !(2..=6).contains(&count) {
        return Err(invalid("neither 2 nor up to 6 code tables"));
    }
    let groups = bits.take(15)? as usize;
    let mut front = [0, 1, 2, 3, 4, 5];
    let mut selectors = Vec::with_capacity(groups);
    for _ in 0..groups {
        let mut place = 0;
        while bits.flag()? {
            place += 1;
            if place == count {
                return Err(invalid("a code table that is not there"));
            }
        }
        front[..=place].rotate_right(1);
        selectors.push(front[0]);
    }
    let tables = (0..count).map(|_| Table::read_lengths(bits, symbols));
    Ok((selectors, tables.collect::<io::Result<_>>()?))
}

/// A canonical Huffman code: within a length, codes and symbols ascend together.
#[derive(Debug)]
struct Table {
    /// Where a code is looked up by its first bits: symbol, and length in the lowest bits; 0 if it is
    /// longer.
    short: Vec<u16>,
    /// For each length: the first code beyond it, as 20 bits, and what to add to a code of the length
    /// to get its place in `sorted`.
    lengths: [(u32, i32); LONGEST + 1],
    /// The symbols by code.
    sorted: Vec<u16>,
}

impl Table {
    /// Reads the lengths of the codes, each as its difference to the one before.
    fn read_lengths(bits: &mut Bits<'_>, symbols: usize) -> io::Result<Self> {
        let mut length = bits.take(5)? as usize;
        let mut lengths = Vec::with_capacity(symbols);
        for _ in 0..symbols {
            while bits.flag()? {
                length = if bits.flag()? { length.wrapping_sub(1) } else { length + 1 };
                if !(1..=LONGEST).contains(&length) {
                    break;
                }
            }
            if !(1..=LONGEST).contains(&length) {
                return Err(invalid("a code of no length, or above 20 bits"));
            }
            lengths.push(length);
        }
        Self::new(&lengths)
    }

    fn new(of: &[usize]) -> io::Result<Self> {
        let mut sorted: Vec<u16> = (0..of.len() as u16).collect();
        sorted.sort_by_key(|symbol| of[usize::from(*symbol)]);
        let mut lengths = [(0, 0); LONGEST + 1];
        let mut short = vec![0; 1 << SHORT];
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=LONGEST {
            let count = of.iter().filter(|of| **of == length).count();
            let offset = place as i32 - code as i32;
            for _ in 0..count {
                if code >> length != 0 {
                    return Err(invalid("more codes than there can be"));
                }
                if length <= SHORT {
                    let at = (code as usize) << (SHORT - length);
                    let entry = sorted[place] << 4 | length as u16;
                    short[at..at + (1 << (SHORT - length))].fill(entry);
                }
                (code, place) = (code + 1, place + 1);
            }
            lengths[length] = (code << (LONGEST - length), offset);
            code <<= 1;
        }
        Ok(Self { short, lengths, sorted })
    }

    fn read(&self, bits: &mut Bits<'_>) -> io::Result<u16> {
        let code = bits.peek(LONGEST as u32);
        let entry = self.short[(code >> (LONGEST - SHORT)) as usize];
        if entry != 0 {
            bits.skip(u32::from(entry & 0xf))?;
            return Ok(entry >> 4);
        }
        for length in SHORT + 1..=LONGEST {
            let (beyond, offset) = self.lengths[length];
            if code < beyond {
                bits.skip(length as u32)?;
                let place = (code >> (LONGEST - length)) as i32 + offset;
                let symbol = usize::try_from(place).ok().and_then(|place| self.sorted.get(place));
                return symbol.copied().ok_or_else(|| invalid("an unknown code"));
            }
        }
        Err(invalid("an unknown code"))
    }
}

/// CRC-32 with the highest bit first, which is not that of gzip.
#[derive(Debug)]
struct Crc(u32);

impl Default for Crc {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc {
    fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |crc, byte| crc << 8 ^ CRC_TABLE[((crc >> 24) as u8 ^ byte) as usize]);
    }

    fn value(&self) -> u32 {
        !self.0
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The digits of pi.
const BLOCK: u64 = 0x3141_5926_5359;
/// Those of its square root.
const END: u64 = 0x1772_4538_5090;
/// The codes of a group are read by the same table.
const GROUP: usize = 50;
/// Adds twice the weight of its place to a run; 0 adds it once.
const RUN_B: u16 = 1;
const LONGEST: usize = 20;
/// The length up to which codes are looked up; it and a symbol, up to 257, share 16 bits.
const SHORT: usize = 10;

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = (at as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};
