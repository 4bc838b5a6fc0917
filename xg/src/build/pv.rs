//! What is particular to a PV guest.

use crate::backend::{Container, Image};

/// Fills in the fields that `libxl__build_pv` fills in.
pub(super) fn describe(image: &mut dyn Image) {
    image.set_container_type(Container::Pv);
    // libxl clears what xc_dom_allocate sets, SIF_VIRT_P2M_4TOOLS, and so do we: a guest that is
    // then saved looks like one of libxl's.
    image.set_flags(0);
}
