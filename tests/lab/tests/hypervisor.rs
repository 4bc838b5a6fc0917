//! What `xc` and `eventchn` do on a real Xen, seen through a second observer where there is one.

use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use eventchn::{Bound, EventChannels, Virq};
use xc::{
    CreateConfig, DomainFlags, E820Entry, E820Kind, GuestKind, HvmParam, Kind, OpenOptions,
    Profile, Release, TscMode, Xc,
};
use xen_types::{Bytes, Deadline, DomId, DomainUuid, KiB, MiB, PageCount, Port, ShutdownReason};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A domain that is destroyed at the end of the test, however it ends.
struct Domain {
    xc: Xc,
    id: DomId,
    uuid: DomainUuid,
}

impl Domain {
    fn empty(kind: GuestKind) -> xc::Result<Self> {
        let xc = Xc::open()?;
        let uuid = fresh_uuid();
        let id = xc.create_domain(&CreateConfig::new(kind, uuid, 2))?;
        Ok(Self { xc, id, uuid })
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        match self.xc.destroy_domain(self.id) {
            Err(e) if e.kind() != Kind::NotFound => eprintln!("left behind: {e}"),
            _ => {}
        }
    }
}

fn fresh_uuid() -> DomainUuid {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mut bytes = *b"lab test\0\0\0\0\0\0\0\0";
    bytes[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    bytes[14..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    DomainUuid::from_bytes(bytes)
}

/// One line of `xl info`.
fn xl_info(key: &str) -> Result<String, Box<dyn std::error::Error>> {
    let output = String::from_utf8(Command::new("xl").arg("info").output()?.stdout)?;
    let line = output.lines().find(|line| line.split(':').next().is_some_and(|k| k.trim() == key));
    let value =
        line.and_then(|line| line.split_once(':')).ok_or(format!("xl info has no {key}"))?;
    Ok(value.1.trim().to_owned())
}

/// Waits for what another party does in its own time.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = soon();
    while !holds() {
        assert!(!deadline.passed(Instant::now()), "{what}: not within 20 s");
        thread::sleep(Duration::from_millis(5));
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn shortly() -> Deadline {
    Deadline::after(Duration::from_millis(200))
}

/// Two ports of this domain bound to each other, the event of the fresh binding consumed.
fn pair(channels: &EventChannels) -> eventchn::Result<(Bound, Bound)> {
    let one = channels.bind_unbound_port(DomId::DOM0)?;
    let other = channels.bind_interdomain(DomId::DOM0, one.port())?;
    other.wait(soon())?;
    Ok((one, other))
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_version_is_the_one_xl_reports() -> Outcome {
    let xc = Xc::open()?;
    assert_eq!(xc.version()?, xl_info("xen_version")?);
    assert_eq!(xc.release().to_string(), xl_info("xen_major")? + "." + &xl_info("xen_minor")?);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_host_has_the_processors_and_memory_xl_reports() -> Outcome {
    let host = Xc::open()?.physinfo()?;
    assert_eq!(host.nr_cpus.to_string(), xl_info("nr_cpus")?);
    assert_eq!(host.nr_nodes.to_string(), xl_info("nr_nodes")?);
    assert_eq!(host.total.to_mib_down().get().to_string(), xl_info("total_memory")?);
    assert!(host.free < host.total && host.free > PageCount(0), "{host:?}");
    let caps = format!("{:?}", host.capabilities).to_lowercase();
    assert!(caps.contains("hvm | pv"), "{caps}");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
#[allow(unsafe_code, reason = "promises layouts")]
fn layouts_of_another_release_are_refused_before_use() -> Outcome {
    let oldest = Profile::of(Profile::OLDEST).ok_or("no profile for the oldest release")?;
    // SAFETY: wrong layouts must differ in the size of the domain or host information: 4.15's do.
    let options = unsafe { OpenOptions::new().layouts(oldest) };
    let refused = options.open().unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
    let cause = std::error::Error::source(&refused).ok_or("no cause")?.to_string();
    assert!(cause.ends_with("xc_domaininfo_t has 112 bytes there and 104 in the layouts assumed"));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_new_domain_is_paused_and_listed_with_its_uuid_until_destroyed() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let listed = dom.xc.domains()?;
    let info = listed.iter().find(|d| d.uuid == dom.uuid).ok_or("not listed")?;
    assert_eq!((info.id, info.is_paused(), info.is_hvm()), (dom.id, true, false));
    assert_eq!((info.current_pages, info.max_vcpu_id), (PageCount(0), None));
    let xl = Command::new("xl").args(["list", "-v", &dom.id.to_string()]).output()?;
    assert!(String::from_utf8(xl.stdout)?.contains(&dom.uuid.to_string()));

    dom.xc.destroy_domain(dom.id)?;
    eventually("the domain is gone", || {
        dom.xc.info(dom.id).is_err_and(|e| e.kind() == Kind::NotFound)
    });
    assert!(dom.xc.domains()?.iter().all(|d| d.uuid != dom.uuid));
    assert_eq!(dom.xc.destroy_domain(dom.id).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_absent_domain_is_not_found_although_a_later_one_exists() -> Outcome {
    let gone = Domain::empty(GuestKind::Pv)?;
    let later = Domain::empty(GuestKind::Pv)?;
    gone.xc.destroy_domain(gone.id)?;
    eventually("the earlier domain is gone", || {
        gone.xc.info(gone.id).is_err_and(|e| e.kind() == Kind::NotFound)
    });
    assert_eq!(later.xc.info(later.id)?.uuid, later.uuid);
    assert_eq!(gone.xc.pause(gone.id).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn hardware_domains_are_told_from_paravirtual_ones() -> Outcome {
    let pvh = Domain::empty(GuestKind::Pvh)?;
    let hvm = Domain::empty(GuestKind::Hvm)?;
    let flags = pvh.xc.info(pvh.id)?.flags;
    assert!(flags.contains(DomainFlags::HVM | DomainFlags::HAP), "{flags:?}");
    assert!(hvm.xc.info(hvm.id)?.is_hvm());
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_uuid_can_be_replaced() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let other = fresh_uuid();
    dom.xc.set_handle(dom.id, other)?;
    assert_eq!(dom.xc.info(dom.id)?.uuid, other);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_memory_ceiling_rounds_up_to_a_page() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_max_mem(dom.id, Bytes(4097))?;
    assert_eq!(dom.xc.info(dom.id)?.max_pages, PageCount(2));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_claim_is_outstanding_until_given_back() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_max_mem(dom.id, MiB(4).to_bytes())?;
    dom.xc.claim_pages(dom.id, PageCount(512))?;
    assert_eq!(dom.xc.info(dom.id)?.outstanding_pages, PageCount(512));
    assert!(dom.xc.physinfo()?.outstanding >= PageCount(512));
    dom.xc.claim_pages(dom.id, PageCount(0))?;
    assert_eq!(dom.xc.info(dom.id)?.outstanding_pages, PageCount(0));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_claim_beyond_the_hosts_memory_is_refused() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_max_mem(dom.id, MiB(1 << 20).to_bytes())?;
    let error = dom.xc.claim_pages(dom.id, MiB(1 << 20).to_pages()).unwrap_err();
    assert_eq!(error.kind(), Kind::NoMemory);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_paging_pool_has_the_size_it_was_given() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(5).to_bytes())?;
    assert_eq!(dom.xc.paging_pool(dom.id)?, MiB(5).to_bytes());
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn memory_maps_are_taken_for_the_kind_of_domain_that_has_them() -> Outcome {
    let pvh = Domain::empty(GuestKind::Pvh)?;
    let map = [
        E820Entry { start: 0, size: MiB(64).to_bytes(), kind: E820Kind::Ram },
        E820Entry { start: 0xfeff_8000, size: Bytes(0x8000), kind: E820Kind::Reserved },
    ];
    pvh.xc.set_memory_map(pvh.id, &map)?;
    let pv = Domain::empty(GuestKind::Pv)?;
    pv.xc.set_memory_map_limit(pv.id, KiB(65536))?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn virtual_cpus_are_as_many_as_the_domain_was_created_for() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    assert_eq!(dom.xc.set_max_vcpus(dom.id, 3).unwrap_err().kind(), Kind::Invalid);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    assert_eq!(dom.xc.info(dom.id)?.max_vcpu_id, Some(1));
    dom.xc.set_tsc_mode(dom.id, TscMode::Native)?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn pauses_count() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.pause(dom.id)?;
    dom.xc.unpause(dom.id)?;
    assert_eq!(dom.xc.unpause(dom.id).err().map(|e| e.kind()), None);
    assert_eq!(dom.xc.unpause(dom.id).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_reason_of_a_shutdown_is_seen() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, None);
    dom.xc.shutdown(dom.id, ShutdownReason::Reboot)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, Some(ShutdownReason::Reboot));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn hvm_parameters_keep_what_was_set_and_pv_has_none() -> Outcome {
    let pvh = Domain::empty(GuestKind::Pvh)?;
    pvh.xc.set_hvm_param(pvh.id, HvmParam::STORE_EVTCHN, 7)?;
    assert_eq!(pvh.xc.hvm_param(pvh.id, HvmParam::STORE_EVTCHN)?, 7);
    pvh.xc.set_hvm_param(pvh.id, HvmParam::IOREQ_SERVER_PFN, 0xfeff0)?;
    let again = pvh.xc.set_hvm_param(pvh.id, HvmParam::IOREQ_SERVER_PFN, 0xfeff1).unwrap_err();
    assert_eq!(again.kind(), Kind::Exists);
    let pv = Domain::empty(GuestKind::Pv)?;
    let error = pv.xc.hvm_param(pv.id, HvmParam::STORE_EVTCHN).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_handle_serves_many_threads_beside_a_second_handle() -> Outcome {
    let (one, other) = (Xc::open()?, Xc::open()?);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(one.info(DomId::DOM0).unwrap().id, DomId::DOM0);
                    let absent = DomId::new(0x7fef).unwrap();
                    assert_eq!(other.pause(absent).unwrap_err().kind(), Kind::NotFound);
                }
            });
        }
    });
    drop(one);
    assert_eq!(other.info(DomId::DOM0)?.id, DomId::DOM0);
    assert!(other.release() >= Release::new(4, 15));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_port_of_a_domain_with_virtual_cpus_can_be_bound_once() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let too_early = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0).unwrap_err();
    assert_eq!(too_early.kind(), Kind::Invalid);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    let channels = EventChannels::open()?;
    let bound = channels.bind_interdomain(dom.id, port)?;
    bound.notify()?;
    let taken = channels.bind_interdomain(dom.id, port).unwrap_err();
    assert_eq!(taken.kind(), Kind::Invalid);
    assert_eq!(taken.to_string(), format!("bind port {port} of domain {}", dom.id));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_notification_arrives_and_many_make_at_most_two_events() -> Outcome {
    let (one, other) = pair(&EventChannels::open()?)?;
    for _ in 0..100 {
        one.notify()?;
    }
    other.wait(soon())?;
    // The first notification masks the port; those after it make one more event.
    let _second = other.wait(shortly());
    assert_eq!(other.wait(shortly()).unwrap_err().kind(), Kind::TimedOut);
    one.notify()?;
    other.wait(soon())?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_wait_without_an_event_ends_at_its_deadline() -> Outcome {
    let (_one, other) = pair(&EventChannels::open()?)?;
    let started = Instant::now();
    let error = other.wait(Deadline::after(Duration::from_millis(300))).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert!((300..3000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn threads_on_one_device_exchange_events_without_losing_any() -> Outcome {
    let channels = EventChannels::open()?;
    let pairs = [pair(&channels)?, pair(&channels)?, pair(&channels)?];
    thread::scope(|scope| {
        for (one, other) in &pairs {
            scope.spawn(|| {
                for _ in 0..200 {
                    one.notify().unwrap();
                    one.wait(soon()).unwrap();
                }
            });
            scope.spawn(|| {
                for _ in 0..200 {
                    other.wait(soon()).unwrap();
                    other.notify().unwrap();
                }
            });
        }
    });
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_foreign_loop_sees_an_event_again_only_after_unmasking() -> Outcome {
    let channels = EventChannels::open()?;
    let (one, other) = pair(&channels)?;
    one.notify()?;
    eventually("the event is pending", || channels.pending().unwrap() == [other.port()]);
    one.notify()?;
    assert_eq!(channels.pending()?, []);
    other.unmask()?;
    eventually("the second event is pending", || channels.pending().unwrap() == [other.port()]);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_dropped_port_is_closed() -> Outcome {
    let channels = EventChannels::open()?;
    let port: Port = channels.bind_unbound_port(DomId::DOM0)?.port();
    let gone = channels.bind_interdomain(DomId::DOM0, port).unwrap_err();
    assert_eq!(gone.kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_interrupt_for_domain_deaths_belongs_to_xenstored() -> Outcome {
    let error = EventChannels::open()?.bind_virq(Virq::DOM_EXC).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    Ok(())
}
