//! What each cycle does, drawn by lot: the same seed gives the same cycles.

use std::fmt;

use xen_sim::How;
use xenops::GuestKind;

/// What happens in one cycle.
#[derive(Debug)]
pub(crate) enum Cycle {
    One(Life),
    Two([Life; 2]),
    Failing { kind: GuestKind, how: How, call: usize },
}

/// A guest from its creation to its end, and which of the two toolstacks does what.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) kind: GuestKind,
    pub(crate) end: End,
    pub(crate) creator: usize,
    pub(crate) remover: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Destroy,
    ShutDown,
}

/// How often what was drawn.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Drawn {
    pv: u64,
    pvh: u64,
    destroyed: u64,
    shut_down: u64,
    by_the_other: u64,
    at_once: u64,
    failed: u64,
    killed: u64,
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pv, pvh, destroyed, shut_down, by_the_other, at_once, failed, killed } = self;
        write!(
            f,
            "{pv} PV and {pvh} PVH guests ({at_once} cycles had two at once), {destroyed} destroyed, \
             {shut_down} shut down, {by_the_other} of them not by their maker; {failed} creations \
             had a call fail, {killed} were killed"
        )
    }
}

/// A generator of numbers (`SplitMix64`), and a count of what it drew.
#[derive(Debug)]
pub(crate) struct Lot {
    state: u64,
    drawn: Drawn,
}

impl Lot {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, drawn: Drawn::default() }
    }

    /// The next cycle. A creation has so many calls, of a PV and of a PVH guest.
    pub(crate) fn draw(&mut self, calls: &[usize; 2]) -> Cycle {
        match self.below(8) {
            0 | 1 => self.failing(calls),
            2 => {
                self.drawn.at_once += 1;
                let [mut one, mut other] = [self.life(), self.life()];
                (one.creator, other.creator) = (0, 1);
                self.count(&one);
                self.count(&other);
                Cycle::Two([one, other])
            }
            _ => {
                let life = self.life();
                self.count(&life);
                Cycle::One(life)
            }
        }
    }

    pub(crate) fn drawn(&self) -> Drawn {
        self.drawn
    }

    fn life(&mut self) -> Life {
        let kind = [GuestKind::Pv, GuestKind::Pvh][self.below(2)];
        let end = [End::Destroy, End::ShutDown][self.below(2)];
        Life { kind, end, creator: self.below(2), remover: self.below(2) }
    }

    fn count(&mut self, life: &Life) {
        let drawn = &mut self.drawn;
        *(if life.kind == GuestKind::Pv { &mut drawn.pv } else { &mut drawn.pvh }) += 1;
        *(if life.end == End::Destroy { &mut drawn.destroyed } else { &mut drawn.shut_down }) += 1;
        drawn.by_the_other += u64::from(life.creator != life.remover);
    }

    fn failing(&mut self, calls: &[usize; 2]) -> Cycle {
        let kind = self.below(2);
        let how = self.below(4);
        *(if how < 2 { &mut self.drawn.failed } else { &mut self.drawn.killed }) += 1;
        let how = [How::Undone, How::Unheard, How::DeathBefore, How::DeathAfter][how];
        let call = 1 + self.below(calls[kind]);
        Cycle::Failing { kind: [GuestKind::Pv, GuestKind::Pvh][kind], how, call }
    }

    /// A number below a small bound.
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let bound = u64::try_from(bound).unwrap();
        usize::try_from(mixed % bound).unwrap()
    }
}
