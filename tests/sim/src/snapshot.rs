//! What a machine is like at one moment, to see what an operation has left behind.

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use xen_types::DomId;
use xs::{Client, Kind, Path, View as _};

use crate::linux::Left;
use crate::machine::Machine;
use crate::xen::ports::Binding;

/// All that programs of domain 0 can leave behind on a machine.
///
/// Not part of it is what goes on by itself: the time, the id that the next domain will have, the
/// data of pages, and what programs have open that start later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Each with what it has.
    domains: BTreeMap<DomId, String>,
    free_pages: u64,
    claimed_pages: u64,
    /// How many pages are mapped by somebody else.
    mapped_pages: usize,
    /// The ports of each domain.
    ports: BTreeMap<DomId, Vec<String>>,
    /// The nodes of the store with values and permissions.
    store: BTreeMap<String, String>,
    /// What the Linux of each domain has of devices, the control domain's first.
    linux: Vec<(DomId, Left)>,
    /// What programs watch in the store.
    watches: Vec<String>,
    /// What each program has open, by its number.
    descriptors: BTreeMap<u64, Vec<String>>,
}

impl Machine {
    /// What it is like now.
    ///
    /// # Errors
    /// If xenstored does not answer.
    pub fn snapshot(&self) -> io::Result<Snapshot> {
        let store = Client::from_stream(self.connect()?).map_err(io::Error::other)?;
        let mut nodes = BTreeMap::new();
        walk(&store, Path::ROOT, &mut nodes).map_err(io::Error::other)?;
        let running = self.running();
        let watches = running.iter().flat_map(|process| process.watched()).collect();
        let descriptors = running.iter().map(|p| (p.number, p.descriptors())).collect();
        drop(running);
        let mut linux = vec![(DomId::DOM0, self.linux().left())];
        for dom in self.xen(|xen| xen.domains.keys().copied().collect::<Vec<_>>()) {
            linux.extend(self.linux_of(dom).map(|there| (dom, there.left())));
        }
        Ok(self.xen(|xen| Snapshot {
            domains: xen.domains.values().map(|domain| (domain.id, domain.summary())).collect(),
            free_pages: xen.heap.free(),
            claimed_pages: xen.claimed(),
            mapped_pages: xen.mapped(),
            ports: xen
                .domains
                .values()
                .map(|d| (d.id, d.ports.bound().map(port).collect()))
                .collect(),
            store: nodes,
            linux,
            watches,
            descriptors,
        }))
    }
}

impl Snapshot {
    /// Fails unless the machine is as it was, or soon is, as drivers and guests let go of what they
    /// have in a time of their own; and says what is not.
    ///
    /// # Panics
    /// If something is not as it was, or xenstored does not answer.
    #[track_caller]
    pub fn assert_unchanged(&self, machine: &Machine) {
        let look = || self.without_others(machine.snapshot().expect("xenstored answers"));
        let (start, mut now) = (Instant::now(), look());
        while *self != now && start.elapsed() < SETTLED {
            thread::sleep(Duration::from_millis(1));
            now = look();
        }
        assert_eq!(self.domains, now.domains, "domains");
        let new: Vec<_> =
            now.store.iter().filter(|(path, _)| !self.store.contains_key(*path)).collect();
        assert!(new.is_empty(), "left in the store: {new:#?}");
        assert_eq!(self.store, now.store, "the store");
        assert_eq!(self.linux, now.linux, "devices");
        assert_eq!(self.watches, now.watches, "watches");
        assert_eq!(self.descriptors, now.descriptors, "descriptors of programs");
        assert_eq!(self.ports, now.ports, "ports");
        assert_eq!(self.mapped_pages, now.mapped_pages, "mapped pages");
        assert_eq!(self.claimed_pages, now.claimed_pages, "claimed pages");
        assert_eq!(self.free_pages, now.free_pages, "free pages");
    }
}

impl Snapshot {
    /// With the descriptors of those programs alone that ran before. One that has ended, or has fewer than it
    /// had, leaves nothing behind, and is as it was.
    fn without_others(&self, mut now: Self) -> Self {
        now.descriptors.retain(|program, _| self.descriptors.contains_key(program));
        for (program, before) in &self.descriptors {
            let open = now.descriptors.entry(*program).or_default();
            let count = |of: &[String], what| of.iter().filter(|other| *other == what).count();
            if open.iter().all(|what| count(open, what) <= count(before, what)) {
                open.clone_from(before);
            }
        }
        now
    }
}

/// How long those who let go may take.
const SETTLED: Duration = Duration::from_secs(5);

fn port((port, binding): (xen_types::Port, Binding)) -> String {
    format!("{port} {binding:?}")
}

fn walk(store: &Client, path: Path, nodes: &mut BTreeMap<String, String>) -> xs::Result<()> {
    let node = || {
        let (value, perms) = (store.read(&path)?, store.perms(&path)?);
        Ok((format!("{:?} {perms}", String::from_utf8_lossy(&value)), store.directory(&path)?))
    };
    let (text, children) = match node() {
        // Its domain has gone meanwhile.
        Err(error) if xs::Error::kind(&error) == Kind::NotFound => return Ok(()),
        node => node?,
    };
    nodes.insert(path.to_string(), text);
    children.iter().try_for_each(|name| walk(store, path.join(name), nodes))
}
