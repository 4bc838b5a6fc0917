//! What holds for all descriptions: they are read as they were written, and no record breaks a reader.

#![allow(clippy::unwrap_used, reason = "strategies make what is valid")]

mod support;

use std::collections::BTreeSet;

use devices::{
    Argo, Blktap, Bus, Channel, Device, Ends, FolderLimits, Format, Generic, Kind, Mac, Medium,
    NinePfs, Pci, PciFunction, Pcm, Place, Protocol, Pvcalls, Rate, Record, SampleFormat,
    SecurityModel, Size, SoundParams, Spec, Stream, Tree, Vbd, Vdev, Vdispl, Vfb, Vif, Vkb, Vnc,
    Vsnd, Vtpm, Vusb, Window,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use xen_types::{DomId, Sbdf};
use xs::{Path, Perms};

proptest! {
    #[test]
    fn what_is_written_is_read(device in devices(), dom in domains()) {
        let ends = device.ends(dom);
        let tree = device.tree(dom);
        let record = match ends.device.kind {
            Kind::Pci => Record::in_backend(&tree, &ends),
            _ => Record::in_tree(&tree, &ends.device),
        };
        let record = record.unwrap();
        prop_assert_eq!(record.ends(), &ends);
        prop_assert_eq!(Device::from_record(&record).unwrap(), device);
    }

    #[test]
    fn a_record_in_a_store_has_what_was_written(device in devices(), dom in domains()) {
        let (store, _daemon) = support::empty_store();
        let (ends, tree) = (device.ends(dom), device.tree(dom));
        store.transaction(|tx| tree.write_to(tx)).unwrap();
        let read = Record::read(&store, &ends.device);
        let Ok(record) = Record::in_tree(&tree, &ends.device) else {
            // Some kinds have none.
            prop_assert!(read.is_err());
            return Ok(());
        };
        // The folders of keys such as `port/1` are keys as well.
        let (mut fields, written) = (read.unwrap().fields().clone(), record.fields());
        fields.retain(|key, value| written.contains_key(key) || !value.is_empty());
        prop_assert_eq!(&fields, written);
    }

    #[test]
    fn every_node_stands_once_and_within_an_end(device in devices(), dom in domains()) {
        let ends = device.ends(dom);
        let tree = device.tree(dom);
        let places = [ends.frontend(), ends.backend(), ends.record()];
        let mut seen = BTreeSet::new();
        for node in tree.nodes() {
            prop_assert!(places.iter().any(|place| place.contains(&node.path)), "{node}");
            prop_assert!(seen.insert(&node.path), "{node} stands twice");
            prop_assert!(node.path.check_length().is_ok());
            prop_assert!(node.value.len() <= 2048, "oxenstored takes no more");
        }
    }

    #[test]
    fn only_guest_and_server_see_the_ends_and_nobody_the_record(
        device in devices(),
        dom in domains(),
    ) {
        let ends = device.ends(dom);
        let tree = device.tree(dom);
        let [guests, servers] = [(dom, ends.server), (ends.server, dom)]
            .map(|(owner, reader)| Perms::private(owner).allow(reader, xs::Access::Read));
        prop_assert_eq!(perms_of(&tree, &ends.frontend()), Some(guests));
        prop_assert_eq!(perms_of(&tree, &ends.backend()), Some(servers.clone()));
        let within = |node: &&devices::Node| node.perms.is_some();
        for node in tree.nodes().iter().filter(within) {
            prop_assert!(!ends.record().contains(&node.path), "{node}");
            prop_assert!(node.path == ends.frontend() || node.perms == Some(servers.clone()), "{node}");
        }
    }

    #[test]
    fn a_frontend_is_told_who_serves_it(device in devices(), dom in domains()) {
        let Ends { server, .. } = device.ends(dom);
        let (ends, tree) = (device.ends(dom), device.tree(dom));
        let value = |path: Path| {
            let node = tree.nodes().iter().find(|node| node.path == path);
            node.map(|node| String::from_utf8(node.value.clone()).unwrap())
        };
        prop_assert_eq!(value(ends.frontend().join("backend")), Some(ends.backend().to_string()));
        prop_assert_eq!(value(ends.frontend().join("backend-id")), Some(server.to_string()));
        prop_assert_eq!(value(ends.backend().join("frontend")), Some(ends.frontend().to_string()));
        prop_assert_eq!(value(ends.backend().join("frontend-id")), Some(dom.to_string()));
    }

    #[test]
    fn no_record_breaks_a_reader(
        device in devices(),
        keys in btree_map(select(KEYS), "[ -~]{0,12}|[0-9]{1,12}", 0..12),
    ) {
        let dom = DomId::new(7).unwrap();
        let ends = device.ends(dom);
        let mut tree = device.tree(dom);
        for (key, value) in keys {
            tree.value(ends.record().join(key), value);
        }
        if let Ok(record) = Record::in_tree(&tree, &ends.device) {
            let understood = Device::from_record(&record);
            // What is understood makes a record that is understood the same.
            if let Ok(device) = understood {
                let again = Record::in_tree(&device.tree(dom), &ends.device).unwrap();
                prop_assert_eq!(Device::from_record(&again).unwrap(), device);
            }
        }
    }

    #[test]
    fn a_disk_is_printed_as_it_is_read(number in numbers_of_disks()) {
        let vdev = Vdev::new(number).unwrap();
        prop_assert_eq!(vdev.to_string().parse(), Ok(vdev));
        prop_assert_eq!(number.to_string().parse(), Ok(vdev));
        prop_assert_eq!(format!("{number:#x}").parse(), Ok(vdev));
        prop_assert_eq!(format!("0{number:o}").parse(), Ok(vdev));
    }

    #[test]
    fn a_disk_for_pv_drivers_is_where_it_says(disk in 0..1_u32 << 20, partition in 0..256_u32) {
        let vdev = Vdev::xen(disk, partition).unwrap();
        prop_assert_eq!(vdev.place(), Some(Place { bus: Bus::Xen, disk, partition }));
        prop_assert_eq!(format!("d{disk}p{partition}").parse(), Ok(vdev));
        prop_assert!(vdev.to_string().starts_with("xvd"));
        prop_assert_eq!(vdev.to_string().parse(), Ok(vdev));
    }

    #[test]
    fn no_text_breaks_the_reader_of_disks(text in "\\PC{0,12}|(xvd|hd|sd|d)[a-z0-9p]{0,8}|0?x?[0-9a-f]*") {
        if let Ok(vdev) = text.parse::<Vdev>() {
            prop_assert_eq!(vdev.to_string().parse(), Ok(vdev));
        }
    }

    #[test]
    fn no_text_breaks_the_readers_of_rates_and_addresses(text in "[0-9]{0,12}[GMK]?[Bb]?/?s?@?[0-9a-f:mus]{0,20}") {
        if let Ok(rate) = text.parse::<Rate>() {
            prop_assert_eq!(Rate::from_node(&rate.to_string()), Ok(rate));
        }
        if let Ok(mac) = text.parse::<Mac>() {
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
        }
    }
}

fn perms_of(tree: &Tree, path: &Path) -> Option<Perms> {
    tree.nodes().iter().find(|node| node.path == *path)?.perms.clone()
}

/// Keys that some description reads.
const KEYS: &[&str] = &[
    "backend",
    "params",
    "type",
    "mode",
    "device-type",
    "script",
    "removable",
    "discard-enable",
    "mac",
    "mtu",
    "rate",
    "bridge",
    "connection",
    "path",
    "name",
    "vnc",
    "vnclisten",
    "vncdisplay",
    "sdl",
    "width",
    "height",
    "feature-multi-touch",
    "multi-touch-width",
    "uuid",
    "security_model",
    "max-space",
    "usb-ver",
    "num-ports",
    "port/1",
    "port/31",
    "num_devs",
    "frontend/trusted",
    "frontend/protocol",
    "frontend/tag",
    "frontend/type",
    "frontend/be-alloc",
    "frontend/0/resolution",
    "frontend/0/unique-id",
    "frontend/sample-rates",
    "frontend/0/0/type",
    "frontend/channels-min",
    "frontend/channels-max",
    "frontend/a",
    "a/b",
];

fn domains() -> impl Strategy<Value = DomId> {
    (0..0x7ff0_u16).prop_map(|id| DomId::new(id).unwrap())
}

fn words() -> impl Strategy<Value = String> {
    "[!-~]([ -~]{0,20}[!-~])?|[äλ字]{1,5}"
}

fn paths() -> impl Strategy<Value = String> {
    "/[!-~]{0,30}"
}

fn numbers() -> impl Strategy<Value = u32> {
    any::<u32>()
}

/// All of them, and often those around which the encodings begin and end.
fn numbers_of_disks() -> impl Strategy<Value = u32> {
    let extended = 1_u32 << 28;
    prop_oneof![0..=0x7fff_ffff_u32, 0..0x1_0000_u32, extended..extended + 0x1_1000]
}

fn disks() -> impl Strategy<Value = Vdev> {
    numbers_of_disks().prop_map(|number| Vdev::new(number).unwrap())
}

fn protocols() -> impl Strategy<Value = Option<Protocol>> {
    option::of(select(&[Protocol::X86_32, Protocol::X86_64, Protocol::Arm][..]))
}

fn devices() -> impl Strategy<Value = Device> {
    prop_oneof![
        vbds().prop_map(Device::from),
        vifs().prop_map(Device::from),
        channels().prop_map(Device::from),
        vfbs().prop_map(Device::from),
        vkbs().prop_map(Device::from),
        vsnds().prop_map(Device::from),
        vdispls().prop_map(Device::from),
        ninepfs().prop_map(Device::from),
        vusbs().prop_map(Device::from),
        pcis().prop_map(Device::from),
        generics().prop_map(Device::from),
        (numbers(), any::<u128>(), domains())
            .prop_map(|(number, uuid, server)| Vtpm::new(
                number,
                uuid::Uuid::from_u128(uuid),
                server
            ))
            .prop_map(Device::from),
        (numbers(), domains())
            .prop_map(|(number, server)| Device::from(Pvcalls { number, server })),
        (numbers(), any::<bool>())
            .prop_map(|(number, v4v)| if v4v { Argo::v4v(number) } else { Argo::new(number) })
            .prop_map(Device::from),
    ]
}

fn sources() -> impl Strategy<Value = Vbd> {
    let formats = [Format::Raw, Format::Qcow, Format::Qcow2, Format::Vhd, Format::Qed];
    prop_oneof![
        (disks(), paths()).prop_map(|(vdev, path)| Vbd::phy(vdev, &path)),
        (disks(), paths()).prop_map(|(vdev, path)| Vbd::file(vdev, &path)),
        (disks(), select(formats.to_vec()), words())
            .prop_map(|(vdev, format, path)| Vbd::qdisk(vdev, format, &path)),
        (disks(), select(vec![Blktap::Two, Blktap::Three]), any::<bool>(), paths()).prop_map(
            |(vdev, by, vhd, path)| {
                Vbd::tap(vdev, by, if vhd { Format::Vhd } else { Format::Raw }, &path)
            }
        ),
        (disks(), select(vec![Medium::Cdrom, Medium::Floppy]))
            .prop_map(|(vdev, medium)| Vbd::empty_drive(vdev, medium)),
    ]
    .prop_map(Result::unwrap)
}

fn vbds() -> impl Strategy<Value = Vbd> {
    (sources(), vec(any::<bool>(), 7), option::of(paths()), protocols(), domains()).prop_map(
        |(vbd, flags, script, protocol, server)| {
            let on =
                |at: usize, vbd: Vbd, with: fn(Vbd) -> Vbd| if flags[at] { with(vbd) } else { vbd };
            let vbd = on(0, vbd, Vbd::cdrom);
            let vbd = on(1, vbd, Vbd::floppy);
            let vbd = on(2, vbd, Vbd::read_only);
            let vbd = on(3, vbd, Vbd::removable);
            let vbd = on(4, vbd, Vbd::direct_io_safe);
            let vbd = on(5, vbd, Vbd::without_discard);
            let vbd = on(6, vbd, Vbd::untrusted).served_by(server);
            let vbd = match script {
                Some(path) if vbd.hotplug_script().is_some() => vbd.script(&path).unwrap(),
                _ => vbd,
            };
            match protocol {
                Some(protocol) => vbd.protocol(protocol),
                None => vbd,
            }
        },
    )
}

fn vifs() -> impl Strategy<Value = Vif> {
    let macs = any::<[u8; 3]>().prop_map(Mac::of_xen);
    let rates = (1..=u64::MAX, 1..=u32::MAX).prop_map(|(b, us)| Rate::new(b, us).unwrap());
    let texts = (option::of(paths()), option::of("[a-z]{1,15}"), vec(option::of(words()), 4));
    (numbers(), macs, vec(any::<bool>(), 3), 68..=65_535_u32, texts, option::of(rates), domains())
        .prop_map(|(number, mac, flags, mtu, (script, name, texts), rate, server)| {
            let mut vif = Vif::new(number, mac).mtu(mtu).unwrap().served_by(server);
            vif = if flags[0] { vif.wireless() } else { vif };
            vif = if flags[1] { vif.emulated() } else { vif };
            vif = if flags[2] { vif.untrusted() } else { vif };
            vif = script.iter().fold(vif, |vif, script| vif.script(script).unwrap());
            vif = name.iter().fold(vif, |vif, name| vif.name(name).unwrap());
            vif = texts[0].iter().fold(vif, |vif, text| vif.ip(text).unwrap());
            vif = texts[1].iter().fold(vif, |vif, text| vif.gateway(text).unwrap());
            vif = texts[2].iter().fold(vif, |vif, text| vif.vlan(text).unwrap());
            vif = texts[3].iter().fold(vif, |vif, text| vif.bridge(text).unwrap());
            rate.into_iter().fold(vif, Vif::rate)
        })
}

fn channels() -> impl Strategy<Value = Channel> {
    let ends = prop_oneof![
        (1..=u32::MAX).prop_map(Channel::pty),
        (1..=u32::MAX).prop_map(|number| Ok(Channel::pty(number)?.by_xenconsoled())),
        (1..=u32::MAX, words()).prop_map(|(number, path)| Channel::socket(number, &path)),
        (1..=u32::MAX, words()).prop_map(|(number, path)| Channel::file(number, &path)),
    ];
    (ends, option::of(words()), domains()).prop_map(|(channel, name, server)| {
        let channel = channel.unwrap().served_by(server);
        name.iter().fold(channel, |channel, name| channel.name(name).unwrap())
    })
}

fn vfbs() -> impl Strategy<Value = Vfb> {
    let vncs =
        (words(), option::of(numbers()), option::of(words())).prop_map(|(on, display, word)| {
            let vnc = display.into_iter().fold(Vnc::on(&on).unwrap(), Vnc::only_display);
            word.iter().fold(vnc, |vnc, word| vnc.password(word).unwrap())
        });
    let windows = (any::<bool>(), option::of(words()), option::of(words())).prop_map(
        |(opengl, display, file)| {
            let window = if opengl { Window::new().opengl() } else { Window::new() };
            let window = display.iter().fold(window, |window, at| window.display(at).unwrap());
            file.iter().fold(window, |window, file| window.xauthority(file).unwrap())
        },
    );
    (numbers(), option::of(vncs), option::of(windows), protocols(), domains()).prop_map(
        |(number, vnc, window, protocol, server)| {
            let vfb = vnc.into_iter().fold(Vfb::new(number).served_by(server), Vfb::vnc);
            let vfb = window.into_iter().fold(vfb, Vfb::window);
            protocol.into_iter().fold(vfb, Vfb::protocol)
        },
    )
}

fn sizes() -> impl Strategy<Value = Size> {
    (1..=u32::MAX, 1..=u32::MAX).prop_map(|(width, height)| Size { width, height })
}

fn vkbs() -> impl Strategy<Value = Vkb> {
    let touches = option::of((sizes(), 1..=u32::MAX));
    let rest = (option::of(words()), protocols(), domains());
    (numbers(), vec(any::<bool>(), 4), option::of(sizes()), touches, rest).prop_map(
        |(number, flags, size, touch, (id, protocol, server))| {
            let mut vkb = Vkb::new(number).served_by(server);
            vkb = if flags[0] { vkb.outside_qemu() } else { vkb };
            vkb = if flags[1] { vkb.without_keyboard() } else { vkb };
            vkb = if flags[2] { vkb.without_pointer() } else { vkb };
            vkb = if flags[3] { vkb.raw() } else { vkb };
            vkb = size.into_iter().fold(vkb, |vkb, size| vkb.absolute(size).unwrap());
            vkb = touch.into_iter().fold(vkb, |vkb, (size, n)| vkb.multi_touch(size, n).unwrap());
            vkb = id.iter().fold(vkb, |vkb, id| vkb.id(id).unwrap());
            protocol.into_iter().fold(vkb, Vkb::protocol)
        },
    )
}

fn sounds() -> impl Strategy<Value = SoundParams> {
    let formats =
        vec![SampleFormat::S8, SampleFormat::F64Be, SampleFormat::Gsm, SampleFormat::MuLaw];
    let channels = (0..8_u32, 8..16_u32, numbers());
    (vec(1..=u32::MAX, 0..4), vec(select(formats), 0..4), channels).prop_map(
        |(rates, formats, (channels_min, channels_max, buffer_size))| SoundParams {
            rates,
            formats,
            channels_min,
            channels_max,
            buffer_size,
        },
    )
}

fn vsnds() -> impl Strategy<Value = Vsnd> {
    let streams = (words(), any::<bool>(), sounds()).prop_map(|(id, captures, params)| {
        let stream = if captures { Stream::capture(&id) } else { Stream::playback(&id) };
        stream.unwrap().params(params).unwrap()
    });
    let pcms =
        (option::of(words()), sounds(), vec(streams, 0..3)).prop_map(|(name, params, streams)| {
            let pcm = Pcm::new().params(params).unwrap();
            let pcm = name.iter().fold(pcm, |pcm, name| pcm.name(name).unwrap());
            streams.into_iter().fold(pcm, |pcm, stream| pcm.stream(stream).unwrap())
        });
    let names = (option::of(words()), option::of(words()));
    (numbers(), names, sounds(), vec(pcms, 0..3), domains()).prop_map(
        |(number, (short, long), params, pcms, server)| {
            let card = Vsnd::new(number).params(params).unwrap().served_by(server);
            let card = short.iter().fold(card, |card, name| card.short_name(name).unwrap());
            let card = long.iter().fold(card, |card, name| card.long_name(name).unwrap());
            pcms.into_iter().fold(card, |card, pcm| card.pcm(pcm).unwrap())
        },
    )
}

fn vdispls() -> impl Strategy<Value = Vdispl> {
    (numbers(), any::<bool>(), vec((words(), sizes()), 0..12), domains()).prop_map(
        |(number, allocates, screens, server)| {
            let card = Vdispl::new(number).served_by(server);
            let card = if allocates { card.server_allocates() } else { card };
            screens.iter().fold(card, |card, (id, size)| card.connector(id, *size).unwrap())
        },
    )
}

fn ninepfs() -> impl Strategy<Value = NinePfs> {
    let models = vec![
        SecurityModel::None,
        SecurityModel::Passthrough,
        SecurityModel::MappedXattr,
        SecurityModel::MappedFile,
    ];
    let limits =
        any::<(u32, u32, u32, bool)>().prop_map(|(space_mib, files, open_files, auto_delete)| {
            FolderLimits { space_mib, files, open_files, auto_delete }
        });
    (numbers(), words(), paths(), select(models), option::of(limits), domains()).prop_map(
        |(number, tag, path, model, limits, server)| {
            let share = NinePfs::new(number, &tag, &path).unwrap().security(model);
            limits.into_iter().fold(share.served_by(server), NinePfs::by_xen_9pfsd)
        },
    )
}

fn vusbs() -> impl Strategy<Value = Vusb> {
    let plugged = btree_map(1..=31_u32, words(), 0..4);
    (numbers(), 1..=2_u32, any::<bool>(), plugged, domains()).prop_map(
        |(number, version, qemu, plugged, server)| {
            let usb = Vusb::new(number, version, 31).unwrap().served_by(server);
            let usb = if qemu { usb.by_qemu() } else { usb };
            plugged.iter().fold(usb, |usb, (port, name)| usb.plugged(*port, name).unwrap())
        },
    )
}

fn pcis() -> impl Strategy<Value = Pci> {
    let functions = (any::<u8>(), vec(any::<bool>(), 4), option::of(words()));
    (words(), btree_map(any::<u32>(), functions, 0..12)).prop_map(|(name, functions)| {
        functions.into_iter().fold(Pci::new(&name).unwrap(), |pci, (at, (slot, flags, name))| {
            let mut function = PciFunction::new(Sbdf::from_raw(at)).slot(slot);
            function = if flags[0] { function.translate_msi() } else { function };
            function = if flags[1] { function.power_management() } else { function };
            function = if flags[2] { function.permissive() } else { function };
            function = if flags[3] { function.strict() } else { function };
            function = name.iter().fold(function, |function, name| function.name(name).unwrap());
            pci.function(function).unwrap()
        })
    })
}

fn generics() -> impl Strategy<Value = Generic> {
    let keys = || btree_map("x[a-z0-9_-]{0,3}(/[a-z0-9]{1,2}){0,2}", option::of(words()), 0..6);
    (numbers(), "z[a-z]{1,6}", "z[a-z]{1,6}", keys(), keys(), domains()).prop_map(
        |(number, kind, served_as, back, front, server)| {
            let it = Generic::new(Kind::new(&kind).unwrap(), number);
            let it = it.served(server, Kind::new(&served_as).unwrap());
            let it = back.iter().fold(it, |it, (key, value)| {
                it.backend(key, value.as_deref().unwrap_or_default()).unwrap()
            });
            front.iter().fold(it, |it, (key, value)| {
                it.frontend(key, value.as_deref().unwrap_or_default()).unwrap()
            })
        },
    )
}
