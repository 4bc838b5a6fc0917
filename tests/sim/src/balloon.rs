//! A guest's balloon: Linux's (`drivers/xen/xen-balloon.c`, `drivers/xen/balloon.c`), as far as Xen and the
//! store show it, and two ways in which it does not do what it is asked.
//!
//! ```text
//!  memory/target ──less──▶ pages given up, from the top of its memory
//!               └──more──▶ the same pages populated again, as far as its ceiling and the host let it
//! ```
//!
//! What an HVM or PVH guest has beyond `memory/static-max` when it starts is no RAM, and in no target.

use std::sync::Arc;

use xs::{Client, Kind, Path, View as _};

use crate::hypervisor::Hypervisor;
use crate::xen::Xen;
use crate::xen::domain::Run;

/// What a guest does about its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Follows {
    /// It has as much as it is asked to have.
    #[default]
    All,
    /// `half-memory`: it goes half of the way to each new target.
    Half,
    /// `keeps-memory`: it has what it had.
    Nothing,
}

/// The balloon of a guest.
pub(crate) struct Balloon<'a> {
    xen: &'a Arc<Hypervisor>,
    whom: Run,
    follows: Follows,
    /// The page of its ring to the store, which it keeps.
    ring: u64,
    /// How many pages it has besides the target's.
    besides: Option<u64>,
    /// How many frames of RAM it has, those below 4 GiB.
    most: u64,
    target: Option<u64>,
    /// How many pages it shall have.
    goal: u64,
    /// What it gave up, by its own numbers.
    given: Vec<u64>,
}

impl<'a> Balloon<'a> {
    pub(crate) fn new(xen: &'a Arc<Hypervisor>, whom: Run, follows: Follows, ring: u64) -> Self {
        let (besides, target, goal, most, given) = (None, None, 0, 0, Vec::new());
        Self { xen, whom, follows, ring, besides, most, target, goal, given }
    }

    /// `watch_target`, `balloon_process`.
    pub(crate) fn look(&mut self, store: &Client) -> xs::Result<()> {
        let pages = |at| {
            let kib = match store.read_str_opt(at) {
                // Its toolstack gave it no target, or one that is no text.
                Err(error) if matches!(error.kind(), Kind::Denied | Kind::Invalid) => None,
                kib => kib?,
            };
            Ok(kib.and_then(|kib| kib.trim().parse::<u64>().ok()).map(|kib| kib / KIB_OF_PAGE))
        };
        let (target, most) = (pages(&TARGET)?, pages(&MOST)?);
        let follows = self.follows != Follows::Nothing;
        let (Some(target), Some(most), true) = (target, most, follows) else { return Ok(()) };
        let (xen, whom) = (self.xen, self.whom);
        // A domain that is no more has no balloon.
        xen.call_by(whom, |xen| self.follow(xen, target, most)).unwrap_or_default();
        Ok(())
    }

    fn follow(&mut self, xen: &mut Xen, target: u64, most: u64) {
        let Ok(domain) = xen.dom(self.whom.dom) else { return };
        self.most = most.min(BELOW_DEVICES);
        let (has, most) = (domain.memory.total(), if domain.is_hvm() { most } else { u64::MAX });
        let besides = *self.besides.get_or_insert(has.saturating_sub(most));
        if self.target.replace(target) != Some(target) {
            let wanted = target + besides;
            self.goal = match self.follows {
                Follows::Half => has.midpoint(wanted),
                Follows::All | Follows::Nothing => wanted,
            };
        }
        for _ in self.goal..has {
            if !self.give_up(xen) {
                return;
            }
        }
        for _ in has..self.goal {
            if !self.take_back(xen) {
                return;
            }
        }
    }

    fn give_up(&mut self, xen: &mut Xen) -> bool {
        let dom = self.whom.dom;
        let Ok(domain) = xen.dom(dom) else { return false };
        // Its own number, and that by which Xen knows the page.
        let frame = match domain.is_hvm() {
            // From the top of its RAM, or below what it gave up last.
            true => {
                let top = self.given.last().copied().unwrap_or(self.most);
                let gfn = (0..top).rev().find(|gfn| domain.memory.physmap.page(*gfn).is_some());
                gfn.map(|gfn| (gfn, gfn))
            }
            false => {
                let mut map = (0..).zip(&domain.p2m);
                map.find_map(|(pfn, frame)| Some((pfn, frame.filter(|mfn| *mfn != self.ring)?)))
            }
        };
        let gone = frame.filter(|(_, page)| xen.decrease(dom, 0, &[*page]) == 1);
        let Some((own, _)) = gone else { return false };
        self.given.push(own);
        self.note(xen, own, None);
        true
    }

    fn take_back(&mut self, xen: &mut Xen) -> bool {
        let Some(own) = self.given.pop() else { return false };
        let mut frame = [own];
        if xen.populate(self.whom.dom, 0, 0, &mut frame) == 1 {
            self.note(xen, own, Some(frame[0]));
            return true;
        }
        self.given.push(own);
        false
    }

    /// Notes in the map of a PV guest what is at one of its numbers.
    fn note(&self, xen: &mut Xen, own: u64, frame: Option<u64>) {
        let Ok(domain) = xen.dom(self.whom.dom) else { return };
        if let Some(place) = usize::try_from(own).ok().and_then(|own| domain.p2m.get_mut(own)) {
            *place = frame;
        }
    }
}

const TARGET: Path = Path::from_static("memory/target");
const MOST: Path = Path::from_static("memory/static-max");
const KIB_OF_PAGE: u64 = 4;
/// Where emulated devices of HVM guests begin (`HVM_BELOW_4G_MMIO_START`), as a frame.
const BELOW_DEVICES: u64 = 0xf0000;
