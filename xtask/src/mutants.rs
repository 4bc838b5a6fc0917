//! `cargo xtask mutants`: whether the tests notice when the rules are changed.
//!
//! `cargo mutants` lists small changes to the sources (a function that returns a constant, a `<` that
//! becomes `<=`); a sample of them, drawn by a seed, is tried one by one in a copy of the tree, on the
//! tests of the package. What passes them is a rule that nobody holds. docs/mutants.md has the last
//! figures, and why each survivor is one.
//!
//! The tool is installed into `target/tools` when it is missing.

use std::collections::HashMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What the sample is drawn by.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many are tried.
    #[arg(long, default_value_t = 40)]
    count: usize,
    /// How many of the drawn are left out: to go on with a sample that was interrupted.
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// Only name them.
    #[arg(long)]
    list: bool,
}

/// Rules that are tried, and the tests that should hold them.
struct Held {
    files: &'static [&'static str],
    /// The cheapest first: what the first does not catch is tried on the next.
    tests: &'static [&'static [&'static str]],
}

const HELD: &[Held] = &[
    Held {
        files: &["devices/src/handshake.rs", "devices/src/plug.rs", "devices/src/unplug.rs"],
        tests: &[&["-p", "devices", "--lib"], &["-p", "devices", "--tests"]],
    },
    Held {
        files: &["xenops/src/create/steps.rs", "xenops/src/memory.rs"],
        tests: &[&["-p", "xenops", "--lib"], &["-p", "xenops", "--test", "simulated"]],
    },
    Held {
        files: &["xen-types/src/*.rs"],
        tests: &[&["-p", "xen-types", "--lib"], &["-p", "devices", "--lib"]],
    },
    Held {
        files: &["xs/src/proto.rs", "xs/src/proto/**/*.rs"],
        tests: &[
            &["-p", "xs", "--lib"],
            &["-p", "xs", "--test", "golden", "--test", "peer"],
            &["-p", "xs", "--test", "properties"],
        ],
    },
    Held {
        files: &[
            "xs/server/src/store.rs",
            "xs/server/src/store/**/*.rs",
            "xs/server/src/transaction.rs",
            "xs/server/src/watches.rs",
        ],
        tests: &[&["-p", "xs-server", "--lib"], &["-p", "xs-server", "--tests"]],
    },
];

/// A change, as `cargo mutants --list --json` has it.
#[derive(Debug, Deserialize)]
struct Mutant {
    name: String,
    file: String,
    span: Span,
    replacement: String,
    /// Its place in [`HELD`].
    #[serde(skip)]
    held: usize,
}

#[derive(Debug, Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

/// Counted from 1, in characters.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

/// What the tests make of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Caught,
    /// They do not end, which nobody overlooks.
    Hung,
    Survived,
    /// It does not compile: nothing is learnt.
    Unviable,
}

/// Tries a sample, and prints what became of each.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let mut all = Vec::new();
    for held in 0..HELD.len() {
        all.extend(list(root, held)?);
    }
    let of = all.len();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let mut drawn = draw(all, options.seed).skip(options.skip);
    println!("mutants: {} of {of}, seed {}", options.count, options.seed);
    if options.list {
        drawn.take(options.count).for_each(|mutant| println!("  {}", mutant.name));
        return Ok(());
    }
    let mut tree = Tree::copy(root)?;
    let (mut tried, mut caught) = (0, 0);
    while tried < options.count
        && let Some(mutant) = drawn.next()
    {
        let (verdict, took) = tree.attempt(&mutant)?;
        println!("  {verdict:?}, {:.0} s: {}", took.as_secs_f32(), mutant.name);
        // Another is drawn for one that does not compile.
        tried += usize::from(verdict != Verdict::Unviable);
        caught += usize::from(matches!(verdict, Verdict::Caught | Verdict::Hung));
    }
    println!("mutants: {caught} of {tried} caught");
    Ok(())
}

/// The changes to the files of one entry of [`HELD`].
fn list(root: &Path, held: usize) -> Result<Vec<Mutant>> {
    let program = root.join("target/tools/bin/cargo-mutants");
    if !program.exists() {
        eprintln!("mutants: installing cargo-mutants {VERSION}");
        let mut install = Command::new(env!("CARGO"));
        install.args(["install", "--locked", "--quiet", "--root", "target/tools"]);
        let status = install.arg(format!("cargo-mutants@{VERSION}")).current_dir(root).status();
        if !status.context("run cargo install")?.success() {
            bail!("cargo-mutants {VERSION} cannot be installed");
        }
    }
    let files = HELD[held].files.iter().flat_map(|file| ["--file", file]);
    let output = Command::new(program)
        .args(["mutants", "--list", "--json", "--workspace", "--no-config"])
        .args(files)
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo mutants")?;
    if !output.status.success() {
        bail!("cargo mutants: {}", output.status);
    }
    let mut found: Vec<Mutant> =
        serde_json::from_slice(&output.stdout).context("read the list of cargo mutants")?;
    found.iter_mut().for_each(|mutant| mutant.held = held);
    Ok(found)
}

/// All of them in an order that the seed decides (splitmix64).
fn draw<T>(mut all: Vec<T>, mut seed: u64) -> impl Iterator<Item = T> {
    std::iter::from_fn(move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = seed;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        let index = usize::try_from(number.checked_rem(all.len() as u64)?).ok()?;
        Some(all.swap_remove(index))
    })
}

/// A copy of the sources, in which things may be changed.
struct Tree {
    path: PathBuf,
    /// How long the tests may take, of those that pass without a change.
    sound: HashMap<&'static [&'static str], Duration>,
}

impl Tree {
    /// Copies what git knows or would add.
    fn copy(root: &Path) -> Result<Self> {
        let tree = root.join("target/mutants/tree");
        match fs::remove_dir_all(&tree) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", tree.display()));
            }
            _ => {}
        }
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("run git ls-files")?;
        let names = String::from_utf8(listed.stdout).context("read the list of git")?;
        for name in names.split_terminator('\0') {
            let (from, to) = (root.join(name), tree.join(name));
            let folder = to.parent().context("a file below the tree")?;
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            if from.is_file() {
                fs::copy(&from, &to).with_context(|| format!("copy {name}"))?;
            }
        }
        Ok(Self { path: tree, sound: HashMap::new() })
    }

    /// Runs the tests on a change until one catches it, and takes it back.
    fn attempt(&mut self, mutant: &Mutant) -> Result<(Verdict, Duration)> {
        let start = Instant::now();
        for tests in HELD[mutant.held].tests {
            let limit = match self.sound.get(tests) {
                Some(limit) => *limit,
                None => self.limit(tests)?,
            };
            let verdict = self.changed(mutant, tests, limit)?;
            if verdict != Verdict::Survived {
                return Ok((verdict, start.elapsed()));
            }
        }
        Ok((Verdict::Survived, start.elapsed()))
    }

    /// How long the tests may take until they are taken for endless, by what they take without any change.
    fn limit(&mut self, tests: &'static [&'static str]) -> Result<Duration> {
        self.compile(tests)?;
        let start = Instant::now();
        if self.test(tests, LONGEST)? != Verdict::Survived {
            bail!("the tests fail without any change: cargo test {}", tests.join(" "));
        }
        let limit = SHORTEST.max(start.elapsed() * 3);
        self.sound.insert(tests, limit);
        Ok(limit)
    }

    fn changed(&self, mutant: &Mutant, tests: &[&str], limit: Duration) -> Result<Verdict> {
        let file = self.path.join(&mutant.file);
        let source = fs::read_to_string(&file).with_context(|| format!("read {}", mutant.file))?;
        let write =
            |text: &str| fs::write(&file, text).with_context(|| format!("write {}", mutant.file));
        write(&changed(&source, mutant))?;
        let verdict = self.test(tests, limit);
        write(&source)?;
        verdict
    }

    fn compile(&self, arguments: &[&str]) -> Result<Option<ExitStatus>> {
        self.cargo(&[arguments, &["--no-run"]].concat(), TO_COMPILE)
    }

    fn test(&self, arguments: &[&str], limit: Duration) -> Result<Verdict> {
        Ok(match self.compile(arguments)? {
            Some(status) if status.success() => match self.cargo(arguments, limit)? {
                Some(status) if status.success() => Verdict::Survived,
                Some(_) => Verdict::Caught,
                None => Verdict::Hung,
            },
            _ => Verdict::Unviable,
        })
    }

    fn cargo(&self, arguments: &[&str], limit: Duration) -> Result<Option<ExitStatus>> {
        let mut child = Command::new(env!("CARGO"))
            .args(["test", "--quiet", "--offline"])
            .args(arguments)
            .current_dir(&self.path)
            // Beside the copy, so that the next run finds what is compiled.
            .env("CARGO_TARGET_DIR", self.path.with_file_name("target"))
            // Each is compiled for one run.
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
            .env("PROPTEST_CASES", "64")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("run cargo test")?;
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = child.try_wait().context("wait for cargo test")? {
                return Ok(Some(status));
            }
            thread::sleep(Duration::from_millis(20));
        }
        end_group(&mut child)?;
        Ok(None)
    }
}

/// Ends cargo and the tests that it runs.
fn end_group(child: &mut Child) -> Result<()> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process")?;
    kill_process_group(group, Signal::KILL).context("end cargo test")?;
    child.wait().context("wait for cargo test").map(drop)
}

/// The source with the change.
fn changed(source: &str, mutant: &Mutant) -> String {
    let (start, end) = (offset(source, mutant.span.start), offset(source, mutant.span.end));
    [&source[..start], &mutant.replacement, &source[end..]].concat()
}

/// Where a place is, in bytes.
fn offset(source: &str, place: Place) -> usize {
    let lines = source.split_inclusive('\n');
    let before: usize = lines.clone().take(place.line - 1).map(str::len).sum();
    let line = lines.clone().nth(place.line - 1).unwrap_or_default();
    before + line.chars().take(place.column - 1).map(char::len_utf8).sum::<usize>()
}

/// Of cargo-mutants.
const VERSION: &str = "27.1.0";

const TO_COMPILE: Duration = Duration::from_secs(900);
/// The least that the tests may take: a busy host must not end what would pass.
const SHORTEST: Duration = Duration::from_secs(120);
/// The most that they may take without any change.
const LONGEST: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_replaces_what_it_spans() {
        let span = Span { start: Place { line: 2, column: 7 }, end: Place { line: 2, column: 8 } };
        let (name, file) = (String::new(), String::new());
        let mutant = Mutant { name, file, span, replacement: "<=".to_owned(), held: 0 };
        assert_eq!(
            changed("fn f() {\n  \u{e4} + < b\n}\n", &mutant),
            "fn f() {\n  \u{e4} + <= b\n}\n"
        );
    }

    #[test]
    fn a_seed_draws_the_same_sample_again_and_each_once() {
        let mut drawn: Vec<_> = draw((0..100).collect(), 7).collect();
        assert_eq!(drawn, draw((0..100).collect(), 7).collect::<Vec<_>>());
        assert_ne!(drawn, draw((0..100).collect(), 8).collect::<Vec<_>>());
        drawn.sort_unstable();
        assert_eq!(drawn, (0..100).collect::<Vec<_>>());
    }
}
