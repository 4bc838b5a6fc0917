//! Running one command in dom0.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab_tests::protocol::{CHUNK, Exec, Outcome, Reply, Request, Stream, TerminalSize};

use super::channel::Event;
use super::terminal;
use super::{Machine, TICK};

/// A command for dom0.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    exec: Exec,
    input: Input,
}

/// Where a command's input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Empty,
    /// From our own standard input.
    Inherited,
}

impl Command {
    /// A program, looked up in dom0's `PATH`, and its arguments.
    pub(crate) fn new<A: AsRef<OsStr>>(argv: impl IntoIterator<Item = A>) -> Self {
        let argv = argv.into_iter().map(|arg| arg.as_ref().as_bytes().to_vec()).collect();
        Self { exec: Exec { argv, ..Exec::default() }, input: Input::Empty }
    }

    /// A script for dom0's `sh`.
    pub(crate) fn shell(script: &str) -> Self {
        Self::new(["sh", "-c", script])
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.exec.env.push((name.into(), value.into()));
        self
    }

    pub(crate) fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// Ends the command, as [`Outcome::TimedOut`], after this time.
    pub(crate) fn timeout(mut self, time: Duration) -> Self {
        self.exec.timeout = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Gives the command a terminal that mirrors ours.
    pub(crate) fn terminal(mut self, size: TerminalSize) -> Self {
        self.exec.terminal = Some(size);
        self
    }
}

/// Where a command's output goes.
pub(crate) trait Output {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;
}

/// To our own standard output and error.
#[derive(Debug)]
pub(crate) struct Inherited;

impl Output for Inherited {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Stream::Stderr => io::stderr().lock().write_all(bytes),
        }
    }
}

/// Into memory.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Output for Captured {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Stdout => self.stdout.extend_from_slice(bytes),
            Stream::Stderr => self.stderr.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// To a function, line by line, both streams together.
#[derive(Debug)]
pub(crate) struct Lines<F> {
    on_line: F,
    unfinished: Vec<u8>,
}

impl<F: FnMut(&str) -> io::Result<()>> Lines<F> {
    pub(crate) fn new(on_line: F) -> Self {
        Self { on_line, unfinished: Vec::new() }
    }

    /// Passes on what came after the last line.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if self.unfinished.is_empty() {
            return Ok(());
        }
        (self.on_line)(String::from_utf8_lossy(&self.unfinished).trim_end())
    }
}

impl<F: FnMut(&str) -> io::Result<()>> Output for Lines<F> {
    fn write(&mut self, _: Stream, bytes: &[u8]) -> io::Result<()> {
        self.unfinished.extend_from_slice(bytes);
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            (self.on_line)(String::from_utf8_lossy(&line[..end]).trim_end())?;
        }
        Ok(())
    }
}

impl Machine {
    /// Runs `command` to its end.
    ///
    /// A machine that dies meanwhile, or hangs, is an error; whatever becomes of the command
    /// itself is an [`Outcome`].
    pub(crate) fn exec(&mut self, command: &Command, output: &mut dyn Output) -> Result<Outcome> {
        let id = self.fresh_id();
        self.send(&Request::Exec { id, exec: command.exec.clone() })?;
        let typist = match command.input {
            Input::Inherited => Some(self.read_our_input()),
            Input::Empty => {
                self.send(&Request::Stdin { id, bytes: Vec::new() })?;
                None
            }
        };
        let mut size = command.exec.terminal;
        loop {
            let event = self.wait(Instant::now() + 2 * TICK)?;
            match event {
                Some(Event::Reply(Reply::Output { id: of, stream, bytes })) if of == id => {
                    output.write(stream, &bytes).context("pass the command's output on")?;
                }
                Some(Event::Reply(Reply::Exited { id: of, outcome })) if of == id => {
                    return Ok(outcome);
                }
                Some(Event::Reply(Reply::StdinTaken { id: of })) if of == id => {
                    // Fails at the end of our input, when nobody waits for the word.
                    typist.as_ref().map(|go_on| go_on.try_send(()));
                }
                Some(Event::Input(bytes)) => self.send(&Request::Stdin { id, bytes })?,
                _ => (),
            }
            let now = terminal::size();
            if size.is_some() && now.is_some() && now != size {
                size = now;
                if let Some(size) = now {
                    self.send(&Request::Resize { id, size })?;
                }
            }
        }
    }

    /// Runs `command` and returns its standard output, or fails with its standard error.
    pub(crate) fn output_of(&mut self, command: &Command) -> Result<String> {
        let mut captured = Captured::default();
        match self.exec(command, &mut captured)? {
            Outcome::Exited(0) => Ok(String::from_utf8_lossy(&captured.stdout).into_owned()),
            outcome => bail!(
                "{} in dom0: {outcome:?}: {}",
                String::from_utf8_lossy(&command.exec.argv.join(&b' ')),
                String::from_utf8_lossy(&captured.stderr).trim_end()
            ),
        }
    }

    /// Reads our standard input, a chunk at each word that the last one was taken.
    ///
    /// The thread cannot be interrupted: it ends with our input or with us.
    fn read_our_input(&self) -> SyncSender<()> {
        let (go_on, taken) = mpsc::sync_channel(1);
        let events = self.channel.sender();
        thread::spawn(move || {
            let mut buffer = vec![0; CHUNK];
            loop {
                // Input that cannot be read has ended.
                let n = io::stdin().lock().read(&mut buffer).unwrap_or(0);
                let sent = events.send(Event::Input(buffer[..n].to_vec()));
                if n == 0 || sent.is_err() || taken.recv().is_err() {
                    return;
                }
            }
        });
        go_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_last_line_is_passed_on_at_the_end() {
        let mut seen = Vec::new();
        let mut lines = Lines::new(|line: &str| {
            seen.push(line.to_owned());
            Ok(())
        });
        lines.write(Stream::Stdout, b"test a ... ok\r\ntest ").unwrap();
        lines.write(Stream::Stdout, b"b ... ").unwrap();
        lines.end().unwrap();
        assert_eq!(seen, ["test a ... ok", "test b ..."]);
    }
}
