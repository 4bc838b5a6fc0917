//! The host and its hypervisor.

use std::fs;
use std::process::Command;
use std::time::Duration;

use xc::{DeviceNode, E820Kind, Features, GuestKind, Kind, Release};
use xen_types::{Bytes, PageCount, Sbdf};

use crate::support::{Domain, Outcome, open, xl_info};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_version_is_the_one_xl_reports() -> Outcome {
    let xc = open()?;
    assert_eq!(xc.version()?, xl_info("xen_version")?);
    assert_eq!(xc.release().to_string(), xl_info("xen_major")? + "." + &xl_info("xen_minor")?);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_texts_are_those_xl_reports() -> Outcome {
    let xc = open()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map(|text| text.trim().to_owned());
    assert_eq!(text(xc.guest_interfaces()?)?, xl_info("xen_caps")?);
    assert_eq!(text(xc.changeset()?)?, xl_info("xen_changeset")?);
    assert_eq!(text(xc.command_line()?)?, xl_info("xen_commandline")?);
    assert!(text(xc.command_line()?)?.contains("com1=115200"), "it is the lab's");
    let built = xc.compile_info()?;
    assert_eq!(text(built.compiler)?, xl_info("cc_compiler")?);
    assert_eq!(text(built.by)?, xl_info("cc_compile_by")?);
    assert_eq!(text(built.domain)?, xl_info("cc_compile_domain")?);
    assert_eq!(text(built.date)?, xl_info("cc_compile_date")?);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_is_no_text_is_what_xl_reports() -> Outcome {
    let xc = open()?;
    let id = xc.build_id()?.ok_or("Debian links with a build id")?;
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((hex, id.len()), (xl_info("build_id")?, 20));
    assert_eq!(format!("virt_start={:#x}", xc.virtual_start()?), xl_info("platform_params")?);
    assert_eq!(xc.page_size()?, Bytes(4096));
    let features = xc.features()?;
    assert!(
        features.contains(Features::DOM0 | Features::MMU_PT_UPDATE_PRESERVE_AD),
        "{features:?}"
    );
    assert!(!features.contains(Features::AUTO_TRANSLATED_PHYSMAP), "dom0 is PV: {features:?}");
    assert_eq!(xc.own_uuid()?, xc.info(xen_types::DomId::DOM0)?.uuid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_host_has_the_processors_and_memory_xl_reports() -> Outcome {
    let xc = open()?;
    let host = xc.physinfo()?;
    assert_eq!(host.nr_cpus.to_string(), xl_info("nr_cpus")?);
    assert_eq!(host.nr_nodes.to_string(), xl_info("nr_nodes")?);
    assert_eq!(host.total.to_mib_down().get().to_string(), xl_info("total_memory")?);
    assert!(host.free < host.total && host.free > PageCount(0), "{host:?}");
    let caps = format!("{:?}", host.capabilities).to_lowercase();
    assert!(caps.contains("hvm | pv"), "{caps}");
    let max_nodes = u32::from(host.max_node_id.0) + 1;
    assert_eq!((xc.online_cpus()?, xc.max_nodes()?), (host.nr_cpus, max_nodes));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_machines_memory_ends_where_xen_says_it_does() -> Outcome {
    let xc = open()?;
    let (map, host) = (xc.machine_memory_map()?, xc.physinfo()?);
    let ram: Vec<_> = map.iter().filter(|entry| entry.kind == E820Kind::Ram).collect();
    let end = ram.iter().map(|entry| entry.start + entry.size.get()).max();
    assert_eq!(end.map(|end| end / 4096), Some(host.max_mfn.0 + 1), "{map:?}");
    let all: u64 = ram.iter().map(|entry| entry.size.to_pages_down().get()).sum();
    assert!(all >= host.total.get(), "{map:?}");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn devices_that_xen_knows_have_no_node_here_and_others_are_none() -> Outcome {
    let xc = open()?;
    let entries = fs::read_dir("/sys/bus/pci/devices")?;
    let name = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<Sbdf>().ok();
    let mut devices: Vec<_> = entries.flatten().filter_map(name).collect();
    assert!(devices.len() >= 4, "the lab's own devices: {devices:?}");
    let unknown = vec![DeviceNode::Unknown; devices.len()];
    assert_eq!(xc.device_nodes(&devices)?, unknown);
    devices.push("fe:1f.7".parse().map_err(|e| format!("{e}"))?);
    assert_eq!(xc.device_nodes(&devices)?, [unknown, vec![DeviceNode::NoDevice]].concat());
    assert_eq!(xc.device_nodes(&[])?, []);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn idle_time_grows_no_faster_than_time() -> Outcome {
    let xc = open()?;
    let (before, start) = (xc.cpu_idle_times()?, std::time::Instant::now());
    assert_eq!(before.len(), 2);
    std::thread::sleep(Duration::from_millis(500)); // time is what is measured
    let (after, taken) = (xc.cpu_idle_times()?, start.elapsed());
    let grown = after.iter().zip(&before).map(|(after, before)| *after - *before).sum::<Duration>();
    // The second processor has nothing to do; the clock of an emulated machine is coarse.
    assert!(grown > Duration::from_millis(100), "{grown:?} in {taken:?}");
    assert!(grown < 2 * taken + Duration::from_millis(100), "{grown:?} in {taken:?}");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_processor_is_what_linux_takes_it_for_where_xen_tells() -> Outcome {
    let xc = open()?;
    if xc.release() < Release::new(4, 18) {
        assert_eq!(xc.cpu_version(0).unwrap_err().kind(), Kind::Unavailable);
        return Ok(());
    }
    let version = xc.cpu_version(1)?.ok_or("processor 1 is online")?;
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let line = |key: &str, value: String| {
        let found = info.lines().any(|line| {
            line.split_once(':').is_some_and(|(k, v)| k.trim() == key && v.trim() == value)
        });
        assert!(found, "{key} {value} is not in {info}");
    };
    line("vendor_id", String::from_utf8(version.vendor.to_vec())?);
    line("cpu family", version.family.to_string());
    line("model", version.model.to_string());
    line("stepping", version.stepping.to_string());
    assert_eq!(xc.cpu_version(4000)?, None);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_debug_key_prints_into_the_console_ring() -> Outcome {
    let xc = open()?;
    let before = xc.console_ring()?;
    xc.send_debug_keys("h")?;
    let new = xc.console_ring_since(before.next)?;
    let text = String::from_utf8_lossy(&new.text);
    assert!(text.contains("key 'h'") && text.contains("dump run queues"), "{text}");
    let all = xc.console_ring()?;
    assert_eq!(all.next, new.next);
    assert!(all.text.ends_with(&new.text));
    let dmesg = Command::new("xl").arg("dmesg").output()?.stdout;
    assert_eq!(String::from_utf8_lossy(&all.text), String::from_utf8_lossy(&dmesg));
    assert_eq!(xc.console_ring_since(new.next)?.text, []);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_ring_that_is_taken_is_empty_and_positions_go_on() -> Outcome {
    let xc = open()?;
    let all = xc.console_ring()?;
    let taken = xc.take_console_ring()?;
    assert_eq!((taken.next, taken.text.len()), (all.next, all.text.len()));
    assert_eq!(xc.console_ring()?.text, []);
    assert_eq!(Command::new("xl").arg("dmesg").output()?.stdout, []);
    xc.send_debug_keys("h")?;
    let text = xc.console_ring_since(all.next)?.text;
    assert_eq!(text, xc.console_ring()?.text);
    assert!(String::from_utf8_lossy(&text).contains("dump run queues"));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_ring_that_has_gone_round_is_read_whole_and_in_order() -> Outcome {
    let xc = open()?;
    let before = xc.console_ring()?;
    // Each prints some 3 KB of a ring of 16 KB and more: half a round, a round, many.
    xc.send_debug_keys(&"h".repeat(60))?;
    let all = xc.console_ring()?;
    let text = String::from_utf8_lossy(&all.text);
    let dumped = text.matches("dump run queues").count();
    assert!(dumped >= 4, "only {dumped} of 60 in {} bytes", all.text.len());
    assert!(dumped < 60, "the ring is so large that it did not go round");
    // What was lost does not come again, and what is left comes whole.
    assert_eq!(xc.console_ring_since(before.next)?.text, all.text);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_example_lists_the_domains_that_xl_lists() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    let listed = Command::new("xl").args(["list", "-v"]).output()?;
    let ours = Command::new("domains").output()?;
    assert!(ours.status.success(), "{ours:?}");
    let (listed, ours) = (String::from_utf8(listed.stdout)?, String::from_utf8(ours.stdout)?);
    // Of xl: name, id, MiB, virtual CPUs, state, seconds, UUID. The momentary state and the seconds go on.
    let theirs = |line: &str| {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        [1, 6, 2, 3].map(|column| words[column].clone())
    };
    let mine = |line: &str| {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        [0, 1, 2, 3].map(|column| words[column].clone())
    };
    let mine: Vec<_> = ours.lines().skip(1).map(mine).collect();
    assert_eq!(mine, listed.lines().skip(1).map(theirs).collect::<Vec<_>>(), "{ours}{listed}");
    assert!(ours.contains(&dom.uuid.to_string()) && ours.contains("--p--"), "{ours}");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_example_tells_of_the_host_what_xl_tells() -> Outcome {
    let output = Command::new("host-info").output()?;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    let line = |start: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(start));
        found.map(str::to_owned).ok_or(format!("{start:?} is not in {text}"))
    };
    assert_eq!(line("version: ")?, xl_info("xen_version")?);
    assert_eq!(line("build id: ")?, xl_info("build_id")?);
    assert_eq!(line("command line: ")?.trim(), xl_info("xen_commandline")?);
    assert_eq!(line("scheduler: ")?, xl_info("xen_scheduler")?);
    let memory = line("memory: ")?;
    let (total, free) = (xl_info("total_memory")?, xl_info("free_memory")?);
    assert_eq!(memory, format!("{total} MiB, {free} MiB of it free"));
    assert!(line("processors: ")?.starts_with(&format!("{} at ", xl_info("nr_cpus")?)), "{text}");
    assert!(line("pool 0: ")?.starts_with("credit2, processors 0-1, domains: "), "{text}");
    assert_eq!(line("processors in no pool: ")?, xl_info("free_cpus")?);
    Ok(())
}
