//! The names below a node, in the order in which they came.
//!
//! The list is cut into chunks that copies share, so that a transaction which touches a directory of
//! thousands copies a few dozen names. A name is found by its number, which its node keeps.

use std::sync::Arc;

/// The children of one node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Children {
    /// None is empty, and the numbers rise.
    chunks: Vec<Arc<Vec<Child>>>,
    /// What the list takes on the wire: each name with its NUL.
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Child {
    number: u64,
    name: Box<str>,
}

impl Children {
    /// Adds a name with a number over all others of this list.
    pub(crate) fn add(&mut self, number: u64, name: &str) {
        self.bytes += name.len() + 1;
        let child = Child { number, name: name.into() };
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => Arc::make_mut(chunk).push(child),
            _ => self.chunks.push(Arc::new(vec![child])),
        }
    }

    /// Removes the name with this number. Returns whether there was one.
    pub(crate) fn remove(&mut self, number: u64) -> bool {
        let behind = self
            .chunks
            .partition_point(|chunk| chunk.first().is_some_and(|first| first.number <= number));
        let Some(at) = behind.checked_sub(1) else { return false };
        let place = self.chunks[at].binary_search_by_key(&number, |child| child.number);
        place.map(|place| self.remove_at(at, place)).is_ok()
    }

    /// Removes the first that has this name, which takes a look at all. Returns whether one had.
    pub(crate) fn remove_named(&mut self, name: &str) -> bool {
        let place = |chunk: &Arc<Vec<Child>>| chunk.iter().position(|child| *child.name == *name);
        let found =
            self.chunks.iter().enumerate().find_map(|(at, chunk)| Some((at, place(chunk)?)));
        found.map(|(at, place)| self.remove_at(at, place)).is_some()
    }

    /// Removes the name that came first.
    pub(crate) fn remove_first(&mut self) {
        if !self.chunks.is_empty() {
            self.remove_at(0, 0);
        }
    }

    fn remove_at(&mut self, at: usize, place: usize) {
        let chunk = Arc::make_mut(&mut self.chunks[at]);
        self.bytes -= chunk.remove(place).name.len() + 1;
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|child| &*child.name)
    }

    /// What the list takes on the wire.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// How many names a chunk has at most.
const CHUNK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn list(numbers: impl IntoIterator<Item = u64>) -> Children {
        let mut children = Children::default();
        numbers.into_iter().for_each(|number| children.add(number, &number.to_string()));
        children
    }

    #[test]
    fn names_stay_in_the_order_in_which_they_came() {
        let mut children = list([3, 5, 9]);
        children.remove(5);
        children.add(10, "x");
        assert_eq!(children.names().collect::<Vec<_>>(), ["3", "9", "x"]);
        assert_eq!(children.bytes(), 6);
    }

    #[test]
    fn a_number_that_is_not_there_removes_nothing() {
        let mut children = list([3, 5]);
        assert!(!children.remove(1));
        assert!(!children.remove(4));
        assert!(!children.remove(6));
        assert_eq!(children.names().count(), 2);
    }

    #[test]
    fn of_two_of_a_name_the_first_is_removed_by_it() {
        let mut children = list([1, 2]);
        children.add(3, "1");
        assert!(children.remove_named("1"));
        assert_eq!(children.names().collect::<Vec<_>>(), ["2", "1"]);
        assert!(!children.remove_named("3"));
        children.remove_first();
        assert_eq!(children.names().collect::<Vec<_>>(), ["1"]);
    }

    #[test]
    fn a_copy_keeps_what_the_original_loses() {
        let mut children = list(0..1000);
        let copy = children.clone();
        assert!((0..1000).all(|number| children.remove(number)));
        assert_eq!((children.names().count(), children.bytes()), (0, 0));
        assert_eq!(copy.names().count(), 1000);
    }

    #[test]
    fn a_copy_shares_the_names_it_does_not_change() {
        let children = list(0..1000);
        let mut copy = children.clone();
        copy.add(1000, "new");
        let shared =
            children.chunks.iter().zip(&copy.chunks).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, children.chunks.len() - 1);
    }
}
