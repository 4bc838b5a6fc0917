//! A device of any kind.

use xen_types::DomId;

use crate::argo::Argo;
use crate::channel::Channel;
use crate::error::Result;
use crate::generic::Generic;
use crate::id::Ends;
use crate::kind::Kind;
use crate::ninepfs::NinePfs;
use crate::pci::Pci;
use crate::pvcalls::Pvcalls;
use crate::record::Record;
use crate::spec::Spec;
use crate::tree::Tree;
use crate::vbd::Vbd;
use crate::vdispl::Vdispl;
use crate::vfb::Vfb;
use crate::vif::Vif;
use crate::vkb::Vkb;
use crate::vsnd::Vsnd;
use crate::vtpm::Vtpm;
use crate::vusb::Vusb;

macro_rules! devices {
    ($($(#[$doc:meta])* $name:ident: $($kind:pat_param)|+,)*) => {
        /// The description of a device of any kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Device {
            $($(#[$doc])* $name($name),)*
        }

        impl Spec for Device {
            fn ends(&self, dom: DomId) -> Ends {
                match self {
                    $(Self::$name(spec) => spec.ends(dom),)*
                }
            }

            fn tree(&self, dom: DomId) -> Tree {
                match self {
                    $(Self::$name(spec) => spec.tree(dom),)*
                }
            }

            /// The description by the kind of the device; a [`Generic`] one of a kind that has no other,
            /// of the first console among them, whose ring and port are in no record.
            fn from_record(record: &Record) -> Result<Self> {
                let device = &record.ends().device;
                if (&device.kind, device.number) == (&Kind::Console, 0) {
                    return Generic::from_record(record).map(Self::Generic);
                }
                match device.kind {
                    $($($kind)|+ => $name::from_record(record).map(Self::$name),)*
                }
            }
        }

        $(impl From<$name> for Device {
            fn from(spec: $name) -> Self {
                Self::$name(spec)
            }
        })*
    };
}

devices! {
    /// A disk or a drive.
    Vbd: Kind::Vbd,
    /// A network interface.
    Vif: Kind::Vif | Kind::Vwif,
    /// A frame buffer.
    Vfb: Kind::Vfb,
    /// Keyboard and pointer.
    Vkb: Kind::Vkbd,
    /// A sound card.
    Vsnd: Kind::Vsnd,
    /// A trusted platform module.
    Vtpm: Kind::Vtpm,
    /// A shared folder.
    NinePfs: Kind::NinePfs,
    /// Sockets.
    Pvcalls: Kind::Pvcalls,
    /// A USB controller.
    Vusb: Kind::Vusb,
    /// A display.
    Vdispl: Kind::Vdispl,
    /// Messages between domains.
    Argo: Kind::Argo | Kind::V4v,
    /// PCI functions.
    Pci: Kind::Pci,
    /// A console besides the first.
    Channel: Kind::Console,
    /// Any other device.
    Generic: _,
}
