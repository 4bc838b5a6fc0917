//! Tests that need a second process: the test program starts itself again, for the same test, with a
//! role to play.

#![allow(dead_code, reason = "every test file takes the part it needs")]

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The role of this process, `None` for the test itself.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Another process that plays a role; killed when dropped.
#[derive(Debug)]
pub(crate) struct Actor {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Actor {
    /// Starts a process for the role, with arguments that it finds with [`argument`].
    pub(crate) fn start(test: &str, role: &str, arguments: &[&str]) -> Self {
        let this = env::current_exe().expect("the test program has a path");
        let mut process = Command::new(this)
            .args(["--exact", test, "--include-ignored", "--nocapture", "--quiet"])
            .env(ROLE, role)
            .env(ARGUMENTS, arguments.join(" "))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the test program again");
        let lines = BufReader::new(process.stdout.take().expect("asked for"));
        Self { process, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The rest of the next line that it says ([`say`]).
    pub(crate) fn says(&mut self) -> String {
        let mut line = String::new();
        while self.lines.read_line(&mut line).expect("text") > 0 {
            // The harness writes to the same output, perhaps without an end of line.
            if let Some((_, said)) = line.split_once(SAYS) {
                return said.trim_end().to_owned();
            }
            line.clear();
        }
        panic!("the other process ended without a word");
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("kill a child");
        self.process.wait().expect("wait for a child");
    }

    /// Whether it ends well within this time.
    pub(crate) fn ends_well(mut self, within: Duration) -> bool {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("look at a child") {
                return status.success();
            }
            if start.elapsed() > within {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.process.kill(); // gone already after a test that went well
        let _ = self.process.wait();
    }
}

/// Says a line to the process that started this one.
pub(crate) fn say(line: &str) {
    println!("{SAYS}{line}");
}

/// An argument that this process was started with.
pub(crate) fn argument(number: usize) -> String {
    let all = env::var(ARGUMENTS).expect("started with arguments");
    all.split(' ').nth(number).expect("as many arguments").to_owned()
}

/// Sleeps until it is killed.
pub(crate) fn sleep_for_good() -> ! {
    loop {
        std::thread::park();
    }
}

const ROLE: &str = "LAB_TEST_ROLE";
const ARGUMENTS: &str = "LAB_TEST_ARGUMENTS";
const SAYS: &str = "role says: ";
