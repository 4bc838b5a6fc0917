//! What the stores are asked to do, and what is aimed at.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::crowd::Crowd;
use super::load::{DIRECTORY, Load};
use super::stores::Stores;
use crate::cases::{Shown, WARM_UP, by_threads, one_by_one};
use crate::content::{NODE, VALUE};
use crate::hand::HandLoop;
use crate::libxenstore::LibXenstore;
use crate::measure::Contender;
use crate::ours::Ours;
use crate::table::Aim;
use crate::wire::Op;

/// One job on every store.
#[derive(Debug)]
pub struct Race<'a> {
    /// What is done, in the table's words.
    pub what: String,
    /// How many operations a round has: some ten milliseconds.
    pub operations: usize,
    /// How its figures are shown.
    pub shown: Shown,
    /// The stores, in the order of [`Stores::NAMES`]; behind them those without the load.
    pub contenders: Vec<Contender<'a>>,
    /// To what our store is compared.
    pub against: Against,
    /// What comes of it.
    pub aim: Aim,
    /// Its place in the plot: which group of bars, and its label there.
    pub plotted: Option<(&'static str, usize)>,
}

/// What a ratio is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// The better of the two real daemons: how many times as fast ours is.
    Better,
    /// The C daemon: how many times as fast ours is.
    C,
    /// The same store without the load: how many times as long it takes.
    Unloaded,
}

/// How fast the stores are.
pub fn of_speed<'a>(stores: &'a Stores, lib: &'a LibXenstore) -> Vec<Race<'a>> {
    let mut races = Vec::new();
    for (plotted, op) in [("reads", Op::Read), ("writes", Op::Write)] {
        for (count, aim) in [(1, 1.8), (8, 1.8), (64, 1.5)] {
            races.push(Race {
                what: match count {
                    1 => format!("{plotted}, one connection"),
                    _ => format!("{plotted}, {count} connections"),
                },
                operations: if count == 1 { 400 } else { 1000 },
                shown: Shown::Rate,
                contenders: on_each(stores, move |socket, n| match (count, op) {
                    (1, Op::Read) => alone(socket, n, HandLoop::read_node),
                    (1, _) => alone(socket, n, HandLoop::write_node),
                    _ => in_a_crowd(socket, n, op, count),
                }),
                against: Against::Better,
                aim: Aim::AtLeast(aim),
                plotted: Some((plotted, count)),
            });
        }
    }
    races.push(Race {
        what: "reads, 32 in flight on one connection".to_owned(),
        operations: 1600,
        shown: Shown::Rate,
        contenders: on_each(stores, |socket, n| {
            let mut hand = HandLoop::connect(socket)?;
            hand.keep_in_flight(WARM_UP, 32)?;
            let start = Instant::now();
            hand.keep_in_flight(n, 32)?;
            Ok(start.elapsed())
        }),
        against: Against::Better,
        aim: Aim::AtLeast(10.0),
        plotted: None,
    });
    races.push(threads(stores, lib));
    races.push(Race {
        what: "transactions of ten writes".to_owned(),
        operations: 40,
        shown: Shown::Rate,
        contenders: on_each(stores, |socket, n| alone(socket, n, HandLoop::transaction)),
        against: Against::Better,
        aim: Aim::AtLeast(2.0),
        plotted: None,
    });
    races
}

/// Our client on our store, libxenstore on the real ones.
fn threads<'a>(stores: &'a Stores, lib: &'a LibXenstore) -> Race<'a> {
    const THREADS: usize = 32;
    let [ours, theirs @ ..] = stores.each();
    let [c, ocaml] = theirs.each_ref().map(|store| {
        move |n| {
            let connection = lib.connect(store.socket())?;
            by_threads(THREADS, n, || connection.read_node())
        }
    });
    let [own_name, c_name, ocaml_name] = Stores::NAMES;
    Race {
        what: "reads of 32 threads on one connection: xs, libxenstore".to_owned(),
        operations: 1600,
        shown: Shown::Rate,
        contenders: vec![
            Contender::new(own_name, |n| {
                let client = Ours::connect(ours.socket())?;
                by_threads(THREADS, n, || client.read_node())
            }),
            Contender::new(c_name, c),
            Contender::new(ocaml_name, ocaml),
        ],
        against: Against::C,
        aim: Aim::AtLeast(4.0),
        plotted: None,
    }
}

/// How much slower a load makes them.
pub fn of_load<'a>(load: Load, loaded: &'a Stores, empty: &'a Stores) -> Vec<Race<'a>> {
    type Operation = fn(&mut HandLoop) -> Result<()>;
    const READ: (&str, Operation) = ("read", HandLoop::read_node);
    const WRITE: (&str, Operation) = ("write", HandLoop::write_node);
    const TRANSACTION: (&str, Operation) =
        ("transaction of one write", |hand| hand.transaction_on(&[NODE]));
    const CHILD: (&str, Operation) = ("create and remove a child", |hand| {
        let child = format!("{DIRECTORY}/new");
        hand.write(0, &child, VALUE)?;
        hand.remove(&child)
    });
    let operations: &[(&str, Operation)] = match load {
        Load::Watches | Load::Connections => &[READ, WRITE],
        Load::Nodes => &[READ, WRITE, TRANSACTION],
        Load::Children => &[CHILD],
    };
    let races = operations.iter().map(|&(what, operation)| {
        let job = move |socket: &Path, n| typical(socket, n, operation);
        let mut contenders = on_each(loaded, job);
        contenders.extend(on_each(empty, job));
        Race {
            what: format!("{what}, with {}", load.words()),
            operations: 200,
            shown: Shown::Time,
            contenders,
            against: Against::Unloaded,
            aim: Aim::AtMost(1.3),
            plotted: None,
        }
    });
    races.collect()
}

fn on_each<'a>(
    stores: &'a Stores,
    job: impl Fn(&Path, usize) -> Result<Duration> + Copy + 'a,
) -> Vec<Contender<'a>> {
    let each = Stores::NAMES.into_iter().zip(stores.each());
    each.map(|(name, store)| Contender::new(name, move |n| job(store.socket(), n))).collect()
}

fn alone(
    socket: &Path,
    operations: usize,
    operation: impl Fn(&mut HandLoop) -> Result<()>,
) -> Result<Duration> {
    let mut hand = HandLoop::connect(socket)?;
    one_by_one(operations, || operation(&mut hand))
}

fn in_a_crowd(socket: &Path, operations: usize, op: Op, count: usize) -> Result<Duration> {
    let mut crowd = Crowd::connect(socket, op, count)?;
    crowd.work(2 * count)?;
    let took = crowd.work(operations)?;
    crowd.leave(socket)?;
    Ok(took)
}

/// As long as the operations would have taken if each had taken as long as the middle one.
fn typical(
    socket: &Path,
    operations: usize,
    operation: impl Fn(&mut HandLoop) -> Result<()>,
) -> Result<Duration> {
    let mut hand = HandLoop::connect(socket)?;
    (0..WARM_UP).try_for_each(|_| operation(&mut hand))?;
    let mut took = Vec::with_capacity(operations);
    for _ in 0..operations {
        let start = Instant::now();
        operation(&mut hand)?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let middle = took.get(operations / 2).copied().unwrap_or_default();
    Ok(middle * u32::try_from(operations)?)
}
