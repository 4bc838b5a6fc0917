//! `cargo xtask demo`: the main job on a real Xen, shown command by command; where there is no QEMU
//! to run one, `--sim` shows the command on a simulated machine, and says so.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::lab::images::XenRelease;
use crate::lab::machine::{Captured, Command, Inherited, Machine, Options, Outcome};

/// Boots Xen, runs two guests with `xenops`, ends both, and proves that nothing is left.
pub(crate) fn run(root: &Path, xen: XenRelease) -> Result<()> {
    let start = Instant::now();
    let report = |line: &str| eprintln!("[{:5.1} s] {line}", start.elapsed().as_secs_f32());
    let mut machine = Machine::boot(&Options::new(xen), &report)?;
    for file in ["hello-pv.toml", "hello-pvh.toml"] {
        let here = root.join("examples/domains").join(file);
        machine.push(&here, &Path::new("/root").join(file))?;
    }
    let before = left_over(&mut machine)?;

    say("A real Xen, and nothing but its control domain on it");
    show(&mut machine, "xl info | grep -E 'xen_version|xen_caps|total_memory|free_memory'")?;
    say("Two Linux guests from the files in examples/domains");
    show(&mut machine, "xenops create /root/hello-pv.toml")?;
    show(&mut machine, "xenops create /root/hello-pvh.toml")?;
    say("What each prints on its console");
    show(&mut machine, "xenops console hello-pv --until HELLO-READY --timeout 60")?;
    show(&mut machine, "xenops console hello-pvh --until HELLO-READY --timeout 60")?;
    say("Both, seen by xenops and by xl");
    show(&mut machine, "xenops list")?;
    show(&mut machine, "xl list")?;
    say("One is asked to shut down, the other destroyed");
    show(&mut machine, "xenops shutdown hello-pv")?;
    show(&mut machine, "xenops destroy hello-pvh")?;
    say("What is left: domains, xenstore nodes and loop devices as before the first guest");
    show(&mut machine, "xenops list")?;
    let after = left_over(&mut machine)?;
    if before != after {
        bail!("not as before: {}", difference(&before, &after));
    }
    println!("nothing is left: {} lines compared", after.lines().count());
    machine.power_off()?;
    report("done");
    Ok(())
}

/// Runs two guests with `xenops` on a simulated machine, ends both, and proves that nothing is left.
pub(crate) fn simulate(root: &Path) -> Result<()> {
    let start = Instant::now();
    println!(
        "THIS IS A SIMULATION: no Xen runs here, and no guest's code. The xenops command is the one"
    );
    println!("that ships; what is below its calls to Xen's libraries and to xenstored is xen-sim.");
    let folder = root.join("target/demo-sim");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let kernel = folder.join("kernel");
    for kind in ["pv", "pvh"] {
        let file = folder.join(format!("hello-{kind}.toml"));
        let config = format!(
            "name = \"hello-{kind}\"\ntype = \"{kind}\"\nkernel = {kernel:?}\nmemory = 32\n"
        );
        fs::write(&file, config).with_context(|| format!("write {}", file.display()))?;
    }
    let mut simulation = process::Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "--package", "xenops-sim", "--", "--show"])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .spawn()
        .context("run xenops-sim")?;
    let mut input = simulation.stdin.take().context("write to xenops-sim")?;
    input.write_all(SCRIPT.as_bytes()).context("write to xenops-sim")?;
    drop(input);
    let status = simulation.wait().context("wait for xenops-sim")?;
    if !status.success() {
        bail!("xenops-sim: {status}");
    }
    let took = start.elapsed().as_secs_f32();
    println!("\nThat was a simulation, of {took:.1} s. On a real Xen, in QEMU: cargo xtask demo");
    Ok(())
}

/// What is shown on the simulated machine.
const SCRIPT: &str = "\
# A simulated machine, and nothing but its control domain on it
list
# Two guests; a file that is a kernel, as far as toolstacks look at it
kernel kernel
create hello-pv.toml
create hello-pvh.toml
list
# One is asked to shut down, the other destroyed
shutdown hello-pv
destroy hello-pvh
list
# What is left
unchanged
";

fn say(what: &str) {
    println!("\n== {what}");
}

/// Prints a command as if typed in dom0, runs it there, and fails if it fails.
fn show(machine: &mut Machine, command: &str) -> Result<()> {
    println!("dom0# {command}");
    let bounded = Command::shell(command).timeout(Duration::from_secs(120));
    match machine.exec(&bounded, &mut Inherited)? {
        Outcome::Exited(0) => Ok(()),
        outcome => bail!("{command}: {outcome:?}"),
    }
}

/// All that guests could leave behind, as text.
fn left_over(machine: &mut Machine) -> Result<String> {
    const EVERYTHING: &str = "xenops list --output json | grep -e domid -e name; \
                              xenstore-ls -fp; losetup -a";
    let mut captured = Captured::default();
    let outcome = machine.exec(&Command::shell(EVERYTHING), &mut captured)?;
    if outcome != Outcome::Exited(0) {
        bail!("look for what is left: {outcome:?}: {}", String::from_utf8_lossy(&captured.stderr));
    }
    Ok(String::from_utf8_lossy(&captured.stdout).into_owned())
}

fn difference(before: &str, after: &str) -> String {
    let added = after.lines().filter(|line| !before.lines().any(|old| old == *line));
    let removed = before.lines().filter(|line| !after.lines().any(|new| new == *line));
    let lines = added.map(|line| format!("\n  + {line}"));
    lines.chain(removed.map(|line| format!("\n  - {line}"))).collect()
}
