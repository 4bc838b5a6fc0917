//! The commands: each one call of the library, and what it prints.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use signal_hook::flag;
use xenops::{Cancel, CreateOptions, Deadline, DomainConfig, Host, KernelCache, Limits, Stop};

use crate::args::{Command, Output};
use crate::failure::{self, Failure};
use crate::{change, devices, print, saved, signals, terminal};

pub(crate) fn run(
    command: Command,
    open: impl FnOnce() -> xenops::Result<Host>,
) -> Result<(), Failure> {
    match command {
        Command::Create { file, paused, timeout, kernel_cache, no_kernel_cache } => {
            let config = read_config(&file)?;
            let limits = limits(timeout)?;
            let cache = match no_kernel_cache {
                true => KernelCache::new(),
                false => KernelCache::new().in_folder(kernel_cache, Host::KERNELS),
            };
            let host = open()?.with_kernel_cache(cache);
            let dom = host.create(&config, CreateOptions { paused }, &limits)?;
            say(|out| writeln!(out, "{dom}"))
        }
        Command::List { domains, output } => {
            let host = open()?;
            let domains = match domains.as_slice() {
                [] => host.domains()?,
                some => some.iter().map(|name| host.find(name)).collect::<Result<_, _>>()?,
            };
            say(|out| match output {
                Output::Table => print::table(&domains, out),
                Output::Json => print::json(&domains, out),
            })
        }
        Command::Console { domain, until, timeout } => {
            let deadline = timeout.map(Deadline::after);
            let appears = deadline.unwrap_or_else(|| Deadline::after(CONSOLE_APPEARS));
            let host = open()?;
            let domain = host.with_deadline(appears).find(&domain)?.id;
            let console = host.console(domain, appears)?;
            terminal::attach(console, until.as_deref(), deadline)
        }
        Command::Pause { domain } => {
            let host = open()?;
            Ok(host.pause(host.find(&domain)?.id)?)
        }
        Command::Unpause { domain } => {
            let host = open()?;
            Ok(host.unpause(host.find(&domain)?.id)?)
        }
        Command::Shutdown { domain, no_wait, timeout } => {
            let limits = limits(timeout)?;
            let host = open()?;
            let domain = host.with_deadline(limits.deadline).find(&domain)?.id;
            if no_wait {
                return Ok(host.request_stop(domain, Stop::Poweroff)?);
            }
            Ok(host.shut_down(domain, &limits)?)
        }
        Command::Save(what) => saved::save(what, open),
        Command::Restore(what) => saved::restore(what, open),
        Command::Attach(what) => devices::attach(what, open),
        Command::Detach(what) => devices::detach(what, open),
        Command::Vbd(what) => change::disk(what, open),
        Command::Vif(what) => change::port(what, open),
        Command::Devices { domain, output } => devices::list(&domain, output, open),
        Command::Destroy { domain, timeout } => {
            let limits = limits(timeout)?;
            let host = open()?;
            // A number may mean what is left of a domain that has gone, which nobody finds.
            let domain = match domain.parse() {
                Ok(number) => number,
                Err(_) => host.with_deadline(limits.deadline).find(&domain)?.id,
            };
            Ok(host.destroy(domain, &limits)?)
        }
    }
}

pub(crate) fn read_config(path: &Path) -> Result<DomainConfig, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::ReadConfig(path.into(), error))?;
    let config: DomainConfig =
        toml::from_str(&text).map_err(|error| Failure::ParseConfig(path.into(), error))?;
    config.check().map_err(|problem| Failure::Config(path.into(), problem))?;
    Ok(config)
}

/// A deadline, and a first signal that cancels. A second one ends the process at once: what the
/// operation made until then stays.
pub(crate) fn limits(timeout: Duration) -> Result<Limits, Failure> {
    let cancel = Cancel::new();
    let fail = |error| Failure::Io("take over signals", error);
    for signal in signals::to_take_over() {
        let interrupted = failure::INTERRUPTED.into();
        flag::register_conditional_shutdown(signal, interrupted, cancel.flag()).map_err(fail)?;
        flag::register(signal, cancel.flag()).map_err(fail)?;
    }
    Ok(Limits { cancel, ..Limits::until(Deadline::after(timeout)) })
}

/// Prints to standard output; a reader who left early is no error.
pub(crate) fn say(
    print: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match print(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Io("print", error)),
        _ => Ok(()),
    }
}

/// How long xenconsoled may take to make a terminal for a new domain (as libxl).
const CONSOLE_APPEARS: Duration = Duration::from_secs(10);
