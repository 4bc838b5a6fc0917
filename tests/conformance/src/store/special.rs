//! Special watches: being told that domains come and go.

use xen_types::ShutdownReason;
use xs::{Access, Kind, Path, Perms};

use super::fact::Facts as _;
use super::wire::{READ, WRITE};
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_dom0(facts![special_paths_can_be_watched]),
        Fact::of_dom0(facts![special_paths_are_nodes_in_oxenstored]).by_hand().alone(),
        Fact::of_dom0(facts![
            an_introduction_is_told,
            introducing_again_is_not_told,
            a_shutdown_is_told_once,
            a_domain_that_stays_shut_down_is_told_again_by_oxenstored,
            a_death_is_told,
            a_release_is_told,
            a_domain_that_vanishes_is_told,
            a_domain_that_was_resumed_shuts_down_again,
            the_permissions_of_special_paths_are_read_in_oxenstored_only,
        ])
        .alone(),
        Fact::of_guests(facts![
            a_guest_is_not_told_of_domains,
            a_guest_is_told_of_domains_once_it_is_allowed,
        ])
        .alone(),
    ]
    .concat()
}

fn special_paths_can_be_watched(ctx: &Ctx) {
    ctx.conn().watch_on(&Path::INTRODUCE_DOMAIN);
    ctx.conn().watch_on(&Path::RELEASE_DOMAIN);
}

/// oxenstored keeps their permissions there (`Store.Path.special`, tools/ocaml/xenstored/store.ml).
fn special_paths_are_nodes_in_oxenstored(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let read = wire.ask(READ, b"@releaseDomain\0");
    assert_eq!(read, ctx.per(Per { c: Err("EINVAL".to_owned()), ocaml: Ok(vec![]) }));
    let written = wire.ask(WRITE, b"@releaseDomain\0value").map(drop);
    assert_eq!(written, ctx.per(Per { c: Err("EINVAL".to_owned()), ocaml: Ok(()) }));
}

fn an_introduction_is_told(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(&Path::INTRODUCE_DOMAIN);
    let _guest = ctx.guest();
    assert_eq!(watch.next(), "@introduceDomain");
}

/// A rebinding of the ring, as after a migration, is no new domain.
fn introducing_again_is_not_told(ctx: &Ctx) {
    let guest = ctx.guest();
    let mut watch = ctx.conn().watch_on(&Path::INTRODUCE_DOMAIN);
    let domain = guest.domain();
    ctx.conn().introduce(domain.id(), domain.gfn(), domain.port()).unwrap();
    watch.nothing(ctx.conn());
}

fn a_shutdown_is_told_once(ctx: &Ctx) {
    let (guest, other) = (ctx.guest(), ctx.guest());
    let mut watch = ctx.conn().watch_on(&Path::RELEASE_DOMAIN);
    guest.shut_down(ShutdownReason::Poweroff);
    assert_eq!(watch.next(), "@releaseDomain");
    // Has the daemon look at all domains again.
    other.shut_down(ShutdownReason::Poweroff);
    assert_eq!(watch.next(), "@releaseDomain");
    watch.nothing(ctx.conn());
    assert!(ctx.conn().is_introduced(guest.id()).unwrap());
}

/// Whenever the hypervisor says that any domain changed (`Domains.cleanup`).
fn a_domain_that_stays_shut_down_is_told_again_by_oxenstored(ctx: &Ctx) {
    let guest = ctx.guest();
    guest.shut_down(ShutdownReason::Poweroff);
    let mut watch = ctx.conn().watch_on(&Path::RELEASE_DOMAIN);
    let mut introduced = ctx.conn().watch_on(&Path::INTRODUCE_DOMAIN);
    guest.shut_down(ShutdownReason::Poweroff);
    // Whatever the daemon has to say of the one comes before the other.
    let _other = ctx.guest();
    assert_eq!(introduced.next(), "@introduceDomain");
    let told = watch.try_next().unwrap().is_some();
    assert_eq!(told, ctx.per(Per { c: false, ocaml: true }));
}

fn a_death_is_told(ctx: &Ctx) {
    let guest = ctx.guest();
    let mut watch = ctx.conn().watch_on(&Path::RELEASE_DOMAIN);
    guest.die();
    assert_eq!(watch.next(), "@releaseDomain");
    assert!(!ctx.conn().is_introduced(guest.id()).unwrap());
}

fn a_release_is_told(ctx: &Ctx) {
    let guest = ctx.guest();
    let mut watch = ctx.conn().watch_on(&Path::RELEASE_DOMAIN);
    ctx.conn().release(guest.id()).unwrap();
    assert_eq!(watch.next(), "@releaseDomain");
}

fn a_domain_that_vanishes_is_told(ctx: &Ctx) {
    let guest = ctx.guest();
    let mut watch = ctx.conn().watch_on(&Path::RELEASE_DOMAIN);
    guest.vanish();
    assert_eq!(watch.next(), "@releaseDomain");
    assert!(!ctx.conn().is_introduced(guest.id()).unwrap());
}

fn a_domain_that_was_resumed_shuts_down_again(ctx: &Ctx) {
    let guest = ctx.guest();
    let mut watch = ctx.conn().watch_on(&Path::RELEASE_DOMAIN);
    guest.shut_down(ShutdownReason::Suspend);
    assert_eq!(watch.next(), "@releaseDomain");
    ctx.conn().resume(guest.id()).unwrap();
    guest.shut_down(ShutdownReason::Suspend);
    assert_eq!(watch.next(), "@releaseDomain");
}

fn the_permissions_of_special_paths_are_read_in_oxenstored_only(ctx: &Ctx) {
    let allowed = Perms::private(ctx.domid()).allow(ctx.nobody(), Access::Read);
    ctx.conn().set_perms(&Path::RELEASE_DOMAIN, &allowed).unwrap();
    let perms = ctx.conn().perms(&Path::RELEASE_DOMAIN).map_err(|error| error.kind());
    assert_eq!(perms, ctx.per(Per { c: Err(Kind::Invalid), ocaml: Ok(allowed) }));
}

/// It may watch, in vain.
fn a_guest_is_not_told_of_domains(ctx: &Ctx) {
    let mut released = ctx.conn().watch_on(&Path::RELEASE_DOMAIN);
    let mut introduced = ctx.conn().watch_on(&Path::INTRODUCE_DOMAIN);
    let mut dom0 = ctx.dom0().watch_on(&Path::RELEASE_DOMAIN);
    let other = ctx.guest();
    other.shut_down(ShutdownReason::Poweroff);
    assert_eq!(dom0.next(), "@releaseDomain");
    released.nothing(ctx.conn());
    introduced.nothing(ctx.conn());
}

fn a_guest_is_told_of_domains_once_it_is_allowed(ctx: &Ctx) {
    let allowed = Perms::private(store_daemons::DomId::DOM0).allow(ctx.domid(), Access::Read);
    ctx.dom0().set_perms(&Path::RELEASE_DOMAIN, &allowed).unwrap();
    let other = ctx.guest();
    let mut watch = ctx.conn().watch_on(&Path::RELEASE_DOMAIN);
    other.shut_down(ShutdownReason::Poweroff);
    assert_eq!(watch.next(), "@releaseDomain");
}
