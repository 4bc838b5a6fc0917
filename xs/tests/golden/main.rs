//! Requests and replies as they went over real connections, byte for byte (`README.md`).

#![cfg(target_endian = "little")]
#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod vectors;

use std::collections::BTreeSet;

use vectors::{Vectors, vectors};
use xen_types::{DomId, Gfn, Port};
use xs::proto::{ErrorCode, Features, Op, Refusal, Request, Token, TxId};
use xs::{Access, Path, Perms};

const A: Path = Path::from_static("/golden/a");
const B: Path = Path::from_static("/golden/b");
const GOLDEN: Path = Path::from_static("/golden");
const LONG: Path = Path::from_static("/long");

/// What the daemon refuses with.
fn refused(code: ErrorCode) -> Option<Refusal> {
    Some(Refusal::Code(code))
}

fn dom(id: u16) -> DomId {
    DomId::new(id).unwrap()
}

#[test]
fn control_is_words_and_is_answered_with_text() {
    let file = vectors("control");
    assert_eq!(file.answer("check", &Request::Control(&["check"])).into_value(), b"OK\0");
    let print = Request::Control(&["print", "a b"]);
    assert_eq!(file.answer("two words", &print).into_value(), b"OK\0");
    let nonsense = Request::Control(&["nonsense"]);
    assert_eq!(file.refusal("refused", &nonsense), refused(ErrorCode::Einval));
}

#[test]
fn directory_is_answered_with_names() {
    let file = vectors("directory");
    let children = file.answer("children", &Request::Directory(&GOLDEN));
    assert_eq!(children.names().unwrap(), ["a", "e", "b"]);
    let none = file.answer("no children", &Request::Directory(&A));
    assert_eq!(none.names().unwrap(), [""; 0]);
    let in_tx = file.answer("in a transaction", &Request::Directory(&GOLDEN));
    assert_eq!(in_tx.names().unwrap(), ["a", "e", "b"]);
}

#[test]
fn a_long_directory_is_refused_by_xenstored_and_sent_whole_by_oxenstored() {
    let file = vectors("directory");
    let request = Request::Directory(&LONG);
    assert_eq!(file.refusal("too long", &request), refused(ErrorCode::E2big));
    let names = file.answer("too long in oxenstored", &request).names().unwrap();
    assert_eq!(names.len(), 17);
    assert_eq!(names[16], format!("16-{}", "x".repeat(247)).as_str());
}

#[test]
fn directory_part_is_answered_with_whole_names_and_the_end_is_marked() {
    let file = vectors("directory-part");
    let first = Request::DirectoryPart { path: &LONG, offset: 0 };
    let first = file.answer("the first part", &first).part().unwrap();
    assert_eq!((first.names.len(), first.len, first.last), (16, 4016, false));
    let last = Request::DirectoryPart { path: &LONG, offset: 4016 };
    let last = file.answer("the last part", &last).part().unwrap();
    assert_eq!((last.names.len(), last.len, last.last), (1, 251, true));
    assert_eq!(first.generation, last.generation);
    let empty = Path::from_static("/empty");
    let none = Request::DirectoryPart { path: &empty, offset: 0 };
    let none = file.answer("no children", &none).part().unwrap();
    assert_eq!((none.names.len(), none.len, none.last), (0, 0, true));
}

#[test]
fn directory_part_is_unknown_to_oxenstored() {
    let request = Request::DirectoryPart { path: &GOLDEN, offset: 0 };
    let refusal = vectors("directory-part").refusal("not supported", &request);
    assert_eq!(refusal, refused(ErrorCode::Enosys));
}

#[test]
fn read_is_answered_with_the_value_alone() {
    let file = vectors("read");
    let empty = Path::from_static("/golden/e");
    let none = Path::from_static("/golden/none");
    assert_eq!(file.answer("a value", &Request::Read(&A)).into_value(), b"v1");
    assert_eq!(file.answer("an empty value", &Request::Read(&empty)).into_value(), b"");
    assert_eq!(file.answer("any bytes", &Request::Read(&B)).into_value(), b"a\0\xff\n\0");
    assert_eq!(file.refusal("no node", &Request::Read(&none)), refused(ErrorCode::Enoent));
}

#[test]
fn write_has_the_value_without_an_end() {
    let file = vectors("write");
    let empty = Path::from_static("/golden/e");
    let in_tx = Path::from_static("/golden/t");
    file.done("a value", &Request::Write { path: &A, value: b"v1" });
    file.done("an empty value", &Request::Write { path: &empty, value: b"" });
    file.done("any bytes", &Request::Write { path: &B, value: b"a\0\xff\n\0" });
    file.done("in a transaction", &Request::Write { path: &in_tx, value: b"v2" });
}

#[test]
fn mkdir_and_rm_are_a_path() {
    let made = Path::from_static("/golden/dir");
    let orphan = Path::from_static("/golden/none/x");
    vectors("mkdir").done("a node", &Request::Mkdir(&made));
    vectors("rm").done("a node", &Request::Rm(&made));
    let refusal = vectors("rm").refusal("no parent", &Request::Rm(&orphan));
    assert_eq!(refusal, refused(ErrorCode::Enoent));
}

#[test]
fn permissions_are_a_list_with_the_owner_first() {
    let perms = Perms::private(DomId::DOM0).allow(dom(7), Access::Read).allow(dom(8), Access::Both);
    vectors("set-perms").done("a list", &Request::SetPerms { path: &A, perms: &perms });
    let file = vectors("get-perms");
    assert_eq!(file.answer("a list", &Request::GetPerms(&A)).perms(), Ok(perms));
    let owner = file.answer("the owner alone", &Request::GetPerms(&B));
    assert_eq!(owner.perms(), Ok(Perms::private(DomId::DOM0)));
}

#[test]
fn watch_and_unwatch_are_a_path_and_a_token() {
    let watch = Request::Watch { path: &GOLDEN, token: Token(1), depth: None };
    let deep = Request::Watch { path: &GOLDEN, token: Token(1), depth: Some(1) };
    let unwatch = Request::Unwatch { path: &GOLDEN, token: Token(1) };
    vectors("watch").done("a path", &watch);
    assert_eq!(vectors("watch").refusal("again", &watch), refused(ErrorCode::Eexist));
    vectors("watch").done("to a depth", &deep);
    vectors("unwatch").done("a path", &unwatch);
    assert_eq!(vectors("unwatch").refusal("again", &unwatch), refused(ErrorCode::Enoent));
}

#[test]
fn the_event_of_an_own_write_comes_before_its_reply_in_xenstored_and_after_it_in_oxenstored() {
    let file = vectors("watch-event");
    let write = Request::Write { path: &A, value: b"v2" };
    let c = file.watched("at once and for a write, xenstored", &GOLDEN, None, &[write]);
    assert_eq!(c, ["answer", "event /golden", "event /golden/a", "answer"]);
    let ocaml = file.watched("at once and for a write, oxenstored", &GOLDEN, None, &[write]);
    assert_eq!(ocaml, ["answer", "event /golden", "answer", "event /golden/a"]);
}

#[test]
fn events_name_special_watches_and_the_watched_path_when_a_parent_is_removed() {
    let file = vectors("watch-event");
    let special = file.watched("special", &Path::INTRODUCE_DOMAIN, None, &[]);
    assert_eq!(special, ["answer", "event @introduceDomain"]);
    let below = Path::from_static("/golden/a/b");
    let removed = file.watched("a parent is removed", &below, None, &[Request::Rm(&A)]);
    assert_eq!(removed, ["answer", "event /golden/a/b", "event /golden/a/b", "answer"]);
    let of_one = file.watched("of one domain", &Path::RELEASE_DOMAIN, Some(1), &[]);
    assert_eq!(of_one, ["answer", "event @releaseDomain/7"]);
}

#[test]
fn a_transaction_is_a_number_and_its_end_a_letter() {
    let start = vectors("transaction-start").answer("a transaction", &Request::TransactionStart);
    assert_eq!(start.tx(), Ok(TxId(1)));
    let file = vectors("transaction-end");
    let commit = Request::TransactionEnd { commit: true };
    file.done("commit", &commit);
    file.done("discard", &Request::TransactionEnd { commit: false });
    assert_eq!(file.refusal("conflict", &commit), refused(ErrorCode::Eagain));
    assert_eq!(file.refusal("no transaction", &commit), refused(ErrorCode::Enoent));
    let ocaml = file.refusal("no transaction in oxenstored", &commit);
    assert_eq!(ocaml, refused(ErrorCode::Eio));
}

#[test]
fn domains_come_and_go() {
    let introduce = Request::Introduce { dom: dom(7), gfn: Gfn(1_044_476), port: Port(1) };
    vectors("introduce").done("a domain", &introduce);
    vectors("release").done("a domain", &Request::Release(dom(7)));
    let target = Request::SetTarget { dom: dom(7), target: dom(8) };
    vectors("set-target").done("two domains", &target);
    let file = vectors("resume");
    file.done("a domain", &Request::Resume(dom(7)));
    let unknown = Request::Resume(dom(9));
    assert_eq!(file.refusal("no domain", &unknown), refused(ErrorCode::Enoent));
    assert_eq!(file.refusal("no domain in oxenstored", &unknown), refused(ErrorCode::Einval));
    vectors("reset-watches").done("all", &Request::ResetWatches);
}

#[test]
fn domains_are_asked_about() {
    let home = vectors("get-domain-path").answer("a domain", &Request::GetDomainPath(dom(7)));
    assert_eq!(home.path(), Ok(Path::domain(dom(7))));
    let file = vectors("is-domain-introduced");
    let known = file.answer("yes", &Request::IsDomainIntroduced(dom(7)));
    assert_eq!(known.flag(), Ok(true));
    let unknown = file.answer("no", &Request::IsDomainIntroduced(dom(9)));
    assert_eq!(unknown.flag(), Ok(false));
}

#[test]
fn features_are_a_number() {
    let two = Features::RECONNECTION | Features::ERROR;
    let file = vectors("get-feature");
    let of_domain = file.answer("of a domain", &Request::GetFeature(Some(dom(7))));
    assert_eq!(of_domain.features(), Ok(two | Features::WATCH_DEPTH));
    let of_caller = file.answer("of the caller", &Request::GetFeature(None));
    assert_eq!(of_caller.features(), Ok(Features::from_bits_retain(15)));
    let file = vectors("set-feature");
    let set = Request::SetFeature { dom: dom(7), features: two };
    file.done("of a domain", &set);
    assert_eq!(file.refusal("after its INTRODUCE", &set), refused(ErrorCode::Ebusy));
}

#[test]
fn quotas_have_names_and_numbers() {
    let seven = Some(dom(7));
    let file = vectors("get-quota");
    let names = file.answer("names", &Request::GetQuotaNames).words().unwrap();
    assert_eq!(names, ["nodes", "watches", "transactions", "node-size", "permissions"]);
    let of_all = file.answer("of all", &Request::GetQuota { dom: None, name: "nodes" });
    assert_eq!(of_all.number(), Ok(1000));
    let of_one = file.answer("of a domain", &Request::GetQuota { dom: seven, name: "nodes" });
    assert_eq!(of_one.number(), Ok(2000));
    let file = vectors("set-quota");
    file.done("of all", &Request::SetQuota { dom: None, name: "nodes", value: 500 });
    file.done("of a domain", &Request::SetQuota { dom: seven, name: "nodes", value: 2000 });
}

#[test]
fn every_operation_is_there() {
    let seen: BTreeSet<u32> = vectors::all().iter().flat_map(Vectors::ops).map(|op| op.0).collect();
    let known: BTreeSet<u32> = (0..100).filter(|n| Op(*n).name().is_some()).collect();
    assert_eq!(seen, known);
}
