//! The page that both ends share, as libxenvchan lays it out (`io/libxenvchan.h`).
//!
//! ```text
//!      0 left consumer    4 left producer      the client writes, the server reads
//!      8 right consumer  12 right producer     the server writes, the client reads
//!     16 left order      18 right order        16 bits each: a queue of 2^order bytes
//!     20 client lives    21 server lives       0 gone, 1 there, 2 not yet
//!     22 client's bell   23 server's bell      what that end is to ring for: 1 written, 2 read
//!     24 references of further pages           left, then right
//!   1024 a queue of order 10
//!   2048 a queue of order 11
//! ```
//!
//! A queue of order 12 or more lies in further granted pages. Pure.

use crate::error::Problem;

/// Where the queues' own numbers lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Indices {
    pub(super) consumer: usize,
    pub(super) producer: usize,
}

pub(super) const LEFT: Indices = Indices { consumer: 0, producer: 4 };
pub(super) const RIGHT: Indices = Indices { consumer: 8, producer: 12 };
pub(super) const ORDERS: usize = 16;
pub(super) const CLIENT_LIVES: usize = 20;
pub(super) const SERVER_LIVES: usize = 21;
pub(super) const CLIENT_RINGS: usize = 22;
pub(super) const SERVER_RINGS: usize = 23;
pub(super) const REFERENCES: usize = 24;

/// That end has gone.
pub(super) const GONE: u8 = 0;
/// That end is there.
pub(super) const THERE: u8 = 1;
/// The client is not there yet.
pub(super) const AWAITED: u8 = 2;

/// Ring when something was written (`VCHAN_NOTIFY_WRITE`).
pub(super) const WRITTEN: u8 = 1;
/// Ring when something was read (`VCHAN_NOTIFY_READ`).
pub(super) const READ: u8 = 2;

/// The sizes of the two queues, checked: they and their references have room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Orders {
    left: u16,
    right: u16,
}

/// Where a queue lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the shared page, from this byte on.
    InPage(usize),
    /// In so many pages of its own.
    Pages(u32),
}

impl Orders {
    /// The orders as they stand in the page.
    pub(super) fn new(left: u16, right: u16) -> Result<Self, Problem> {
        let known = SMALL..=LARGEST;
        for order in [left, right] {
            if !known.contains(&order) {
                let value = order.into();
                return Err(Problem::FromTheOtherEnd { what: "the order of a queue", value });
            }
        }
        let orders = Self { left, right };
        let in_the_same_place = left == right && left < PAGE_ORDER;
        if in_the_same_place || orders.references_end() > orders.references_limit() {
            let value = u32::from(left) << 16 | u32::from(right);
            return Err(Problem::FromTheOtherEnd { what: "two orders that do not fit", value });
        }
        Ok(orders)
    }

    /// The smallest that hold so many bytes each, in the shared page as far as possible.
    pub(super) fn for_bytes(left: u64, right: u64) -> Result<Self, Problem> {
        let (left, right) = match (order_of(left)?, order_of(right)?) {
            (SMALL, SMALL | IN_PAGE) => (SMALL, IN_PAGE),
            (IN_PAGE, SMALL) => (IN_PAGE, SMALL),
            (SMALL | IN_PAGE, right) => (IN_PAGE, right.max(PAGE_ORDER)),
            (left, SMALL | IN_PAGE) => (left, IN_PAGE),
            large => large,
        };
        Self::new(left, right)
    }

    pub(super) fn bytes(self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.left.to_le_bytes(), self.right.to_le_bytes());
        [a, b, c, d]
    }

    pub(super) fn from_bytes([a, b, c, d]: [u8; 4]) -> Result<Self, Problem> {
        Self::new(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
    }

    /// Size and place of the queue that the client writes.
    pub(super) fn left(self) -> (u32, Place) {
        place(self.left)
    }

    /// Size and place of the queue that the server writes.
    pub(super) fn right(self) -> (u32, Place) {
        place(self.right)
    }

    fn references_end(self) -> usize {
        let pages = |order: u16| if order < PAGE_ORDER { 0 } else { 1 << (order - PAGE_ORDER) };
        REFERENCES + 4 * (pages(self.left) + pages(self.right))
    }

    /// Where the first queue in the page starts, or the page ends.
    fn references_limit(self) -> usize {
        match self.left.min(self.right) {
            SMALL => 1024,
            IN_PAGE => 2048,
            _ => 4096,
        }
    }
}

fn place(order: u16) -> (u32, Place) {
    let place = match order {
        SMALL => Place::InPage(1024),
        IN_PAGE => Place::InPage(2048),
        order => Place::Pages(1 << (order - PAGE_ORDER)),
    };
    (1 << order, place)
}

fn order_of(bytes: u64) -> Result<u16, Problem> {
    (SMALL..=LARGEST)
        .find(|order| bytes <= 1 << order)
        .ok_or(Problem::Config { key: "ring size", why: "is over 1 MiB" })
}

/// A queue of 1 KiB at 1024.
const SMALL: u16 = 10;
/// A queue of 2 KiB at 2048.
const IN_PAGE: u16 = 11;
/// From here on a queue has pages of its own.
const PAGE_ORDER: u16 = 12;
/// 1 MiB, the largest that libxenvchan takes.
const LARGEST: u16 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(left: u64, right: u64) -> (u16, u16) {
        let Orders { left, right } = Orders::for_bytes(left, right).unwrap();
        (left, right)
    }

    #[test]
    fn queues_are_in_the_page_where_they_fit_and_never_in_the_same_place() {
        assert_eq!(orders(0, 0), (10, 11));
        assert_eq!(orders(1024, 2048), (10, 11));
        assert_eq!(orders(1025, 1024), (11, 10));
        assert_eq!(orders(1025, 1025), (11, 12));
        assert_eq!(orders(1, 4097), (11, 13));
        assert_eq!(orders(4096, 1), (12, 11));
        assert_eq!(orders(1 << 20, 1 << 20), (20, 20));
        assert!(Orders::for_bytes((1 << 20) + 1, 0).is_err());
    }

    #[test]
    fn orders_that_have_no_room_are_refused() {
        assert!(Orders::new(9, 11).is_err());
        assert!(Orders::new(11, 21).is_err());
        assert!(Orders::new(10, 10).is_err());
        assert!(Orders::new(11, 11).is_err());
        assert!(Orders::new(10, 20).is_err(), "256 references reach into the queue at 1024");
        assert!(Orders::new(11, 20).is_ok());
        assert!(Orders::new(20, 20).is_ok());
    }

    #[test]
    fn a_queue_lies_where_the_header_says() {
        let orders = Orders::new(10, 11).unwrap();
        assert_eq!(orders.left(), (1024, Place::InPage(1024)));
        assert_eq!(orders.right(), (2048, Place::InPage(2048)));
        assert_eq!(Orders::new(14, 12).unwrap().left(), (16384, Place::Pages(4)));
        assert_eq!(orders.bytes(), [10, 0, 11, 0]);
    }
}
