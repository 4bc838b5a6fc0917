//! Unpacked kernels in memory, those used last at the end.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Key;
use crate::payload::Content;

#[derive(Debug)]
pub(super) struct Shelf {
    most: u64,
    kernels: VecDeque<(Key, Arc<Content>)>,
}

impl Shelf {
    pub(super) fn new(most: u64) -> Self {
        Self { most, kernels: VecDeque::new() }
    }

    pub(super) fn find(&mut self, key: &Key) -> Option<Arc<Content>> {
        let found = self.take(key)?;
        self.kernels.push_back((*key, Arc::clone(&found)));
        Some(found)
    }

    /// Puts a kernel to the others, unless it alone is above the bound.
    pub(super) fn put(&mut self, key: Key, content: Arc<Content>) {
        self.take(&key);
        if size(&content) > self.most {
            return;
        }
        while self.used() > self.most - size(&content) {
            self.kernels.pop_front();
        }
        self.kernels.push_back((key, content));
    }

    fn take(&mut self, key: &Key) -> Option<Arc<Content>> {
        let at = self.kernels.iter().position(|(of, _)| of == key)?;
        self.kernels.remove(at).map(|(_, content)| content)
    }

    fn used(&self) -> u64 {
        self.kernels.iter().map(|(_, content)| size(content)).sum()
    }
}

fn size(content: &[u8]) -> u64 {
    content.len() as u64
}
