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
