//! QEMU's command line.
//!
//! QEMU runs in the machine's folder, where links of fixed names lead to the images: its options
//! cut at commas and its multiboot loader at spaces, so no path of the user may appear in them.

use std::ffi::OsString;

use super::super::images::Qemu;
use super::{Options, Store};

/// How many commands' worth of hosts may be connected at once.
pub(super) const PORTS: u32 = 4;

/// The names of the links and sockets in the machine's folder.
pub(super) const XEN: &str = "xen";
pub(super) const KERNEL: &str = "vmlinux";
pub(super) const INITRD: &str = "dom0.cpio";
pub(super) const SHARE: &str = "share";
pub(super) const SERIAL: &str = "serial.log";

/// The socket of QEMU's machine protocol.
pub(super) const MONITOR: &str = "monitor.sock";

/// The socket of a command port.
pub(super) fn socket(port: u32) -> String {
    format!("agent{port}.sock")
}

/// What of the options is visible to QEMU.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    memory: u32,
    nodes: u32,
    xen: String,
    dom0: String,
}

impl Shape {
    pub(super) fn new(options: &Options) -> Self {
        let store = match options.store {
            Store::C => "c",
            Store::Ocaml => "ocaml",
        };
        // A machine of 1280 MiB still boots, with half as much for dom0.
        let dom0 = if options.memory >= 2048 { 1536 } else { 512 };
        // The firmware of HVM guests speaks to Xen's log only.
        let guests = if options.device_model { "all" } else { "warning" };
        Self {
            memory: options.memory,
            nodes: options.numa,
            // Not `noreboot`: a panic then resets, and -no-reboot turns that into an exit. An NMI comes
            // from us only, and makes Xen say what its processors are at. QEMU 7.2 runs XSAVE and XRSTOR where
            // CR0.TS is set (no #NM): with a lazy FPU a domain then has the registers of another.
            xen: format!(
                "com1=115200,8n1 console=com1 loglvl=warning guest_loglvl={guests} nmi=fatal \
                 spec-ctrl=eager-fpu dom0_mem={dom0}M,max:{dom0}M dom0_max_vcpus=1 {}",
                options.extra_xen
            ),
            // QEMU 7.2 translates code for the address that it runs at: at random ones, each start of a
            // program is translated anew.
            dom0: format!(
                "console=hvc0 panic=-1 quiet mitigations=off norandmaps lab.store={store} {}",
                options.extra_dom0
            ),
        }
    }
}

/// The program and its arguments, to be run in the machine's folder.
pub(super) fn command(qemu: &Qemu, shape: &Shape) -> Vec<OsString> {
    // Only QEMU is to see its own libraries, not the programs that start it.
    let mut libraries = OsString::from("LD_LIBRARY_PATH=");
    libraries.push(&qemu.library_path);
    let mut command = vec!["env".into(), libraries, qemu.program.clone().into()];
    for folder in &qemu.data {
        command.extend(["-L".into(), folder.clone().into()]);
    }
    command.extend(arguments(shape).into_iter().map(OsString::from));
    command
}

/// QEMU 7.2 kills a PV dom0 at entry with SMAP; a PVH guest dies after 10 s with RDTSCP. A guest's XSETBV does
/// not reach the hypervisor, so XCR0 must have one value only: no state in XSAVE but that of x87 and SSE.
const CPU: &str = "-cpu max,-smap,-rdtscp,-avx,-avx2,-f16c,-fma,-vaes,-vpclmulqdq,-mpx,-pku";

fn arguments(shape: &Shape) -> Vec<String> {
    let cpus = shape.nodes.max(2);
    let mut arguments: Vec<String> = [
        "-accel tcg,thread=multi,tb-size=512",
        CPU,
        "-display none -nodefaults -no-reboot",
        "-device isa-debug-exit,iobase=0xf4,iosize=0x1",
        "-device virtio-9p-pci,fsdev=host,mount_tag=host",
        "-device virtio-serial-pci",
    ]
    .iter()
    .flat_map(|group| group.split(' ').map(String::from))
    .collect();
    let mut add = |option: &str, value: String| arguments.extend([option.into(), value]);
    // Not passthrough: the user need not be root.
    add("-fsdev", format!("local,id=host,path={SHARE},security_model=mapped-xattr"));
    add("-smp", cpus.to_string());
    add("-m", shape.memory.to_string());
    for node in 0..shape.nodes {
        let share = shape.memory / shape.nodes;
        // The first node takes what does not divide evenly.
        let size = if node == 0 { shape.memory - share * (shape.nodes - 1) } else { share };
        add("-object", format!("memory-backend-ram,id=mem{node},size={size}M"));
        let first = cpus * node / shape.nodes;
        let last = cpus * (node + 1) / shape.nodes - 1;
        add("-numa", format!("node,nodeid={node},memdev=mem{node},cpus={first}-{last}"));
    }
    for port in 0..PORTS {
        let socket = socket(port);
        add("-chardev", format!("socket,id=agent{port},path={socket},server=on,wait=off"));
        add("-device", format!("virtserialport,chardev=agent{port},name=lab.agent.{port}"));
    }
    add("-qmp", format!("unix:{MONITOR},server=on,wait=off"));
    add("-serial", format!("file:{SERIAL}"));
    add("-kernel", XEN.into());
    add("-append", shape.xen.clone());
    add("-initrd", format!("{KERNEL} {},{INITRD}", shape.dom0));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::images::XenRelease;

    fn line(change: impl FnOnce(&mut Options)) -> String {
        let mut options = Options::new(XenRelease::V4_17);
        change(&mut options);
        arguments(&Shape::new(&options)).join(" ")
    }

    #[test]
    fn the_plain_machine() {
        assert_eq!(
            line(|_| ()),
            "-accel tcg,thread=multi,tb-size=512 \
             -cpu max,-smap,-rdtscp,-avx,-avx2,-f16c,-fma,-vaes,-vpclmulqdq,-mpx,-pku \
             -display none -nodefaults -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=0x1 \
             -device virtio-9p-pci,fsdev=host,mount_tag=host -device virtio-serial-pci \
             -fsdev local,id=host,path=share,security_model=mapped-xattr -smp 2 -m 3072 \
             -chardev socket,id=agent0,path=agent0.sock,server=on,wait=off \
             -device virtserialport,chardev=agent0,name=lab.agent.0 \
             -chardev socket,id=agent1,path=agent1.sock,server=on,wait=off \
             -device virtserialport,chardev=agent1,name=lab.agent.1 \
             -chardev socket,id=agent2,path=agent2.sock,server=on,wait=off \
             -device virtserialport,chardev=agent2,name=lab.agent.2 \
             -chardev socket,id=agent3,path=agent3.sock,server=on,wait=off \
             -device virtserialport,chardev=agent3,name=lab.agent.3 \
             -qmp unix:monitor.sock,server=on,wait=off -serial file:serial.log -kernel xen \
             -append com1=115200,8n1 console=com1 loglvl=warning guest_loglvl=warning nmi=fatal \
             spec-ctrl=eager-fpu dom0_mem=1536M,max:1536M dom0_max_vcpus=1  \
             -initrd vmlinux console=hvc0 panic=-1 quiet mitigations=off norandmaps \
             lab.store=c ,dom0.cpio"
        );
    }

    #[test]
    fn the_store_daemon_is_a_word_for_dom0() {
        let line = line(|options| options.store = Store::Ocaml);
        assert!(line.contains(" lab.store=ocaml ,dom0.cpio"), "{line}");
    }

    #[test]
    fn what_firmware_says_is_logged_where_there_is_a_device_model() {
        let line = line(|options| options.device_model = true);
        assert!(line.contains(" guest_loglvl=all "), "{line}");
    }

    #[test]
    fn nodes_share_all_memory_and_all_cpus() {
        let line = line(|options| (options.numa, options.memory) = (3, 4000));
        for part in [
            "-smp 3 -m 4000",
            "id=mem0,size=1334M -numa node,nodeid=0,memdev=mem0,cpus=0-0",
            "id=mem1,size=1333M -numa node,nodeid=1,memdev=mem1,cpus=1-1",
            "id=mem2,size=1333M -numa node,nodeid=2,memdev=mem2,cpus=2-2",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }

    #[test]
    fn one_node_holds_both_cpus() {
        let line = line(|options| options.numa = 1);
        assert!(line.contains("nodeid=0,memdev=mem0,cpus=0-1"), "{line}");
    }

    #[test]
    fn a_small_machine_has_a_small_dom0() {
        let line = line(|options| options.memory = 1280);
        assert!(line.contains("dom0_mem=512M,max:512M"), "{line}");
    }
}
