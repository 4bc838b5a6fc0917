//! Going on after a suspension.

use xc::Xc;
use xc::foreign::ForeignMemory;
use xc::grant::Access;
use xen_types::{DomId, Gfn, PageCount, ShutdownReason};

use crate::backend::CallError;
use crate::{Error, MOST_PV_FRAMES, Result, Xg};

impl Xg {
    /// Lets `dom`, which has suspended itself, go on where it is, as after a save that failed or
    /// that was a checkpoint. Its call to suspend returns 1: it was not saved, and keeps its rings
    /// and ports. Guests that do not know this answer are for [`Xg::resume_as_new`].
    ///
    /// For PV, and for HVM with PV drivers (those that set
    /// [`HvmParam::CALLBACK_IRQ`](xc::HvmParam::CALLBACK_IRQ)), the answer is written into the
    /// registers of the first virtual CPU.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if `dom` has not suspended itself,
    /// [`Kind::NotFound`](crate::Kind::NotFound) from 4.18 on if it is gone, another kind before.
    #[doc(alias = "xc_domain_resume")]
    pub fn resume(&self, dom: DomId) -> Result<()> {
        self.backend.domain_resume(dom, true).map_err(|e| Error::operation("resume", Some(dom), e))
    }

    /// Lets `dom`, which has suspended itself, go on as if it had been restored: its call to
    /// suspend returns 0, and it connects to its daemons and devices anew. All guests that suspend
    /// can do that; it is for those that do not know the answer of [`Xg::resume`]. What a restored
    /// domain finds is for the caller to see to: ports that nobody uses, backends that wait.
    /// Linux 6.1 was not seen to go on from it where it was, its ports closed and the two of the
    /// toolstack made anew (Xen 4.20): for such guests there is [`Xg::resume`].
    ///
    /// Of an HVM or PVH domain, nothing is changed. Of a PV domain, libxenguest writes machine
    /// frames into the start info, and takes them from a map at places that the guest itself wrote,
    /// without a look at the bounds of the map (`xc_domain_resume_any`,
    /// `tools/libs/guest/xg_resume.c`, 4.15 to 4.22). So the start info is looked at here before;
    /// `memory` is for that. The guest stands still and cannot change it in between, but a domain
    /// that it granted this page for writing could: do not resume guests so whom you would not
    /// trust with that.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if `dom` has not suspended itself, and with
    /// [`Error::StartInfo`] for a PV guest that left what cannot be,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) for a 32-bit PV guest,
    /// [`Kind::NotFound`](crate::Kind::NotFound) if it is gone, another kind with libxenguest's
    /// words for a PV guest that publishes no map of its memory.
    #[doc(alias = "xc_domain_resume")]
    pub fn resume_as_new(&self, xc: &Xc, memory: &ForeignMemory, dom: DomId) -> Result<()> {
        let fail = |source| Error::Look { dom, operation: "resume", source };
        let info = xc.info(dom).map_err(fail)?;
        if info.shutdown != Some(ShutdownReason::Suspend) {
            return Err(Error::NotSuspended { dom });
        }
        if !info.is_hvm() {
            self.check_start_info(xc, memory, dom, info.current_pages)?;
        }
        self.backend
            .domain_resume(dom, false)
            .map_err(|e| Error::operation("resume as a new domain", Some(dom), e))
    }

    /// Whether libxenguest stays in bounds with what a suspended PV guest left for it.
    fn check_start_info(
        &self,
        xc: &Xc,
        memory: &ForeignMemory,
        dom: DomId,
        pages: PageCount,
    ) -> Result<()> {
        let fail = |source| Error::Look { dom, operation: "resume", source };
        if xc.guest_width(dom).map_err(fail)? != 8 {
            let source = CallError::Unsupported {
                call: "xc_domain_resume of a 32-bit PV guest",
                xen: self.backend.release(),
            };
            return Err(Error::operation("resume as a new domain", Some(dom), source));
        }
        let lies = |what, value| Error::StartInfo { dom, what, value };
        let PageCount(frames) = xc.nr_gfns(dom).map_err(fail)?;
        if frames < pages.0 || frames > MOST_PV_FRAMES {
            return Err(lies("the size of its map", frames));
        }
        let start_info = xc.vcpu_context(dom, 0).map_err(fail)?.rdx;
        let page = memory.map(dom, &[Gfn(start_info)], Access::Read).map_err(fail)?;
        for (what, at) in [("the store's frame", STORE), ("the console's frame", CONSOLE)] {
            let mut number = [0; 8];
            page.read(at, &mut number).map_err(fail)?;
            let number = u64::from_le_bytes(number);
            if number >= frames.min(SURELY_MAPPED) {
                return Err(lies(what, number));
            }
        }
        Ok(())
    }
}

/// A guest's page tables decide how much of a larger map libxenguest maps, in steps of so many
/// frames (`xc_core_arch_map_p2m_list_rw`, the same file).
const SURELY_MAPPED: u64 = 1 << 18;
/// `store_mfn` in the start info of a 64-bit guest (`struct start_info`,
/// `xen/include/public/xen.h`).
const STORE: usize = 56;
/// `console.domU.mfn` there.
const CONSOLE: usize = 72;
