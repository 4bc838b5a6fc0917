//! The steps of a creation, and how what they made is taken away again.

use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use devices::paths::{self, DomainPaths};
use devices::{Console, Tree};
use uuid::Uuid;
use xc::{CreateConfig, HvmParam};
use xen_types::{DomId, DomainUuid, Gfn, Kind, PageCount, Port};
use xg::{BuildConfig, CpuOptions, RestoreOptions, RingFrame};
use xs::{Client, Path, Store, View};

use super::images::{Images, hypervisor_kind};
use super::skeleton;
use crate::config::{DomainConfig, GuestKind, NUL_IN_CMDLINE, Planned, TscMode, planned};
use crate::device::{AttachOptions, unseen_if_empty};
use crate::error::{Cause, Leftover, Problem, Remnant};
use crate::host::Host;
use crate::limits::Limits;
use crate::lock::Lock;
use crate::memory::Footprint;
use crate::remove::{folders_of, is_needed_for, skeleton_of};

/// One step of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The hypervisor makes an empty, paused domain.
    Domain,
    /// Its limits: memory, vcpus, time-stamp counter.
    Shape,
    /// Its ends of the event channels to xenstored and xenconsoled.
    Channels,
    /// Its home in the xenstore, with its name.
    Skeleton,
    /// Its memory is filled and its vcpus set up: a kernel is built into it, or what was saved restored.
    Fill,
    /// What the daemons and the guest must know of that.
    Publish,
    /// xenstored maps the ring.
    Introduce,
    /// Its devices.
    Devices,
    /// Its vcpus run.
    Run,
}

/// All steps in their order.
pub(super) const PLAN: [Step; 9] = [
    Step::Domain,
    Step::Shape,
    Step::Channels,
    Step::Skeleton,
    Step::Fill,
    Step::Publish,
    Step::Introduce,
    Step::Devices,
    Step::Run,
];

/// A creation under way: what is wanted, and what is there already.
#[derive(Debug)]
pub(super) struct Creation<'a> {
    /// With the deadline of the creation.
    host: Host,
    limits: &'a Limits,
    config: &'a DomainConfig,
    content: Content<'a>,
    memory: Footprint,
    uuid: DomainUuid,
    claim: Option<Lock>,
    dom: Option<DomId>,
    store: End,
    console: End,
    rings: Option<Rings>,
    /// What it has in the store, or may have.
    nodes: Vec<Path>,
    /// Whether it may have devices.
    devices: bool,
}

/// What its memory is filled with.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    /// A kernel that boots.
    Boot(Images),
    /// A guest that was saved.
    Saved {
        /// Where it is read from.
        from: BorrowedFd<'a>,
        /// Asked along the way.
        limits: &'a Limits,
    },
}

/// The frames that the guest shares with the two daemons.
#[derive(Debug, Clone, Copy)]
struct Rings {
    store: RingFrame,
    console: RingFrame,
}

/// One of the two daemons that a guest talks to from its first moment.
#[derive(Debug, Clone, Copy)]
struct End {
    /// Where the daemon runs.
    daemon: DomId,
    /// The guest's port.
    port: Port,
}

impl<'a> Creation<'a> {
    pub(super) fn new(
        host: Host,
        limits: &'a Limits,
        config: &'a DomainConfig,
        content: Content<'a>,
        memory: Footprint,
        claim: Lock,
    ) -> Self {
        let unknown = End { daemon: DomId::DOM0, port: Port(0) };
        Self {
            host,
            limits,
            config,
            content,
            memory,
            uuid: config.uuid.unwrap_or_else(|| DomainUuid(Uuid::new_v4())),
            claim: Some(claim),
            dom: None,
            store: unknown,
            console: unknown,
            rings: None,
            nodes: Vec::new(),
            devices: false,
        }
    }

    /// The domain's number.
    pub(super) fn dom(&self) -> DomId {
        self.dom.expect("the first step of every plan sets it, and its failure ends the plan")
    }

    pub(super) fn take(&mut self, step: Step) -> Result<(), Cause> {
        match step {
            Step::Domain => self.make_domain(),
            Step::Shape => self.shape(),
            Step::Channels => self.open_channels(),
            Step::Skeleton => self.write_skeleton(),
            Step::Fill => self.fill(),
            Step::Publish => self.publish(),
            Step::Introduce => self.introduce(),
            Step::Devices => self.attach_devices(),
            Step::Run => Ok(self.host.xc.unpause(self.dom())?),
        }
    }

    /// Takes away what was made: the devices, then the domain. Once it has gone, neither the guest
    /// nor the console daemon writes to the store any more. Its limits, ports and memory go with it,
    /// and xenstored drops the connection of a domain that has gone. Each of the two has a time of its
    /// own: that of the creation may be over, and the devices may need more than the domain has.
    /// `of_device` is what stayed of the device that failed, if one did.
    pub(super) fn undo(self, mut of_device: Vec<Leftover>) -> Vec<Leftover> {
        let mut left = Vec::new();
        if self.devices {
            let limits = self.host.device_removal_limits();
            let host = self.host.within(&limits);
            // One whose record stands goes with the others.
            of_device.retain(|left| match &left.what {
                Remnant::Device(device) => !host.has_node(&device.record()),
                _ => true,
            });
            left.extend(host.unplug_all(self.dom(), Some(self.uuid), &limits));
        }
        // What leads a removal to devices stays with them.
        let own = self.dom.filter(|dom| is_needed_for(&left, *dom)).map(DomainPaths);
        let stays = |path: &Path| {
            own.is_some_and(|own| own.home().contains(path) || own.record().contains(path))
        };
        let made = self.dom.or_else(|| self.unheard_of());
        let ended = made.map_or(Ok(()), |dom| self.host.end(dom));
        // The hypervisor takes as long as it takes, which is seconds for a large domain.
        let limits = self.host.removal_limits();
        let host = self.host.within(&limits);
        left.extend(made.and_then(|dom| match ended {
            Ok(()) => host.await_end(dom, self.uuid, &limits),
            Err(why) => Some(Leftover { what: Remnant::Domain(dom), why }),
        }));
        for path in self.nodes.into_iter().rev().filter(|path| !stays(path)) {
            left.extend(host.remove_nodes([path]));
        }
        if let (Some(dom), true) = (self.dom, self.devices) {
            left.extend(host.remove_libxl_files(dom, self.uuid));
        }
        of_device.retain(|left| match &left.what {
            Remnant::StorePath(node) => Path::new(node).map_or(true, |node| host.has_node(&node)),
            _ => true,
        });
        of_device.extend(left);
        of_device
    }

    /// The domain that was made although its creation is said to have failed. Nobody had its UUID
    /// before, and it is still empty.
    fn unheard_of(&self) -> Option<DomId> {
        let domains = self.host.xc.domains().ok()?;
        let made = domains.iter().find(|domain| domain.uuid == self.uuid)?;
        (made.current_pages == PageCount(0)).then_some(made.id)
    }

    fn make_domain(&mut self) -> Result<(), Cause> {
        let kind = hypervisor_kind(self.config.kind);
        let config = CreateConfig::new(kind, self.uuid, self.config.vcpus);
        self.dom = Some(self.host.xc.create_domain(&config)?);
        Ok(())
    }

    fn shape(&mut self) -> Result<(), Cause> {
        let (xc, dom, memory) = (&self.host.xc, self.dom(), self.memory);
        xc.set_max_vcpus(dom, self.config.vcpus)?;
        xc.set_max_mem(dom, memory.ceiling.to_bytes())?;
        match self.config.kind {
            // A PV kernel asks for its memory map; it is one range of RAM.
            GuestKind::Pv => xc.set_memory_map_limit(dom, memory.guest)?,
            GuestKind::Pvh => {
                xc.set_hvm_param(dom, HvmParam::TIMER_MODE, NO_DELAY_FOR_MISSED_TICKS)?;
                xc.set_paging_pool(dom, memory.paging_pool.to_bytes())?;
            }
        }
        let tsc_mode = match self.config.tsc_mode {
            TscMode::Default => xc::TscMode::Default,
            TscMode::AlwaysEmulate => xc::TscMode::AlwaysEmulate,
            TscMode::Native => xc::TscMode::Native,
        };
        xc.set_tsc_mode(dom, tsc_mode)?;
        Ok(())
    }

    fn open_channels(&mut self) -> Result<(), Cause> {
        let dom = self.dom();
        for (end, at) in [
            (&mut self.store, &paths::XENSTORED_DOMID),
            (&mut self.console, &paths::XENCONSOLED_DOMID),
        ] {
            end.daemon = domain_in(&self.host.store, at)?;
            end.port = self.host.xc.alloc_unbound_port(dom, end.daemon)?;
        }
        Ok(())
    }

    fn write_skeleton(&mut self) -> Result<(), Cause> {
        let tree = skeleton::skeleton(self.dom(), self.uuid, self.config);
        // An earlier run, or an earlier domain of this number, may have died without a toolstack.
        self.host.remove_predecessor(self.dom(), self.limits)?;
        self.replace(&skeleton_of(self.dom(), self.uuid), &tree)?;
        self.claim = None;
        Ok(())
    }

    fn fill(&mut self) -> Result<(), Cause> {
        self.rings = Some(match &self.content {
            Content::Boot(images) => self.build(images)?,
            Content::Saved { from, limits } => self.restore(*from, limits)?,
        });
        Ok(())
    }

    fn restore(&self, from: BorrowedFd<'_>, limits: &Limits) -> Result<Rings, Cause> {
        let (store, console) = (self.store.port, self.console.port);
        let mut options = RestoreOptions::new(hypervisor_kind(self.config.kind), store, console);
        options.store_domain = self.store.daemon;
        options.console_domain = self.console.daemon;
        let mut go_on = || limits.check_time().is_ok();
        match self.host.builder()?.restore(self.dom(), from, &options, &mut go_on) {
            Ok(restored) => Ok(Rings { store: restored.store, console: restored.console }),
            Err(error) if error.kind() == Kind::Cancelled => {
                limits.check_time()?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn build(&self, images: &Images) -> Result<Rings, Cause> {
        let config = self.config;
        let (kind, kernel) = (hypervisor_kind(config.kind), images.kernel.clone());
        let (store, console) = (self.store.port, self.console.port);
        let mut build = BuildConfig::new(kind, kernel, config.memory, store, console);
        build.ramdisk = images.ramdisk.clone();
        build.cmdline = CString::new(config.cmdline.as_str())
            .map_err(|_| Problem::Config { key: "cmdline", why: NUL_IN_CMDLINE })?;
        build.vcpus = config.vcpus;
        build.store_domain = self.store.daemon;
        build.console_domain = self.console.daemon;
        // Two creations at once must not starve each other half-way.
        build.claim = true;
        let builder = self.host.builder()?;
        builder.apply_cpu_policy(self.dom(), &CpuOptions::default())?;
        let built = builder.build(self.dom(), &build)?;
        Ok(Rings { store: built.store, console: built.console })
    }

    fn publish(&mut self) -> Result<(), Cause> {
        let rings = self.rings();
        let store = (rings.store.number(), self.store.port);
        let console = Console {
            dom: self.dom(),
            backend: self.console.daemon,
            ring: rings.console.number(),
            port: self.console.port,
        };
        let mut tree = skeleton::published(self.dom(), self.config, store);
        tree.value(paths::vm(self.uuid).join("start_time"), seconds_since_1970());
        tree.append(console.tree());
        let backends = DomainPaths(console.dom).backends(console.backend, Console::KIND);
        self.replace(&[backends], &tree)
    }

    fn introduce(&mut self) -> Result<(), Cause> {
        // INTRODUCE takes whatever number names the ring, a machine frame for a PV guest.
        let frame = Gfn(self.rings().store.number());
        Ok(self.host.store.introduce(self.dom(), frame, self.store.port)?)
    }

    fn attach_devices(&mut self) -> Result<(), Cause> {
        let (dom, config) = (self.dom(), self.config);
        let part = |error| Cause::Part(Box::new(error));
        let server = |whom: &str| self.host.find(whom).map(|found| found.id).map_err(part);
        let devices = planned(config, dom, server)?;
        if devices.is_empty() {
            return Ok(());
        }
        self.devices = true;
        if !config.ninepfs.is_empty() {
            self.nodes.push(folders_of(dom));
        }
        let _lock = Lock::of_domain(&self.host.locks, dom, self.uuid, self.limits)?;
        let mut shown = Vec::new();
        for Planned { device, tree, hotplug, is_qemus } in devices {
            let options = AttachOptions { hotplug, ..AttachOptions::default() };
            // A guest that was saved may use its drive.
            let tree = match self.content {
                Content::Boot(_) => unseen_if_empty(tree, &device)?,
                Content::Saved { .. } => tree,
            };
            if is_qemus {
                // Nobody starts a QEMU twice, and newer ones take no folder that comes later: all that it
                // serves is there before the first is waited for.
                shown.push(self.host.show(&device, tree, options, self.limits).map_err(part)?);
            } else {
                self.host.plug(&device, self.uuid, tree, options, self.limits).map_err(part)?;
            }
        }
        for device in shown {
            self.host.bring(device, self.uuid, self.limits).map_err(part)?;
        }
        Ok(())
    }

    fn rings(&self) -> Rings {
        self.rings.expect("the step that fills the domain stands before every step that asks")
    }

    /// Replaces what stands at `own` by a tree, in one transaction.
    fn replace(&mut self, own: &[Path], tree: &Tree) -> Result<(), Cause> {
        let mut may_be_there = false;
        let replaced = self.host.store.transaction(|tx| {
            for path in own {
                tx.rm_if_exists(path)?;
            }
            tree.write_to(tx)?;
            // From here on only the commit is left, which counts even if its answer is lost.
            may_be_there = true;
            Ok(())
        });
        if may_be_there {
            self.nodes.extend_from_slice(own);
        }
        Ok(replaced?)
    }
}

/// The domain that a node names, the control domain if there is no such node.
fn domain_in(store: &Client, at: &Path) -> Result<DomId, Cause> {
    let Some(value) = store.read_opt(at)? else { return Ok(DomId::DOM0) };
    let value = String::from_utf8_lossy(&value);
    value
        .parse()
        .map_err(|_| Problem::Malformed { path: at.to_string(), value: value.into_owned() }.into())
}

/// The time of day as libxl writes it (`libxl_vm_get_start_time`), for `xl uptime`.
fn seconds_since_1970() -> String {
    // A clock before 1970 says nothing that anybody could use.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:02}", now.as_secs(), now.subsec_millis() / 10)
}

/// `HVMPTM_no_delay_for_missed_ticks` (`xen/include/public/hvm/params.h`), libxl's default.
const NO_DELAY_FOR_MISSED_TICKS: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_comes_first_and_runs_last() {
        assert_eq!(PLAN.first(), Some(&Step::Domain));
        assert_eq!(PLAN.last(), Some(&Step::Run));
    }
}
