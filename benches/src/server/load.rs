//! What lies in a store while it is measured, and what could slow it down.

use std::path::Path;

use anyhow::Result;

use crate::content;
use crate::hand::HandLoop;
use crate::wire::Op;

/// What a real host has much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// 10 000 watches of one connection, on as many nodes that never change.
    Watches,
    /// 100 000 nodes, 100 in a directory.
    Nodes,
    /// 400 connections that say nothing.
    Connections,
    /// 5000 children of one node.
    Children,
}

/// Connections that stay as they are.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "they only have to be there")] Vec<HandLoop>);

impl Load {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Watches, Self::Nodes, Self::Connections, Self::Children];

    /// How the table calls it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Watches => "10 000 watches",
            Self::Nodes => "100 000 nodes",
            Self::Connections => "400 idle connections",
            Self::Children => "5000 children",
        }
    }

    /// Puts it on the store at this socket.
    ///
    /// # Errors
    /// If the store refuses.
    pub fn put(self, socket: &Path) -> Result<Held> {
        let mut hand = HandLoop::connect(socket)?;
        match self {
            Self::Watches => watch(&mut hand, "/bench/elsewhere", 10_000)?,
            Self::Nodes => {
                for directory in 0..1000 {
                    make(&mut hand, &format!("/bench/many/{directory}"), 100)?;
                }
            }
            Self::Children => make(&mut hand, DIRECTORY, 5000)?,
            Self::Connections => {
                let more = (1..400).map(|_| HandLoop::connect(socket));
                let mut all = more.collect::<Result<Vec<_>>>()?;
                all.push(hand);
                // The last is answered when all have been accepted.
                all.iter_mut().try_for_each(HandLoop::read_node)?;
                return Ok(Held(all));
            }
        }
        Ok(Held(vec![hand]))
    }
}

/// What every store has: the content of all measurements, permissions that are more than an owner,
/// and 100 watches.
///
/// # Errors
/// If the store refuses.
pub fn always(socket: &Path) -> Result<Held> {
    content::make(socket)?;
    let mut hand = HandLoop::connect(socket)?;
    for number in 0..CROWD {
        hand.write(0, &member_node(number), content::VALUE)?;
    }
    hand.write(0, DIRECTORY, b"")?;
    let members = (0..CROWD).map(member_node);
    let above = ["/bench", "/bench/tx", "/bench/member", DIRECTORY, content::NODE];
    let paths = members.chain(above.into_iter().chain(content::IN_TRANSACTION).map(str::to_owned));
    let perms: Vec<_> =
        paths.map(|path| [path.as_bytes(), b"\0n0\0r1\0w2\0b3\0"].concat()).collect();
    hand.send_all(Op::SetPerms, 0, &perms)?;
    watch(&mut hand, "/bench/watched", 100)?;
    Ok(Held(vec![hand]))
}

/// The node of a member of a crowd.
pub(crate) fn member_node(number: usize) -> String {
    format!("/bench/member/{number}")
}

fn watch(hand: &mut HandLoop, below: &str, count: usize) -> Result<()> {
    let watches: Vec<_> = (0..count)
        .map(|number| format!("{below}/{number}\0token {number}\0").into_bytes())
        .collect();
    hand.send_all(Op::Watch, 1, &watches)
}

fn make(hand: &mut HandLoop, below: &str, count: usize) -> Result<()> {
    let writes: Vec<_> = (0..count)
        .map(|number| [format!("{below}/{number}\0").as_bytes(), content::VALUE].concat())
        .collect();
    hand.send_all(Op::Write, 0, &writes)
}

/// The directory that gets many children, or none.
pub(crate) const DIRECTORY: &str = "/bench/directory";

/// The largest crowd.
pub(crate) const CROWD: usize = 64;
