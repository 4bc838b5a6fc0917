use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// A program that is gone with the value.
pub(super) struct Scratch(pub(super) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A program of this text.
///
/// Another process writes it: what a test beside this one starts meanwhile has copies of our
/// descriptors until its `execve`, and a file that is open for writing is not run (`ETXTBSY`).
pub(super) fn program(text: &str) -> Scratch {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let (process, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(format!("xenops-program-{process}-{number}"));
    let make = "printf '#!/bin/sh\\n%s\\n' \"$2\" >\"$1\" && chmod 700 \"$1\"";
    let made = Command::new("sh").args(["-c", make, "sh"]).arg(&path).arg(text).status().unwrap();
    assert!(made.success());
    Scratch(path)
}

/// What comes of asking a program of this text in place of iptables, within so many milliseconds.
fn listed_by(text: &str, milliseconds: u64) -> Result<(), Cause> {
    let time = Duration::from_millis(milliseconds);
    lists(&Linux, &program(text).0, &Limits::until(xen_types::Deadline::after(time)))
}

#[test]
fn a_filter_that_does_not_answer_is_not_waited_for_past_the_deadline() {
    let late = listed_by("sleep 60", 3000);
    let Err(Cause::Problem(Problem::TimedOut { what, .. })) = &late else { panic!("{late:?}") };
    assert_eq!(*what, "iptables to list its rules");
}

#[test]
fn a_filter_that_fails_is_none() {
    let failed = listed_by("exit 3", 20_000);
    assert!(matches!(failed, Err(Cause::Problem(Problem::NoFilter))), "{failed:?}");
    let works = listed_by("[ \"$*\" = '-w -L -n' ]", 20_000);
    assert!(works.is_ok(), "{works:?}");
}
