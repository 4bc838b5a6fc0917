//! Which daemon to start, from where, with what.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt, fs, io};

use crate::Daemon;
use crate::daemon::in_context;

/// One of the two implementations.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// `xenstored`, in C.
    C,
    /// `oxenstored`, in OCaml.
    OCaml,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::C, Self::OCaml];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::C => "xenstored",
            Self::OCaml => "oxenstored",
        })
    }
}

/// A daemon about to be started.
#[derive(Clone, Debug)]
pub struct Setup {
    kind: Kind,
    flags: Vec<OsString>,
    configuration: String,
    installation: Option<PathBuf>,
    folder: Option<PathBuf>,
}

impl Setup {
    /// A daemon with the settings that Debian gives it, but a store in memory.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            flags: Vec::new(),
            configuration: String::new(),
            installation: None,
            folder: None,
        }
    }

    /// Adds an argument to the daemon's command line.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<OsString>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Adds a line to the configuration file, which only oxenstored has; the last one of a name
    /// counts.
    #[must_use]
    pub fn configure(mut self, line: &str) -> Self {
        self.configuration.push_str(line);
        self.configuration.push('\n');
        self
    }

    /// Takes daemon and shim from `folder`, not from where `STORE_DAEMONS` says.
    #[must_use]
    pub fn installed_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.installation = Some(folder.into());
        self
    }

    /// Runs in `folder`, which is made empty first and stays, not in a temporary one.
    #[must_use]
    pub fn run_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Starts the daemon and waits until it answers.
    ///
    /// # Errors
    /// If the daemons are not installed, or this one ends or says nothing for ten seconds: with what
    /// it logged.
    pub fn start(self) -> io::Result<Daemon> {
        Daemon::set_up(self)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The command that starts the daemon in `folder`; what it prints is left to the caller.
    pub(crate) fn command(&self, folder: &Path) -> io::Result<Command> {
        let installation = match &self.installation {
            Some(installation) => installation.clone(),
            None => installation()?,
        };
        let root = installation.join("root");
        let program = root.join("usr/lib/xen-4.17/bin").join(self.kind.to_string());
        if !program.exists() {
            let missing = format!("{} is not there; {HOW_TO_GET_THEM}", program.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, missing));
        }
        let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
        let libraries = env::join_paths(libraries.map(|folder| root.join(folder)));
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .env("LD_LIBRARY_PATH", libraries.map_err(io::Error::other)?)
            .env("LD_PRELOAD", installation.join("libfakexen.so"))
            .env("FAKEXEN_DIR", folder)
            .env("FAKEXEN_LIFELINE", "1")
            .env("XENSTORED_PATH", folder.join("socket"))
            .env("XENSTORED_RUNDIR", folder)
            .env("XENSTORED_ROOTDIR", folder)
            .stdin(Stdio::piped());
        match self.kind {
            // Never with -D: it crashes at the first request.
            Kind::C => command.args(["-N", "--internal-db=on"]),
            Kind::OCaml => {
                let file = folder.join("oxenstored.conf");
                self.write_configuration(&root, folder, &file)?;
                command.args(["--no-fork", "--no-access-log", "--config-file"]).arg(file)
            }
        };
        command.args(&self.flags);
        Ok(command)
    }

    /// Debian's configuration with what is ours behind it.
    fn write_configuration(&self, root: &Path, folder: &Path, file: &Path) -> io::Result<()> {
        let debians = root.join("etc/xen/oxenstored.conf");
        let mut text = fs::read_to_string(&debians)
            .map_err(|error| in_context(error, format!("read {}", debians.display())))?;
        let folder = folder.display();
        text.push_str(&format!(
            "\npid-file = {folder}/pid\n\
             xenstored-log-file = {folder}/oxenstored.log\n\
             access-log-file = {folder}/access.log\n"
        ));
        text.push_str(&self.configuration);
        fs::write(file, text)
    }
}

fn installation() -> io::Result<PathBuf> {
    env::var_os(VARIABLE).map(PathBuf::from).ok_or_else(|| {
        let unset = format!("{VARIABLE} is not set; {HOW_TO_GET_THEM}");
        io::Error::new(io::ErrorKind::NotFound, unset)
    })
}

/// Names the folder with the unpacked packages (`root`) and the shim (`libfakexen.so`).
const VARIABLE: &str = "STORE_DAEMONS";

const HOW_TO_GET_THEM: &str = "`cargo xtask daemons` fetches the store daemons and says where";
