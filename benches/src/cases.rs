//! What is compared with what, and what is aimed at.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::hand::HandLoop;
use crate::libxenstore::{Connection, LibXenstore};
use crate::measure::Contender;
use crate::on_tokio;
use crate::ours::Ours;
use crate::table::Aim;

/// One job, all who do it, and what their ratios should be.
#[derive(Debug)]
pub struct Case<'a> {
    /// What is done, in the table's words.
    pub what: &'static str,
    /// How many operations a round has: some ten milliseconds.
    pub operations: usize,
    /// How its figures are shown, and which ratio is meant.
    pub shown: Shown,
    /// Who does it.
    pub contenders: Vec<Contender<'a>>,
    /// Which ratios stand in the table, by the names of the two.
    pub claims: Vec<(&'static str, &'static str, Aim)>,
}

/// What a figure says, and so whether a large ratio is a good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Microseconds per operation; the ratio is that of the times.
    Time,
    /// Microseconds per operation; the ratio says how many times as fast.
    Speed,
    /// Operations per second; the ratio says how many times as many.
    Rate,
}

/// The same operation on each kind of connection.
struct Operation {
    ours: fn(&Ours) -> Result<()>,
    hand: fn(&mut HandLoop) -> Result<()>,
    lib: fn(&Connection<'_>) -> Result<()>,
}

const READ: Operation = Operation {
    ours: Ours::read_node,
    hand: HandLoop::read_node,
    lib: |connection| connection.read_node(),
};

const WRITE: Operation = Operation {
    ours: Ours::write_node,
    hand: HandLoop::write_node,
    lib: |connection| connection.write_node(),
};

const TRANSACTION: Operation = Operation {
    ours: Ours::transaction,
    hand: HandLoop::transaction,
    lib: |connection| connection.transaction(),
};

const TREE: Operation = Operation {
    ours: Ours::tree,
    hand: HandLoop::tree_one_by_one,
    lib: |connection| connection.tree(),
};

/// All cases, on the daemon at this socket.
pub fn all<'a>(socket: &'a Path, lib: &'a LibXenstore) -> Vec<Case<'a>> {
    let alone = |operation| one_caller(socket, lib, operation, false);
    let watching = |operation| one_caller(socket, lib, operation, true);
    vec![
        round_trip("read", alone(READ)),
        round_trip("write", alone(WRITE)),
        round_trip("read, with a watch in use", watching(READ)),
        round_trip("write, with a watch in use", watching(WRITE)),
        threads(socket, lib, "reads of 8 threads on one connection", 8, 1.4),
        threads(socket, lib, "reads of 32 threads on one connection", 32, 1.8),
        flights(socket),
        tokio(socket),
        Case {
            what: "transaction of ten writes",
            operations: 40,
            shown: Shown::Time,
            contenders: alone(TRANSACTION),
            claims: vec![(OURS, HAND, Aim::AtMost(0.9)), (LIB, HAND, Aim::None)],
        },
        Case {
            what: "subtree of 100 nodes, to one by one",
            operations: 5,
            shown: Shown::Speed,
            contenders: alone(TREE),
            claims: vec![(OURS, HAND, Aim::AtLeast(1.4)), (LIB, HAND, Aim::None)],
        },
    ]
}

/// Everybody who does an operation again and again on a connection, with or without a watch on it.
///
/// The hand loop never watches: that could only make it slower.
fn one_caller<'a>(
    socket: &'a Path,
    lib: &'a LibXenstore,
    operation: Operation,
    watching: bool,
) -> Vec<Contender<'a>> {
    let Operation { ours: of_ours, hand: of_hand, lib: of_lib } = operation;
    vec![
        Contender::new(OURS, move |n| {
            let ours = Ours::connect(socket)?;
            let _watch = watching.then(|| ours.watch()).transpose()?;
            one_by_one(n, || of_ours(&ours))
        }),
        Contender::new(HAND, move |n| {
            let mut hand = HandLoop::connect(socket)?;
            one_by_one(n, || of_hand(&mut hand))
        }),
        Contender::new(LIB, move |n| {
            let connection = lib.connect(socket)?;
            watching.then(|| connection.watch()).transpose()?;
            one_by_one(n, || of_lib(&connection))
        }),
    ]
}

fn round_trip<'a>(what: &'static str, contenders: Vec<Contender<'a>>) -> Case<'a> {
    let claims = vec![(OURS, HAND, Aim::AtMost(1.10)), (LIB, HAND, Aim::None)];
    Case { what, operations: 400, shown: Shown::Time, contenders, claims }
}

fn threads<'a>(
    socket: &'a Path,
    lib: &'a LibXenstore,
    what: &'static str,
    count: usize,
    over_lib: f64,
) -> Case<'a> {
    let contenders = vec![
        Contender::new(OURS, move |n| {
            let ours = Ours::connect(socket)?;
            by_threads(count, n, || ours.read_node())
        }),
        Contender::new(IN_FLIGHT, move |n| {
            let mut hand = HandLoop::connect(socket)?;
            hand.keep_in_flight(WARM_UP, count)?;
            let start = Instant::now();
            hand.keep_in_flight(n, count)?;
            Ok(start.elapsed())
        }),
        Contender::new(LIB, move |n| {
            let lib = lib.connect(socket)?;
            by_threads(count, n, || lib.read_node())
        }),
        Contender::new(LIB_WATCH, move |n| {
            let lib = lib.connect(socket)?;
            lib.watch()?;
            by_threads(count, n, || lib.read_node())
        }),
    ];
    let claims = vec![
        (OURS, LIB, Aim::AtLeast(over_lib)),
        (OURS, IN_FLIGHT, Aim::AtLeast(0.9)),
        (LIB_WATCH, LIB, Aim::None),
    ];
    Case { what, operations: 1600, shown: Shown::Rate, contenders, claims }
}

/// The tokio client, against the blocking one.
fn tokio<'a>(socket: &'a Path) -> Case<'a> {
    let contenders = vec![
        Contender::new(OURS, |n| {
            let ours = Ours::connect(socket)?;
            one_by_one(n, || ours.read_node())
        }),
        Contender::new(CURRENT, |n| on_tokio::on_current_thread(socket, WARM_UP, n)),
        Contender::new(MULTI, |n| on_tokio::on_many_threads(socket, WARM_UP, n)),
        Contender::new(TASK, |n| on_tokio::in_a_task(socket, WARM_UP, n)),
    ];
    let claims = vec![
        (CURRENT, OURS, Aim::AtMost(1.25)),
        (MULTI, OURS, Aim::AtMost(1.7)),
        (TASK, OURS, Aim::AtMost(1.7)),
    ];
    Case { what: "read with tokio", operations: 400, shown: Shown::Time, contenders, claims }
}

/// One thread that asks for 32 values at a time, and waits for all before it asks again.
fn flights<'a>(socket: &'a Path) -> Case<'a> {
    const IN_A_FLIGHT: usize = 32;
    let contenders = vec![
        Contender::new(OURS, |n| {
            let ours = Ours::connect(socket)?;
            ours.read_in_one_flight(IN_A_FLIGHT)?;
            let start = Instant::now();
            for done in (0..n).step_by(IN_A_FLIGHT) {
                ours.read_in_one_flight(IN_A_FLIGHT.min(n - done))?;
            }
            Ok(start.elapsed())
        }),
        Contender::new(IN_FLIGHT, |n| {
            let mut hand = HandLoop::connect(socket)?;
            hand.keep_in_flight(WARM_UP, IN_A_FLIGHT)?;
            let start = Instant::now();
            hand.keep_in_flight(n, IN_A_FLIGHT)?;
            Ok(start.elapsed())
        }),
    ];
    let claims = vec![(OURS, IN_FLIGHT, Aim::None)];
    let what = "reads in flights of 32, one thread";
    Case { what, operations: 1600, shown: Shown::Rate, contenders, claims }
}

/// Times operations after some that are not timed.
pub(crate) fn one_by_one(
    operations: usize,
    mut operation: impl FnMut() -> Result<()>,
) -> Result<Duration> {
    (0..WARM_UP.min(operations)).try_for_each(|_| operation())?;
    let start = Instant::now();
    (0..operations).try_for_each(|_| operation())?;
    Ok(start.elapsed())
}

/// Times operations of which each thread takes the next as soon as it has done one.
pub(crate) fn by_threads(
    threads: usize,
    operations: usize,
    operation: impl Fn() -> Result<()> + Sync,
) -> Result<Duration> {
    let left = AtomicUsize::new(operations);
    // Two, so that the clock starts when all are ready and before the first one works.
    let (ready, go) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    let work = || {
        let warm = operation();
        ready.wait();
        go.wait();
        warm?;
        let take = |left: usize| left.checked_sub(1);
        while left.fetch_update(Relaxed, Relaxed, take).is_ok() {
            operation()?;
        }
        Ok(Instant::now())
    };
    thread::scope(|scope| {
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        ready.wait();
        let start = Instant::now();
        go.wait();
        let ends: Vec<Result<Instant>> =
            working.into_iter().map(|thread| thread.join().expect("no job panics")).collect();
        ends.into_iter().try_fold(Duration::ZERO, |took, end| Ok(took.max(end? - start)))
    })
}

/// Operations before the timed ones: the first of a connection also pay for its buffers.
pub(crate) const WARM_UP: usize = 20;

const OURS: &str = "xs";
const HAND: &str = "hand loop";
const IN_FLIGHT: &str = "hand loop, as many in flight";
const LIB: &str = "libxenstore";
const CURRENT: &str = "xs, current thread";
const MULTI: &str = "xs, multi-thread";
const TASK: &str = "xs, multi-thread, in a task";
const LIB_WATCH: &str = "libxenstore, watching";

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn threads_share_the_operations_after_one_each_to_warm_up() {
        let count = AtomicUsize::new(0);
        let operation = || {
            count.fetch_add(1, Relaxed);
            Ok(())
        };
        by_threads(3, 100, operation).unwrap();
        assert_eq!(count.into_inner(), 103);
    }

    #[test]
    fn an_operation_that_fails_fails_the_job() {
        let count = AtomicUsize::new(0);
        let operation = || match count.fetch_add(1, Relaxed) {
            50 => bail!("the fiftieth"),
            _ => Ok(()),
        };
        assert!(by_threads(3, 100, operation).is_err());
    }

    #[test]
    fn what_warms_up_is_not_counted_and_never_more_than_what_is() {
        let mut count = 0;
        let operation = || {
            count += 1;
            Ok(())
        };
        one_by_one(5, operation).unwrap();
        assert_eq!(count, 10);
    }
}
