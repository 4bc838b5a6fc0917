//! What the lab tests share: running programs in dom0, and seeing what a test left behind.

#![allow(dead_code, reason = "every test file takes the part it needs")]

pub(crate) mod linux;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use xs::View as _;

/// A program that has run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a program to its end, at most two minutes.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Ran {
    // timeout(1) of busybox bounds it: a test that hangs would take the whole lab with it.
    let bounded = [&["120", program], arguments].concat();
    let output = Command::new("timeout").args(bounded).stdin(Stdio::null()).output();
    Ran::of(&output.expect("timeout(1) is part of dom0"))
}

impl Ran {
    fn of(output: &Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs `xenops`.
pub(crate) fn xenops(arguments: &[&str]) -> Ran {
    run("xenops", arguments)
}

/// Runs a program that must succeed; its output.
pub(crate) fn ok(program: &str, arguments: &[&str]) -> String {
    let ran = run(program, arguments);
    assert_eq!(ran.status, Some(0), "{program} {arguments:?}: {ran:?}");
    ran.out
}

/// Everything a failed or finished operation must leave as it was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leavings {
    domains: BTreeSet<String>,
    store: BTreeSet<String>,
    loops: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Leavings {
    /// What is there now.
    pub(crate) fn now() -> Self {
        // The last column is CPU time, the one before the momentary state.
        let domains: BTreeSet<String> = ok("xl", &["list"])
            .lines()
            .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
            .collect();
        // Its lock comes with the first change to a domain's devices and goes with the domain.
        let locks: Vec<String> = domains
            .iter()
            .filter_map(|domain| Some(format!("/userdata-l.{}.", domain.rsplit_once(' ')?.1)))
            .collect();
        let nodes = ok("xenstore-ls", &["-f", "-p"]);
        let own = |line: &&str| !SHARED_FOLDERS.iter().any(|folder| line.starts_with(folder));
        let store = nodes.lines().filter(own).map(str::to_owned).collect();
        let loops = ok("losetup", &["-a"]).lines().map(str::to_owned).collect();
        let files = match fs::read_dir("/var/lib/xen") {
            Ok(entries) => {
                let files = entries.flatten().map(|entry| entry.path().display().to_string());
                files.filter(|file| !locks.iter().any(|lock| file.contains(lock))).collect()
            }
            Err(_) => BTreeSet::new(),
        };
        Self { domains, store, loops, files }
    }

    /// Fails unless everything is as it was, and says what is not.
    pub(crate) fn assert_unchanged(&self) {
        let now = Self::now();
        let added: Vec<_> = now.store.difference(&self.store).collect();
        let removed: Vec<_> = self.store.difference(&now.store).collect();
        assert_eq!(self.domains, now.domains, "domains");
        assert!(added.is_empty(), "left in the xenstore: {added:#?}");
        assert!(removed.is_empty(), "gone from the xenstore: {removed:#?}");
        assert_eq!(self.loops, now.loops, "loop devices");
        assert_eq!(self.files, now.files, "files of libxl");
    }
}

/// Folders of all domains, which come with the first entry and, with xenops, go with the last.
const SHARED_FOLDERS: &[&str] = &[
    "/libxl = \"\"",
    "/vm = \"\"",
    "/local/domain/0/backend = \"\"",
    "/local/domain/0/backend/console = \"\"",
    "/local/domain/0/backend/vbd = \"\"",
    "/local/domain/0/backend/vif = \"\"",
    "/local/domain/0/device-model = \"\"",
    "/local/domain/0/error = \"\"",
];

/// A configuration file of one test, removed with it.
#[derive(Debug)]
pub(crate) struct Config(PathBuf);

impl Config {
    /// A tiny guest of this name, with further lines of TOML.
    pub(crate) fn tiny(name: &str, kind: &str, more: &str) -> Self {
        Self::new(
            name,
            &format!(
                "name = \"{name}\"\ntype = \"{kind}\"\nkernel = \"/guests/tiny.elf\"\n\
                 memory = 16\n{more}\n"
            ),
        )
    }

    /// A file with this text.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let path = Path::new("/tmp").join(format!("{name}.toml"));
        fs::write(&path, text).expect("/tmp is writable in dom0");
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("made from text")
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A domain of a test, destroyed with it whatever happens.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) id: String,
}

impl Guest {
    /// Creates it with `xenops create`.
    pub(crate) fn create(name: &str, config: &Config) -> Self {
        let id = ok("xenops", &["create", config.path()]).trim().to_owned();
        Self { name: name.to_owned(), id }
    }

    /// Waits for a text on its console.
    pub(crate) fn says(&self, text: &str) -> String {
        ok("xenops", &["console", &self.name, "--until", text, "--timeout", "90"])
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Gone already after a test that went well.
        let _ = run("xl", &["destroy", &self.id]);
    }
}

/// Creates a tiny guest with `xl`.
pub(crate) fn xl_create(name: &str) -> Guest {
    let config = Config::new(
        name,
        &format!("name=\"{name}\"\nkernel=\"/guests/tiny.elf\"\nmemory=16\ntype=\"pv\"\n"),
    );
    ok("xl", &["create", config.path()]);
    let id = ok("xl", &["domid", name]).trim().to_owned();
    Guest { name: name.into(), id }
}

/// Asks until the answer is yes, at most a minute.
pub(crate) fn until(what: &str, mut yes: impl FnMut() -> bool) {
    let start = Instant::now();
    while !yes() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The grant tables of all domains, as the hypervisor lists them.
pub(crate) fn grant_tables() -> String {
    ok("xl", &["dmesg", "-c"]);
    ok("xl", &["debug-keys", "g"]);
    let mut log = String::new();
    until("the grant tables are listed", || {
        log += &ok("xl", &["dmesg", "-c"]);
        log.contains("gnttab_usage_print_all ] done")
    });
    log
}

/// The grants that are mapped by anybody.
pub(crate) fn grants_in_use() -> Vec<String> {
    let tables = grant_tables();
    tables.lines().filter(|line| line.contains("[0x")).map(str::to_owned).collect()
}

/// The process ids of a program.
pub(crate) fn pids_of(program: &str) -> Vec<i32> {
    let listed = run("pidof", &[program]);
    listed.out.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Sends a signal to the xenstore daemon, whichever runs.
pub(crate) fn signal_store(signal: &str) {
    let daemon: Vec<i32> = ["xenstored", "oxenstored"].into_iter().flat_map(pids_of).collect();
    assert_eq!(daemon.len(), 1, "one store daemon runs");
    ok("kill", &[signal, &daemon[0].to_string()]);
}

/// A creation of a guest with a large kernel, which stands still while something is done when it has come as
/// far as the domain's home in the store, and goes on then.
pub(crate) fn in_mid_create(name: &str, act: impl FnOnce(&Child)) -> (Child, Config) {
    let config = Config::new(
        name,
        &format!("name = \"{name}\"\ntype = \"pv\"\nkernel = \"/guests/vmlinux\"\nmemory = 128\n"),
    );
    let store = xs::Client::open().expect("open the store");
    let child = start("xenops", &["create", config.path()]);
    until("the domain has a name", || {
        let domains = store.subtree(&xs::Path::DOMAINS).unwrap_or_default();
        domains.iter().any(|(path, value)| path.leaf() == "name" && value == name.as_bytes())
    });
    let signal = |signal| ok("kill", &[signal, &child.id().to_string()]);
    signal("-STOP");
    act(&child);
    signal("-CONT");
    (child, config)
}

/// Starts a program whose output is wanted later.
pub(crate) fn start(program: &str, arguments: &[&str]) -> Child {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start it")
}

/// The end of a program that was started, which must come within this time.
pub(crate) fn ended(mut child: Child, within: Duration) -> Ran {
    let start = Instant::now();
    while child.try_wait().expect("look at a child").is_none() {
        if start.elapsed() > within {
            child.kill().expect("kill a child");
            panic!("still running after {within:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("it has ended");
    Ran::of(&output)
}
