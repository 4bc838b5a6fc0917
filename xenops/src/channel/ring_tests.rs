use proptest::prelude::*;

use super::*;

#[test]
fn bytes_at_the_end_of_the_queue_go_on_at_its_start() {
    let outgoing = Outgoing::new(1024, 1020);
    assert_eq!(outgoing.pieces(4), [1020..1024, 0..0]);
    assert_eq!(outgoing.pieces(10), [1020..1024, 0..6]);
}

#[test]
fn indices_run_over_the_end_of_their_32_bits() {
    let mut incoming = Incoming::new(1024, u32::MAX - 1);
    assert_eq!(incoming.ready(3), Ok(5));
    assert_eq!(incoming.advance(5), 3);
    let mut outgoing = Outgoing::new(1024, u32::MAX);
    assert_eq!(outgoing.room(u32::MAX), Ok(1024));
    assert_eq!(outgoing.advance(1), 0);
    assert_eq!(outgoing.room(u32::MAX), Ok(1023));
}

#[test]
fn a_full_queue_has_no_room_and_an_index_beyond_it_is_refused() {
    let outgoing = Outgoing::new(1024, 1024);
    assert_eq!(outgoing.room(0), Ok(0));
    assert_eq!(outgoing.room(u32::MAX), Err(OutOfRange(u32::MAX)));
    assert_eq!(outgoing.room(1025), Err(OutOfRange(1025)));
    let incoming = Incoming::new(1024, 7);
    assert_eq!(incoming.ready(1031), Ok(1024));
    assert_eq!(incoming.ready(1032), Err(OutOfRange(1032)));
    assert_eq!(incoming.ready(6), Err(OutOfRange(6)));
}

proptest! {
    #[test]
    fn stretches_lie_in_the_queue_and_add_up(order in 10_u32..21, index: u32, count: u32) {
        let size = 1 << order;
        let [first, second] = Incoming::new(size, index).pieces(count);
        prop_assert!(first.end <= size as usize && second.end <= size as usize);
        prop_assert!(second.is_empty() || first.end == size as usize);
        prop_assert!(second.end <= first.start);
        prop_assert_eq!(first.len() + second.len(), count.min(size) as usize);
    }

    #[test]
    fn whatever_the_other_end_writes_no_more_is_taken_than_the_queue_holds(
        order in 10_u32..21,
        own: u32,
        theirs: u32,
    ) {
        let size = 1 << order;
        prop_assert!(Incoming::new(size, own).ready(theirs).is_ok_and(|n| n <= size)
            || theirs.wrapping_sub(own) > size);
        prop_assert!(Outgoing::new(size, own).room(theirs).is_ok_and(|n| n <= size)
            || own.wrapping_sub(theirs) > size);
    }
}
