//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use xenops::device::{Mac, Rate, Vdev};
use xenops::{Hotplug, KernelCache};

/// Manages the domains of a Xen host from its control domain.
///
/// DOMAIN is a name, a number or a UUID.
///
/// Exit status: 0 done, 1 failed, 2 wrong command line or configuration file, 3 Xen, one of its
/// libraries or a daemon is missing, 4 no such domain, 5 timed out, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "xenops", version, verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Create a domain from a TOML file and start it; prints its number
    Create {
        /// The configuration file
        file: PathBuf,
        /// Leave it paused
        #[arg(long)]
        paused: bool,
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
        timeout: Duration,
        /// Where unpacked kernels are kept for the next guests
        #[arg(long, value_name = "FOLDER", default_value = KernelCache::FOLDER)]
        kernel_cache: PathBuf,
        /// Keep no unpacked kernel and use none
        #[arg(long, conflicts_with = "kernel_cache")]
        no_kernel_cache: bool,
    },
    /// List domains
    List {
        /// Only these
        #[arg(value_name = "DOMAIN")]
        domains: Vec<String>,
        /// How to print them
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Connect this terminal to a domain's console; Ctrl-] ends it
    Console {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// End with status 0 as soon as the domain printed this, 5 when time is up before
        #[arg(long, value_name = "TEXT")]
        until: Option<String>,
        /// End after this many seconds; without it, last as long as the domain
        #[arg(long, value_name = "SECONDS", value_parser = seconds)]
        timeout: Option<Duration>,
    },
    /// Stop the vcpus of a domain
    Pause {
        #[arg(value_name = "DOMAIN")]
        domain: String,
    },
    /// Let the vcpus of a domain run
    Unpause {
        #[arg(value_name = "DOMAIN")]
        domain: String,
    },
    /// Ask a domain to shut down, wait until it has, and remove it
    Shutdown {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// Only ask: neither wait nor remove it
        #[arg(long)]
        no_wait: bool,
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "120")]
        timeout: Duration,
    },
    /// Save a domain into a new file and remove it
    Save(Save),
    /// Create a domain that is what a file of `save` holds; prints its number
    ///
    /// The file says which disks of this host the domain gets. Of a file from somebody who is not to
    /// decide that, use the memory only: give --config.
    Restore(Restore),
    /// Attach a device to a domain; prints its number
    #[command(subcommand)]
    Attach(Attach),
    /// Ask a domain to let go of a device, and detach it
    #[command(subcommand)]
    Detach(Detach),
    /// Change a disk that a domain has
    #[command(subcommand)]
    Vbd(Vbd),
    /// Change a network interface that a domain has
    #[command(subcommand)]
    Vif(Vif),
    /// List the devices of a domain
    Devices {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// How to print them
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Remove a domain at once, without asking it
    Destroy {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
        timeout: Duration,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Save {
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,
    /// The file, which must not be there yet
    pub(crate) file: PathBuf,
    /// Let it run while most of its memory is written
    #[arg(long)]
    pub(crate) live: bool,
    /// Let it go on afterwards
    #[arg(long)]
    pub(crate) checkpoint: bool,
    /// Leave it paused afterwards
    #[arg(long, conflicts_with = "checkpoint")]
    pub(crate) leave_paused: bool,
    /// Give up after this many seconds; the domain runs on
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "300")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// The file
    pub(crate) file: PathBuf,
    /// The configuration, instead of the one that the file has: with another name, say
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Leave it paused
    #[arg(long)]
    pub(crate) paused: bool,
    /// Give up so many seconds after the file has been found whole
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "300")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Attach {
    /// A disk
    Vbd {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// The block device or the file that is in it; a drive may be empty
        #[arg(long, value_name = "PATH", required_unless_present = "cdrom")]
        target: Option<String>,
        /// Which disk it is in the guest: xvdb, hda, sdc1, d2p1 or a number
        #[arg(long, value_name = "DISK")]
        vdev: Vdev,
        /// Make it a CD-ROM drive, read only, whose medium can be changed
        #[arg(long, conflicts_with = "mode")]
        cdrom: bool,
        /// Whether the guest may write to it: r or w
        #[arg(long, value_enum, default_value_t = Mode::W)]
        mode: Mode,
        /// Refuse a target that is not this: phy, a block device, or file. qdisk has the domain's QEMU open
        /// it, as a raw image
        #[arg(long = "type", value_enum)]
        kind: Option<Target>,
        #[command(flatten)]
        how: AttachHow,
    },
    /// A network interface
    Vif {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// The bridge that it becomes part of
        #[arg(long)]
        bridge: String,
        /// Its address; a random one of Xen's when absent
        #[arg(long)]
        mac: Option<Mac>,
        /// Its number; the first that is free when absent
        #[arg(long)]
        number: Option<u32>,
        /// How much the guest may send, such as 10Mb/s
        #[arg(long)]
        rate: Option<Rate>,
        /// The addresses that it may use, separated by spaces: needs --hotplug scripts
        #[arg(long)]
        ip: Option<String>,
        #[command(flatten)]
        how: AttachHow,
    },
    /// A folder of the control domain, served by the domain's QEMU
    #[command(name = "9pfs")]
    NinePfs {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// The folder
        #[arg(long)]
        path: String,
        /// The name under which the guest mounts it
        #[arg(long)]
        tag: String,
        /// Whose the files are that the guest makes
        #[arg(long, value_enum, default_value_t = Owners::None)]
        security_model: Owners,
        /// Its number: none that this QEMU has served before, as it would end or serve the old folder
        #[arg(long)]
        number: u32,
        #[command(flatten)]
        wait: Wait,
    },
    /// A console besides the first, served by the domain's QEMU: a pseudo-terminal, unless a file or a
    /// socket is given
    Console {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// The file that gets what the guest says
        #[arg(long, value_name = "PATH", conflicts_with = "socket")]
        file: Option<String>,
        /// The socket of QEMU's character device libxl-channelNUMBER
        #[arg(long, value_name = "PATH")]
        socket: Option<String>,
        /// What it is called in the guest
        #[arg(long)]
        name: Option<String>,
        /// Its number, from 1 on: none that this QEMU has served before, as it would lead nowhere
        #[arg(long)]
        number: u32,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Vbd {
    /// Put a medium into an empty drive
    Insert {
        #[command(flatten)]
        disk: Disk,
        /// The block device or the file
        #[arg(value_name = "PATH")]
        target: String,
        /// Wait until the guest has connected
        #[arg(long)]
        connected: bool,
    },
    /// Ask a domain to let go of the medium in a drive, and take it out
    Eject {
        #[command(flatten)]
        disk: Disk,
        /// Take it from a guest that has locked the tray, or has not let go when the time is up
        #[arg(long)]
        force: bool,
    },
    /// Hold back a disk's requests, where its backend can
    Pause {
        #[command(flatten)]
        disk: Disk,
    },
    /// Let a paused disk go on
    Unpause {
        #[command(flatten)]
        disk: Disk,
    },
}

/// A disk of a domain.
#[derive(Debug, clap::Args)]
pub(crate) struct Disk {
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,
    /// Which disk it is in the guest: xvdb, hda, sdc1, d2p1 or a number
    #[arg(value_name = "DISK")]
    pub(crate) vdev: Vdev,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Vif {
    /// Change what is named, and leave the rest
    Set {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// Its number
        #[arg(value_name = "NUMBER")]
        number: u32,
        #[command(flatten)]
        what: PortChange,
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
        timeout: Duration,
    },
}

/// What is changed of a network interface.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct PortChange {
    /// How much the guest may send, such as 10Mb/s
    #[arg(long)]
    pub(crate) rate: Option<Rate>,
    /// Let the guest send as much as it can
    #[arg(long, conflicts_with = "rate")]
    pub(crate) no_rate: bool,
    /// How large a packet may be, in bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) mtu: Option<u32>,
    /// Pull the cable, or put it in again: off or on
    #[arg(long, value_enum)]
    pub(crate) carrier: Option<Carrier>,
}

/// Whether there is a cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Carrier {
    /// There is none
    Off,
    /// There is one
    On,
}

/// What attaching has in common.
#[derive(Debug, clap::Args)]
pub(crate) struct AttachHow {
    /// Who does the host's part of a device that the control domain serves: native, scripts or udev
    #[arg(long, default_value_t)]
    pub(crate) hotplug: Hotplug,
    /// The domain that serves it: the control domain when absent. Targets and bridges are those of that
    /// domain, which runs its own scripts
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) backend: Option<String>,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// What attaching waits for. It is all that a device of the domain's QEMU has, which nobody here starts.
#[derive(Debug, clap::Args)]
pub(crate) struct Wait {
    /// Wait until the guest has connected
    #[arg(long)]
    pub(crate) connected: bool,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Detach {
    /// A disk
    Vbd {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// Which disk it is in the guest: xvdb, hda, sdc1, d2p1 or a number
        #[arg(value_name = "DISK")]
        vdev: Vdev,
        #[command(flatten)]
        how: DetachHow,
    },
    /// A network interface
    Vif(Numbered),
    /// A folder of the control domain
    #[command(name = "9pfs")]
    NinePfs(Numbered),
    /// A console besides the first
    Console(Numbered),
}

/// A device by its number.
#[derive(Debug, clap::Args)]
pub(crate) struct Numbered {
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,
    /// Its number
    #[arg(value_name = "NUMBER")]
    pub(crate) number: u32,
    #[command(flatten)]
    pub(crate) how: DetachHow,
}

/// What detaching has in common.
#[derive(Debug, clap::Args)]
pub(crate) struct DetachHow {
    /// Take it from a guest that has not let go of it when the time is up
    #[arg(long)]
    pub(crate) force: bool,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(crate) timeout: Duration,
}

/// What a guest may do with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Read
    R,
    /// Read and write
    W,
}

/// What is in a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// A block device
    Phy,
    /// A file
    File,
    /// A file or a block device that QEMU opens
    Qdisk,
}

/// Whose the files are that a guest makes in a shared folder (`security_model` of xl.cfg(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Owners {
    /// QEMU's, if it may not make them the guest's
    None,
    /// The guest's
    Passthrough,
    /// QEMU's; the guest's are kept in extended attributes
    MappedXattr,
    /// QEMU's; the guest's are kept in files beside
    MappedFile,
}

/// How `list` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// One line for each domain, for people
    Table,
    /// A JSON array, for programs
    Json,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
