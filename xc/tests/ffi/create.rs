//! Creating a domain.

use std::error::Error as _;

use xc::{Altp2mMode, CreateConfig, GuestKind, Kind, Xc};
use xen_abi::{Call, Stub, layout};
use xen_types::{DomainUuid, KiB};

use crate::opened::{on_every_release, open};

const UUID: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

/// What the library of 4.`minor` reads of a domain to create.
fn field(call: &Call<'_>, minor: u16, name: &str) -> u64 {
    let layout = layout("struct xen_domctl_createdomain", minor).unwrap();
    layout.value(&call.read(2, layout.size), name)
}

fn config(kind: GuestKind) -> CreateConfig {
    CreateConfig::new(kind, DomainUuid::from_bytes(UUID), 3)
}

/// The one field of what `config` comes to in the library of this release.
fn created(stub: &Stub, xc: &Xc, config: &CreateConfig, name: &'static str) -> u64 {
    let minor = stub.minor();
    let (told, heard) = std::sync::mpsc::channel();
    stub.on("xc_domain_create", move |call| {
        told.send(field(call, minor, name)).unwrap();
        call.write(1, &7_u32.to_le_bytes());
        0
    });
    xc.create_domain(config).unwrap();
    heard.recv().unwrap()
}

/// What a release is said to lack that cannot create such a domain.
fn lacking(minor: u16, config: &CreateConfig) -> String {
    let (stub, xc) = open(minor);
    let error = xc.create_domain(config).unwrap_err();
    assert_eq!(
        (error.kind(), stub.calls()),
        (Kind::Unavailable, vec!["xc_physinfo(&)".to_owned()])
    );
    error.source().unwrap().to_string()
}

on_every_release! {
    fn a_domain_is_created_from_the_structure_of_the_release(stub, xc) {
        let minor = stub.minor();
        stub.on("xc_domain_create", move |call| {
            let fields = ["flags", "max_vcpus", "max_evtchn_port", "arch.emulation_flags"];
            assert_eq!(fields.map(|name| field(call, minor, name)), [1, 3, 1023, 1]);
            assert_eq!(field(call, minor, "max_grant_frames"), u64::from(u32::MAX));
            assert_eq!(field(call, minor, "arch.misc_flags"), 1);
            assert_eq!(field(call, minor, "vmtrace_size"), 0);
            assert_eq!(call.read(1, 4), 0x7ff5_u32.to_le_bytes());
            assert_eq!(call.read(2, 20)[4..], UUID);
            call.write(1, &7_u32.to_le_bytes());
            0
        });
        let mut config = config(GuestKind::Pvh);
        config.msr_relaxed = true;
        assert_eq!(xc.create_domain(&config).unwrap().raw(), 7);
        assert_eq!(stub.calls(), ["xc_physinfo(&)", "xc_domain_create(&, &)"]);
    }

    fn every_flag_stands_where_the_release_has_it(stub, xc) {
        let mut config = config(GuestKind::Hvm);
        config.nested_virt = true;
        config.iommu = true;
        config.iommu_share_tables = false;
        config.oos = false;
        config.s3_integrity = true;
        config.xenstore = true;
        // All but HAP, which the host of these tests does not have, and vpmu.
        assert_eq!(created(stub, xc, &config, "flags"), 0b0111_1101);
        assert_eq!(created(stub, xc, &config, "iommu_opts"), 1);
    }

    fn tables_buffers_and_labels_are_passed_on(stub, xc) {
        let mut config = config(GuestKind::Hvm);
        config.max_evtchn_port = 4095;
        config.max_grant_frames = Some(64);
        config.max_maptrack_frames = Some(1024);
        config.vmtrace = KiB(64).to_bytes();
        config.ssidref = 17;
        let minor = stub.minor();
        stub.on("xc_domain_create", move |call| {
            let fields = [
                "max_evtchn_port", "max_grant_frames", "max_maptrack_frames", "vmtrace_size", "ssidref",
            ];
            assert_eq!(fields.map(|name| field(call, minor, name)), [4095, 64, 1024, 65536, 17]);
            call.write(1, &7_u32.to_le_bytes());
            0
        });
        xc.create_domain(&config).unwrap();
    }
}

#[test]
fn altp2m_is_one_number_up_to_4_20_and_two_halves_from_4_21() {
    let mut config = config(GuestKind::Hvm);
    config.altp2m = Some(Altp2mMode::Limited);
    let (stub, xc) = open(19);
    assert_eq!(created(&stub, &xc, &config, "altp2m_opts"), 3);
    let (stub, xc) = open(20);
    assert_eq!(created(&stub, &xc, &config, "altp2m_opts"), 3);
    let (stub, xc) = open(21);
    assert_eq!(created(&stub, &xc, &config, "altp2m.opts"), 3);
    assert_eq!(created(&stub, &xc, &config, "altp2m.nr"), 10);
    config.altp2m_views = Some(500);
    let (stub, xc) = open(22);
    assert_eq!(created(&stub, &xc, &config, "altp2m.opts"), 3);
    assert_eq!(created(&stub, &xc, &config, "altp2m.nr"), 500);
}

#[test]
fn what_a_release_cannot_carry_is_refused_and_named() {
    let mut altp2m = config(GuestKind::Hvm);
    altp2m.altp2m = Some(Altp2mMode::External);
    assert_eq!(lacking(18, &altp2m), "Xen 4.18 has no altp2m mode in xc_domain_create");
    assert_eq!(lacking(15, &altp2m), "Xen 4.15 has no altp2m mode in xc_domain_create");
    altp2m.altp2m_views = Some(10);
    assert_eq!(lacking(20, &altp2m), "Xen 4.20 has no number of altp2m views in xc_domain_create");
    let mut vpmu = config(GuestKind::Pv);
    vpmu.vpmu = true;
    assert_eq!(lacking(15, &vpmu), "Xen 4.15 has no vpmu in xc_domain_create");
    let (stub, xc) = open(16);
    assert_eq!(created(&stub, &xc, &vpmu, "flags"), 0x80);
}

#[test]
fn a_grant_version_is_passed_on_from_4_16() {
    let mut config = config(GuestKind::Pv);
    config.grant_version = Some(2);
    let (stub, xc) = open(16);
    assert_eq!(created(&stub, &xc, &config, "grant_opts"), 2);
    let (stub, xc) = open(22);
    assert_eq!(created(&stub, &xc, &config, "grant_opts"), 2);
}

#[test]
fn a_second_pool_reaches_4_17_and_is_refused_before() {
    let mut config = config(GuestKind::Pv);
    config.cpupool = 1;
    let (stub, xc) = open(17);
    stub.on("xc_domain_create", |call| {
        assert_eq!(field(call, 17, "cpupool_id"), 1);
        call.write(1, &7_u32.to_le_bytes());
        0
    });
    assert_eq!(xc.create_domain(&config).unwrap().raw(), 7);
    let (stub, xc) = open(16);
    assert_eq!(xc.create_domain(&config).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(stub.calls(), ["xc_physinfo(&)"]);
}

#[test]
fn a_structure_that_has_grown_unnoticed_reads_zeroes() {
    let (stub, xc) = open(20);
    stub.on("xc_domain_create", |call| {
        assert_eq!(call.read(2, 3 * 68)[68..], [0; 2 * 68]);
        call.write(1, &7_u32.to_le_bytes());
        0
    });
    assert_eq!(xc.create_domain(&config(GuestKind::Pvh)).unwrap().raw(), 7);
}
