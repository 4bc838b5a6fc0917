//! What a domain can be created with.

use xc::foreign::{ForeignMemory, Resource};
use xc::{CreateConfig, GuestKind};
use xen_types::PageCount;

use crate::dom0::grant_tables;
use crate::support::{Domain, Outcome, fresh_uuid};

fn config(kind: GuestKind) -> CreateConfig {
    CreateConfig::new(kind, fresh_uuid(), 2)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn grant_tables_become_as_large_as_they_were_to_be() -> Outcome {
    let mut config = config(GuestKind::Pvh);
    config.max_grant_frames = Some(17);
    config.max_maptrack_frames = Some(35);
    let dom = Domain::of(&config)?;
    let foreign = ForeignMemory::open()?;
    assert_eq!(foreign.resource_size(dom.id, Resource::GrantTable)?, PageCount(17));
    let tables = grant_tables();
    let sizes = "1 frames (17 max), 0 maptrack frames (35 max)";
    let of_this = format!("grant-table for remote d{} ", dom.id);
    let listed = tables.lines().skip_while(|line| !line.contains(&of_this)).nth(1);
    assert!(listed.is_some_and(|line| line.ends_with(sizes)), "{tables}");
    Ok(())
}
