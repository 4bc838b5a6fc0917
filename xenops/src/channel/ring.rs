//! The arithmetic of a queue: free-running 32-bit indices over a power of two of bytes. Pure.
//!
//! An end keeps the index that it moves to itself and publishes it; what stands in the page is the
//! other end's to spoil. The index that the other end moves is checked at each look.

use std::ops::Range;

/// The reading end of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incoming {
    size: u32,
    consumer: u32,
}

/// The writing end of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outgoing {
    size: u32,
    producer: u32,
}

/// An index that cannot be: more would be in the queue than it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfRange(pub(super) u32);

impl Incoming {
    /// `size` is a power of two.
    pub(super) fn new(size: u32, consumer: u32) -> Self {
        Self { size, consumer }
    }

    /// How many bytes can be read, given the other end's index.
    pub(super) fn ready(&self, producer: u32) -> Result<u32, OutOfRange> {
        used(self.size, producer, self.consumer).ok_or(OutOfRange(producer))
    }

    /// Where the next `count` bytes are, in their order.
    pub(super) fn pieces(&self, count: u32) -> [Range<usize>; 2] {
        pieces(self.size, self.consumer, count)
    }

    /// Takes `count` bytes; the index to publish.
    pub(super) fn advance(&mut self, count: u32) -> u32 {
        self.consumer = self.consumer.wrapping_add(count);
        self.consumer
    }
}

impl Outgoing {
    /// `size` is a power of two.
    pub(super) fn new(size: u32, producer: u32) -> Self {
        Self { size, producer }
    }

    /// How many bytes can be written, given the other end's index.
    pub(super) fn room(&self, consumer: u32) -> Result<u32, OutOfRange> {
        let used = used(self.size, self.producer, consumer).ok_or(OutOfRange(consumer))?;
        Ok(self.size - used)
    }

    /// Where the next `count` bytes go, in their order.
    pub(super) fn pieces(&self, count: u32) -> [Range<usize>; 2] {
        pieces(self.size, self.producer, count)
    }

    /// Adds `count` bytes; the index to publish.
    pub(super) fn advance(&mut self, count: u32) -> u32 {
        self.producer = self.producer.wrapping_add(count);
        self.producer
    }
}

fn used(size: u32, producer: u32, consumer: u32) -> Option<u32> {
    Some(producer.wrapping_sub(consumer)).filter(|used| *used <= size)
}

/// At most two stretches of the queue, the second one, perhaps empty, from its start on.
fn pieces(size: u32, index: u32, count: u32) -> [Range<usize>; 2] {
    let (start, count) = ((index & (size - 1)) as usize, count.min(size) as usize);
    let end = (start + count).min(size as usize);
    [start..end, 0..count - (end - start)]
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
