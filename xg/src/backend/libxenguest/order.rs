//! In which order the calls of a build may be made of libxenguest.
//!
//! ```text
//! New ─▶ Kernel ─▶ Bound ─▶ Parsed ─▶ Mapped ─▶ Populated ─▶ Built ─▶ Booted ─▶ Granted
//!        └▶ Kernel: a module, twice at most
//! ```
//! The library looks at neither: `xc_dom_build_image` uses the loader that `xc_dom_parse_image`
//! finds and the map that `xc_dom_boot_mem_init` makes whether they are there or not, and
//! `xc_dom_module_mem` writes behind the array of modules (`tools/libs/guest/xg_dom_core.c`,
//! 4.17 and 4.20).

use crate::backend::CallError;

/// The last step that was made of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// `xc_dom_allocate`.
    New,
    /// `xc_dom_kernel_mem`.
    Kernel,
    /// `xc_dom_boot_xen_init`.
    Bound,
    /// `xc_dom_parse_image`.
    Parsed,
    /// `xc_dom_mem_init`.
    Mapped,
    /// `xc_dom_boot_mem_init`.
    Populated,
    /// `xc_dom_build_image`.
    Built,
    /// `xc_dom_boot_image`.
    Booted,
    /// `xc_dom_gnttab_init`.
    Granted,
    /// One that did not come to its end: all that is left is to release the image.
    Failed,
}

/// How far a build has come.
#[derive(Debug)]
pub(super) struct Order {
    done: Step,
    modules: usize,
}

impl Order {
    pub(super) const fn new() -> Self {
        Self { done: Step::New, modules: 0 }
    }

    /// Begins a step that may be made after `after` alone. Until [`Self::end`], it has failed.
    pub(super) fn begin(&mut self, call: &'static str, after: Step) -> Result<(), CallError> {
        if self.done != after {
            return Err(CallError::OutOfOrder(call));
        }
        self.done = Step::Failed;
        Ok(())
    }

    /// Begins to add a module, for which there is room afterwards, whether or not it is added.
    pub(super) fn begin_module(&mut self) -> Result<(), CallError> {
        if self.done == Step::Kernel && self.modules == MAX_MODULES {
            return Err(CallError::TooManyModules);
        }
        self.begin("xc_dom_module_mem", Step::Kernel)?;
        self.modules += 1;
        Ok(())
    }

    /// The step that was begun has been made.
    pub(super) fn end(&mut self, step: Step) {
        self.done = step;
    }
}

/// `XG_MAX_MODULES`, `tools/include/xenguest.h`, 4.15 to 4.22.
const MAX_MODULES: usize = 2;
