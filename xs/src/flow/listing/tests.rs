use super::*;
use crate::proto::{Op, Reply};

const A: Path = Path::from_static("/a");

fn part(payload: &[u8]) -> Outcome {
    Ok(Reply::of(Op::DIRECTORY_PART, payload))
}

fn refused(code: ErrorCode) -> Outcome {
    Err(code.into())
}

/// A listing that has been told that the list does not fit.
fn long() -> Listing {
    let mut listing = Listing::new(A);
    assert!(listing.answered(refused(ErrorCode::E2big)).is_none());
    listing
}

fn offset(listing: &Listing) -> u32 {
    match listing.request() {
        Request::DirectoryPart { offset, .. } => offset,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_short_list_takes_one_request() {
    let mut listing = Listing::new(A);
    assert!(matches!(listing.request(), Request::Directory(path) if *path == A));
    let names = listing.answered(Ok(Reply::of(Op::DIRECTORY, b"x\0y\0")));
    assert_eq!(names.unwrap().unwrap(), ["x", "y"]);
}

#[test]
fn a_long_list_comes_in_parts() {
    let mut listing = long();
    assert_eq!(offset(&listing), 0);
    assert!(listing.answered(part(b"7\0x\0yy\0")).is_none());
    assert_eq!(offset(&listing), 5);
    assert!(listing.answered(part(b"7\0z\0")).is_none());
    assert_eq!(offset(&listing), 7);
    let names = listing.answered(part(b"7\0last\0\0"));
    assert_eq!(names.unwrap().unwrap(), ["x", "yy", "z", "last"]);
}

#[test]
fn the_last_part_may_be_empty() {
    let mut listing = long();
    assert!(listing.answered(part(b"7\0x\0")).is_none());
    assert_eq!(listing.answered(part(b"7\0\0")).unwrap().unwrap(), ["x"]);
}

#[test]
fn a_node_that_changed_between_two_parts_is_listed_anew() {
    let mut listing = long();
    assert!(listing.answered(part(b"7\0x\0")).is_none());
    assert!(listing.answered(part(b"8\0y\0\0")).is_none());
    assert_eq!(offset(&listing), 0);
    assert_eq!(listing.answered(part(b"8\0z\0\0")).unwrap().unwrap(), ["z"]);
}

#[test]
fn a_node_that_never_holds_still_is_given_up() {
    let mut listing = long();
    let answers = (0..1000).map(|n| format!("{n}\0x\0").into_bytes());
    let end = answers.filter_map(|answer| listing.answered(part(&answer))).next();
    assert_eq!(end.unwrap().unwrap_err().kind(), crate::Kind::Again);
}

#[test]
fn a_daemon_without_parts_leaves_the_list_too_long() {
    let error = long().answered(refused(ErrorCode::Enosys)).unwrap().unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::E2big));
    assert_eq!(error.to_string(), "list /a");
}

#[test]
fn a_part_without_names_that_is_not_the_last_is_malformed() {
    assert!(long().answered(part(b"7\0")).unwrap().is_err());
    assert!(long().answered(part(b"7")).unwrap().is_err());
    assert!(long().answered(part(b"x\0a\0\0")).unwrap().is_err());
}

#[test]
fn a_list_without_end_is_cut_off() {
    let mut listing = long();
    let name = "x".repeat(2000);
    let payload = format!("7\0{name}\0{name}\0");
    let end = (0..2000).find_map(|_| listing.answered(part(payload.as_bytes())));
    assert_eq!(end.unwrap().unwrap_err().code(), Some(&ErrorCode::E2big));
}
