//! The messages: what the host asks of the agent and what the agent answers.
//!
//! `id` is the host's number for one command or one upload of a session; several may be under way.

use super::frame::{Body, Fields, Frame, Malformed};

/// Rows and columns of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

/// A command to run in dom0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// The program, looked up in dom0's `PATH`, and its arguments.
    pub argv: Vec<Vec<u8>>,
    /// Variables set on top of the agent's own.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// The folder to run in; the agent's own if `None`.
    pub cwd: Option<Vec<u8>>,
    /// Milliseconds after which the agent ends the command.
    pub timeout: Option<u64>,
    /// Give the command a terminal of this size; its output then all comes as stdout.
    pub terminal: Option<TerminalSize>,
}

/// What the host asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Request {
    /// Opens a session.
    Hello { nonce: u64 },
    /// Asks for a sign of life.
    Ping { serial: u32 },
    /// Starts a command.
    Exec { id: u32, exec: Exec },
    /// Input for a command; no bytes at all end it. Each is answered by [`Reply::StdinTaken`], and
    /// the next one should wait for that.
    Stdin { id: u32, bytes: Vec<u8> },
    /// Sends a signal to a command's process group.
    Signal { id: u32, signal: i32 },
    /// The terminal of a command has another size now.
    Resize { id: u32, size: TerminalSize },
    /// Begins a file with these permission bits; it appears under its name when it is complete.
    Put { id: u32, path: Vec<u8>, mode: u32 },
    /// The next bytes of a file; no bytes at all complete it.
    PutData { id: u32, bytes: Vec<u8> },
    /// Ends the machine.
    PowerOff,
}

/// Which of a command's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it.
    Signaled(i32),
    /// Its timeout passed and the agent ended it.
    TimedOut,
    /// It could not be started, for this reason.
    NotStarted(String),
}

/// What the agent answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reply {
    /// The session is open; names and values that describe this dom0.
    Ready { facts: Vec<(String, String)> },
    /// A sign of life.
    Pong { serial: u32 },
    /// Output of a command.
    Output { id: u32, stream: Stream, bytes: Vec<u8> },
    /// A command took the last [`Request::Stdin`], or never will.
    StdinTaken { id: u32 },
    /// A command ended; nothing more comes from it.
    Exited { id: u32, outcome: Outcome },
    /// A file is in place, or why not.
    Stored { id: u32, error: Option<String> },
}

impl Request {
    /// Appends the frame of this message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello { nonce } => Fields::begin(out, 1).long(*nonce),
            Self::Ping { serial } => Fields::begin(out, 2).word(*serial),
            Self::Exec { id, exec } => exec.fields(Fields::begin(out, 3).word(*id)),
            Self::Stdin { id, bytes } => Fields::begin(out, 4).word(*id).rest(bytes),
            Self::Signal { id, signal } => {
                Fields::begin(out, 5).word(*id).word(signal.cast_unsigned())
            }
            Self::Resize { id, size } => {
                Fields::begin(out, 6).word(*id).short(size.rows).short(size.columns)
            }
            Self::Put { id, path, mode } => {
                Fields::begin(out, 7).word(*id).word(*mode).string(path)
            }
            Self::PutData { id, bytes } => Fields::begin(out, 8).word(*id).rest(bytes),
            Self::PowerOff => Fields::begin(out, 9),
        }
        .end();
    }

    /// Reads the message in a frame.
    ///
    /// # Errors
    /// [`Malformed`] if it is none.
    pub fn decode(frame: &Frame) -> Result<Self, Malformed> {
        let mut body = Body::of(frame);
        let message = match frame.kind {
            1 => Self::Hello { nonce: body.long("nonce")? },
            2 => Self::Ping { serial: body.word("serial")? },
            3 => Self::Exec { id: body.word("id")?, exec: Exec::parse(&mut body)? },
            4 => Self::Stdin { id: body.word("id")?, bytes: body.rest() },
            5 => Self::Signal { id: body.word("id")?, signal: body.word("signal")?.cast_signed() },
            6 => Self::Resize { id: body.word("id")?, size: TerminalSize::parse(&mut body)? },
            7 => Self::Put {
                id: body.word("id")?,
                mode: body.word("mode")?,
                path: body.string("path")?,
            },
            8 => Self::PutData { id: body.word("id")?, bytes: body.rest() },
            9 => Self::PowerOff,
            unknown => return Err(Malformed::UnknownKind(unknown)),
        };
        body.end()?;
        Ok(message)
    }
}

impl Reply {
    /// Appends the frame of this message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ready { facts } => facts
                .iter()
                .fold(Fields::begin(out, 65).word(count(facts.len())), |fields, (name, value)| {
                    fields.string(name.as_bytes()).string(value.as_bytes())
                }),
            Self::Pong { serial } => Fields::begin(out, 66).word(*serial),
            Self::Output { id, stream, bytes } => {
                Fields::begin(out, 67).word(*id).byte(stream.code()).rest(bytes)
            }
            Self::StdinTaken { id } => Fields::begin(out, 68).word(*id),
            Self::Exited { id, outcome } => outcome.fields(Fields::begin(out, 69).word(*id)),
            Self::Stored { id, error } => {
                let fields = Fields::begin(out, 70).word(*id).byte(error.is_some().into());
                fields.rest(error.as_deref().unwrap_or_default().as_bytes())
            }
        }
        .end();
    }

    /// Reads the message in a frame.
    ///
    /// # Errors
    /// [`Malformed`] if it is none.
    pub fn decode(frame: &Frame) -> Result<Self, Malformed> {
        let mut body = Body::of(frame);
        let message = match frame.kind {
            65 => {
                let mut facts = Vec::new();
                for _ in 0..body.word("facts")? {
                    facts.push((text(body.string("fact")?), text(body.string("fact")?)));
                }
                Self::Ready { facts }
            }
            66 => Self::Pong { serial: body.word("serial")? },
            67 => Self::Output {
                id: body.word("id")?,
                stream: Stream::parse(body.byte("stream")?)?,
                bytes: body.rest(),
            },
            68 => Self::StdinTaken { id: body.word("id")? },
            69 => Self::Exited { id: body.word("id")?, outcome: Outcome::parse(&mut body)? },
            70 => {
                let id = body.word("id")?;
                let failed = body.byte("stored")? != 0;
                let reason = text(body.rest());
                Self::Stored { id, error: failed.then_some(reason) }
            }
            unknown => return Err(Malformed::UnknownKind(unknown)),
        };
        body.end()?;
        Ok(message)
    }
}

impl Exec {
    fn fields<'a>(&self, fields: Fields<'a>) -> Fields<'a> {
        let size = self.terminal.unwrap_or(TerminalSize { rows: 0, columns: 0 });
        let fields = fields
            .byte(self.terminal.is_some().into())
            .short(size.rows)
            .short(size.columns)
            .byte(self.timeout.is_some().into())
            .long(self.timeout.unwrap_or(0))
            .byte(self.cwd.is_some().into())
            .string(self.cwd.as_deref().unwrap_or_default())
            .word(count(self.argv.len()));
        let fields = self.argv.iter().fold(fields, |fields, arg| fields.string(arg));
        let fields = fields.word(count(self.env.len()));
        self.env.iter().fold(fields, |fields, (name, value)| fields.string(name).string(value))
    }

    fn parse(body: &mut Body<'_>) -> Result<Self, Malformed> {
        let has_terminal = body.byte("terminal")? != 0;
        let size = TerminalSize::parse(body)?;
        let has_timeout = body.byte("timeout")? != 0;
        let timeout = body.long("timeout")?;
        let has_cwd = body.byte("cwd")? != 0;
        let cwd = body.string("cwd")?;
        let mut argv = Vec::new();
        for _ in 0..body.word("argv")? {
            argv.push(body.string("argv")?);
        }
        let mut env = Vec::new();
        for _ in 0..body.word("env")? {
            env.push((body.string("env")?, body.string("env")?));
        }
        Ok(Self {
            argv,
            env,
            cwd: has_cwd.then_some(cwd),
            timeout: has_timeout.then_some(timeout),
            terminal: has_terminal.then_some(size),
        })
    }
}

impl TerminalSize {
    fn parse(body: &mut Body<'_>) -> Result<Self, Malformed> {
        Ok(Self { rows: body.short("rows")?, columns: body.short("columns")? })
    }
}

impl Stream {
    fn code(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    fn parse(code: u8) -> Result<Self, Malformed> {
        match code {
            1 => Ok(Self::Stdout),
            2 => Ok(Self::Stderr),
            _ => Err(Malformed::BadValue("stream")),
        }
    }
}

impl Outcome {
    fn fields<'a>(&self, fields: Fields<'a>) -> Fields<'a> {
        match self {
            Self::Exited(status) => fields.byte(0).word(status.cast_unsigned()),
            Self::Signaled(signal) => fields.byte(1).word(signal.cast_unsigned()),
            Self::TimedOut => fields.byte(2),
            Self::NotStarted(reason) => fields.byte(3).rest(reason.as_bytes()),
        }
    }

    fn parse(body: &mut Body<'_>) -> Result<Self, Malformed> {
        match body.byte("outcome")? {
            0 => Ok(Self::Exited(body.word("status")?.cast_signed())),
            1 => Ok(Self::Signaled(body.word("signal")?.cast_signed())),
            2 => Ok(Self::TimedOut),
            3 => Ok(Self::NotStarted(text(body.rest()))),
            _ => Err(Malformed::BadValue("outcome")),
        }
    }
}

/// Counts beyond `u32` cannot be sent: such a frame is over the limit long before.
fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
