//! Builds of guests that are not PV: what stands in the image when it is built, in each release.

use std::sync::{Arc, Mutex};

use xc::GuestKind;
use xen_abi::{Call, Layout, layout};
use xen_types::{DomId, MiB, Port};
use xg::{BuildConfig, Built, Firmware, HvmModule, Kernel};

use crate::opened::{DOM, Opened, on_releases};
use crate::page::Page;

/// What is seen of an image when `xc_dom_build_image` is called.
struct Seen {
    layout: &'static Layout,
    image: Vec<u8>,
}

impl Seen {
    fn value(&self, field: &str) -> u64 {
        self.layout.value(&self.image, field)
    }

    fn values<const N: usize>(&self, fields: [&str; N]) -> [u64; N] {
        fields.map(|field| self.value(field))
    }
}

/// What the library of every release leaves in a new image.
const NEW: [(&str, u64); 4] = [
    ("max_kernel_size", 1 << 30),
    ("max_module_size", 1 << 30),
    ("max_devicetree_size", 1 << 30),
    ("flags", 16),
];

/// Gives images of the release to the library, notes the one that is built, and the bytes that some
/// of its fields point to, and says where its modules are.
fn images(opened: &Opened, pointers: &'static [(&str, &str)]) -> Arc<Mutex<Vec<Vec<u8>>>> {
    let layout = layout("struct xc_dom_image", opened.stub.minor()).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    opened.stub.on("xc_dom_allocate", move |call| call.allocate(&layout.bytes(&NEW)));
    opened.stub.on("xc_dom_release", |call| {
        call.free(call.number(0));
        0
    });
    let notes = Arc::clone(&seen);
    opened.stub.on("xc_dom_build_image", move |call| {
        notes.lock().unwrap().extend(look(call, layout, pointers));
        0
    });
    seen
}

/// The image, and what it points to: the fields of an address and of a length.
fn look(call: &Call<'_>, layout: &Layout, pointers: &[(&str, &str)]) -> Vec<Vec<u8>> {
    let mut image = call.read(0, layout.size);
    let mut seen = vec![image.clone()];
    for (data, length) in pointers {
        let data = layout.value(&image, data) as *const u8;
        let length = layout.value(&image, length) as usize;
        // SAFETY: must be readable for as much: whoever called owes it to the library played here.
        seen.push(unsafe { std::slice::from_raw_parts(data, length) }.to_vec());
    }
    for (field, address) in [("acpi_modules[0]", 0x14_0000_u64), ("smbios_module", 0x15_0000)] {
        let field = layout.field(&format!("{field}.guest_addr_out")).unwrap().offset;
        image[field..field + 8].copy_from_slice(&address.to_le_bytes());
    }
    call.write(0, &image);
    seen
}

/// The header of a flat image: passes inspection, and the library does not look.
fn config(kind: GuestKind) -> BuildConfig {
    let header = [0x336e_c578, 0, 0_u32.wrapping_sub(0x336e_c578)].map(u32::to_le_bytes).concat();
    let kernel = Kernel::from_bytes("kernel", header).unwrap();
    let mut config = BuildConfig::new(kind, kernel, MiB(64), Port(11), Port(12));
    config.max_memory = MiB(4096);
    config.vcpus = 3;
    config.store_domain = DomId::new(21).unwrap();
    config.console_domain = DomId::new(22).unwrap();
    config.claim = true;
    config
}

fn hvm() -> BuildConfig {
    let mut config = config(GuestKind::Hvm);
    let firmware = |bytes: &[u8]| Some(Firmware::from_bytes("firmware", bytes.to_vec()).unwrap());
    config.hvm.firmware = firmware(b"a BIOS");
    config.hvm.acpi = firmware(b"tables");
    config.hvm.smbios = firmware(b"structures");
    config.hvm.video_memory = MiB(16);
    config.hvm.hole = MiB(1024);
    config
}

fn build(opened: &Opened, config: &BuildConfig) -> Built {
    let xg = opened.xg.clone().with_foreign_memory(Page::of_libxenguest().foreign());
    xg.build(DOM, config).unwrap()
}

fn seen(opened: &Opened, seen: &Mutex<Vec<Vec<u8>>>) -> Seen {
    let layout = layout("struct xc_dom_image", opened.stub.minor()).unwrap();
    Seen { layout, image: seen.lock().unwrap()[0].clone() }
}

const HVM_POINTERS: &[(&str, &str)] = &[
    ("system_firmware_module.data", "system_firmware_module.length"),
    ("acpi_modules[0].data", "acpi_modules[0].length"),
    ("smbios_module.data", "smbios_module.length"),
];

/// The memory map given to Xen: starts, sizes and kinds.
fn maps(opened: &Opened) -> Arc<Mutex<Vec<[u64; 3]>>> {
    let entry = layout("struct e820entry", opened.stub.minor()).unwrap();
    let maps = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&maps);
    opened.stub.on("xc_domain_set_memory_map", move |call| {
        let bytes = call.read(2, entry.size * call.number(3) as usize);
        let entries = bytes.chunks(entry.size);
        let entries = entries.map(|one| ["addr", "size", "type"].map(|f| entry.value(one, f)));
        notes.lock().unwrap().extend(entries);
        0
    });
    maps
}

on_releases! {
    [xen_4_15: 15, xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20, xen_4_21: 21,
     xen_4_22: 22]

    fn an_hvm_image_has_what_libxl_puts_there(opened) {
        let images = images(opened, HVM_POINTERS);
        let built = build(opened, &hvm());
        let image = seen(opened, &images);
        assert_eq!(
            image.values(["container_type", "device_model", "vga_hole_size", "max_vcpus"]),
            [1, 1, 0x20, 3]
        );
        assert_eq!(
            image.values(["target_pages", "mmio_start", "mmio_size", "lowmem_end", "highmem_end"]),
            [0x3000, 0xc000_0000, 0x4000_0000, 0xc000_0000, 0x1_3f00_0000]
        );
        assert_eq!(
            image.values(["xenstore_evtchn", "console_evtchn", "xenstore_domid", "console_domid"]),
            [11, 12, 21, 22]
        );
        assert_eq!(
            image.values(["claim_enabled", "e820_entries", "acpi_modules[0].guest_addr_out"]),
            [1, 2, 0]
        );
        assert_eq!(images.lock().unwrap()[1..], [&b"a BIOS"[..], b"tables", b"structures"]);
        assert_eq!(built.acpi, Some(HvmModule { address: 0x14_0000, length: 6 }));
        assert_eq!(built.smbios, Some(HvmModule { address: 0x15_0000, length: 10 }));
    }

    fn an_hvm_guest_is_told_of_its_memory_but_for_the_screens(opened) {
        images(opened, &[]);
        let maps = maps(opened);
        build(opened, &hvm());
        assert_eq!(
            *maps.lock().unwrap(),
            [[0x10_0000, 0xbff0_0000, 1], [0x1_0000_0000, 0x3f00_0000, 1]]
        );
    }

    fn the_firmware_of_an_hvm_guest_is_told_of_its_cpus(opened) {
        images(opened, &[]);
        let page = Page::of_libxenguest();
        opened.xg.clone().with_foreign_memory(page.foreign()).build(DOM, &hvm()).unwrap();
        assert_eq!(page.bytes(0x810, 4), [3, 0, 0, 0]);
        assert_eq!(page.bytes(0x820, 4), [0b111, 0, 0, 0]);
    }

    fn the_calls_of_an_hvm_build_come_in_libxls_order(opened) {
        images(opened, &[]);
        build(opened, &hvm());
        let mut calls = opened.calls();
        calls.retain(|call| !call.starts_with("xc_hvm_param_set"));
        assert_eq!(
            calls,
            [
                "xc_dom_allocate(&, null)",
                "xc_dom_kernel_mem(&, &, 12)",
                "xc_dom_boot_xen_init(&, 5)",
                "xc_dom_parse_image(&)",
                "xc_dom_mem_init(&, 4080)",
                "xc_dom_boot_mem_init(&)",
                "xc_domain_set_memory_map(5, &, 2)",
                "xc_dom_build_image(&)",
                "xc_dom_boot_image(&)",
                "xc_dom_gnttab_init(&)",
                "xc_dom_release(&)",
            ]
        );
    }

    fn a_pvh_image_has_what_libxl_puts_there(opened) {
        let images = images(opened, &[("acpi_modules[0].data", "acpi_modules[0].length")]);
        build(opened, &config(GuestKind::Pvh));
        let image = seen(opened, &images);
        assert_eq!(
            image.values(["container_type", "device_model", "vga_hole_size", "max_vcpus"]),
            [1, 0, 0, 3]
        );
        assert_eq!(
            image.values(["target_pages", "mmio_start", "mmio_size", "lowmem_end", "highmem_end"]),
            [0x4000, 0xfc00_0000, 0x400_0000, 0xfc00_0000, 0x1_0400_0000]
        );
        assert_eq!(
            image.values(["e820_entries", "acpi_modules[0].guest_addr_out"]),
            [4, 0xfc00_0000]
        );
        assert_eq!(images.lock().unwrap()[1][..8], *b"RSD PTR ");
    }
}

on_releases! {
    [xen_4_15: 15, xen_4_16: 16]

    fn the_toolstack_tells_the_guest_its_ports(opened) {
        images(opened, &[]);
        build(opened, &hvm());
        let ports = ["xc_hvm_param_set(5, 2, 11)", "xc_hvm_param_set(5, 18, 12)"];
        assert_eq!(params(opened), ports);
        build(opened, &config(GuestKind::Pvh));
        assert_eq!(params(opened), ports);
    }
}

on_releases! {
    [xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20, xen_4_21: 21, xen_4_22: 22]

    fn the_library_tells_the_guest_its_ports(opened) {
        images(opened, &[]);
        build(opened, &hvm());
        assert_eq!(params(opened), Vec::<String>::new());
    }
}

fn params(opened: &Opened) -> Vec<String> {
    let mut calls = opened.calls();
    calls.retain(|call| call.starts_with("xc_hvm_param_set"));
    calls
}

on_releases! {
    [xen_4_15: 15, xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20]

    fn the_acpi_tables_of_a_pvh_guest_can_be_reclaimed(opened) {
        images(opened, &[]);
        let maps = maps(opened);
        build(opened, &config(GuestKind::Pvh));
        assert_eq!(maps.lock().unwrap()[2], [0xfc00_0000, 0x1000, 3]);
    }
}

on_releases! {
    [xen_4_21: 21, xen_4_22: 22]

    fn the_acpi_tables_of_a_pvh_guest_stay(opened) {
        images(opened, &[]);
        let maps = maps(opened);
        build(opened, &config(GuestKind::Pvh));
        assert_eq!(maps.lock().unwrap()[2], [0xfc00_0000, 0x1000, 4]);
    }
}
