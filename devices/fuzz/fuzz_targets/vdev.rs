//! Any text as a disk, an address and a rate: what is read is printed as the same.

#![no_main]

use devices::{Bus, Mac, Place, Rate, Vdev};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(vdev) = text.parse::<Vdev>() {
        assert_eq!(vdev.to_string().parse(), Ok(vdev));
        assert_eq!(Vdev::new(vdev.number()), Ok(vdev));
        if let Some(Place { bus: Bus::Xen, disk, partition }) = vdev.place() {
            assert_eq!(format!("d{disk}p{partition}").parse(), Vdev::xen(disk, partition));
        }
    }
    if let Ok(mac) = text.parse::<Mac>() {
        assert_eq!(mac.to_string(), text.to_ascii_lowercase());
    }
    if let Ok(rate) = text.parse::<Rate>() {
        assert!(rate.bytes() > 0 && rate.interval_us() > 0);
        assert_eq!(Rate::from_node(&rate.to_string()), Ok(rate));
    }
});
