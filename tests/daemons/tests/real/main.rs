//! The daemons themselves, started by this package: that they are what other tests take them for.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "also in what tests share")]

/// Makes of each function a test on xenstored and one on oxenstored.
macro_rules! on_both {
    ($($fact:ident),* $(,)?) => {
        mod c {
            $(
                #[test]
                #[ignore = "needs the daemons: cargo xtask daemons test"]
                fn $fact() {
                    super::$fact(store_daemons::Kind::C);
                }
            )*
        }

        mod ocaml {
            $(
                #[test]
                #[ignore = "needs the daemons: cargo xtask daemons test"]
                fn $fact() {
                    super::$fact(store_daemons::Kind::OCaml);
                }
            )*
        }
    };
}
pub(crate) use on_both;

mod ends;
mod guest;
mod lifetime;
mod wire;

use store_daemons::DomId;
use wire::{Connection, INTRODUCE};

fn dom(id: u16) -> DomId {
    DomId::new(id).unwrap()
}

/// Introduces a guest over the socket, as dom0 does.
fn introduce(dom0: &mut Connection, guest: &store_daemons::Domain) {
    let (kind, _) = dom0.request(INTRODUCE, &guest.introduction());
    assert_eq!(kind, INTRODUCE);
}
