//! The bytes were sent to Debian's xenstored and oxenstored 4.17 on a little-endian host, which
//! both carried out, or refused for what they say and not for how.
#![cfg(target_endian = "little")]

use super::*;
use crate::perms::Access;

fn encoded(request: &Request<'_>, id: u32, tx: u32) -> Vec<u8> {
    let mut out = Vec::new();
    request.encode(id, TxId(tx), &mut out).unwrap();
    out
}

fn seven() -> DomId {
    DomId::new(7).unwrap()
}

const A: Path = Path::from_static("/xt/a");
const XT: Path = Path::from_static("/xt");

#[test]
fn write_ends_its_path_but_not_its_value() {
    assert_eq!(
        encoded(&Request::Write { path: &A, value: b"v1" }, 1, 0),
        b"\x0b\0\0\0\x01\0\0\0\0\0\0\0\x08\0\0\0/xt/a\0v1"
    );
}

#[test]
fn a_request_names_its_transaction() {
    assert_eq!(
        encoded(&Request::Write { path: &A, value: b"v2" }, 16, 1),
        b"\x0b\0\0\0\x10\0\0\0\x01\0\0\0\x08\0\0\0/xt/a\0v2"
    );
}

#[test]
fn requests_about_a_path_are_the_path_and_a_nul() {
    let read = b"\x02\0\0\0\x02\0\0\0\0\0\0\0\x06\0\0\0/xt/a\0";
    assert_eq!(encoded(&Request::Read(&A), 2, 0), read);
    let directory = b"\x01\0\0\0\x05\0\0\0\0\0\0\0\x04\0\0\0/xt\0";
    assert_eq!(encoded(&Request::Directory(&XT), 5, 0), directory);
    let perms = b"\x03\0\0\0\x09\0\0\0\0\0\0\0\x06\0\0\0/xt/a\0";
    assert_eq!(encoded(&Request::GetPerms(&A), 9, 0), perms);
    let mkdir = b"\x0c\0\0\0\x04\0\0\0\0\0\0\0\x08\0\0\0/xt/dir\0";
    assert_eq!(encoded(&Request::Mkdir(&XT.join("dir")), 4, 0), mkdir);
    let rm = b"\x0d\0\0\0\x1a\0\0\0\0\0\0\0\x04\0\0\0/xt\0";
    assert_eq!(encoded(&Request::Rm(&XT), 26, 0), rm);
}

#[test]
fn permissions_follow_the_path() {
    let perms = Perms::private(DomId::DOM0).allow(DomId::new(5).unwrap(), Access::Read);
    assert_eq!(
        encoded(&Request::SetPerms { path: &A, perms: &perms }, 8, 0),
        b"\x0e\0\0\0\x08\0\0\0\0\0\0\0\x0c\0\0\0/xt/a\0n0\0r5\0"
    );
}

#[test]
fn watch_and_unwatch_have_the_path_first() {
    let watch = b"\x04\0\0\0\x0a\0\0\0\0\0\0\0\x08\0\0\0/xt\0xs1\0";
    assert_eq!(encoded(&Request::Watch { path: &XT, token: Token(1), depth: None }, 10, 0), watch);
    let unwatch = b"\x05\0\0\0\x0d\0\0\0\0\0\0\0\x08\0\0\0/xt\0xs1\0";
    assert_eq!(encoded(&Request::Unwatch { path: &XT, token: Token(1) }, 13, 0), unwatch);
}

#[test]
fn starting_a_transaction_sends_one_byte() {
    let start = b"\x06\0\0\0\x0f\0\0\0\0\0\0\0\x01\0\0\0\0";
    assert_eq!(encoded(&Request::TransactionStart, 15, 0), start);
    let commit = b"\x07\0\0\0\x13\0\0\0\x01\0\0\0\x02\0\0\0T\0";
    assert_eq!(encoded(&Request::TransactionEnd { commit: true }, 19, 1), commit);
    let discard = b"\x07\0\0\0\x14\0\0\0\x63\0\0\0\x02\0\0\0F\0";
    assert_eq!(encoded(&Request::TransactionEnd { commit: false }, 20, 99), discard);
}

#[test]
fn domains_are_decimal_numbers() {
    let home = b"\x0a\0\0\0\x15\0\0\0\0\0\0\0\x02\0\0\x007\0";
    assert_eq!(encoded(&Request::GetDomainPath(seven()), 21, 0), home);
    let known = b"\x11\0\0\0\x16\0\0\0\0\0\0\0\x02\0\0\x007\0";
    assert_eq!(encoded(&Request::IsDomainIntroduced(seven()), 22, 0), known);
    let release = b"\x09\0\0\0\x18\0\0\0\0\0\0\0\x02\0\0\x007\0";
    assert_eq!(encoded(&Request::Release(seven()), 24, 0), release);
    let introduce = b"\x08\0\0\0\x19\0\0\0\0\0\0\0\x06\0\0\x007\x003\x004\0";
    let request = Request::Introduce { dom: seven(), gfn: Gfn(3), port: Port(4) };
    assert_eq!(encoded(&request, 25, 0), introduce);
}

#[test]
fn a_payload_over_the_limit_is_not_sent_and_leaves_no_trace() {
    let mut out = b"before".to_vec();
    let fits = Request::Write { path: &A, value: &[0; 4090] };
    let too_big = Request::Write { path: &A, value: &[0; 4091] };
    assert_eq!(too_big.encode(1, TxId::NONE, &mut out), Err(InvalidRequest::TooBig(4097)));
    assert_eq!(out, b"before");
    assert_eq!(fits.encode(1, TxId::NONE, &mut out), Ok(()));
}

#[test]
fn a_path_that_grew_too_long_is_not_sent() {
    let long = Path::new(format!("/{}", "a".repeat(3071))).unwrap().join("b");
    let error = InvalidPath::TooLong { len: 3074, limit: 3072 };
    let outcome = Request::Read(&long).encode(1, TxId::NONE, &mut Vec::new());
    assert_eq!(outcome, Err(InvalidRequest::Path(error)));
}

#[test]
fn the_root_is_never_removed() {
    let outcome = Request::Rm(&Path::ROOT).encode(1, TxId::NONE, &mut Vec::new());
    assert_eq!(outcome, Err(InvalidRequest::RemovesRoot));
}

#[test]
fn only_our_own_tokens_are_parsed() {
    assert_eq!(Token::parse(&Token(12).to_string()), Some(Token(12)));
    assert_eq!(Token::parse("12"), None);
    assert_eq!(Token::parse("xs"), None);
}
