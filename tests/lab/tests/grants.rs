//! Memory shared with other domains on a real Xen, seen through a second observer where there is one.

mod dom0;
mod roles;
mod waiting;

use dom0::{Config, Guest, grants_in_use, ok, run, until};
use eventchn::EventChannels;
use roles::{Actor, argument, role, say};
use waiting::soon;
use xc::foreign::{ForeignMemory, Resource};
use xc::grant::{Access, GrantCopy, GrantStatus, Grants, OnUnmap, Place, Shares};
use xc::{HvmParam, Kind, Xc};
use xen_types::{DomId, Gfn, GrantRef, PageCount};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// This process's mappings of Xen's devices.
fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    maps.lines().filter(|line| line.contains("/dev/xen/")).count()
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_is_shared_is_seen_through_the_mapping_and_back() -> Outcome {
    let before = (grants_in_use(), mappings());
    let share = Shares::open()?.share(DomId::DOM0, 3, Access::Write)?;
    let mapped = Grants::open()?.map(DomId::DOM0, share.refs(), Access::Write)?;
    share.write(4090, b"over the edge of a page")?;
    let mut seen = [0; 23];
    mapped.read(4090, &mut seen)?;
    assert_eq!(&seen, b"over the edge of a page");
    mapped.store_u32(8192, 0x1234_5678)?;
    assert_eq!(share.load_u32(8192)?, 0x1234_5678);
    assert_eq!(grants_in_use().len(), before.0.len() + 3);
    assert_eq!(mappings(), before.1 + 2);

    mapped.close()?;
    assert_eq!(grants_in_use(), before.0);
    share.close()?;
    assert_eq!(mappings(), before.1);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_read_only_mapping_cannot_be_written_and_a_read_only_share_not_be_mapped_so() -> Outcome {
    let grants = Grants::open()?;
    let share = Shares::open()?.share(DomId::DOM0, 1, Access::Read)?;
    share.write(0, b"look")?;
    let mapped = grants.map(DomId::DOM0, share.refs(), Access::Read)?;
    assert_eq!(mapped.load_u32(0)?.to_le_bytes(), *b"look");
    assert_eq!(mapped.write(0, b"x").unwrap_err().kind(), Kind::Invalid);
    let refused = grants.map(DomId::DOM0, share.refs(), Access::Write).unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_reference_that_is_no_grant_is_invalid() -> Outcome {
    let before = (grants_in_use(), mappings());
    let grants = Grants::open()?;
    let error = grants.map(DomId::DOM0, &[GrantRef(0x1fff)], Access::Read).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.to_string(), "domain 0: map grant 8191");
    let absent = DomId::new(0x7fef).ok_or("reserved")?;
    let share = Shares::open()?.share(DomId::DOM0, 1, Access::Write)?;
    assert_eq!(grants.map(absent, share.refs(), Access::Read).unwrap_err().kind(), Kind::Invalid);
    // One bad reference of several leaves none mapped.
    let some = [share.refs()[0], GrantRef(0x1fff)];
    assert_eq!(grants.map(DomId::DOM0, &some, Access::Read).unwrap_err().kind(), Kind::Invalid);
    drop(share);
    assert_eq!((grants_in_use(), mappings()), before);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn more_pages_than_the_kernel_gives_are_no_memory() -> Outcome {
    let error = Shares::open()?.share(DomId::DOM0, 5000, Access::Write).unwrap_err();
    assert_eq!(error.kind(), Kind::NoMemory);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn unmapping_clears_the_byte_and_sends_the_event() -> Outcome {
    let channels = EventChannels::open()?;
    let near = channels.bind_unbound_port(DomId::DOM0)?;
    let far = channels.bind_interdomain(DomId::DOM0, near.port())?;
    far.wait(soon())?; // of the fresh binding
    let share = Shares::open()?.share(DomId::DOM0, 1, Access::Write)?;
    share.write(0, &[1; 8])?;
    let mapped = Grants::open()?.map(DomId::DOM0, share.refs(), Access::Write)?;
    mapped.on_unmap(OnUnmap::clear_and_send(5, far.port()))?;
    drop(mapped);
    near.wait(soon())?;
    let mut bytes = [0; 8];
    share.read(0, &mut bytes)?;
    assert_eq!(bytes, [1, 1, 1, 1, 1, 0, 1, 1]);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_kernel_tells_of_a_process_that_is_killed_while_it_maps_grants() -> Outcome {
    if role().is_some() {
        let grants = [GrantRef(argument(0).parse()?)];
        let port = xen_types::Port(argument(1).parse()?);
        let mapped = Grants::open()?.map(DomId::DOM0, &grants, Access::Write)?;
        let bound = EventChannels::open()?.bind_interdomain(DomId::DOM0, port)?;
        mapped.on_unmap(OnUnmap::clear_and_send(100, bound.port()))?;
        mapped.store_u8(100, 1)?;
        say("mapped");
        roles::sleep_for_good()
    }
    let test = "the_kernel_tells_of_a_process_that_is_killed_while_it_maps_grants";
    let before = grants_in_use();
    let bound = EventChannels::open()?.bind_unbound_port(DomId::DOM0)?;
    let share = Shares::open()?.share(DomId::DOM0, 1, Access::Write)?;
    let arguments = [share.refs()[0].to_string(), bound.port().to_string()];
    let mut other = Actor::start(test, "map", &[&arguments[0], &arguments[1]]);
    assert_eq!(other.says(), "mapped");
    assert_eq!(share.load_u8(100)?, 1);
    assert_eq!(grants_in_use().len(), before.len() + 1);
    other.kill();
    bound.wait(soon())?;
    assert_eq!(share.load_u8(100)?, 0);
    assert_eq!(grants_in_use(), before);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_kernel_tells_of_a_process_that_is_killed_while_it_shares_pages() -> Outcome {
    if role().is_some() {
        let share = Shares::open()?.share(DomId::DOM0, 1, Access::Write)?;
        let port = xen_types::Port(argument(0).parse()?);
        let bound = EventChannels::open()?.bind_interdomain(DomId::DOM0, port)?;
        share.on_unmap(OnUnmap::clear_and_send(100, bound.port()))?;
        share.write(99, &[1; 3])?;
        say(&share.refs()[0].to_string());
        roles::sleep_for_good()
    }
    let test = "the_kernel_tells_of_a_process_that_is_killed_while_it_shares_pages";
    let before = grants_in_use();
    let bound = EventChannels::open()?.bind_unbound_port(DomId::DOM0)?;
    let mut other = Actor::start(test, "share", &[&bound.port().to_string()]);
    let refs = [GrantRef(other.says().parse()?)];
    let mapped = Grants::open()?.map(DomId::DOM0, &refs, Access::Write)?;
    assert_eq!(mapped.load_u8(100)?, 1);
    other.kill();
    bound.wait(soon())?;
    // What is mapped stays until it is let go, and nobody else gets the page.
    let mut bytes = [0; 3];
    until("the byte is cleared", || mapped.load_u8(100).is_ok_and(|byte| byte == 0));
    mapped.read(99, &mut bytes)?;
    assert_eq!(bytes, [1, 0, 1]);
    drop(mapped);
    assert_eq!(grants_in_use(), before);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn grants_are_copied_from_and_to_and_between() -> Outcome {
    let (grants, shares) = (Grants::open()?, Shares::open()?);
    let one = shares.share(DomId::DOM0, 1, Access::Write)?;
    let other = shares.share(DomId::DOM0, 1, Access::Write)?;
    let read_only = shares.share(DomId::DOM0, 1, Access::Read)?;
    let place = |gref, offset| Place { dom: DomId::DOM0, gref, offset };
    let (one_ref, other_ref) = (one.refs()[0], other.refs()[0]);
    let mut read = [0; 5];
    grants.copy(&mut [
        GrantCopy::To { place: place(one_ref, 100), bytes: b"hello" },
        GrantCopy::Between { from: place(one_ref, 100), to: place(other_ref, 4091), len: 5 },
        GrantCopy::From { place: place(other_ref, 4091), bytes: &mut read },
    ])?;
    assert_eq!(&read, b"hello");
    assert_eq!(one.load_u8(104)?, b'o');
    assert_eq!(other.load_u8(4095)?, b'o');

    let mut copies = [
        GrantCopy::To { place: place(read_only.refs()[0], 0), bytes: b"x" },
        GrantCopy::To { place: place(one_ref, 0), bytes: b"made" },
        GrantCopy::From { place: place(GrantRef(0x1fff), 0), bytes: &mut read },
    ];
    let error = grants.copy(&mut copies).unwrap_err();
    let failed: Vec<_> = error.failed_copies().iter().map(|f| (f.index, f.status)).collect();
    assert_eq!(failed, [(0, GrantStatus::GENERAL_ERROR), (2, GrantStatus::BAD_GRANT_REF)]);
    assert_eq!(error.kind(), Kind::Other);
    assert_eq!(one.load_u32(0)?.to_le_bytes(), *b"made");
    Ok(())
}

/// A PVH guest that is up, its number and the frame of its ring to the store.
fn guest(name: &str) -> Result<(Guest, DomId, Gfn), Box<dyn std::error::Error>> {
    let guest = Guest::create(name, &Config::tiny(name, "pvh", ""));
    let up = format!("/local/domain/{}/data/tiny", guest.id);
    until("the guest is up", || run("xenstore-read", &[&up]).out == "up\n");
    let dom = guest.id.parse()?;
    let ring = Gfn(Xc::open()?.hvm_param(dom, HvmParam::STORE_PFN)?);
    Ok((guest, dom, ring))
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_ring_of_a_guest_is_mapped_and_holds_what_it_wrote() -> Outcome {
    let (_guest, dom, ring) = guest("foreign")?;
    let pages = ForeignMemory::open()?.map(dom, &[ring], Access::Read)?;
    let mut requests = [0; 1024]; // the first queue of the page (io/xs_wire.h)
    pages.read(0, &mut requests)?;
    assert!(requests.windows(9).any(|bytes| bytes == b"data/tiny"), "{requests:?}");
    assert_eq!(pages.write(0, b"x").unwrap_err().kind(), Kind::Invalid);
    pages.close()?;
    assert_eq!(mappings(), 0);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_frame_that_a_guest_does_not_have_is_named_and_the_others_are_mapped() -> Outcome {
    let (_guest, dom, ring) = guest("holes")?;
    let foreign = ForeignMemory::open()?;
    let frames = [ring, Gfn(0x0dea_d000), Gfn(0)];
    let error = foreign.map(dom, &frames, Access::Read).unwrap_err();
    let named: Vec<_> = error.failed_frames().iter().map(|f| (f.index, f.gfn)).collect();
    assert_eq!(named, [(1, Gfn(0x0dea_d000))]);
    assert_eq!(error.kind(), Kind::Invalid, "{error:?}");

    let pages = foreign.map_present(dom, &frames, Access::Write)?;
    assert_eq!(pages.failures().len(), 1);
    assert_eq!(pages.load_u8(4096).unwrap_err().kind(), Kind::Invalid);
    pages.store_u8(8192 + 4095, 0x5A)?;
    let again = foreign.map(dom, &[Gfn(0)], Access::Read)?;
    assert_eq!(again.load_u8(4095)?, 0x5A);
    let absent = DomId::new(0x7fef).ok_or("reserved")?;
    let error = foreign.map(absent, &[Gfn(0)], Access::Read).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_grant_table_of_a_guest_is_mapped_as_a_resource() -> Outcome {
    let (_guest, dom, ring) = guest("table")?;
    let foreign = ForeignMemory::open()?;
    assert!(foreign.resource_size(dom, Resource::GrantTable)? > PageCount(0));
    let table = foreign.map_resource(dom, Resource::GrantTable, 0, 1, Access::Write)?;
    // Entry 1 is the ring to the store, in version 1: flags, domain, frame (public/grant_table.h).
    assert_eq!(u64::from(table.load_u32(12)?), ring.0);
    assert_eq!(table.load_u32(8)? & 0xffff_0003, 1, "granted to domain 0");
    let beyond = foreign.map_resource(dom, Resource::GrantTable, 1 << 20, 1, Access::Read);
    assert_eq!(beyond.unwrap_err().kind(), Kind::Invalid);
    let none = foreign.map_resource(dom, Resource::IoreqServer(77), 0, 1, Access::Read);
    assert!(none.is_err());
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_restricted_device_maps_one_domain_only() -> Outcome {
    let (_guest, dom, ring) = guest("alone")?;
    let (_other, other, its_ring) = guest("another")?;
    let foreign = ForeignMemory::open()?;
    foreign.restrict(dom)?;
    foreign.map(dom, &[ring], Access::Read)?;
    let denied = foreign.map(other, &[its_ring], Access::Read).unwrap_err();
    assert_eq!(denied.kind(), Kind::Denied);
    assert_eq!(foreign.restrict(other).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_destroyed_domain_goes_when_its_last_frame_is_unmapped() -> Outcome {
    let (guest, dom, ring) = guest("mapped")?;
    let pages = ForeignMemory::open()?.map(dom, &[ring], Access::Read)?;
    ok("xl", &["destroy", &guest.id]);
    let xc = Xc::open()?;
    let dying = xc.info(dom)?;
    assert!(dying.flags.contains(xc::DomainFlags::DYING), "{dying:?}");
    pages.load_u32(0)?;
    drop(pages);
    until("the domain is gone", || xc.info(dom).is_err_and(|e| e.kind() == Kind::NotFound));
    Ok(())
}
