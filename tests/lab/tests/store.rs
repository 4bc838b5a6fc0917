//! The xenstore client against the daemon of a real control domain, C or OCaml.
//!
//! Each test works below a node of its own and removes it again. Any daemon that takes this process
//! for the control domain will do: the socket is found as `xs::Client::open` finds it.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use xen_types::DomId;
use xs::{
    Access, Client, Deadline, ErrorCode, Kind, Path, Perms, Store, View, Watch, all_of, any_of, appears,
    becomes, vanishes,
};

/// A node for one test, and a client that gives up before a person would.
struct Scratch {
    client: Client,
    home: Path,
}

impl Scratch {
    fn new(test: &str) -> Self {
        let client = Client::open().unwrap().with_deadline(soon());
        let home = Path::new(format!("/tool/xs-lab-{test}")).unwrap();
        client.rm_if_exists(&home).unwrap();
        client.mkdir(&home).unwrap();
        Self { client, home }
    }

    fn node(&self, name: &'static str) -> Path {
        self.home.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.client.rm_if_exists(&self.home).unwrap();
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// For what must not happen.
fn briefly() -> Deadline {
    Deadline::after(Duration::from_millis(200))
}

/// A watch whose first event, which is no change, has been taken.
fn watch(client: &Client, path: &Path) -> Watch {
    let mut watch = client.watch(path).unwrap();
    assert_eq!(watch.wait(soon()).unwrap().path(), path);
    watch
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_is_written_is_read() {
    let scratch = Scratch::new("round-trip");
    let value: Vec<u8> = (0..=255).collect();
    scratch.client.write(&scratch.node("bytes"), &value).unwrap();
    assert_eq!(scratch.client.read(&scratch.node("bytes")).unwrap(), value);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_empty_value_is_not_a_missing_one() {
    let scratch = Scratch::new("empty");
    scratch.client.write(&scratch.node("here"), "").unwrap();
    assert_eq!(scratch.client.read_opt(&scratch.node("here")).unwrap(), Some(vec![]));
    assert_eq!(scratch.client.read_opt(&scratch.node("gone")).unwrap(), None);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_value_too_long_for_a_packet_is_refused_and_the_connection_goes_on() {
    let scratch = Scratch::new("longest");
    let path = scratch.node("v");
    let value = [b'x'; 2048]; // oxenstored takes no longer one, from dom0 either
    scratch.client.write(&path, value).unwrap();
    assert_eq!(scratch.client.write(&path, [b'x'; 4096]).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(scratch.client.read(&path).unwrap(), value);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_directory_lists_the_names_of_children() {
    let scratch = Scratch::new("directory");
    assert_eq!(scratch.client.directory(&scratch.home).unwrap(), [""; 0]);
    scratch.client.mkdir(&scratch.node("b/c")).unwrap();
    scratch.client.write(&scratch.node("a"), "1").unwrap();
    let mut names = scratch.client.directory(&scratch.home).unwrap();
    names.sort();
    assert_eq!(names, ["a", "b"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn making_a_node_that_exists_keeps_its_value() {
    let scratch = Scratch::new("mkdir");
    scratch.client.write(&scratch.node("a"), "1").unwrap();
    scratch.client.mkdir(&scratch.node("a")).unwrap();
    assert_eq!(scratch.client.read_str(&scratch.node("a")).unwrap(), "1");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn removing_takes_everything_below() {
    let scratch = Scratch::new("rm");
    scratch.client.write(&scratch.node("a/b/c"), "1").unwrap();
    scratch.client.rm(&scratch.node("a")).unwrap();
    assert_eq!(scratch.client.read_opt(&scratch.node("a/b/c")).unwrap(), None);
    assert_eq!(scratch.client.read_opt(&scratch.node("a")).unwrap(), None);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn removing_what_is_missing_fails_only_without_its_parent() {
    let scratch = Scratch::new("rm-missing");
    scratch.client.rm(&scratch.node("a")).unwrap();
    let orphan = scratch.node("a/b/c");
    assert_eq!(scratch.client.rm(&orphan).unwrap_err().kind(), Kind::NotFound);
    scratch.client.rm_if_exists(&orphan).unwrap();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn every_verb_says_not_found_of_a_missing_node() {
    let scratch = Scratch::new("missing");
    let missing = scratch.node("no/such");
    let error = scratch.client.read(&missing).unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::Enoent));
    assert_eq!(error.path(), Some(&missing));
    assert_eq!(scratch.client.directory(&missing).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(scratch.client.perms(&missing).unwrap_err().kind(), Kind::NotFound);
    let perms = Perms::private(DomId::DOM0);
    assert_eq!(scratch.client.set_perms(&missing, &perms).unwrap_err().kind(), Kind::NotFound);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn permissions_are_kept_in_order() {
    let scratch = Scratch::new("perms");
    // The C xenstored wants the owner to be a domain that exists, the others not.
    let [reader, writer] = [1002, 1001].map(|id| DomId::new(id).unwrap());
    let perms = Perms::new(DomId::DOM0, Access::Write)
        .allow(reader, Access::Read)
        .allow(writer, Access::Both);
    assert_eq!(
        scratch.client.perms(&scratch.home).unwrap(),
        Perms::private(DomId::DOM0) // inherited from /tool
    );
    scratch.client.set_perms(&scratch.home, &perms).unwrap();
    assert_eq!(scratch.client.perms(&scratch.home).unwrap(), perms);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_transaction_is_invisible_until_it_commits() {
    let scratch = Scratch::new("tx-commit");
    let node = scratch.node("a");
    scratch
        .client
        .transaction(|tx| {
            tx.write(&node, "1")?;
            assert_eq!(tx.read(&node)?, b"1");
            assert_eq!(scratch.client.read_opt(&node)?, None);
            Ok(())
        })
        .unwrap();
    assert_eq!(scratch.client.read(&node).unwrap(), b"1");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_transaction_that_fails_changes_nothing() {
    let scratch = Scratch::new("tx-abort");
    let outcome = scratch.client.transaction(|tx| {
        tx.write(&scratch.node("a"), "1")?;
        tx.read(&scratch.node("missing"))
    });
    assert_eq!(outcome.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(scratch.client.read_opt(&scratch.node("a")).unwrap(), None);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_transaction_whose_reading_was_overtaken_runs_again() {
    let scratch = Scratch::new("tx-conflict");
    let (counter, runs) = (scratch.node("counter"), AtomicU32::new(0));
    scratch.client.write(&counter, "1").unwrap();
    scratch
        .client
        .transaction(|tx| {
            let seen = tx.read(&counter)?;
            if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                scratch.client.write(&counter, "10")?;
            }
            tx.write(&counter, [&seen[..], b"+"].concat())
        })
        .unwrap();
    assert_eq!(runs.into_inner(), 2);
    assert_eq!(scratch.client.read_str(&counter).unwrap(), "10+");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_transaction_that_never_wins_ends_by_the_deadline() {
    let scratch = Scratch::new("tx-starved");
    let (counter, runs) = (scratch.node("counter"), AtomicU32::new(0));
    scratch.client.write(&counter, "").unwrap();
    let hasty = scratch.client.with_deadline(briefly());
    let outcome = hasty.transaction(|tx| {
        tx.read(&counter)?;
        // Ever another value: oxenstored forgives a write that changes nothing.
        let run = runs.fetch_add(1, Ordering::Relaxed);
        scratch.client.write(&counter, format!("run {run}"))?;
        tx.write(&counter, "won")
    });
    assert!(matches!(outcome.unwrap_err().kind(), Kind::Again | Kind::TimedOut));
    assert!(scratch.client.read_str(&counter).unwrap().starts_with("run "));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn threads_that_count_in_transactions_lose_nothing() {
    let scratch = Scratch::new("tx-count");
    let counter = scratch.node("counter");
    scratch.client.write(&counter, "0").unwrap();
    let count = || {
        scratch.client.transaction(|tx| {
            let seen: u32 = tx.read_str(&counter)?.parse().unwrap();
            tx.write(&counter, (seen + 1).to_string())
        })
    };
    std::thread::scope(|scope| {
        (0..4).for_each(|_| {
            scope.spawn(|| (0..5).for_each(|_| count().unwrap()));
        });
    });
    assert_eq!(scratch.client.read_str(&counter).unwrap(), "20");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_watch_tells_of_changes_at_and_below_its_node() {
    let scratch = Scratch::new("watch");
    let mut events = watch(&scratch.client, &scratch.home);
    scratch.client.write(&scratch.node("a"), "1").unwrap();
    assert_eq!(events.wait(soon()).unwrap().path(), &scratch.node("a"));
    scratch.client.rm(&scratch.node("a")).unwrap();
    assert_eq!(events.wait(soon()).unwrap().path(), &scratch.node("a"));
    assert_eq!(events.wait(briefly()).unwrap_err().kind(), Kind::TimedOut);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn removing_a_parent_is_told_as_the_watched_path() {
    let scratch = Scratch::new("watch-parent");
    let inner = scratch.node("a/b");
    scratch.client.mkdir(&inner).unwrap();
    let mut events = watch(&scratch.client, &inner);
    scratch.client.rm(&scratch.node("a")).unwrap();
    assert_eq!(events.wait(soon()).unwrap().path(), &inner);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_transaction_fires_watches_when_it_commits() {
    let scratch = Scratch::new("watch-tx");
    let mut events = watch(&scratch.client, &scratch.home);
    scratch
        .client
        .transaction(|tx| {
            tx.write(&scratch.node("a"), "1")?;
            assert_eq!(events.wait(briefly()).unwrap_err().kind(), Kind::TimedOut);
            Ok(())
        })
        .unwrap();
    assert_eq!(events.wait(soon()).unwrap().path(), &scratch.node("a"));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn two_watches_of_one_node_do_not_share_their_events() {
    let scratch = Scratch::new("watch-twice");
    let mut first = watch(&scratch.client, &scratch.home);
    let second = watch(&scratch.client, &scratch.home);
    drop(second);
    scratch.client.write(&scratch.home, "1").unwrap();
    assert_eq!(first.wait(soon()).unwrap().path(), &scratch.home);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn hundreds_of_unread_events_stop_nobody() {
    let scratch = Scratch::new("watch-unread");
    let mut events = watch(&scratch.client, &scratch.home);
    (0..500_u32).for_each(|n| {
        scratch.client.write(&scratch.home.join(n), "").unwrap();
    });
    (0..500).for_each(|_| drop(events.wait(soon()).unwrap()));
    assert_eq!(events.wait(briefly()).unwrap_err().kind(), Kind::TimedOut);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn special_paths_can_be_watched() {
    let scratch = Scratch::new("watch-special");
    watch(&scratch.client, &Path::INTRODUCE_DOMAIN);
    watch(&scratch.client, &Path::RELEASE_DOMAIN);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_wait_sees_what_is_true_already() {
    let scratch = Scratch::new("wait-now");
    scratch.client.write(&scratch.node("a"), "1").unwrap();
    let condition = all_of([becomes(scratch.node("a"), "1"), vanishes(scratch.node("b"))]);
    let met = scratch.client.wait(&condition, soon()).unwrap();
    assert_eq!(met.value(&scratch.node("a")), Some(&b"1"[..]));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_wait_ends_with_the_change_it_waits_for() {
    let scratch = Scratch::new("wait-change");
    let (state, error) = (scratch.node("state"), scratch.node("error"));
    let condition = any_of([appears(error.clone()), becomes(state.clone(), "4")]);
    let (started, start) = mpsc::channel();
    let other = Client::open().unwrap();
    let met = std::thread::scope(|scope| {
        scope.spawn(move || {
            start.recv().unwrap();
            other.write(&state, "2").unwrap();
            other.write(&state, "4").unwrap();
        });
        started.send(()).unwrap();
        scratch.client.wait(&condition, soon()).unwrap()
    });
    assert_eq!(met.which(), 1);
    assert_eq!(met.value(&error), None);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_wait_in_vain_says_what_it_saw_last() {
    use std::error::Error as _;

    let scratch = Scratch::new("wait-vain");
    scratch.client.write(&scratch.node("state"), "2").unwrap();
    let condition = becomes(scratch.node("state"), "4");
    let error = scratch.client.wait(&condition, briefly()).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(error.to_string(), r#"wait until /tool/xs-lab-wait-vain/state becomes "4""#);
    assert_eq!(
        error.source().unwrap().to_string(),
        r#"the deadline passed; last seen: /tool/xs-lab-wait-vain/state is "2""#
    );
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_store_knows_the_control_domain() {
    let client = Client::open().unwrap();
    assert_eq!(client.domain_path(DomId::DOM0).unwrap(), Path::domain(DomId::DOM0));
    assert!(client.is_introduced(DomId::DOM0).unwrap());
    assert!(!client.is_introduced(DomId::new(32_000).unwrap()).unwrap());
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn thirty_two_threads_share_one_client() {
    let scratch = Scratch::new("threads");
    std::thread::scope(|scope| {
        (0..32_u32).for_each(|thread| {
            let (client, node) = (&scratch.client, scratch.home.join(thread));
            scope.spawn(move || {
                (0..100_u32).for_each(|round| {
                    let value = format!("{thread}.{round}");
                    client.write(&node, &value).unwrap();
                    assert_eq!(client.read_str(&node).unwrap(), value);
                });
            });
        });
    });
    assert_eq!(scratch.client.directory(&scratch.home).unwrap().len(), 32);
}
