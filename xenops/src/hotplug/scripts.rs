//! The hotplug scripts of Xen's tools, run as libxl runs them.
//!
//! Arguments and environment are those of `libxl__get_hotplug_script_info` (`libxl_linux.c`). A
//! script runs in a process group of its own, which is killed when its time is up; what it printed
//! becomes part of the error.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use devices::{Ends, Kind};

use super::system::{Program, Running, System};
use crate::error::{Cause, Problem};
use crate::limits::{Finishing, Limits};

/// What a script is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Make the device ready.
    Add,
    /// Take back what it made.
    Remove,
}

/// The script of a device and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script(Program);

impl Script {
    /// The call for a device; `None` for kinds that have no scripts.
    pub(crate) fn of(path: &str, ends: &Ends, action: Action) -> Option<Self> {
        let served_as = &ends.served_as;
        let (dom, number) = (ends.device.dom, ends.device.number);
        let mut environment = vec![
            ("script", path.to_owned()),
            ("XENBUS_TYPE", served_as.to_string()),
            ("XENBUS_PATH", format!("backend/{served_as}/{dom}/{number}")),
            ("XENBUS_BASE_PATH", "backend".to_owned()),
        ];
        let arguments = match (served_as, action) {
            (Kind::Vbd, Action::Add) => vec!["add"],
            (Kind::Vbd, Action::Remove) => vec!["remove"],
            (Kind::Vif, action) => {
                environment.push(("netdev", String::new()));
                environment.push(("vif", interface(ends)));
                let verb = if action == Action::Add { "online" } else { "offline" };
                vec![verb, "type_if=vif"]
            }
            _ => return None,
        };
        Some(Self(Program { path: PathBuf::from(path), arguments, environment }))
    }

    /// Another program, called with these arguments and no environment of its own.
    pub(crate) fn plain(program: &Path, arguments: Vec<&'static str>) -> Self {
        Self(Program { path: program.into(), arguments, environment: Vec::new() })
    }

    /// Runs it to its end, or kills it when its time is up or the caller cancels.
    pub(crate) fn run(&self, system: &dyn System, limits: &Limits) -> Result<(), Cause> {
        self.run_until(system, |running| self.end(running, limits))
    }

    /// The same of one that takes back what another has made.
    pub(crate) fn finish(&self, system: &dyn System, step: &Finishing) -> Result<(), Cause> {
        self.run_until(system, |running| step.wait(|limits| self.end(running, limits)))
    }

    fn run_until(
        &self,
        system: &dyn System,
        end: impl FnOnce(&mut dyn Running) -> Result<Option<ExitStatus>, Cause>,
    ) -> Result<(), Cause> {
        let mut running = system.spawn(&self.0).map_err(self.cannot("run"))?;
        match end(&mut *running) {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(self.failed(status, said(&mut *running)).into()),
            Ok(None) => {
                running.kill().map_err(self.cannot("kill"))?;
                let last = format!("it printed {:?}", said(&mut *running));
                Err(Problem::TimedOut { what: "the hotplug script to end", last }.into())
            }
            Err(error) => {
                running.kill().map_err(self.cannot("kill"))?;
                Err(error)
            }
        }
    }

    /// How it ends; `None` if its time is up before.
    fn end(&self, running: &mut dyn Running, limits: &Limits) -> Result<Option<ExitStatus>, Cause> {
        loop {
            limits.check()?;
            let ended = running.wait(limits.next_look()).map_err(self.cannot("wait for"))?;
            if let Some(status) = ended {
                return Ok(Some(status));
            }
            if limits.is_late() {
                return Ok(None);
            }
        }
    }

    fn cannot(&self, what: &'static str) -> impl FnOnce(io::Error) -> Cause {
        move |source| Cause::File { what, path: self.0.path.clone(), source }
    }

    fn failed(&self, status: ExitStatus, said: String) -> Problem {
        Problem::Script { script: self.0.path.clone(), status, said }
    }
}

/// The name that netback gives an interface.
pub(crate) fn interface(ends: &Ends) -> String {
    format!("vif{}.{}", ends.device.dom, ends.device.number)
}

/// Whether a record may name this file as a script: a plain absolute path.
pub(crate) fn is_script(path: &str) -> bool {
    Path::new(path).is_absolute() && !path.split('/').any(|part| part == "..")
}

/// The beginning of what a script printed.
fn said(script: &mut dyn Running) -> String {
    match script.printed(OUTPUT_MAX) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(error) => format!("its output cannot be read: {error}"),
    }
}

/// How much of a script's output an error quotes, in bytes.
const OUTPUT_MAX: u64 = 1024;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use devices::DeviceId;
    use xen_types::{Deadline, DomId};

    use super::*;
    use crate::hotplug::Linux;
    use crate::hotplug::tests::program;

    fn ends(kind: Kind, number: u32) -> Ends {
        let device = DeviceId { dom: DomId::new(7).unwrap(), kind: kind.clone(), number };
        Ends { device, server: DomId::DOM0, served_as: kind }
    }

    fn soon() -> Limits {
        Limits::until(Deadline::after(Duration::from_secs(20)))
    }

    /// Runs a program of this text as the script of a disk.
    fn run(text: &str, limits: &Limits) -> Result<(), Cause> {
        let program = program(text);
        let path = program.0.to_str().unwrap();
        Script::of(path, &ends(Kind::Vbd, 51712), Action::Add).unwrap().run(&Linux, limits)
    }

    #[test]
    fn a_disks_script_is_called_as_by_libxl() {
        let script = Script::of("/none/block", &ends(Kind::Vbd, 51712), Action::Remove).unwrap();
        assert_eq!(script.0.arguments, ["remove"]);
        assert_eq!(
            script.0.environment,
            [
                ("script", "/none/block".to_owned()),
                ("XENBUS_TYPE", "vbd".to_owned()),
                ("XENBUS_PATH", "backend/vbd/7/51712".to_owned()),
                ("XENBUS_BASE_PATH", "backend".to_owned()),
            ]
        );
    }

    #[test]
    fn an_interfaces_script_is_told_the_interface() {
        let script = Script::of("/none/vif-bridge", &ends(Kind::Vif, 1), Action::Add).unwrap();
        assert_eq!(script.0.arguments, ["online", "type_if=vif"]);
        assert!(script.0.environment.contains(&("vif", "vif7.1".to_owned())));
    }

    #[test]
    fn a_script_that_fails_is_quoted() {
        let failed = run("echo it is \"$XENBUS_PATH $1\"; exit 3", &soon());
        let Err(Cause::Problem(Problem::Script { status, said, .. })) = failed else {
            panic!("it ends with status 3");
        };
        assert_eq!((status.code(), said.as_str()), (Some(3), "it is backend/vbd/7/51712 add"));
    }

    #[test]
    fn a_script_that_leaves_a_process_behind_has_ended() {
        assert!(run("sleep 5 &", &soon()).is_ok());
    }

    #[test]
    fn a_script_past_its_time_is_killed_with_what_it_started() {
        let start = Instant::now();
        let limits = Limits::until(Deadline::after(Duration::from_secs(3)));
        let slow = run("echo begun; sleep 60; echo never", &limits);
        let Err(Cause::Problem(Problem::TimedOut { last, .. })) = slow else {
            panic!("it has three seconds");
        };
        assert_eq!(last, "it printed \"begun\"");
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_record_cannot_lead_to_a_script_by_a_crooked_path() {
        assert!(is_script("/etc/xen/scripts/block"));
        assert!(!is_script("block") && !is_script("/etc/xen/scripts/../../x"));
    }
}
