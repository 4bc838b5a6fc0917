//! `cargo xtask lab test`: the tests of `tests/lab/tests` and of `tests/conformance`, run in dom0.
//!
//! All of them are ignored, so that a plain `cargo test` reports them and runs none. The
//! tests of a release share one machine, but for those of `own_vm`, which ruin theirs and get one
//! each, those of `two_nodes`, which share one that is more than the plain machine, and those of `hvm` and
//! `qemu_backends`, whose machine has a device model in dom0. Those of `two_boots` have two, one after the
//! other: what the first leaves in `/host` the second finds there.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command as HostCommand, ExitCode};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::answered;
use super::build::{self, TestProgram};
use super::images::{self, XenRelease};
use super::machine::{Cause, Command, Failure, Lines, Machine, Options, Outcome, Store};

/// What the tests of a file run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The machine that most tests share.
    Shared,
    /// The machine of those that call Xen without a toolstack between.
    Hypervisor,
    /// The machine with two nodes and the scheduler credit.
    TwoNodes,
    /// The machine with a device model, which logs what guests say to Xen.
    DeviceModel,
    /// A machine for each of them.
    Own,
    /// A machine for each module of them, in the order of their names, and one `/host` for all.
    Boots,
}

impl Place {
    fn of(file: &str) -> Self {
        match file {
            "own_vm" => Self::Own,
            "hypervisor" => Self::Hypervisor,
            "two_nodes" => Self::TwoNodes,
            "hvm" | "qemu_backends" => Self::DeviceModel,
            "two_boots" => Self::Boots,
            _ => Self::Shared,
        }
    }

    fn options(self, release: &Release<'_>) -> Options {
        let plain = Options { store: release.choice.store, ..Options::new(release.xen) };
        match self {
            Self::TwoNodes => Options { numa: 2, extra_xen: "sched=credit".into(), ..plain },
            Self::DeviceModel => Options { device_model: true, ..plain },
            Self::Shared | Self::Hypervisor | Self::Own | Self::Boots => plain,
        }
    }
}

/// The file of tests that has kernels of every compression in `/host`, and the folder of these.
const KERNELS: &str = "kernels";

/// What all tests of one file may take.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// Which tests to run, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'a> {
    pub(super) store: Store,
    /// Boot the releases at the same time.
    pub(super) parallel: bool,
    /// Make the lists of answered calls anew.
    pub(super) record: bool,
    /// The tests whose names contain this, and those of the file that has this name.
    pub(super) filter: Option<&'a str>,
}

impl Choice<'_> {
    /// All tests, as `cargo xtask test` runs them: the machines of the releases beside each other, since
    /// each of them keeps one processor busy and has the same hour to end in.
    pub(super) const ALL: Self =
        Self { store: Store::C, parallel: true, record: false, filter: None };
}

pub(super) fn run(releases: &[XenRelease], choice: Choice<'_>) -> Result<ExitCode> {
    let Choice { parallel, filter, .. } = choice;
    // The releases' threads find it all built.
    build::programs()?;
    let runs = plan(&build::tests()?, filter)?;
    if runs.is_empty() {
        match filter {
            Some(filter) => bail!("no lab test has {filter:?} in its name"),
            None => bail!("there are no lab tests"),
        }
    }
    let one = |release: &XenRelease| Release { xen: *release, choice }.run(&runs);
    let results: Vec<Result<Tally>> = if parallel {
        thread::scope(|scope| {
            let threads: Vec<_> =
                releases.iter().map(|release| scope.spawn(move || one(release))).collect();
            threads.into_iter().map(joined).collect()
        })
    } else {
        releases.iter().map(one).collect()
    };
    let mut good = true;
    for (xen, result) in releases.iter().zip(results) {
        match result {
            Ok(tally) => {
                let Tally { passed, failed, facts, again, died } = tally;
                let again = match again {
                    0 => String::new(),
                    _ => format!("; {again} ran again as a guest had triple-faulted, see above"),
                };
                let died = match died {
                    0 => "",
                    _ => "; a machine died, and the tests of the file ran again, see above",
                };
                writeln!(
                    io::stdout(),
                    "Xen {xen}: {passed} passed; {failed} failed; {facts} facts of \
                     docs/conformance.md{again}{died}"
                )?;
                good &= tally.failed == 0 && tally.passed > 0;
            }
            Err(error) => {
                eprintln!("Xen {xen}: error: {error:#}");
                good = false;
            }
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn joined(thread: thread::ScopedJoinHandle<'_, Result<Tally>>) -> Result<Tally> {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// One start of a test program.
#[derive(Debug)]
struct Run {
    program: TestProgram,
    place: Place,
    only: Only,
}

/// Which tests of a program run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Only {
    All,
    /// Those whose names contain this.
    Chosen(String),
    /// This one.
    Test(String),
    /// Those of this module, whatever the filter selects: a later one builds on them.
    Module(String),
}

/// What ran, added up over the test programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u32,
    failed: u32,
    /// Of those that passed, the facts about the hypervisor.
    facts: u32,
    /// Tests that failed where a guest triple-faulted, and ran again.
    again: u32,
    /// Machines that died under the tests of a file, which another one ran again.
    died: u32,
}

/// What one start of a test program came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ran {
    passed: u32,
    failed: u32,
    facts: u32,
    /// Those that failed as a guest triple-faulted.
    faulted: Vec<String>,
}

/// Tells the failed tests in whose time a guest triple-faulted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Faulted {
    /// Up to the last test.
    faults: usize,
    /// The test that runs.
    test: String,
    tests: Vec<String>,
}

impl Faulted {
    /// Takes a line of libtest, which has one test run at a time, and how many faults there are by now. What
    /// a test prints may stand between its name and its result.
    fn line(&mut self, line: &str, faults: usize) {
        let named = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "));
        let result = match named {
            Some((test, result)) => {
                self.test = test.trim_end().to_owned();
                result
            }
            None => line,
        };
        if result == "FAILED" && faults > self.faults {
            self.tests.push(self.test.clone());
        }
        if matches!(result, "ok" | "FAILED") {
            self.faults = faults;
        }
    }
}

/// Which programs to start for the tests that `filter` selects.
fn plan(programs: &[TestProgram], filter: Option<&str>) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for program in programs {
        let filter = filter.filter(|filter| *filter != program.name);
        let wanted = |test: &String| filter.is_none_or(|filter| test.contains(filter));
        let tests: Vec<_> = tests_of(&program.path)?.into_iter().filter(wanted).collect();
        let place = Place::of(&program.name);
        let run = |only| Run { program: program.clone(), place, only };
        match place {
            Place::Own => runs.extend(tests.into_iter().map(|test| run(Only::Test(test)))),
            _ if tests.is_empty() => {}
            Place::Boots => {
                let modules = modules_of(&tests_of(&program.path)?);
                runs.extend(modules.into_iter().map(|module| run(Only::Module(module))));
            }
            _ => runs.push(run(filter.map_or(Only::All, |filter| Only::Chosen(filter.into())))),
        }
    }
    Ok(runs)
}

/// The modules that tests are in, in order.
fn modules_of(tests: &[String]) -> BTreeSet<String> {
    tests.iter().filter_map(|test| Some(test.split_once("::")?.0.to_owned())).collect()
}

/// What runs on which machine: first all that share one, then those that get their own.
fn machines(runs: &[Run]) -> Vec<Vec<&Run>> {
    let at = |place| runs.iter().filter(move |run| run.place == place);
    let shared = [Place::Shared, Place::Hypervisor, Place::TwoNodes, Place::DeviceModel]
        .map(|place| at(place).collect::<Vec<_>>());
    let own = at(Place::Own).chain(at(Place::Boots)).map(|run| vec![run]);
    shared.into_iter().filter(|runs| !runs.is_empty()).chain(own).collect()
}

/// The names of the tests in a program; listing runs on the host, as it needs no Xen.
fn tests_of(program: &Path) -> Result<Vec<String>> {
    let output = HostCommand::new(program)
        .args(["--list", "--ignored", "--format=terse"])
        // What a suite would run on daemons of its own is not what it runs in dom0.
        .env_remove("STORE_DAEMONS")
        .output()
        .with_context(|| format!("list the tests of {}", program.display()))?;
    ensure!(output.status.success(), "{} cannot list its tests", program.display());
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(String::from).collect())
}

/// The lab tests of one release.
#[derive(Clone, Copy, Debug)]
struct Release<'a> {
    xen: XenRelease,
    choice: Choice<'a>,
}

impl Release<'_> {
    fn run(&self, runs: &[Run]) -> Result<Tally> {
        let (mut tally, mut calls) = (Tally::default(), BTreeSet::new());
        let boots = Kept::between_boots(self.xen)?;
        for runs in machines(runs) {
            let mut left = &runs[..];
            while let Some(run) = left.first() {
                match self.on_one_machine(&mut left, &boots, &mut tally, &mut calls) {
                    Err(error) if is_tried_again(cause_of(&error), tally.died) => {
                        tally.died += 1;
                        // That which it died under is the first of those left.
                        let name = left.first().map_or(&run.program.name, |run| &run.program.name);
                        eprintln!("lab {}: {error:#}", self.xen);
                        self.say(&format!(
                            "the machine died, see docs/lab.md: another one goes on with {name}"
                        ))?;
                    }
                    ran => ran?,
                }
            }
        }
        // A part of the tests, or failing ones, make a part of the calls.
        if self.choice.filter.is_none() && tally.failed == 0 {
            answered::settle(self.xen, &calls, self.choice.record)?;
        }
        Ok(tally)
    }

    /// Runs them in order; in the end `runs` is what did not run to its end.
    fn on_one_machine(
        &self,
        runs: &mut &[&Run],
        boots: &Kept,
        tally: &mut Tally,
        calls: &mut BTreeSet<String>,
    ) -> Result<()> {
        let Some(first) = runs.first() else { return Ok(()) };
        let mut options = first.place.options(self);
        if first.place == Place::Boots {
            options.share = Some(boots.0.clone());
        }
        let mut machine = Machine::boot(&options, &|line| eprintln!("lab {}: {line}", self.xen))?;
        while let Some((run, rest)) = runs.split_first() {
            self.start(run, &mut machine, tally)
                .with_context(|| format!("the tests of {}", run.program.name))?;
            answered::collect(&machine.share(), calls)?;
            *runs = rest;
        }
        machine.power_off()
    }

    fn start(&self, run: &Run, machine: &mut Machine, tally: &mut Tally) -> Result<()> {
        if run.program.name == KERNELS {
            self.share_kernels(&machine.share())?;
        }
        let program = PathBuf::from("/opt/lab/tests").join(&run.program.name);
        machine.push_if_changed(&run.program.path, &program)?;
        let mut argv = vec![program.to_string_lossy().into_owned()];
        argv.extend(["--ignored", "--test-threads=1"].map(String::from));
        match &run.only {
            Only::Test(test) => argv.extend(["--exact".into(), test.clone()]),
            Only::Module(module) => argv.push(format!("{module}::")),
            Only::Chosen(filter) => argv.push(filter.clone()),
            Only::All => {}
        }
        self.say(&format!("     Running the tests of {}", run.program.name))?;
        let mut ran = self.execute(argv, machine)?;
        if !ran.faulted.is_empty() {
            let again = ran.faulted.join(" ");
            self.say(&format!("a guest triple-faulted, see docs/lab.md: again {again}"))?;
            let mut argv = vec![program.to_string_lossy().into_owned()];
            argv.extend(["--ignored", "--test-threads=1", "--exact"].map(String::from));
            argv.extend(ran.faulted.iter().cloned());
            let second = self.execute(argv, machine)?;
            let again = u32::try_from(ran.faulted.len())?;
            ensure!(second.passed + second.failed == again, "other tests ran than those");
            tally.again += again;
            ran.passed += second.passed;
            ran.failed -= second.passed;
        }
        // All of them together would fill dom0's memory, which its files are in.
        machine.remove(&program)?;
        tally.passed += ran.passed;
        tally.failed += ran.failed;
        tally.facts += ran.facts;
        Ok(())
    }

    /// Starts a test program once and passes on what it says.
    fn execute(&self, argv: Vec<String>, machine: &mut Machine) -> Result<Ran> {
        let (mut seen, mut facts) = (None, 0);
        let mut console = machine.console();
        let mut faulted = Faulted { faults: console.triple_faults()?, ..Faulted::default() };
        let command = Command::new(argv).env("RUST_BACKTRACE", "1").timeout(DEADLINE);
        let mut lines = Lines::new(|line| {
            seen = seen.or_else(|| result_line(line));
            facts += facts_line(line).unwrap_or(0);
            faulted.line(line, console.triple_faults()?);
            self.say(line)
        });
        let outcome = machine.exec(&command, &mut lines);
        // Of a program that died, the name of the test in which it did.
        lines.end().context("pass the tests' output on")?;
        match (outcome?, seen) {
            (Outcome::Exited(_), Some((passed, failed))) => {
                Ok(Ran { passed, failed, facts, faulted: faulted.tests })
            }
            (outcome, _) => bail!("ended without a result: {outcome:?}"),
        }
    }

    /// Copies the kernels into the folder that is `/host` in dom0. They would make its initramfs twice as
    /// large.
    fn share_kernels(&self, share: &Path) -> Result<()> {
        let kernels = images::kernels(&|line| eprintln!("lab {}: {line}", self.xen))?;
        let shared = share.join(KERNELS);
        let copied = fs::create_dir_all(&shared).and_then(|()| {
            fs::read_dir(&kernels)?.try_for_each(|file| {
                let file = file?;
                fs::copy(file.path(), shared.join(file.file_name())).map(drop)
            })
        });
        copied.with_context(|| format!("copy {} to {}", kernels.display(), shared.display()))
    }

    fn say(&self, line: &str) -> io::Result<()> {
        writeln!(io::stdout(), "[{}] {line}", self.xen)
    }
}

/// A folder that is `/host` of one machine after the other, removed in the end.
#[derive(Debug)]
struct Kept(PathBuf);

impl Kept {
    fn between_boots(xen: XenRelease) -> Result<Self> {
        // Beside the machines: dom0 wants a file system with user xattrs.
        let name = format!("lab/boots-{}-{xen}", std::process::id());
        let path = build::target()?.join(name);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// Why the machine is no more, if that is what went wrong.
fn cause_of(error: &anyhow::Error) -> Option<&Cause> {
    error.downcast_ref::<Failure>().map(Failure::cause)
}

/// Whether a machine died as emulated ones do now and then, and the first of its release.
fn is_tried_again(cause: Option<&Cause>, died: u32) -> bool {
    died == 0 && matches!(cause, Some(Cause::XenPanic(_) | Cause::Hang(_)))
}

/// Reads libtest's last line: `test result: ok. 3 passed; 0 failed; ...`.
fn result_line(line: &str) -> Option<(u32, u32)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |word: &str| {
        let number = counts.split("; ").find_map(|part| part.strip_suffix(word))?;
        number.trim().parse().ok()
    };
    Some((count("passed")?, count("failed")?))
}

/// Reads what the suite of the hypervisor says last: `facts: 138 shown on xen`.
fn facts_line(line: &str) -> Option<u32> {
    line.strip_prefix("facts: ")?.strip_suffix(" shown on xen")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(file: &str, only: Only) -> Run {
        let program = TestProgram { name: file.into(), path: PathBuf::new() };
        Run { program, place: Place::of(file), only }
    }

    #[test]
    fn files_share_machines_of_their_kind_and_ruinous_tests_get_their_own() {
        let runs = [
            run("host", Only::All),
            run("own_vm", Only::Test("a".into())),
            run("own_vm", Only::Test("b".into())),
            run("two_boots", Only::Module("first".into())),
            run("two_boots", Only::Module("second".into())),
            run("two_nodes", Only::All),
            run("hvm", Only::All),
            run("qemu_backends", Only::All),
            run("xenbus", Only::All),
        ];
        let names = |runs: Vec<&Run>| runs.iter().map(|run| run.program.name.clone()).collect();
        let machines: Vec<Vec<String>> = machines(&runs).into_iter().map(names).collect();
        assert_eq!(
            machines,
            [
                vec!["host", "xenbus"],
                vec!["two_nodes"],
                vec!["hvm", "qemu_backends"],
                vec!["own_vm"],
                vec!["own_vm"],
                vec!["two_boots"],
                vec!["two_boots"]
            ]
        );
    }

    #[test]
    fn the_first_boot_comes_before_the_second() {
        let tests = ["second_boot::a", "first_boot::b", "first_boot::a"].map(String::from);
        assert!(modules_of(&tests).into_iter().eq(["first_boot", "second_boot"]));
    }

    #[test]
    fn a_machine_that_died_of_itself_is_replaced_once() {
        let panic = Cause::XenPanic("page fault".into());
        let hang = Cause::Hang(Duration::MAX);
        assert!(is_tried_again(Some(&panic), 0));
        assert!(is_tried_again(Some(&hang), 0));
        assert!(!is_tried_again(Some(&panic), 1));
        assert!(!is_tried_again(Some(&hang), 1));
    }

    #[test]
    fn nothing_else_is_tried_again() {
        let dom0 = Cause::Dom0Panic("oops".into());
        assert!(!is_tried_again(Some(&dom0), 0));
        assert!(!is_tried_again(Some(&Cause::Exited(Some(1))), 0));
        assert!(!is_tried_again(None, 0));
    }

    #[test]
    fn the_result_line_is_read() {
        let line = "test result: FAILED. 12 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; \
                    finished in 0.00s";
        assert_eq!(result_line(line), Some((12, 1)));
    }

    fn faulted(lines: &[(&str, usize)]) -> Vec<String> {
        let mut faulted = Faulted { faults: 1, ..Faulted::default() };
        lines.iter().for_each(|(line, faults)| faulted.line(line, *faults));
        faulted.tests
    }

    #[test]
    fn a_test_that_fails_as_a_guest_triple_faults_is_told_from_others() {
        let lines = [
            ("test a ... FAILED", 1),
            ("test b ... ok", 2),
            ("test c ... FAILED", 2),
            ("test d ... FAILED", 3),
        ];
        assert_eq!(faulted(&lines), ["d"]);
    }

    #[test]
    fn a_result_behind_what_a_test_prints_is_that_tests() {
        let lines = [("test a ... HELLO", 1), ("HELLO-READY", 2), ("FAILED", 2), ("FAILED", 2)];
        assert_eq!(faulted(&lines), ["a"]);
    }

    #[test]
    fn the_number_of_facts_is_read_where_they_are_shown_on_xen() {
        assert_eq!(facts_line("facts: 138 shown on xen"), Some(138));
        assert_eq!(facts_line("facts: 132 shown on sim-4.17"), None);
    }

    #[test]
    fn another_line_is_no_result() {
        assert_eq!(result_line("test result_is_read ... ok"), None);
    }
}
