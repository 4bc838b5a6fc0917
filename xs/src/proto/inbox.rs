//! Events that have arrived and nobody has taken yet.
//!
//! An event says "look again", so two that say it of the same node are one. What waits here is
//! therefore bounded by the number of nodes that changed; where even that grows without end (a
//! guest makes and removes ever new names), all of it becomes one event for each watched path.

use std::collections::{HashSet, VecDeque};

use crate::path::Path;

/// Something changed at or below a watched path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    path: Path,
    merged: bool,
}

impl Event {
    /// The node that changed, or the watched path itself when a parent of it was removed.
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this event stands for many: anything below [`Event::path`] may have changed.
    pub const fn is_merged(&self) -> bool {
        self.merged
    }
}

#[derive(Debug, Default)]
pub(super) struct Inbox {
    watched: Vec<Path>,
    queue: VecDeque<Event>,
    queued: HashSet<Event>,
}

impl Inbox {
    pub(super) fn watches(&mut self, path: Path) {
        self.watched.push(path);
    }

    pub(super) fn unwatches(&mut self, path: &Path) {
        if let Some(place) = self.watched.iter().position(|watched| watched == path) {
            self.watched.swap_remove(place);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes in that `path` changed.
    pub(super) fn changed(&mut self, path: Path) {
        self.push(Event { path, merged: false });
        if self.queue.len() > MOST {
            self.queue.clear();
            self.queued.clear();
            for path in self.watched.clone() {
                self.push(Event { path, merged: true });
            }
        }
    }

    /// Takes in that something at or below `watched` changed, nobody knows what.
    pub(super) fn changed_somewhere(&mut self, watched: Path) {
        self.push(Event { path: watched, merged: true });
    }

    pub(super) fn take(&mut self) -> Option<Event> {
        let event = self.queue.pop_front()?;
        self.queued.remove(&event);
        Some(event)
    }

    fn push(&mut self, event: Event) {
        if self.queued.insert(event.clone()) {
            self.queue.push_back(event);
        }
    }
}

/// More distinct nodes than a guest may own by default (quota `nodes`, 1000).
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox() -> Inbox {
        let mut inbox = Inbox::default();
        inbox.watches(Path::from_static("/a"));
        inbox.watches(Path::from_static("/b"));
        inbox
    }

    fn below_a(n: usize) -> Path {
        Path::from_static("/a").join(n)
    }

    #[test]
    fn the_same_node_twice_is_one_event() {
        let mut inbox = inbox();
        inbox.changed(below_a(1));
        inbox.changed(below_a(2));
        inbox.changed(below_a(1));
        assert_eq!(inbox.take().unwrap().path(), &below_a(1));
        assert_eq!(inbox.take().unwrap().path(), &below_a(2));
        assert_eq!(inbox.take(), None);
    }

    #[test]
    fn a_node_that_changes_after_its_event_was_taken_has_a_new_event() {
        let mut inbox = inbox();
        inbox.changed(below_a(1));
        assert!(inbox.take().is_some());
        inbox.changed(below_a(1));
        assert!(inbox.take().is_some());
    }

    #[test]
    fn too_many_nodes_become_one_event_for_each_watched_path() {
        let mut inbox = inbox();
        (0..=MOST).for_each(|n| inbox.changed(below_a(n)));
        let merged = |path| Some(Event { path: Path::from_static(path), merged: true });
        assert_eq!(inbox.take(), merged("/a"));
        assert_eq!(inbox.take(), merged("/b"));
        assert_eq!(inbox.take(), None);
    }
}
