//! Finding a text in a stream that arrives in pieces.

/// Looks for one text; remembers just enough of the past to find it across pieces.
#[derive(Debug)]
pub(crate) struct Search<'t> {
    text: &'t [u8],
    tail: Vec<u8>,
}

impl<'t> Search<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self { text, tail: Vec::new() }
    }

    /// Takes the next piece; whether the text has now been seen.
    pub(crate) fn found_in(&mut self, piece: &[u8]) -> bool {
        if self.text.is_empty() {
            return true;
        }
        self.tail.extend_from_slice(piece);
        let found = self.tail.windows(self.text.len()).any(|window| window == self.text);
        let keep = self.tail.len().min(self.text.len() - 1);
        self.tail.drain(..self.tail.len() - keep);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_across_pieces() {
        let mut search = Search::new(b"READY");
        assert!(!search.found_in(b"...RE"));
        assert!(!search.found_in(b"A"));
        assert!(search.found_in(b"DY\r\n"));
    }

    #[test]
    fn a_long_stream_is_not_kept() {
        let mut search = Search::new(b"READY");
        assert!(!search.found_in(&[b'R'; 10_000]));
        assert_eq!(search.tail.len(), 4);
    }
}
