//! The user's terminal, for commands that have one in dom0.

use std::io::{self, IsTerminal};

use anyhow::Result;
use lab_tests::protocol::TerminalSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The size of the terminal that is our input, if it is one.
pub(super) fn size() -> Option<TerminalSize> {
    let size = tcgetwinsize(io::stdin()).ok()?;
    Some(TerminalSize { rows: size.ws_row, columns: size.ws_col })
}

/// Makes our terminal pass every key on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// The terminal and its size, or `None` if our input and output are not one.
    pub(crate) fn enter() -> Result<Option<(Self, TerminalSize)>> {
        let Some(size) = size().filter(|_| io::stdout().is_terminal()) else { return Ok(None) };
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        Ok(Some((Self { before }, size)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Fails only if the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}
