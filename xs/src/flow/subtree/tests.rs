use super::*;
use crate::Kind;
use crate::proto::{ErrorCode, Op, Reply};

const A: Path = Path::from_static("/a");

fn value(value: &[u8]) -> Outcome {
    Ok(Reply::of(Op::READ, value))
}

fn children(names: &[u8]) -> Outcome {
    Ok(Reply::of(Op::DIRECTORY, names))
}

fn missing() -> Outcome {
    Err(ErrorCode::Enoent.into())
}

/// The requests of the next flight, in words.
fn asked(walk: &Walk) -> Vec<String> {
    let say = |request: &Request<'_>| format!("{} {}", request.op(), request.path().unwrap());
    walk.requests().iter().map(say).collect()
}

#[test]
fn each_level_is_one_flight() {
    let mut walk = Walk::new(A);
    assert_eq!(asked(&walk), ["READ /a", "DIRECTORY /a"]);
    assert!(walk.take(vec![value(b"1"), children(b"x\0y\0")]).is_none());
    assert_eq!(asked(&walk), ["READ /a/x", "DIRECTORY /a/x", "READ /a/y", "DIRECTORY /a/y"]);
    let end = walk.take(vec![value(b"2"), children(b""), value(b""), children(b"")]);
    let found = end.unwrap().unwrap();
    let found: Vec<_> = found.iter().map(|(path, value)| (path.as_str(), &value[..])).collect();
    assert_eq!(found, [("/a", &b"1"[..]), ("/a/x", b"2"), ("/a/y", b"")]);
}

#[test]
fn a_long_directory_takes_more_flights_and_its_value_is_kept() {
    let mut walk = Walk::new(A);
    assert!(walk.take(vec![value(b"1"), Err(ErrorCode::E2big.into())]).is_none());
    assert_eq!(asked(&walk), ["DIRECTORY_PART /a"]);
    assert!(walk.take(vec![Ok(Reply::of(Op::DIRECTORY_PART, b"7\0x\0\0"))]).is_none());
    assert_eq!(asked(&walk), ["READ /a/x", "DIRECTORY /a/x"]);
    let found = walk.take(vec![value(b"2"), children(b"")]).unwrap().unwrap();
    assert_eq!(found[&A], b"1");
}

#[test]
fn what_vanishes_on_the_way_is_left_out() {
    let mut walk = Walk::new(A);
    assert!(walk.take(vec![value(b"1"), children(b"x\0y\0")]).is_none());
    let end = walk.take(vec![missing(), missing(), value(b""), missing()]);
    assert_eq!(end.unwrap().unwrap().into_keys().collect::<Vec<_>>(), [A]);
}

#[test]
fn a_missing_top_is_an_error() {
    let error = Walk::new(A).take(vec![missing(), missing()]).unwrap().unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (Kind::NotFound, "read /a".to_owned()));
}

#[test]
fn a_refusal_names_its_node() {
    let mut walk = Walk::new(A);
    assert!(walk.take(vec![value(b"1"), children(b"x\0")]).is_none());
    let error = walk.take(vec![value(b""), Err(ErrorCode::Eacces.into())]).unwrap().unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (Kind::Denied, "list /a/x".to_owned()));
}
