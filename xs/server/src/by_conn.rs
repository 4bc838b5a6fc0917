//! Maps from connections, which are looked up several times for each packet.
//!
//! The server numbers connections itself, one after the other, so that nobody can choose numbers that
//! collide: the hash need not be a keyed one.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::core::ConnId;

/// Something for each connection.
pub(crate) type ByConn<T> = HashMap<ConnId, T, BuildHasherDefault<OfNumber>>;

/// The hash of one number.
#[derive(Debug, Default)]
pub(crate) struct OfNumber(u64);

impl Hasher for OfNumber {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    /// Numbers in a row come to lie in buckets in a row or far from each other, never on one
    /// another: the factor is odd. Its upper bits fill those that tell entries of a bucket apart.
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(GOLDEN);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// 2⁶⁴ divided by the golden ratio, made odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
