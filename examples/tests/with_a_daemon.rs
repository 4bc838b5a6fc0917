//! The examples do what they say, on a real daemon.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use store_daemons::{Daemon, Kind};
use xs::{Client, Path, Store};

/// An example that cargo has built beside this test.
fn example(name: &str, daemon: &Daemon) -> Command {
    let test = std::env::current_exe().unwrap();
    let built: PathBuf = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    let mut command = Command::new(built);
    command.env("XENSTORED_PATH", daemon.socket());
    command
}

/// Ends with the test, whatever becomes of it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn tree_prints_what_is_below() {
    let daemon = Daemon::start(Kind::C).unwrap();
    let client = Client::connect(daemon.socket()).unwrap();
    client.write(&Path::from_static("/tool/a/b"), "x\"y").unwrap();

    let output = example("tree", &daemon).arg("/tool/a").output().unwrap();

    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "/tool/a = \"\"\n/tool/a/b = \"x\\\"y\"\n");
}

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn watch_subtree_prints_changes_as_they_come() {
    let daemon = Daemon::start(Kind::C).unwrap();
    let client = Client::connect(daemon.socket()).unwrap();
    let [a, b] = ["/tool/a", "/tool/a/b"].map(Path::from_static);
    client.write(&a, "1").unwrap();
    let mut command = example("watch-subtree", &daemon);
    let mut running = Running(command.arg("/tool/a").stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);

    assert_eq!(lines.next().unwrap(), "/tool/a = \"1\"");
    client.write(&b, "2").unwrap();
    assert_eq!(lines.next().unwrap(), "/tool/a/b = \"2\"");
    client.write(&b, "3").unwrap();
    assert_eq!(lines.next().unwrap(), "/tool/a/b = \"3\"");
    client.rm(&b).unwrap();
    assert_eq!(lines.next().unwrap(), "/tool/a/b is gone");
}
