//! The daemons that people run.

use std::time::Duration;

use store_daemons::{Daemon, Kind as Which};
use tokio::runtime::Builder;
use xs::tokio::{Client, Store as _, View as _};
use xs::{Deadline, Kind, Path, appears, ask, becomes};

use crate::stage::soon;

/// Makes of each function a test on xenstored and one on oxenstored.
macro_rules! on_both {
    ($($fact:ident),* $(,)?) => {
        mod c {
            $(
                #[test]
                #[ignore = "needs the daemons: cargo xtask daemons test"]
                fn $fact() {
                    super::on(store_daemons::Kind::C, super::$fact);
                }
            )*
        }

        mod ocaml {
            $(
                #[test]
                #[ignore = "needs the daemons: cargo xtask daemons test"]
                fn $fact() {
                    super::on(store_daemons::Kind::OCaml, super::$fact);
                }
            )*
        }
    };
}

on_both! {
    what_is_written_is_read_listed_and_removed,
    a_flight_of_a_thousand_lands,
    racing_transactions_all_commit,
    every_change_is_seen_by_who_watches,
    a_condition_that_another_task_meets_is_found,
    a_look_finds_what_becomes_true,
    the_store_answers_about_itself,
    a_stopped_daemon_costs_until_the_deadline_and_a_killed_one_nothing,
}

/// Runs a test on a runtime with two workers.
fn on(which: Which, test: impl AsyncFnOnce(Client, &mut Daemon)) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut daemon = Daemon::start(which).unwrap();
    runtime.block_on(async {
        let client = Client::connect(daemon.socket()).await.unwrap();
        test(client, &mut daemon).await;
    });
}

fn top() -> Path {
    Path::from_static("/test")
}

async fn what_is_written_is_read_listed_and_removed(client: Client, _: &mut Daemon) {
    let name = top().join("name");
    client.write(&name, "alpha").await.unwrap();
    assert_eq!(client.read_str(&name).await.unwrap(), "alpha");
    assert_eq!(client.directory(&top()).await.unwrap(), ["name"]);
    assert_eq!(client.subtree(&top()).await.unwrap().len(), 2);
    client.rm(&top()).await.unwrap();
    assert_eq!(client.read_opt(&name).await.unwrap(), None);
    assert_eq!(client.read(&name).await.unwrap_err().kind(), Kind::NotFound);
}

async fn a_flight_of_a_thousand_lands(client: Client, _: &mut Daemon) {
    let paths: Vec<_> = (0..1000_u32).map(|n| top().join(n)).collect();
    let written = client.batch(paths.iter().map(|path| ask::write(path, "1"))).await;
    written.into_iter().collect::<xs::Result<()>>().unwrap();
    let values = client.read_each(&paths).await.unwrap();
    assert_eq!(values, vec![Some(b"1".to_vec()); 1000]);
    assert_eq!(client.directory(&top()).await.unwrap().len(), 1000);
}

async fn racing_transactions_all_commit(client: Client, _: &mut Daemon) {
    let count = top().join("count");
    client.write(&count, "0").await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (client, count) = (client.clone(), count.clone());
            tokio::spawn(async move {
                client
                    .transaction(async |tx| {
                        let old: u32 = tx.read_str(&count).await?.parse().unwrap();
                        tx.write(&count, (old + 1).to_string()).await
                    })
                    .await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(client.read_str(&count).await.unwrap(), "8");
}

async fn every_change_is_seen_by_who_watches(client: Client, _: &mut Daemon) {
    let mut watch = client.watch(&top()).await.unwrap();
    assert_eq!(watch.wait(soon()).await.unwrap().path(), &top()); // it fires once at once
    for n in 0..50_u32 {
        client.write(&top().join(n), "").await.unwrap();
    }
    for n in 0..50_u32 {
        let event = watch.wait(soon()).await.unwrap();
        assert_eq!(event.path(), &top().join(n));
    }
}

async fn a_condition_that_another_task_meets_is_found(client: Client, _: &mut Daemon) {
    let (asked, answer) = (top().join("asked"), top().join("answer"));
    let server = tokio::spawn({
        let (client, asked, answer) = (client.clone(), asked.clone(), answer.clone());
        async move {
            client.wait(&appears(asked), soon()).await?;
            client.write(&answer, "4").await
        }
    });
    client.write(&asked, "").await.unwrap();
    let met = client.wait(&becomes(answer.clone(), "4"), soon()).await.unwrap();
    assert_eq!(met.value(&answer), Some(&b"4"[..]));
    server.await.unwrap().unwrap();
}

async fn a_look_finds_what_becomes_true(client: Client, _: &mut Daemon) {
    client.mkdir(&top()).await.unwrap();
    let writer = tokio::spawn({
        let client = client.clone();
        async move {
            for n in 0..3_u32 {
                client.write(&top().join(n), "").await.unwrap();
            }
        }
    });
    let found = client.until("three children", soon(), async |look| {
        let names = look.directory(&top()).await?;
        Ok((names.len() == 3).then_some(names))
    });
    assert_eq!(found.await.unwrap().len(), 3);
    writer.await.unwrap();
}

async fn the_store_answers_about_itself(client: Client, _: &mut Daemon) {
    let dom0 = xen_types::DomId::DOM0;
    assert_eq!(client.domain_path(dom0).await.unwrap(), Path::domain(dom0));
    assert!(client.is_introduced(dom0).await.unwrap());
    // Both daemons of 4.17 are older than these; they must refuse, not hang.
    client.features().await.unwrap_err();
    client.quotas().await.unwrap_err();
}

async fn a_stopped_daemon_costs_until_the_deadline_and_a_killed_one_nothing(
    client: Client,
    daemon: &mut Daemon,
) {
    client.write(&top(), "1").await.unwrap();
    daemon.stop().unwrap();
    let brief = client.with_deadline(Deadline::after(Duration::from_millis(300)));
    assert_eq!(brief.read(&top()).await.unwrap_err().kind(), Kind::TimedOut);
    daemon.cont().unwrap();
    assert_eq!(client.read(&top()).await.unwrap(), b"1");
    daemon.stop().unwrap();
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.read(&top()).await.unwrap_err().kind() })
        })
        .collect();
    daemon.kill().unwrap();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Kind::Unavailable);
    }
}
