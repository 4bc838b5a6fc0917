//! Bytes that come in pieces of any size.

/// What was taken of them.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// What has come of the part that is waited for.
    gathered: Vec<u8>,
    offset: u64,
}

impl Input {
    /// How many bytes were taken in all.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn gathered(&self) -> &[u8] {
        &self.gathered
    }

    /// The next `size` bytes, once all of them have come.
    pub(super) fn gather(&mut self, size: usize, input: &mut &[u8]) -> Option<Vec<u8>> {
        self.reach(size, input).then(|| std::mem::take(&mut self.gathered))
    }

    /// Whether `size` bytes are gathered. Only what has come takes memory.
    pub(super) fn reach(&mut self, size: usize, input: &mut &[u8]) -> bool {
        let wanted = size.saturating_sub(self.gathered.len());
        let (taken, rest) = input.split_at(wanted.min(input.len()));
        self.gathered.extend_from_slice(taken);
        self.offset += taken.len() as u64;
        *input = rest;
        taken.len() == wanted
    }

    /// At most `left` of the bytes that come, not gathered; `None` if none come.
    pub(super) fn pass<'a>(&mut self, left: u64, input: &mut &'a [u8]) -> Option<&'a [u8]> {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let (taken, rest) = input.split_at(most.min(input.len()));
        self.offset += taken.len() as u64;
        *input = rest;
        (!taken.is_empty()).then_some(taken)
    }
}
