//! The C compiler: which lines it takes, and what it makes of them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::facts::{Ask, Probe};
use super::source;

/// The compiler on the headers of one release.
pub(crate) struct Compiler {
    folder: PathBuf,
    headers: PathBuf,
}

impl Compiler {
    /// Sources and results go into `folder`, which is made.
    pub(crate) fn new(folder: PathBuf, headers: &Path) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(Self { folder, headers: headers.to_owned() })
    }

    /// Asks all of `probes` and returns a line for each that the headers answer differently.
    pub(crate) fn differences(&self, probes: &[Probe]) -> Result<Vec<String>> {
        let lines: Vec<String> =
            probes.iter().enumerate().map(|(at, probe)| source::line(at, &probe.ask)).collect();
        let Compiled { refused, constants } = self.compile("facts", &lines)?;
        let mut wrong = BTreeMap::new();
        for (at, probe) in probes.iter().enumerate() {
            let line = match (refused.get(&at), constants.get(&format!("f{at}"))) {
                (Some(_), _) if matches!(probe.ask, Ask::Absent { .. }) => None,
                (Some(words), _) => Some(format!("{}: {words}", probe.what)),
                (None, Some(bytes)) => {
                    source::difference(probe, &source::answer(&probe.ask, bytes)?)
                }
                (None, None) => bail!("the compiler left out {}", probe.what),
            };
            wrong.extend(line.map(|line| (at, line)));
        }
        self.name_types(probes, &refused, &mut wrong)?;
        Ok(wrong.into_values().collect())
    }

    /// Adds to what is wrong in a type which type the headers have.
    fn name_types(
        &self,
        probes: &[Probe],
        refused: &BTreeMap<usize, String>,
        wrong: &mut BTreeMap<usize, String>,
    ) -> Result<()> {
        let unnamed: Vec<(usize, &str)> = wrong
            .keys()
            .filter(|at| !refused.contains_key(at))
            .filter_map(|&at| match &probes[at].ask {
                Ask::Type { of, .. } => Some((at, of.as_str())),
                _ => None,
            })
            .collect();
        if unnamed.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> =
            unnamed.iter().map(|(at, of)| source::type_line(*at, of)).collect();
        let named = self.compile("types", &lines)?.refused;
        for (line, (at, _)) in unnamed.iter().enumerate() {
            if let (Some(wrong), Some(words)) = (wrong.get_mut(at), named.get(&line)) {
                *wrong += &format!(", {} in the headers", pointed_to(words));
            }
        }
        Ok(())
    }

    /// Compiles `lines` after the headers, without those that the compiler refuses.
    fn compile(&self, name: &str, lines: &[String]) -> Result<Compiled> {
        let (from, to) = (format!("{name}.c"), format!("{name}.o"));
        let mut refused = BTreeMap::new();
        loop {
            let kept = lines.iter().enumerate();
            let kept = kept.map(|(at, line)| if refused.contains_key(&at) { "" } else { line });
            let source = self.folder.join(&from);
            fs::write(&source, source::with_headers(kept))
                .with_context(|| format!("write {}", source.display()))?;
            let complaints = self.run(&from, &to)?;
            if complaints.is_empty() {
                break;
            }
            let before = refused.len();
            for (line, words) in complaints {
                match source::position(line).filter(|at| *at < lines.len()) {
                    Some(at) => refused.entry(at).or_insert(words),
                    None => bail!("the headers do not compile: line {line} of {from}: {words}"),
                };
            }
            ensure!(refused.len() > before, "the compiler refuses lines that are not there");
        }
        let result = self.folder.join(to);
        let file = fs::read(&result).with_context(|| format!("read {}", result.display()))?;
        let constants = source::constants(&file)
            .with_context(|| format!("read the constants of {}", result.display()))?;
        Ok(Compiled { refused, constants })
    }

    /// Runs the compiler and returns what it complains of, by line.
    fn run(&self, from: &str, to: &str) -> Result<Vec<(usize, String)>> {
        let output = Command::new("cc")
            .env("LC_ALL", "C")
            .args(["-std=gnu11", "-w", "-O0", "-c"])
            .arg("-I")
            .arg(&self.headers)
            .args(["-o", to, from])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output();
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("there is no C compiler `cc` here to read the headers: the package gcc")
            }
            output => output.context("start cc")?,
        };
        let words = String::from_utf8_lossy(&output.stderr);
        let complaints = complaints(&words, from);
        ensure!(
            output.status.success() || !complaints.is_empty(),
            "cc, {}: {}",
            output.status,
            words.trim().replace('\n', "; ")
        );
        Ok(complaints)
    }
}

struct Compiled {
    /// What the compiler says of the lines that it does not take, by their position.
    refused: BTreeMap<usize, String>,
    constants: HashMap<String, Vec<u8>>,
}

/// The errors of `file`, each with its line.
///
/// ```text
/// facts.c:57:30: error: 'XEN_NOTHING' undeclared here (not in a function)
/// xen/sys/evtchn.h:51:14: error: '_IOC_NONE' undeclared here (not in a function)
/// facts.c:58:24: note: in expansion of macro 'IOCTL_EVTCHN_BIND_INTERDOMAIN'
/// ```
/// What is wrong in a macro is so told at its definition first, and then where it is used.
pub(crate) fn complaints(text: &str, file: &str) -> Vec<(usize, String)> {
    let mut complaints = Vec::new();
    let mut in_macro = None;
    for line in text.lines() {
        let here = line.strip_prefix(file).and_then(|rest| rest.strip_prefix(':')?.split_once(':'));
        let number = here.and_then(|(number, _)| number.parse().ok());
        let error = line.split_once("error: ").map(|(_, words)| words.to_owned());
        match (number, error) {
            (Some(number), Some(words)) => complaints.push((number, words)),
            (None, Some(words)) => in_macro = Some(words),
            (Some(number), None) if line.contains("note: in expansion of macro") => {
                complaints.extend(in_macro.take().map(|words| (number, words)));
            }
            _ => {}
        }
    }
    complaints
}

/// The type in the complaint of gcc or clang that a choice by type has no case for a pointer to it.
pub(crate) fn pointed_to(words: &str) -> String {
    let quoted = words.split_once("type '").and_then(|(_, rest)| rest.split_once('\''));
    let Some((pointer, _)) = quoted else { return words.to_owned() };
    if let Some((before, after)) = pointer.split_once("(*)") {
        return format!("{}{after}", before.trim_end());
    }
    if let Some((before, after)) = pointer.split_once("(**)") {
        return format!("{before}(*){after}");
    }
    pointer.strip_suffix('*').unwrap_or(pointer).trim_end().to_owned()
}
