//! A fact, and what it takes to show it.

use super::Ctx;

/// Something that is true of the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) show: fn(&Ctx),
    pub(super) subject: Subject,
    /// It has a daemon of its own, which it ends, or which others would disturb.
    pub(super) alone: bool,
    /// It has a daemon of its own where it can have one, and elsewhere runs while others do not.
    pub(super) apart: bool,
    /// It speaks the protocol itself: a client would hide what it is about.
    pub(super) by_hand: bool,
}

/// Whose connection a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Anybody's: shown for dom0 over the socket and for a guest over its ring.
    Anyone,
    /// That of the control domain, over the socket.
    Dom0,
    /// That of a guest, over its ring.
    Guest,
}

/// Names functions after themselves.
macro_rules! facts {
    ($($show:ident),* $(,)?) => {
        [$((stringify!($show), $show as fn(&crate::store::Ctx))),*]
    };
}
pub(super) use facts;

type Named = (&'static str, fn(&Ctx));

impl Fact {
    pub(super) fn of_anyone<const N: usize>(facts: [Named; N]) -> Vec<Self> {
        Self::of(Subject::Anyone, facts)
    }

    pub(super) fn of_dom0<const N: usize>(facts: [Named; N]) -> Vec<Self> {
        Self::of(Subject::Dom0, facts)
    }

    pub(super) fn of_guests<const N: usize>(facts: [Named; N]) -> Vec<Self> {
        Self::of(Subject::Guest, facts)
    }

    fn of<const N: usize>(subject: Subject, facts: [Named; N]) -> Vec<Self> {
        let fact =
            |(name, show)| Self { name, show, subject, alone: false, apart: false, by_hand: false };
        facts.map(fact).into()
    }
}

/// More about many facts.
pub(super) trait Facts {
    /// Each needs a daemon of its own.
    fn alone(self) -> Self;

    /// Each has a daemon of its own where there are some to start.
    fn apart(self) -> Self;

    /// Each speaks the protocol itself.
    fn by_hand(self) -> Self;
}

impl Facts for Vec<Fact> {
    fn alone(self) -> Self {
        self.into_iter().map(|fact| Fact { alone: true, ..fact }).collect()
    }

    fn apart(self) -> Self {
        self.into_iter().map(|fact| Fact { apart: true, ..fact }).collect()
    }

    fn by_hand(self) -> Self {
        self.into_iter().map(|fact| Fact { by_hand: true, ..fact }).collect()
    }
}
