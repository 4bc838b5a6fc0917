//! `xs-server --socket PATH`: a store for whoever connects, until it is told to end.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use xs_server::{Alone, Core, Quotas, Server};

fn main() -> ExitCode {
    let outcome = match parse(std::env::args_os().skip(1)) {
        Ok(Wish::Serve { socket, quotas }) => serve(socket, quotas),
        Ok(Wish::Help) => write!(io::stdout(), "{USAGE}").map_err(|error| error.to_string()),
        Ok(Wish::Version) => writeln!(io::stdout(), "xs-server {}", env!("CARGO_PKG_VERSION"))
            .map_err(|error| error.to_string()),
        Err(why) => {
            eprintln!("xs-server: {why}; `xs-server --help` says how it is called");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xs-server: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Serve { socket: PathBuf, quotas: Quotas },
    Help,
    Version,
}

fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Wish, String> {
    let (mut socket, mut quotas) = (None, Quotas::default());
    while let Some(argument) = arguments.next() {
        // `--name value`, or `--name=value`.
        let bytes = argument.as_bytes();
        let (name, attached) = match bytes.iter().position(|byte| *byte == b'=') {
            Some(place) => (&bytes[..place], Some(&bytes[place + 1..])),
            None => (bytes, None),
        };
        let mut value = || match attached {
            Some(value) => Ok(std::ffi::OsStr::from_bytes(value).to_owned()),
            None => arguments.next().ok_or(format!("{} needs a value", argument.display())),
        };
        match name {
            b"--socket" => socket = Some(PathBuf::from(value()?)),
            b"--quota" => set(&mut quotas, &value()?)?,
            b"--help" | b"-h" if attached.is_none() => return Ok(Wish::Help),
            b"--version" | b"-V" if attached.is_none() => return Ok(Wish::Version),
            _ => return Err(format!("{:?} is no argument of it", argument.display())),
        }
    }
    match socket {
        Some(socket) => Ok(Wish::Serve { socket, quotas }),
        None => Err("--socket is missing".into()),
    }
}

fn set(quotas: &mut Quotas, setting: &std::ffi::OsStr) -> Result<(), String> {
    let wrong = || format!("{:?} is no quota and its value", setting.display());
    let (name, value) = setting.to_str().and_then(|text| text.split_once('=')).ok_or_else(wrong)?;
    match quotas.set(name, value.parse().map_err(|_| wrong())?) {
        true => Ok(()),
        false => Err(format!("{name:?} is none of the quotas {}", Quotas::NAMES.join(", "))),
    }
}

fn serve(socket: PathBuf, quotas: Quotas) -> Result<(), String> {
    let start = |error: io::Error| format!("cannot start: {error}");
    let (told, teller) = UnixStream::pair().map_err(start)?;
    for signal in [SIGINT, SIGTERM] {
        pipe::register(signal, teller.try_clone().map_err(start)?).map_err(start)?;
    }
    let mut server = Server::new(Core::new(Box::new(Alone), quotas)).map_err(start)?;
    let at = socket.display().to_string();
    server.listen(socket).map_err(|error| format!("cannot listen at {at}: {error}"))?;
    server.serve_until(&told).map_err(|error| format!("cannot go on: {error}"))
}

const USAGE: &str = "\
An xenstored for whoever connects, as domain 0. It has no domain but that one.

Usage: xs-server --socket PATH [--quota NAME=VALUE]...

  --socket PATH       listen there; clients take it as XENSTORED_PATH
  --quota NAME=VALUE  what an unprivileged domain may use; 0 is no limit
  -h, --help          say this
  -V, --version       say which version this is

It ends with SIGTERM or SIGINT, and removes its socket.
It exits with 0 then, with 1 if it could not serve, with 2 if it was called wrongly.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Wish, String> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn values_follow_or_are_attached() {
        let mut quotas = Quotas::default();
        quotas.set("nodes", 5);
        quotas.set("memory", 0);
        let wish = Ok(Wish::Serve { socket: "/run/s=1".into(), quotas });
        let attached = ["--socket=/run/s=1", "--quota=nodes=5", "--quota=memory=0"];
        assert_eq!(parsed(&attached), wish);
        let behind = ["--quota", "nodes=5", "--quota", "memory=0", "--socket", "/run/s=1"];
        assert_eq!(parsed(&behind), wish);
    }

    #[test]
    fn what_is_no_call_is_refused() {
        let calls: [&[&str]; 8] = [
            &[],
            &["--socket"],
            &["/run/s"],
            &["--socket", "/run/s", "more"],
            &["--socket", "/run/s", "--quota", "nodes"],
            &["--socket", "/run/s", "--quota", "nodes=many"],
            &["--socket", "/run/s", "--quota", "knots=1"],
            &["--help=yes"],
        ];
        for call in calls {
            parsed(call).unwrap_err();
        }
    }

    #[test]
    fn help_needs_nothing_else() {
        assert_eq!(parsed(&["--help", "whatever"]), Ok(Wish::Help));
    }
}
