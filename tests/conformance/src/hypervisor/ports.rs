//! Event-channel ports of other domains.

use xc::{GuestKind, Kind, PortBinding};
use xen_types::{DomId, Port};

use super::ctx::soon;
use super::{Ctx, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        a_port_of_a_domain_with_virtual_cpus_can_be_bound_once,
        a_port_is_unbound_then_bound_then_closed,
        ports_of_a_domain_that_runs_are_not_reset,
        ports_are_given_from_the_lowest_on,
        a_port_is_for_the_domain_it_was_allocated_for,
        a_port_bound_to_a_dead_domain_is_unbound_again,
        a_dead_domains_ports_are_gone,
        an_absent_domain_has_no_ports,
    ]
    .into()
}

fn a_port_of_a_domain_with_virtual_cpus_can_be_bound_once(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    let too_early = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0).unwrap_err();
    assert_eq!(too_early.kind(), Kind::Invalid);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    let channels = ctx.channels()?;
    let bound = channels.bind_interdomain(dom.id, port)?;
    bound.notify()?;
    let taken = channels.bind_interdomain(dom.id, port).unwrap_err();
    assert_eq!(taken.kind(), Kind::Invalid);
    assert_eq!(taken.to_string(), format!("bind port {port} of domain {}", dom.id));
    Ok(())
}

fn a_port_is_unbound_then_bound_then_closed(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let status = |port| dom.xc.port_status(dom.id, port).map(|status| status.binding);
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    assert_eq!(status(port)?, PortBinding::Unbound(DomId::DOM0));
    let channels = ctx.channels()?;
    let ours = channels.bind_interdomain(dom.id, port)?;
    assert_eq!(status(port)?, PortBinding::Interdomain(DomId::DOM0, ours.port()));
    let other_end = dom.xc.port_status(DomId::DOM0, ours.port())?.binding;
    assert_eq!(other_end, PortBinding::Interdomain(dom.id, port));
    drop(ours);
    assert_eq!(status(port)?, PortBinding::Unbound(DomId::DOM0));
    dom.xc.reset_ports(dom.id)?;
    assert_eq!(status(port)?, PortBinding::Closed);
    assert_eq!(status(Port(1 << 20)).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

fn ports_of_a_domain_that_runs_are_not_reset(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.unpause(dom.id)?;
    assert_eq!(dom.xc.reset_ports(dom.id).unwrap_err().kind(), Kind::Invalid);
    dom.xc.pause(dom.id)?;
    dom.xc.reset_ports(dom.id)?;
    Ok(())
}

fn ports_are_given_from_the_lowest_on(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = || dom.xc.alloc_unbound_port(dom.id, DomId::DOM0);
    assert_eq!([port()?, port()?], [Port(1), Port(2)]);
    dom.xc.reset_ports(dom.id)?;
    assert_eq!(port()?, Port(1));
    Ok(())
}

fn a_port_is_for_the_domain_it_was_allocated_for(ctx: &Ctx) -> Outcome {
    let (dom, other) = (ctx.empty(GuestKind::Pv)?, ctx.empty(GuestKind::Pv)?);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = dom.xc.alloc_unbound_port(dom.id, other.id)?;
    assert_eq!(dom.xc.port_status(dom.id, port)?.binding, PortBinding::Unbound(other.id));
    let refused = ctx.channels()?.bind_interdomain(dom.id, port).unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
    Ok(())
}

fn a_port_bound_to_a_dead_domain_is_unbound_again(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    let ours = ctx.channels()?.bind_interdomain(dom.id, port)?;
    ours.wait(soon())?;
    dom.end()?;
    let status = ctx.xc().port_status(DomId::DOM0, ours.port())?;
    assert_eq!(status.binding, PortBinding::Unbound(dom.id));
    ours.notify()?;
    Ok(())
}

fn a_dead_domains_ports_are_gone(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    dom.end()?;
    assert_eq!(ctx.xc().port_status(dom.id, port).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

fn an_absent_domain_has_no_ports(ctx: &Ctx) -> Outcome {
    let absent = DomId::new(0x7fef).ok_or("an id")?;
    let allocated = ctx.xc().alloc_unbound_port(absent, DomId::DOM0).unwrap_err();
    let reset = ctx.xc().reset_ports(absent).unwrap_err();
    assert_eq!([allocated.kind(), reset.kind()], [Kind::NotFound; 2]);
    Ok(())
}
