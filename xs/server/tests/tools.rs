//! The program as a daemon: for the tools that come with Xen, and for who starts and ends it.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The program, in a folder of its own.
struct Daemon {
    process: Child,
    folder: PathBuf,
}

impl Daemon {
    fn start(arguments: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xs-server-tools-{}-{number}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let process = program(&folder.join("socket"), arguments).spawn().unwrap();
        let daemon = Self { process, folder };
        daemon.wait_until_up();
        daemon
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    fn wait_until_up(&self) {
        for _ in 0..10_000 {
            if UnixStream::connect(self.socket()).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("it does not come up");
    }

    fn end(&mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
        self.process.wait().unwrap()
    }

    /// A tool of Debian's Xen 4.17, as yet to be run.
    fn tool(&self, path: &str) -> Command {
        let root = PathBuf::from(env::var_os("STORE_DAEMONS").expect(HOW)).join("root");
        let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
        let libraries = env::join_paths(libraries.map(|folder| root.join(folder))).unwrap();
        let mut command = Command::new(root.join(path));
        command.env("LD_LIBRARY_PATH", libraries).env("XENSTORED_PATH", self.socket());
        command.stdin(Stdio::null());
        command
    }

    /// What a tool prints, if it says that it has succeeded.
    fn run(&self, path: &str, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.tool(path).args(arguments).output().unwrap();
        let text = String::from_utf8(stdout).unwrap();
        let errors = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{path} {arguments:?}: {status}\n{text}{errors}");
        text
    }

    fn fails(&self, path: &str, arguments: &[&str]) -> bool {
        let output = self.tool(path).args(arguments).output().unwrap();
        // With a number, as opposed to a signal: each tool has its own ones.
        output.status.code().is_some_and(|code| code != 0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended, and the folder is of no use to anybody.
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
        fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}

fn program(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xs-server"));
    command.arg("--socket").arg(socket).args(arguments);
    command
}

#[test]
fn it_ends_when_it_is_told_to_and_takes_its_socket_along() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = Daemon::start(&[]);
        assert_eq!(daemon.end(signal).code(), Some(0));
        assert!(!daemon.socket().exists());
    }
}

#[test]
fn nobody_else_may_connect() {
    let daemon = Daemon::start(&[]);
    let mode = fs::metadata(daemon.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o177, 0);
}

#[test]
fn a_socket_in_use_is_left_alone_and_one_left_behind_is_replaced() {
    let mut daemon = Daemon::start(&[]);
    let second = program(&daemon.socket(), &[]).stderr(Stdio::null()).status().unwrap();
    assert_eq!(second.code(), Some(1));
    daemon.wait_until_up();
    daemon.end(Signal::KILL);
    assert!(daemon.socket().exists());
    daemon.process = program(&daemon.socket(), &[]).spawn().unwrap();
    daemon.wait_until_up();
}

#[test]
fn what_is_no_socket_is_never_replaced() {
    let daemon = Daemon::start(&[]);
    let file = daemon.folder.join("file");
    fs::write(&file, "precious").unwrap();
    let status = program(&file, &[]).stderr(Stdio::null()).status().unwrap();
    assert_eq!((status.code(), fs::read(&file).unwrap().as_slice()), (Some(1), &b"precious"[..]));
}

#[test]
fn a_wrong_call_is_told_from_a_failure() {
    let nowhere = Path::new("/nonexistent/socket");
    let code = |arguments: &[&str]| {
        program(nowhere, arguments).stderr(Stdio::null()).status().unwrap().code()
    };
    assert_eq!(
        [code(&["--more"]), code(&["--quota", "x=1"]), code(&[])],
        [Some(2), Some(2), Some(1)]
    );
    let help = program(nowhere, &["--help"]).output().unwrap();
    assert!(help.status.success() && help.stdout.starts_with(b"An xenstored"));
}

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn the_tools_read_and_write() {
    let daemon = Daemon::start(&[]);
    daemon.run("usr/bin/xenstore-write", &["/a/b", "value", "/a/c", "other"]);
    assert_eq!(daemon.run("usr/bin/xenstore-read", &["/a/b", "/a/c"]), "value\nother\n");
    assert_eq!(daemon.run("usr/bin/xenstore-list", &["/a"]), "b\nc\n");
    daemon.run("usr/bin/xenstore-exists", &["/a/b"]);
    assert!(daemon.fails("usr/bin/xenstore-exists", &["/a/d"]));
    assert!(daemon.fails("usr/bin/xenstore-read", &["/a/d"]));
    let tree = daemon.run("usr/bin/xenstore-ls", &["-f", "-p", "/a"]);
    let lines: Vec<_> = tree.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(lines, ["/a/b = \"value\"", "/a/c = \"other\""]);
    daemon.run("usr/bin/xenstore-rm", &["/a/b"]);
    assert_eq!(daemon.run("usr/bin/xenstore-list", &["/a"]), "c\n");
}

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn the_tools_change_permissions() {
    let daemon = Daemon::start(&[]);
    daemon.run("usr/bin/xenstore-write", &["/a/b", ""]);
    daemon.run("usr/bin/xenstore-chmod", &["-r", "/a", "n0", "r0"]);
    let tree = daemon.run("usr/bin/xenstore-ls", &["-f", "-p", "/"]);
    assert!(
        tree.lines().any(|line| line.starts_with("/a/b") && line.ends_with("(n0,r0)")),
        "{tree}"
    );
}

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn the_tools_list_more_than_a_packet_holds() {
    let daemon = Daemon::start(&[]);
    let names: Vec<_> = (0..500).map(|n| format!("/many/child-with-a-name-{n}")).collect();
    for names in names.chunks(100) {
        let pairs: Vec<_> = names.iter().flat_map(|name| [name, "v"]).collect();
        daemon.run("usr/bin/xenstore-write", &pairs);
    }
    assert_eq!(daemon.run("usr/bin/xenstore-list", &["/many"]).lines().count(), 500);
    assert_eq!(daemon.run("usr/bin/xenstore-ls", &["/many"]).lines().count(), 500);
}

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn the_tools_watch() {
    let daemon = Daemon::start(&[]);
    let mut watching = daemon.tool("usr/bin/xenstore-watch");
    let watching = watching.args(["-n", "2", "/a"]).stdout(Stdio::piped());
    let mut watching = watching.spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    // The first says that it watches.
    assert_eq!(lines.next().unwrap().unwrap(), "/a");
    daemon.run("usr/bin/xenstore-write", &["/a/b", ""]);
    assert_eq!(lines.next().unwrap().unwrap(), "/a/b");
    assert!(watching.wait().unwrap().success());
}

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn the_tools_control() {
    let daemon = Daemon::start(&["--quota", "nodes=123"]);
    let control = "usr/lib/xen-4.17/bin/xenstore-control";
    assert!(daemon.run(control, &["help"]).contains("quota"));
    assert_eq!(daemon.run(control, &["check"]), "OK\n");
    let quotas = daemon.run(control, &["quota"]);
    let value = |name| quotas.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    assert!(value("nodes").unwrap().ends_with(" 123"), "{quotas}");
    daemon.run(control, &["quota", "set", "nodes", "456"]);
    assert!(daemon.run(control, &["quota"]).contains(" 456\n"));
    assert!(daemon.run(control, &["quota", "0"]).starts_with("Domain 0:"));
    assert!(daemon.fails(control, &["nonsense"]));
}

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn the_test_program_of_xen_passes() {
    let daemon = Daemon::start(&[]);
    let program = "usr/lib/xen-4.17/bin/test-xenstore";
    daemon.run(program, &["-i", "10"]);
    daemon.run(program, &["-r", "2"]);
    assert_eq!(daemon.run("usr/bin/xenstore-list", &["/tool"]), "xenstored\n");
}

const HOW: &str = "STORE_DAEMONS is not set: `cargo xtask daemons` says to what";
