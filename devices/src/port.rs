//! What is changed of a network interface while the guest has it.
//!
//! | what | where | who looks |
//! |---|---|---|
//! | rate | `rate` of the backend | netback, at once (`xen_net_rate_changed`, Linux 6.1) |
//! | MTU | `mtu` of the frontend | Windows' frontend; Linux's does not (`io/netif.h` lets it) |
//! | carrier | `carrier` of the backend, `disconnect` of the frontend | see [`set_carrier`] |
//!
//! All of it stands in the record too, for the next attachment and for other toolstacks. For use in a
//! transaction: whether the device is there is part of each change.

use xs::{Path, Store};

use crate::id::Ends;
use crate::rate::Rate;

/// How much the guest may send; without a limit if there is none.
///
/// # Errors
/// [`Kind::NotFound`](xs::Kind::NotFound) if there is no backend.
pub fn set_rate(tx: &impl Store, ends: &Ends, rate: Option<Rate>) -> xs::Result<()> {
    there(tx, ends)?;
    for top in tops(ends) {
        match rate {
            Some(rate) => tx.write(&top.join("rate"), rate.to_string())?,
            None => tx.rm_if_exists(&top.join("rate")).map(drop)?,
        }
    }
    Ok(())
}

/// How large a packet may be. The guest is told where it has the key, as all have that `xl` or this
/// library made; it may ignore it.
///
/// # Errors
/// [`Kind::NotFound`](xs::Kind::NotFound) if there is no backend.
pub fn set_mtu(tx: &impl Store, ends: &Ends, mtu: u32) -> xs::Result<()> {
    there(tx, ends)?;
    for top in tops(ends) {
        tx.write(&top.join("mtu"), mtu.to_string())?;
    }
    let shown = ends.frontend().join("mtu");
    match tx.read_opt(&shown)? {
        Some(_) => tx.write(&shown, mtu.to_string()),
        None => Ok(()),
    }
}

/// Whether the guest shall see a cable in its interface.
///
/// It is told twice: with the backend's `carrier`, as the interface has it (`io/netif.h`), and with
/// `disconnect` in its own end, as OpenXT and xapi do. Windows' frontend and OpenXT's look there; that
/// of Linux looks at neither (6.1).
///
/// # Errors
/// [`Kind::NotFound`](xs::Kind::NotFound) if there is no backend.
pub fn set_carrier(tx: &impl Store, ends: &Ends, carrier: bool) -> xs::Result<()> {
    there(tx, ends)?;
    for top in tops(ends) {
        tx.write(&top.join("carrier"), u8::from(carrier).to_string())?;
    }
    let front = ends.frontend();
    match tx.read_opt(&front.join("state"))? {
        Some(_) => tx.write(&front.join("disconnect"), u8::from(!carrier).to_string()),
        None => Ok(()),
    }
}

/// A write makes missing parents: it must not bring back a device that has gone.
fn there(tx: &impl Store, ends: &Ends) -> xs::Result<()> {
    tx.read(&ends.record().join("backend"))?;
    tx.read(&ends.backend().join("state")).map(drop)
}

fn tops(ends: &Ends) -> [Path; 2] {
    [ends.backend(), ends.record()]
}
