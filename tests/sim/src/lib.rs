//! A simulated Xen host, for tests without Xen.
//!
//! It stands below the seams of [`xc`], [`xg`] and [`eventchn`], and at the far end of the streams
//! of [`xs`]: each call of libxenctrl and libxenguest and each request to the event-channel device
//! has the effect that it has on a real machine, the store is [`xs_server`]. What is above runs as
//! it ships.
//!
//! ```
//! use xc::{CreateConfig, GuestKind, Release};
//! use xen_sim::{Hardware, Machine};
//! use xen_types::{Bytes, DomainUuid, PageCount};
//!
//! let machine = Machine::start(&Hardware::new(Release::new(4, 17)))?;
//! let xc = machine.process().xc();
//! let uuid = DomainUuid::from_bytes([7; 16]);
//! let dom = xc.create_domain(&CreateConfig::new(GuestKind::Pv, uuid, 1))?;
//! xc.set_max_mem(dom, Bytes(4097))?;
//! assert_eq!(xc.info(dom)?.max_pages, PageCount(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it does for you: domains with the life that the hypervisor gives them, memory accounted for
//! page by page, event channels; a xenstored that maps rings and hears of deaths; guests that
//! start, write to the store over their own ring and obey a request to stop or to suspend, or not, as words of
//! their command line say (`deaf`, `lazy`, `crash-asked`, `halt`, `reboot`, `crash`), have as much memory
//! as `memory/target` says, or half-way (`half-memory`), or as they had (`keeps-memory`), with drivers
//! for disks, network interfaces and consoles that behave as a [`Front`] says, and that serve others
//! themselves (`serves`); streams into which domains are saved, in libxenguest's format, and from which they
//! are restored and go on; a control domain whose [`Linux`] has files, block devices, loop devices, bridges and backends that behave as a [`Back`]
//! says; [faults](How) at any call or request of a [`Process`], its death included; a [`Snapshot`]
//! of what an operation could leave behind; if wanted, a clock that [jumps](Pace::Jumping) when
//! nothing happens, so that a wait of a minute takes a moment.
//!
//! What it does not do: run guests' code, schedule, move data of disks and packets, share pages
//! between both ends of a device, or have calls for schedulers, dumps, CPU policies and checkpoints; those fail as
//! a function does that a library lacks. What the balloon of a guest gave up before it was saved, it does not
//! take back after.
//! What the hypervisor does is proved by the facts of `tests/conformance`, which run on real Xen too
//! and which `docs/conformance.md` lists: a behaviour without a fact is not to be relied upon. Saving and restoring
//! are after the source of libxenguest 4.17; `tests/lab/tests/saving` does the same on real Xen.
//! Drivers and system calls are after Linux 6.1, which `tests/lab` runs; consoles, images and folders of a QEMU are
//! after QEMU 8.2.

mod balloon;
mod builder;
mod calls;
mod evtchn;
mod faults;
mod front;
mod guest;
mod hypervisor;
mod kernel;
mod linux;
mod machine;
mod page;
mod process;
mod relay;
mod saved;
mod snapshot;
mod store;
mod time;
mod xen;

pub use faults::{How, Which};
pub use front::Front;
pub use kernel::kernel;
pub use linux::{Back, Linux, Script};
pub use machine::{Hardware, Machine};
pub use process::{Mapping, Process};
pub use snapshot::Snapshot;
pub use time::{Hold, Pace};
