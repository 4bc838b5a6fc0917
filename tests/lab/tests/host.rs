//! The lab's own parts are real: what later tests stand on.

use std::fs;
use std::process::Command;

/// What `program` prints on a good end.
fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().expect(program);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {}: {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn runs(name: &str) -> bool {
    let comm = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("comm")).ok();
    fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(|entry| comm(entry.expect("an entry of /proc")))
        .any(|comm| comm.trim_end() == name)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn xl_sees_a_hypervisor_with_hardware_virtualisation() {
    let info = output("xl", &["info"]);
    let caps = info.lines().find(|line| line.starts_with("virt_caps")).expect("a line virt_caps");
    assert!(caps.contains("pv") && caps.contains("hvm") && caps.contains("hap"), "{caps}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn xl_lists_dom0_and_nothing_else() {
    let list = output("xl", &["list"]);
    let names: Vec<_> = list.lines().skip(1).filter_map(|l| l.split_whitespace().next()).collect();
    assert_eq!(names, ["Domain-0"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_store_knows_dom0() {
    assert_eq!(output("xenstore-read", &["/local/domain/0/domid"]).trim_end(), "0");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_console_daemon_runs() {
    assert!(runs("xenconsoled"));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn one_store_daemon_runs_and_is_the_one_asked_for() {
    let asked_for_ocaml = fs::read_to_string("/proc/cmdline")
        .expect("a command line")
        .split_whitespace()
        .any(|word| word == "lab.store=ocaml");
    assert_eq!((runs("oxenstored"), runs("xenstored")), (asked_for_ocaml, !asked_for_ocaml));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_file_becomes_a_block_device() {
    let image = "/tmp/host-test.img";
    fs::write(image, vec![0; 1 << 20]).expect("write an image");
    let device = output("losetup", &["--find", "--show", image]);
    let size = fs::read_to_string(format!(
        "/sys/class/block/{}/size",
        device.trim_end().trim_start_matches("/dev/")
    ));
    output("losetup", &["-d", device.trim_end()]);
    fs::remove_file(image).expect("remove the image");
    assert_eq!(size.expect("a size").trim_end(), "2048");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_bridge_of_the_guests_is_up() {
    let flags = fs::read_to_string("/sys/class/net/xenbr0/flags").expect("a network xenbr0");
    let flags = u32::from_str_radix(flags.trim_end().trim_start_matches("0x"), 16);
    assert_eq!(flags.expect("a hexadecimal number") & 1, 1, "IFF_UP");
    assert!(fs::exists("/sys/class/net/xenbr0/bridge").expect("a look at xenbr0"));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_back_ends_are_ready() {
    assert!(fs::exists("/sys/bus/xen-backend/drivers/vbd").expect("a look at vbd"), "blkback");
    assert!(fs::exists("/sys/bus/xen-backend/drivers/vif").expect("a look at vif"), "netback");
}
