use super::*;

fn indices(consumer: u32, producer: u32) -> Indices {
    Indices::new(consumer, producer).unwrap()
}

#[test]
fn a_fresh_queue_is_all_free() {
    assert_eq!((indices(0, 0).filled(), indices(0, 0).free()), (0, 1024));
    assert_eq!(indices(0, 0).take(10), ([0..0, 0..0], 0));
    assert_eq!(indices(0, 0).put(5000), ([0..1024, 0..0], 1024));
}

#[test]
fn a_full_queue_has_no_room() {
    assert_eq!((indices(0, 1024).filled(), indices(0, 1024).free()), (1024, 0));
    assert_eq!(indices(0, 1024).put(1), ([0..0, 0..0], 1024));
    assert_eq!(indices(0, 1024).take(5000), ([0..1024, 0..0], 1024));
}

#[test]
fn equal_indices_are_an_empty_queue_wherever_they_are() {
    assert_eq!(indices(1024, 1024).filled(), 0);
    assert_eq!(indices(u32::MAX, u32::MAX).filled(), 0);
    assert_eq!(indices(1500, 1500).put(0), ([476..476, 0..0], 1500));
}

#[test]
fn no_more_is_taken_than_wanted_and_no_more_is_put_than_offered() {
    assert_eq!(indices(3, 100).take(7), ([3..10, 0..0], 10));
    assert_eq!(indices(3, 100).put(7), ([100..107, 0..0], 107));
}

#[test]
fn what_reaches_the_end_of_the_queue_goes_on_at_its_start() {
    assert_eq!(indices(1020, 1030).take(10), ([1020..1024, 0..6], 1030));
    assert_eq!(indices(1020, 1020).put(10), ([1020..1024, 0..6], 1030));
    assert_eq!(indices(1000, 1024).take(24), ([1000..1024, 0..0], 1024));
}

#[test]
fn indices_wrap_at_the_end_of_their_numbers() {
    // 2^32 - 4 is at 1020 of the queue.
    let wrapping = indices(u32::MAX - 3, 6);
    assert_eq!((wrapping.filled(), wrapping.free()), (10, 1014));
    assert_eq!(wrapping.take(10), ([1020..1024, 0..6], 6));
    assert_eq!(indices(u32::MAX - 3, u32::MAX - 3).put(10), ([1020..1024, 0..6], 6));
    assert_eq!(indices(u32::MAX - 3, u32::MAX).put(2000), ([1023..1024, 0..1020], 1020));
}

#[test]
fn indices_too_far_apart_are_impossible() {
    assert_eq!(Indices::new(0, 1025), Err(Impossible { consumer: 0, producer: 1025 }));
    assert_eq!(Indices::new(1, 0), Err(Impossible { consumer: 1, producer: 0 }));
    assert!(Indices::new(u32::MAX, 1023).is_ok());
    assert!(Indices::new(u32::MAX, 1024).is_err());
    let words = Indices::new(1, 0).unwrap_err().to_string();
    assert_eq!(words, "a ring of 1024 bytes cannot have consumed 1 and produced 0");
}

#[test]
fn the_parts_of_the_page_follow_each_other() {
    let of = |queue: Queue| [queue.consumer, queue.producer];
    let words = [of(REQUESTS), of(REPLIES), [FEATURES, STATE]].concat();
    assert_eq!(words, [2048, 2052, 2056, 2060, 2064, 2068]);
    assert_eq!((REQUESTS.bytes, REPLIES.bytes, ERROR), (0, 1024, 2072));
}

#[test]
fn a_complaint_of_a_newer_store_keeps_its_number() {
    assert_eq!(Complaint(9).to_string(), "error 9");
    assert_eq!(Complaint::PROTOCOL.to_string(), "a packet was too long");
}
