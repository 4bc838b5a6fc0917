//! `cargo xtask fuzz`: feeds what hears others, the parsers of `xs/fuzz` and `devices/fuzz`, the store of
//! `xs/server/fuzz` and the readers of files of `xg/fuzz`, with whatever breaks it.
//!
//! ```text
//! cargo-fuzz       ──▶ target/tools/bin         the pinned version, installed once
//! */fuzz/seeds     ──▶ target/fuzz/corpus       what was found beyond the seeds
//!                      target/fuzz/artifacts    inputs that break something
//!                      target/fuzz/TARGET.log   what libFuzzer said
//! ```
//!
//! Without a sanitizer it needs no nightly compiler: there is no unsafe code to sanitize, and a
//! panic is what we look for.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::workspace;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The target; all of them if none is named.
    target: Option<String>,
    /// How long to look in each target.
    #[arg(long, value_name = "SECONDS", default_value_t = SECONDS)]
    seconds: u32,
    /// Run the target on this input alone, such as one that broke it.
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Option<PathBuf>,
}

impl Options {
    /// This target, or all of them, for so many seconds each.
    pub(crate) fn new(target: Option<String>, seconds: u32) -> Self {
        Self { target, seconds, input: None }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new(None, SECONDS)
    }
}

/// Runs the targets, and fails with the first input that breaks one.
pub(crate) fn run(options: &Options) -> Result<()> {
    let packages = PACKAGES.iter().map(|folder| Fuzz::prepare(folder));
    let mut targets = Vec::new();
    for package in packages.collect::<Result<Vec<_>>>()? {
        targets.extend(package.targets()?.into_iter().map(|target| (package.clone(), target)));
    }
    if let Some(named) = &options.target {
        let all: Vec<_> = targets.iter().map(|(_, target)| target.clone()).collect();
        targets.retain(|(_, target)| target == named);
        ensure!(!targets.is_empty(), "no target {named:?}, but {}", all.join(", "));
    }
    let mut built = None;
    for (fuzz, target) in &targets {
        if built.replace(&fuzz.package) != Some(&fuzz.package) {
            fuzz.build()?;
        }
        match &options.input {
            Some(input) => fuzz.once(target, input)?,
            None => fuzz.search(target, options.seconds)?,
        }
    }
    Ok(())
}

#[derive(Clone)]
struct Fuzz {
    tool: PathBuf,
    /// The package with the targets.
    package: PathBuf,
    /// Where all that is made goes.
    made: PathBuf,
}

impl Fuzz {
    fn prepare(folder: &str) -> Result<Self> {
        let package = workspace::root().join(folder);
        let target = workspace::target()?;
        let fuzz =
            Self { tool: install(&target.join("tools"))?, package, made: target.join("fuzz") };
        // cargo-fuzz itself takes whatever versions it finds.
        let mut fetch = Command::new(env!("CARGO"));
        fetch.args(["fetch", "--locked", "--quiet", "--manifest-path"]);
        succeed(fetch.arg(fuzz.package.join("Cargo.toml")))?;
        Ok(fuzz)
    }

    fn targets(&self) -> Result<Vec<String>> {
        let folder = self.package.join("fuzz_targets");
        let files = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
        let paths = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
        let stems = paths.iter().filter_map(|path| path.file_stem().and_then(OsStr::to_str));
        let mut targets: Vec<String> = stems.map(str::to_owned).collect();
        targets.sort();
        Ok(targets)
    }

    fn build(&self) -> Result<()> {
        let mut build = Command::new(&self.tool);
        build.args(["build", "--sanitizer", "none", "--target", &triple(), "--fuzz-dir"]);
        succeed(build.arg(&self.package).arg("--target-dir").arg(&self.made))
    }

    /// Looks for inputs that break the target.
    fn search(&self, target: &str, seconds: u32) -> Result<()> {
        let corpus = self.made.join("corpus").join(target);
        let artifacts = self.made.join("artifacts").join(target);
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        let known = files(&artifacts)?;
        let log = self.made.join(target).with_extension("log");
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let status = self
            .program(target)
            .args([corpus, self.package.join("seeds").join(target)])
            .args(["-timeout=10", "-rss_limit_mb=512"])
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .stdout(output.try_clone().context("share the log")?)
            .stderr(output)
            .status()
            .with_context(|| format!("start the target {target}"))?;
        let said = fs::read(&log).with_context(|| format!("read {}", log.display()))?;
        let said = String::from_utf8_lossy(&said);
        let breaking = files(&artifacts)?.into_iter().find(|file| !known.contains(file));
        if let Some(input) = breaking {
            let input = input.display();
            bail!(
                "{target} breaks on {input}; see {}, and run it again with \
                 `cargo xtask fuzz {target} --input {input}`:\n{}",
                log.display(),
                panic_in(&said)
            );
        }
        ensure!(status.success(), "fuzz {target}: {status}; see {}", log.display());
        let Some(summary) = said.lines().rev().find(|line| line.starts_with("Done ")) else {
            bail!("fuzz {target} ended without a summary; see {}", log.display());
        };
        eprintln!("fuzz: {target}: {}", summary.trim_start_matches("Done "));
        Ok(())
    }

    /// Runs the target on one input, for people to see.
    fn once(&self, target: &str, input: &Path) -> Result<()> {
        succeed(self.program(target).arg(input))
    }

    /// The target as cargo-fuzz built it. Its `run` would leave folders between the sources.
    fn program(&self, target: &str) -> Command {
        let mut program = Command::new(self.made.join(triple()).join("release").join(target));
        program.stdin(Stdio::null());
        program
    }
}

fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// Makes the pinned cargo-fuzz present in a folder and says where it is.
fn install(folder: &Path) -> Result<PathBuf> {
    let tool = folder.join("bin/cargo-fuzz");
    let present = Command::new(&tool).arg("--version").output();
    let wanted = format!("cargo-fuzz {VERSION}\n");
    if !present.is_ok_and(|version| version.stdout == wanted.as_bytes()) {
        eprintln!("fuzz: installing cargo-fuzz {VERSION}");
        let mut install = Command::new(env!("CARGO"));
        install.args(["install", "--locked", "--quiet", "--force", "--root"]).arg(folder);
        succeed(install.arg(format!("cargo-fuzz@{VERSION}")))?;
    }
    Ok(tool)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    files.map(|file| Ok(file?.path())).collect()
}

/// The lines of a log that say what broke.
fn panic_in(log: &str) -> String {
    let lines = log.lines().skip_while(|line| !line.contains(" panicked at "));
    let panic: Vec<&str> = lines.take(6).collect();
    match panic[..] {
        [] => log.lines().filter(|line| line.starts_with("==")).take(3).collect(),
        _ => panic.join("\n"),
    }
}

/// The packages with targets. No two targets have the same name.
pub(crate) const PACKAGES: [&str; 4] = ["devices/fuzz", "xg/fuzz", "xs/fuzz", "xs/server/fuzz"];

/// The version whose command line is used here.
const VERSION: &str = "0.13.2";

/// Long enough to walk the seeds and what lies around them.
const SECONDS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panic_is_found_between_the_lines_of_the_search() {
        let log = "#7\tNEW cov: 1\nthread '<unnamed>' panicked at a.rs:1:2:\nwrong\n==1== ERROR\n";
        assert_eq!(panic_in(log), "thread '<unnamed>' panicked at a.rs:1:2:\nwrong\n==1== ERROR");
    }

    #[test]
    fn what_is_no_panic_is_what_libfuzzer_says() {
        let log = "#7\tNEW cov: 1\n==1== ERROR: libFuzzer: timeout after 10 seconds\n";
        assert_eq!(panic_in(log), "==1== ERROR: libFuzzer: timeout after 10 seconds");
    }
}
