//! How a failed command is told: the chain of causes on one line, what stayed behind on lines of
//! their own, and an exit status that scripts can tell apart.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use xenops::{Cause, Kind, Problem};

use crate::print;

/// Wrong command line or configuration file.
pub(crate) const USAGE: u8 = 2;
const FAILED: u8 = 1;
const UNAVAILABLE: u8 = 3;
const NO_SUCH_DOMAIN: u8 = 4;
const TIMED_OUT: u8 = 5;
/// As a shell reports SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An operation of the toolstack.
    Operation(xenops::Error),
    /// The configuration file cannot be read.
    ReadConfig(PathBuf, io::Error),
    /// The configuration file does not parse.
    ParseConfig(PathBuf, toml::de::Error),
    /// The configuration file makes no sense.
    Config(PathBuf, Problem),
    /// The configuration of a domain cannot be written.
    Describe(toml::ser::Error),
    /// A saved domain without a configuration that is read here.
    NoConfig(PathBuf),
    /// A device is described in a way that cannot be.
    Device(xenops::device::Invalid),
    /// `--until` was not seen in time.
    NotSeen(String),
    /// The terminal or the output.
    Io(&'static str, io::Error),
    /// Nothing to say, only a status.
    Quiet(u8),
}

impl Failure {
    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::ReadConfig(..)
            | Self::ParseConfig(..)
            | Self::Config(..)
            | Self::NoConfig(_)
            | Self::Device(_) => USAGE,
            Self::NotSeen(_) => TIMED_OUT,
            Self::Describe(_) | Self::Io(..) => FAILED,
            Self::Quiet(status) => *status,
            Self::Operation(error) => match (error.cause(), error.kind()) {
                (Cause::Problem(Problem::NoSuchDomain), _)
                | (Cause::Hypervisor(_), Kind::NotFound) => NO_SUCH_DOMAIN,
                (_, Kind::Unavailable) => UNAVAILABLE,
                (_, Kind::TimedOut) => TIMED_OUT,
                (_, Kind::Cancelled) => INTERRUPTED,
                _ => FAILED,
            },
        }
    }
}

impl fmt::Display for Failure {
    /// Whole lines. Some of it comes from elsewhere, a file or its name, or a library's words:
    /// nothing in it moves the cursor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(error) => {
                writeln!(f, "xenops: {}", chain(error))?;
                for leftover in error.leftovers() {
                    let what = print::printable(&leftover.what.to_string());
                    writeln!(f, "xenops: left behind: {what}: {}", chain(&leftover.why))?;
                }
                Ok(())
            }
            Self::ReadConfig(path, error) => {
                writeln!(f, "xenops: read {}: {error}", name(path))
            }
            // The parser's message has several lines that point into the file, and quote it.
            Self::ParseConfig(path, error) => {
                let message = print::printable_lines(error.to_string().trim_end());
                writeln!(f, "xenops: parse {}: {message}", name(path))
            }
            Self::Config(path, problem) => writeln!(f, "xenops: {}: {problem}", name(path)),
            Self::Describe(error) => {
                let message = print::printable(&error.to_string());
                writeln!(f, "xenops: write the configuration of the domain: {message}")
            }
            Self::NoConfig(path) => {
                let path = name(path);
                let hint = "give one with --config";
                writeln!(f, "xenops: {path} has no configuration of a domain in it: {hint}")
            }
            Self::Device(error) => writeln!(f, "xenops: {}", chain(error)),
            Self::NotSeen(text) => writeln!(f, "xenops: {text:?} was not printed in time"),
            Self::Io(operation, error) => writeln!(f, "xenops: {operation}: {error}"),
            Self::Quiet(_) => Ok(()),
        }
    }
}

fn name(path: &Path) -> String {
    print::printable(&path.display().to_string())
}

impl From<xenops::Error> for Failure {
    fn from(error: xenops::Error) -> Self {
        Self::Operation(error)
    }
}

impl From<xenops::device::Invalid> for Failure {
    fn from(error: xenops::device::Invalid) -> Self {
        Self::Device(error)
    }
}

/// The whole chain on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    print::printable(&text)
}
