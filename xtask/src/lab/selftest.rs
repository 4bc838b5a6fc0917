//! `cargo xtask lab selftest`: each way in which a machine can fail is tried on a real one.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command as HostCommand, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::images::XenRelease;
use super::machine::{Captured, Cause, Command, Failure, Machine, Options, Outcome, folders};
use super::once::report;

/// One experiment; it fails if the lab did not do as it should.
type Part = fn(XenRelease) -> Result<()>;

pub(super) fn run(xen: XenRelease) -> Result<ExitCode> {
    let parts: [(&str, Part); 6] = [
        ("statuses pass through; a dom0 that hangs is noticed", statuses_and_hang),
        ("a dom0 that panics is noticed", dom0_panic),
        ("a hypervisor that panics is noticed", hypervisor_panic),
        ("a dom0 that never takes commands is noticed", silent_boot),
        ("Ctrl-C leaves no QEMU", |xen| interrupted_run(xen, Signal::INT)),
        ("SIGKILL leaves no QEMU", |xen| interrupted_run(xen, Signal::KILL)),
    ];
    let mut good = true;
    for (fact, part) in parts {
        let begin = Instant::now();
        let result = part(xen);
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{fact} ... {verdict} ({:.0} s)", begin.elapsed().as_secs_f32());
        if let Err(error) = result {
            println!("{error:#}");
            good = false;
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn statuses_and_hang(xen: XenRelease) -> Result<()> {
    let options = Options { hang_deadline: Duration::from_secs(6), ..Options::new(xen) };
    let mut machine = Machine::boot(&options, &report)?;
    for (script, expected) in [
        ("exit 0", Outcome::Exited(0)),
        ("exit 7", Outcome::Exited(7)),
        ("kill -9 $$", Outcome::Signaled(9)),
    ] {
        let outcome = machine.exec(&Command::shell(script), &mut Captured::default())?;
        ensure!(outcome == expected, "{script}: {outcome:?}");
    }
    let endless = Command::shell("sleep 1000").timeout(Duration::from_secs(1));
    let outcome = machine.exec(&endless, &mut Captured::default())?;
    ensure!(outcome == Outcome::TimedOut, "a command beyond its time: {outcome:?}");
    let freeze = |machine: &mut Machine| {
        machine.freeze()?;
        exec(machine, "sleep 1000")
    };
    let within = Duration::from_secs(30);
    dies(machine, freeze, within, |cause| matches!(cause, Cause::Hang(_)))
}

fn dom0_panic(xen: XenRelease) -> Result<()> {
    let machine = Machine::boot(&Options::new(xen), &report)?;
    let panic = "echo c > /proc/sysrq-trigger";
    let within = Duration::from_secs(15);
    dies(
        machine,
        |machine| exec(machine, panic),
        within,
        |cause| matches!(cause, Cause::Dom0Panic(_)),
    )
}

fn hypervisor_panic(xen: XenRelease) -> Result<()> {
    let machine = Machine::boot(&Options::new(xen), &report)?;
    let inject = |machine: &mut Machine| {
        machine.inject_nmi()?;
        exec(machine, "sleep 1000")
    };
    let within = Duration::from_secs(15);
    dies(machine, inject, within, |cause| matches!(cause, Cause::XenPanic(_)))
}

fn silent_boot(xen: XenRelease) -> Result<()> {
    let options = Options {
        // Never ends and never speaks.
        extra_dom0: "rdinit=/bin/cat".into(),
        boot_deadline: Duration::from_secs(15),
        ..Options::new(xen)
    };
    match Machine::boot(&options, &report) {
        Ok(_) => bail!("the machine took commands"),
        Err(error) => died_of(&error, |cause| matches!(cause, Cause::NoAgent(_))),
    }
}

fn exec(machine: &mut Machine, script: &str) -> Result<Outcome> {
    machine.exec(&Command::shell(script), &mut Captured::default())
}

/// Checks that `deed` ends `machine` in time, for the right cause, with a log and without a QEMU.
fn dies(
    mut machine: Machine,
    deed: impl FnOnce(&mut Machine) -> Result<Outcome>,
    within: Duration,
    expected: fn(&Cause) -> bool,
) -> Result<()> {
    let begin = Instant::now();
    let Err(error) = deed(&mut machine) else { bail!("the machine lives") };
    ensure!(begin.elapsed() < within, "noticed after {:?}", begin.elapsed());
    died_of(&error, expected)
}

fn died_of(error: &anyhow::Error, expected: fn(&Cause) -> bool) -> Result<()> {
    let Some(failure) = error.downcast_ref::<Failure>() else {
        bail!("an error that is no failure of the machine: {error:#}");
    };
    ensure!(expected(failure.cause()), "another cause: {failure}");
    let log = fs::metadata(failure.log()).context("the log is not kept")?;
    ensure!(log.len() > 0, "the log is empty");
    let folder = failure.log().parent().context("a log without a folder")?;
    ensure!(processes_in(folder)?.is_empty(), "a process is left in {}", folder.display());
    Ok(())
}

/// Starts `lab run` as a user does, ends it by `signal` once QEMU runs, and looks what is left.
fn interrupted_run(xen: XenRelease, signal: Signal) -> Result<()> {
    // Whoever runs this in the background of a script has it ignore SIGINT, and children inherit that.
    let mut child = HostCommand::new("env")
        .arg("--default-signal=INT")
        .arg(std::env::current_exe()?)
        .args(["lab", "run", "--xen", xen.version(), "--", "true"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let folder = super::build::target()?.join(format!("lab/vms/run-{}-0", child.id()));
    let started = until(Duration::from_secs(60), || has_qemu(&folder));
    let signalled = kill_process(Pid::from_child(&child), signal);
    let status = child.wait()?;
    ensure!(started?, "QEMU never ran");
    signalled?;
    ensure!(!status.success(), "the command went on: {status}");
    let gone = until(Duration::from_secs(5), || Ok(processes_in(&folder)?.is_empty()))?;
    ensure!(gone, "a process is left in {}", folder.display());
    ensure!(folders()?.iter().any(|name| folder.ends_with(name)), "the log is not kept");
    Ok(())
}

fn until(time: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        if holds()? {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(50));
    }
    holds()
}

fn has_qemu(folder: &Path) -> Result<bool> {
    let named = |process: &PathBuf| fs::read_to_string(process.join("comm")).unwrap_or_default();
    Ok(processes_in(folder)?.iter().any(|process| named(process).starts_with("qemu")))
}

/// The processes that work in `folder`, as all of a machine's do.
fn processes_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let processes = fs::read_dir("/proc")?.collect::<Result<Vec<_>, _>>()?;
    let works_here = |path: &PathBuf| fs::read_link(path.join("cwd")).is_ok_and(|at| at == folder);
    Ok(processes.into_iter().map(|entry| entry.path()).filter(works_here).collect())
}
