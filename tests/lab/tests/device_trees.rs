//! The nodes of devices, key by key and permission by permission: those that `xl` writes, and those of
//! our description of the same device.
//!
//! A device is looked at when it is new: by a program that xl runs before it goes on (a hotplug script, a
//! device model), or while xl waits for a server that never comes. What servers add is not compared; the
//! record tells which keys xl wrote.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod dom0;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use devices::{
    Channel, Device, Format, Listed, Medium, NinePfs, Pcm, Protocol, Pvcalls, SampleFormat, Size,
    SoundParams, Spec, Stream, Vbd, Vdispl, Vfb, Vif, Vkb, Vnc, Vsnd, Vtpm, Vusb, list, served,
};
use dom0::{Config, Guest, ok, run, until};
use xen_types::DomId;
use xs::{Client, Path, Store};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_network_interface_is_as_xl_makes_it() {
    let guest = paused("tree-vif");
    let spec = Vif::new(0, "00:16:3e:01:02:03".parse().unwrap());
    let spec = spec.bridge("xenbr9").unwrap().script(LOOK).unwrap().mtu(9000).unwrap();
    let spec = spec.ip("10.0.0.7").unwrap().rate("10Mb/s@20ms".parse().unwrap());
    let spec = spec.name("tree7").unwrap();
    let script = format!("script={LOOK}");
    let seen = guest.seen_by_script(&[
        "network-attach",
        "tree-vif",
        "mac=00:16:3e:01:02:03",
        "bridge=xenbr9",
        &script,
        "mtu=9000",
        "ip=10.0.0.7",
        "rate=10Mb/s@20ms",
        "vifname=tree7",
    ]);
    assert_eq!(seen.differences(&spec), [TRUSTED]);
    assert_eq!(guest.listed(), [Device::Vif(spec)]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_block_device_is_as_xl_makes_it() {
    let guest = paused("tree-vbd");
    let image = Config::new("tree-vbd-image", &"\0".repeat(65_536));
    let device = ok("losetup", &["-f"]).trim().to_owned();
    ok("losetup", &[&device, image.path()]);
    let spec = Vbd::phy("xvda".parse().unwrap(), &device).unwrap().script(LOOK).unwrap();
    let spec = spec.protocol(Protocol::X86_64);
    let (script, target) = (format!("script={LOOK}"), format!("target={device}"));
    let attach = ["block-attach", "tree-vbd", "vdev=d0p0", "access=rw", &script, &target];
    let seen = guest.seen_by_script(&attach);
    let of_xl = guest.listed();
    ok("losetup", &["-d", &device]);
    assert_eq!(
        seen.differences(&spec),
        [
            // Ours is the one name of the disk, xl's the word of the user.
            "backend: ours dev = \"xvda\" (n0,rGUEST)",
            "backend: xl's dev = \"d0p0\" (n0,rGUEST)",
            "record: ours dev = \"xvda\" (n0)",
            PROTOCOL,
            TRUSTED,
            "record: xl's dev = \"d0p0\" (n0)",
        ]
    );
    // What xl told the guest alone cannot be read back.
    let told = Vbd::phy("xvda".parse().unwrap(), &device).unwrap().script(LOOK).unwrap();
    assert_eq!(of_xl, [Device::Vbd(told)]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn devices_that_qemu_serves_are_as_xl_makes_them() {
    let seen = seen_by_device_model(
        "tree-qemu",
        "disk=[\"format=qcow2,vdev=xvdb,access=rw,backendtype=qdisk,target=/tmp/tree.img\",\
         \"format=raw,vdev=hdc,access=ro,devtype=cdrom,backendtype=qdisk,target=\"]\n\
         channel=[\"name=first,connection=pty\",\"name=second,connection=socket,path=/tmp/tree\"]\n\
         vfb=[\"vnc=1,vnclisten=127.0.0.1,vncpasswd=secret,vncdisplay=3\"]\n\
         vkb=[\"backend-type=qemu,feature-abs-pointer=1,width=800,height=600\"]\n\
         pvcalls=[\"\"]\n",
    );

    let disk = Vbd::qdisk("xvdb".parse().unwrap(), Format::Qcow2, "/tmp/tree.img").unwrap();
    let disk = disk.protocol(Protocol::X86_64);
    assert_eq!(seen.differences(&disk), [PROTOCOL, TRUSTED]);
    let drive = Vbd::empty_drive("hdc".parse().unwrap(), Medium::Cdrom).unwrap();
    assert_eq!(seen.differences(&drive.protocol(Protocol::X86_64)), [PROTOCOL, TRUSTED]);

    let channel = Channel::socket(second_channel(), "/tmp/tree").unwrap().name("second").unwrap();
    assert_eq!(seen.differences(&channel), ["record: ours frontend/type = \"ioemu\" (n0)"]);

    let vnc = Vnc::on("127.0.0.1").unwrap().password("secret").unwrap().display(3);
    let screen = Vfb::new(0).vnc(vnc);
    assert_eq!(seen.differences(&screen), NONE);

    assert_eq!(seen.differences(&Vkb::new(0)), NONE);
    let tablet = Vkb::new(1).absolute(Size { width: 800, height: 600 }).unwrap();
    assert_eq!(seen.differences(&tablet), NONE);
    assert_eq!(seen.differences(&Pvcalls { number: 0, server: DomId::DOM0 }), NONE);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_shared_folder_is_as_xl_makes_it() {
    let share = NinePfs::new(0, "share", "/srv").unwrap();
    let config = "p9=[\"tag=share,path=/srv,security_model=none\"]\n";
    // Up to 4.18, libxl makes it before it starts the device model, and then without waiting for one.
    let seen = match release().as_str() {
        "4.17" => seen_by_device_model("tree-9pfs", &format!("{config}{SCREEN}")),
        _ => paused_with("tree-9pfs", config).seen(),
    };
    assert_eq!(seen.differences(&share), ["record: ours frontend/tag = \"share\" (n0)"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_keyboard_served_outside_qemu_is_as_xl_makes_it() {
    let guest = paused("tree-vkb");
    let spec = Vkb::new(0).outside_qemu().id("left").unwrap().raw();
    let spec = spec.multi_touch(Size { width: 10, height: 20 }, 5).unwrap();
    let spec = spec.without_keyboard().without_pointer();
    let _attach = guest.attach(
        &spec,
        &[
            "vkb-attach",
            "tree-vkb",
            "backend-type=linux",
            "unique-id=left",
            "feature-raw-pointer=1",
            "feature-disable-keyboard=1",
            "feature-disable-pointer=1",
            "feature-multi-touch=1",
            "multi-touch-width=10",
            "multi-touch-height=20",
            "multi-touch-num-contacts=5",
        ],
    );
    assert_eq!(guest.seen().differences(&spec), NONE);
    assert_eq!(guest.listed(), [Device::Vkb(spec)]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_display_is_as_xl_makes_it() {
    let guest = paused("tree-vdispl");
    let spec = Vdispl::new(0).server_allocates();
    let spec = spec.connector("id0", Size { width: 1920, height: 1080 }).unwrap();
    let spec = spec.connector("id1", Size { width: 800, height: 600 }).unwrap();
    let _attach = guest.attach(
        &spec,
        &["vdispl-attach", "tree-vdispl", "be-alloc=1", "connectors=id0:1920x1080;id1:800x600"],
    );
    assert_eq!(
        guest.seen().differences(&spec),
        [
            "record: ours frontend/0/resolution = \"1920x1080\" (n0)",
            "record: ours frontend/0/unique-id = \"id0\" (n0)",
            "record: ours frontend/1/resolution = \"800x600\" (n0)",
            "record: ours frontend/1/unique-id = \"id1\" (n0)",
            "record: ours frontend/be-alloc = \"1\" (n0)",
        ]
    );
    assert_eq!(guest.listed(), [Device::Vdispl(Vdispl::new(0))]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_sound_card_is_as_xl_makes_it() {
    let guest = paused("tree-vsnd");
    let params = SoundParams { formats: vec![SampleFormat::S16Le], ..SoundParams::default() };
    let speaker = Stream::playback("speaker").unwrap();
    let pcm = Pcm::new().name("main").unwrap().stream(speaker).unwrap();
    let spec = Vsnd::new(0).short_name("card").unwrap().params(params).unwrap().pcm(pcm).unwrap();
    let _attach = guest.attach(
        &spec,
        &[
            "vsnd-attach",
            "tree-vsnd",
            "CARD,short-name=card,sample-formats=s16_le",
            "PCM,name=main",
            "STREAM,unique-id=speaker,type=P",
        ],
    );
    assert_eq!(
        guest.seen().differences(&spec),
        [
            "record: ours frontend/0/0/type = \"p\" (n0)",
            "record: ours frontend/0/0/unique-id = \"speaker\" (n0)",
            "record: ours frontend/0/name = \"main\" (n0)",
            "record: ours frontend/sample-formats = \"s16_le\" (n0)",
            "record: ours frontend/short-name = \"card\" (n0)",
        ]
    );
    assert_eq!(guest.listed(), [Device::Vsnd(Vsnd::new(0))]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_usb_controller_is_as_xl_makes_it() {
    let guest = paused("tree-vusb");
    let spec = Vusb::new(0, 2, 3).unwrap();
    let _attach =
        guest.attach(&spec, &["usbctrl-attach", "tree-vusb", "type=pv", "version=2", "ports=3"]);
    assert_eq!(guest.seen().differences(&spec), NONE);
    assert_eq!(guest.listed(), [Device::Vusb(spec)]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_trusted_platform_module_is_as_xl_makes_it() {
    let guest = paused("tree-vtpm");
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    let spec = Vtpm::new(0, uuid.parse().unwrap(), DomId::DOM0);
    let uuid = format!("uuid={uuid}");
    let _attach = guest.attach(&spec, &["vtpm-attach", "tree-vtpm", "backend=0", &uuid]);
    assert_eq!(guest.seen().differences(&spec), NONE);
    assert_eq!(guest.listed(), [Device::Vtpm(spec)]);
    // Whose toolstack keeps no record is found by its server.
    let store = Client::open().unwrap();
    let found = served(&store, &[DomId::DOM0], guest.dom()).unwrap();
    assert!(found.into_iter().any(|one| one.description.unwrap() == Device::Vtpm(spec)));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn xl_lists_and_removes_what_we_wrote() {
    let guest = paused("tree-ours");
    program("exit 0");
    let nic = Vif::new(0, "00:16:3e:0a:0b:0c".parse().unwrap()).script(LOOK).unwrap();
    let disk = Vbd::phy("xvdc".parse().unwrap(), "/dev/loop7").unwrap().script(LOOK).unwrap();
    let store = Client::open().unwrap();
    let mut tree = nic.tree(guest.dom());
    tree.append(disk.tree(guest.dom()));
    store.transaction(|tx| tree.write_to(tx)).unwrap();
    let nics = ok("xl", &["network-list", "tree-ours"]);
    assert!(nics.contains("00:16:3e:0a:0b:0c"), "{nics}");
    let disks = ok("xl", &["block-list", "tree-ours"]);
    assert!(disks.contains("/local/domain/0/backend/vbd/"), "{disks}");
    assert!(disks.contains("51744"), "{disks}");
    ok("xl", &["destroy", "tree-ours"]);
    let left = ok("xenstore-ls", &["-f", "/local/domain/0"]);
    assert!(!left.contains(&format!("/backend/vif/{}", guest.0.id)), "{left}");
    assert!(!left.contains(&format!("/backend/vbd/{}", guest.0.id)), "{left}");
}

/// The guest can rewrite it in its own end; ours is read from the record.
const TRUSTED: &str = "record: ours frontend/trusted = \"1\" (n0)";
/// As for [`TRUSTED`].
const PROTOCOL: &str = "record: ours frontend/protocol = \"x86_64-abi\" (n0)";
const NONE: [&str; 0] = [];
/// A device for which libxl starts a device model.
const SCREEN: &str = "vfb=[\"vnc=1\"]\n";

/// A program that keeps what the store holds when it is run.
const LOOK: &str = "/tmp/device-trees-look";
/// What it kept.
const SEEN: &str = "/tmp/device-trees-seen";

/// A PV guest that never runs.
struct Paused(Guest);

/// What a store held, and whose devices in it are meant.
struct Seen {
    dom: DomId,
    nodes: BTreeMap<String, String>,
}

/// An `xl` that waits for the server of a device. It is ended with the guest's devices.
struct Attaching<'a> {
    xl: Child,
    guest: &'a Paused,
}

fn paused(name: &str) -> Paused {
    paused_with(name, "")
}

fn paused_with(name: &str, more: &str) -> Paused {
    let config = Config::new(name, &config(name, more));
    ok("xl", &["create", "-p", "-e", config.path()]);
    let id = ok("xl", &["domid", name]).trim().to_owned();
    Paused(Guest { name: name.to_owned(), id })
}

fn config(name: &str, more: &str) -> String {
    // xl's own estimate of the memory for page tables is too small for 16 MiB.
    format!(
        "name=\"{name}\"\ntype=\"pv\"\nkernel=\"/guests/tiny.elf\"\nmemory=16\nshadow_memory=8\n{more}"
    )
}

/// What a device model finds when libxl starts it. It then ends, and with it the guest.
fn seen_by_device_model(name: &str, more: &str) -> Seen {
    // Servers that are Closed keep nobody waiting.
    let close = "for state in $(sed -n 's,^\\(/local/domain/0/backend/.*/state\\) = .*,\\1,p' \
                 /tmp/device-trees-seen); do xenstore-write $state 6; done";
    program(&format!("xenstore-ls -f -p > {SEEN}\n{close}\nexit 1"));
    let model =
        format!("device_model_version=\"qemu-xen\"\ndevice_model_override=\"{LOOK}\"\n{more}");
    let config = Config::new(name, &config(name, &model));
    let ran = run("xl", &["create", "-p", "-e", config.path()]);
    assert_ne!(ran.status, Some(0), "a device model that ended served {name}");
    let nodes = fs::read_to_string(SEEN).unwrap_or_else(|_| panic!("no device model ran: {ran:?}"));
    fs::remove_file(SEEN).unwrap();
    let named = format!("/name = \"{name}\"");
    let line =
        nodes.lines().find(|line| line.starts_with("/local/domain/") && line.contains(&named));
    let id = line.unwrap().split('/').nth(3).unwrap();
    Seen::new(id, &nodes)
}

/// Which console the second channel is. xl 4.17 counts from 0, and libxl takes the first for the console of
/// that number and refuses it; later ones count from 1.
fn second_channel() -> u32 {
    if release() == "4.17" { 1 } else { 2 }
}

fn program(body: &str) {
    fs::write(LOOK, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(LOOK, fs::Permissions::from_mode(0o755)).unwrap();
}

fn release() -> String {
    let info = ok("xl", &["info"]);
    let word = |key: &str| {
        let line = info.lines().find(|line| line.split(':').next().unwrap().trim() == key);
        line.unwrap().split(':').nth(1).unwrap().trim().to_owned()
    };
    format!("{}.{}", word("xen_major"), word("xen_minor"))
}

impl Paused {
    fn dom(&self) -> DomId {
        self.0.id.parse().unwrap()
    }

    /// What a hotplug script finds when xl runs it.
    fn seen_by_script(&self, attach: &[&str]) -> Seen {
        // The script runs once more at the end, and those of other tests' guests have.
        let _ = fs::remove_file(SEEN);
        program(&format!("[ -e {SEEN} ] || xenstore-ls -f -p > {SEEN}\nexit 0"));
        let ran = run("xl", attach);
        let nodes = fs::read_to_string(SEEN).unwrap_or_else(|_| panic!("no script ran: {ran:?}"));
        fs::remove_file(SEEN).unwrap();
        Seen::new(&self.0.id, &nodes)
    }

    /// Lets xl attach a device whose server never comes, up to where it waits.
    fn attach(&self, spec: &impl Spec, attach: &[&str]) -> Attaching<'_> {
        let mut xl = Command::new("xl");
        let xl = xl.args(attach).stdin(Stdio::null()).spawn().unwrap();
        let attaching = Attaching { xl, guest: self };
        let backend = spec.ends(self.dom()).record().join("backend");
        until("xl writes the record", || {
            run("xenstore-exists", &[backend.as_str()]).status == Some(0)
        });
        attaching
    }

    fn seen(&self) -> Seen {
        Seen::new(&self.0.id, &ok("xenstore-ls", &["-f", "-p"]))
    }

    /// The devices that are understood, but for the first console.
    fn listed(&self) -> Vec<Device> {
        let store = Client::open().unwrap();
        let listed = list(&store, self.dom()).unwrap();
        let understood = |one: Listed| one.description.unwrap();
        let others = |one: &Device| !matches!(one, Device::Generic(_));
        listed.into_iter().map(understood).filter(others).collect()
    }
}

impl Drop for Attaching<'_> {
    /// Nobody serves the device: with its nodes in place, libxl would wait for an end that never comes.
    fn drop(&mut self) {
        let _ = self.xl.kill();
        let _ = self.xl.wait();
        let store = Client::open().unwrap();
        for one in list(&store, self.guest.dom()).unwrap_or_default() {
            let Ok(device) = one.description else { continue };
            let ends = device.ends(self.guest.dom());
            if matches!(device, Device::Generic(_)) {
                continue;
            }
            for path in [ends.frontend(), ends.backend(), ends.record()] {
                let _ = store.rm_if_exists(&path);
            }
        }
    }
}

impl Seen {
    fn new(id: &str, listing: &str) -> Self {
        let node = |line: &str| {
            let (path, rest) = line.split_once(" = ").expect("every line has a value");
            let (value, perms) = rest.rsplit_once("   ").expect("every line has permissions");
            (path.to_owned(), format!("{value} {perms}"))
        };
        Self { dom: id.parse().unwrap(), nodes: listing.lines().map(node).collect() }
    }

    /// How the nodes of a device that xl made are other than those of a description.
    fn differences(&self, spec: &impl Spec) -> Vec<String> {
        let (ends, ours) = (spec.ends(self.dom), self.ours(spec));
        let record = ends.record();
        let mut lines = BTreeSet::new();
        let places = [
            ("frontend", ends.frontend()),
            ("backend", ends.backend()),
            ("record", record.clone()),
        ];
        for (name, top) in places {
            let of_xl = below(&self.nodes, &top);
            let ours = below(&ours, &top);
            assert!(of_xl.len() >= 3, "xl made no {top}");
            for (key, node) in &ours {
                let same = of_xl.get(key).is_some_and(|of_xl| alike(name, key, node, of_xl));
                lines.extend((!same).then(|| self.line(name, "ours", key, node)));
            }
            for (key, node) in &of_xl {
                let servers = name == "backend" && !self.recorded(&record, key);
                let same = ours.get(key).is_some_and(|ours| alike(name, key, ours, node));
                lines.extend((!same && !servers).then(|| self.line(name, "xl's", key, node)));
            }
        }
        lines.into_iter().collect()
    }

    /// The nodes that a description asks for, as the store would show them.
    fn ours(&self, spec: &impl Spec) -> BTreeMap<String, String> {
        let tree = spec.tree(self.dom);
        let mut nodes = BTreeMap::new();
        for node in tree.nodes() {
            let above =
                tree.nodes().iter().filter(|n| n.perms.is_some() && n.path.contains(&node.path));
            let nearest = above.max_by_key(|n| n.path.as_str().len());
            let perms =
                nearest.and_then(|n| n.perms.as_ref()).map_or("n0".to_owned(), |p| p.to_string());
            let value = format!("\"{}\" ({perms})", node.value.escape_ascii());
            nodes.insert(node.path.to_string(), value);
        }
        nodes
    }

    fn recorded(&self, record: &Path, key: &str) -> bool {
        key.is_empty() || key == "frontend" || self.nodes.contains_key(&format!("{record}/{key}"))
    }

    fn line(&self, place: &str, whose: &str, key: &str, node: &str) -> String {
        let dom = self.dom;
        let node =
            node.replace(&format!("r{dom})"), "rGUEST)").replace(&format!("(n{dom},"), "(nGUEST,");
        format!("{place}: {whose} {key} = {node}")
    }
}

/// The nodes at and below a path, by their names from there on. Folders that come with what is in them,
/// and hold nothing themselves, are left out.
fn below(nodes: &BTreeMap<String, String>, top: &Path) -> BTreeMap<String, String> {
    let mut own: BTreeMap<_, _> = nodes
        .iter()
        .filter_map(|(path, node)| {
            let key = path.strip_prefix(top.as_str())?;
            (key.is_empty() || key.starts_with('/'))
                .then(|| (key.trim_start_matches('/').to_owned(), node.clone()))
        })
        .collect();
    let folders: Vec<_> = own
        .iter()
        .filter(|(key, node)| {
            let inside = format!("{key}/");
            node.starts_with("\"\" ") && own.keys().any(|other| other.starts_with(&inside))
        })
        .map(|(key, _)| key.clone())
        .collect();
    folders.iter().for_each(|key| drop(own.remove(key)));
    own.retain(|key, _| !key.is_empty() || !top.as_str().starts_with("/libxl"));
    own
}

/// Servers move states, and scripts say that they are done; permissions stay.
fn alike(place: &str, key: &str, a: &str, b: &str) -> bool {
    let moves = place == "backend" && matches!(key, "state" | "hotplug-status");
    let perms = |node: &str| node.rsplit_once(' ').map(|(_, perms)| perms.to_owned());
    a == b || (moves && perms(a) == perms(b))
}
