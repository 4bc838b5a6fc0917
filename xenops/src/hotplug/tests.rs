use std::process::Command;

use devices::{Spec, Vbd};

use super::*;

fn record_of(spec: &impl Spec) -> Record {
    let dom = DomId::new(7).unwrap();
    Record::in_tree(&spec.tree(dom), &spec.ends(dom).device).unwrap()
}

#[test]
fn a_device_without_a_word_was_attached_by_libxl_and_its_scripts() {
    let record = record_of(&Vbd::phy("xvda".parse().unwrap(), "/dev/ram0").unwrap());
    assert_eq!(Hotplug::of(&record).unwrap(), Hotplug::Scripts);
}

#[test]
fn the_word_of_a_policy_and_the_policy_are_one() {
    assert_eq!("native".parse(), Ok(Hotplug::Native));
    assert_eq!(Hotplug::Udev.to_string().parse(), Ok(Hotplug::Udev));
    assert_eq!("shell".parse::<Hotplug>(), Err(UnknownHotplug));
}

/// A program of this text in place of iptables: what comes of asking it, within so many milliseconds.
fn listed_by(name: &str, text: &str, milliseconds: u64) -> Result<(), Cause> {
    let path = std::env::temp_dir().join(format!("xenops-{name}-{}", std::process::id()));
    // By another process: no child of another test has it open for writing when it is run.
    let make = "printf '#!/bin/sh\\n%s\\n' \"$2\" >\"$1\" && chmod 700 \"$1\"";
    let made = Command::new("sh").args(["-c", make, "sh"]).arg(&path).arg(text).status().unwrap();
    assert!(made.success());
    // The tests' scripts remove their files themselves.
    let time = Duration::from_millis(milliseconds);
    lists(&Linux, &path, &Limits::until(xen_types::Deadline::after(time)))
}

#[test]
fn a_filter_that_does_not_answer_is_not_waited_for_past_the_deadline() {
    let late = listed_by("slow", "sleep 60", 3000);
    let Err(Cause::Problem(Problem::TimedOut { what, .. })) = &late else { panic!("{late:?}") };
    assert_eq!(*what, "iptables to list its rules");
}

#[test]
fn a_filter_that_fails_is_none() {
    let failed = listed_by("broken", "exit 3", 20_000);
    assert!(matches!(failed, Err(Cause::Problem(Problem::NoFilter))), "{failed:?}");
    let works = listed_by("works", "[ \"$*\" = '-w -L -n' ]", 20_000);
    assert!(works.is_ok(), "{works:?}");
}
