//! CPU policies and featuresets.

use std::any::Any;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rustix::io::Errno;
use xen_types::DomId;
use xenguest_sys::{
    CpuidLeaf, Functions, Interface, Library, MsrEntry, XEN_CPUID_NO_SUBLEAF, xc_cpu_policy_t,
};

use super::{LibXenGuest, handle};
use crate::backend::outcome::{check, failed, listen};
use crate::backend::{CallError, Policy, PolicyCalls, PolicyEntry};

impl PolicyCalls for LibXenGuest {
    fn cpu_policy_init(&self) -> Result<Box<dyn Policy>, CallError> {
        let functions = self.library.functions();
        let init = self.function("xc_cpu_policy_init", functions.cpu_policy_init)?;
        let destroy = self.function("xc_cpu_policy_destroy", functions.cpu_policy_destroy)?;
        let interface = self.interface()?;
        // SAFETY: the symbol must take nothing and return a policy: as the table of the release has it.
        let (policy, reason) = listen(|| unsafe { init() });
        let policy = NonNull::new(policy).ok_or_else(|| failed(0, reason))?;
        let library = Arc::clone(&self.library);
        Ok(Box::new(LibPolicy { policy, destroy, interface, library }))
    }

    fn cpu_policy_get_size(&self) -> Result<(u32, u32), CallError> {
        let function = self.library.functions().cpu_policy_get_size;
        let get_size = self.function("xc_cpu_policy_get_size", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let (mut leaves, mut msrs) = (0, 0);
        check(|| {
            // SAFETY: the handle must be open and the numbers writable: `interface` holds it open until
            // the end of this function, and they are two.
            unsafe { get_size(handle, &raw mut leaves, &raw mut msrs) }
        })?;
        Ok((leaves, msrs))
    }

    fn set_domain_cpu_policy(
        &self,
        dom: DomId,
        leaves: &[CpuidLeaf],
        msrs: &[MsrEntry],
    ) -> Result<(), CallError> {
        let function = self.library.functions().set_domain_cpu_policy;
        let set = self.function("xc_set_domain_cpu_policy", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let (nr_leaves, nr_msrs) = (length(leaves)?, length(msrs)?);
        let (leaves, msrs) = (leaves.as_ptr().cast_mut().cast(), msrs.as_ptr().cast_mut().cast());
        let (mut leaf, mut subleaf, mut msr) = (NONE, NONE, NONE);
        let (at_leaf, at_subleaf, at_msr) = (&raw mut leaf, &raw mut subleaf, &raw mut msr);
        check(|| {
            // SAFETY: the handle must be open, the arrays of the announced lengths and the three numbers
            // writable: `interface` holds it open until the end of this function; the lengths are the
            // slices', which are bounced inwards only (xg_cpuid_x86.c); and they are three.
            unsafe {
                set(
                    handle,
                    dom.into(),
                    nr_leaves,
                    leaves,
                    nr_msrs,
                    msrs,
                    at_leaf,
                    at_subleaf,
                    at_msr,
                )
            }
        })
        .map_err(|source| match fault(leaf, subleaf, msr) {
            Some(entry) => CallError::At { entry, source: Box::new(source) },
            None => source,
        })
    }

    fn get_cpu_featureset_size(&self) -> Result<u32, CallError> {
        let function = self.library.functions().get_cpu_featureset_size;
        let size = self.function("xc_get_cpu_featureset_size", function)?;
        // SAFETY: the symbol must take nothing: as the table of the release has it.
        Ok(unsafe { size() })
    }

    fn get_cpu_featureset(&self, index: u32, room: u32) -> Result<Vec<u32>, CallError> {
        let function = self.library.functions().get_cpu_featureset;
        let get = self.function("xc_get_cpu_featureset", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let (mut words, mut count) = (vec![0_u32; room as usize], room);
        let data = words.as_mut_ptr().cast();
        check(|| {
            // SAFETY: the handle must be open, the number writable, and as many words as it says:
            // `interface` holds it open until the end of this function; they were made so.
            unsafe { get(handle, index, &raw mut count, data) }
        })?;
        words.truncate(count as usize);
        Ok(words)
    }

    fn get_static_cpu_featuremask(&self, mask: u32) -> Result<Option<Vec<u32>>, CallError> {
        let function = self.library.functions().get_static_cpu_featuremask;
        let get = self.function("xc_get_static_cpu_featuremask", function)?;
        let count = self.get_cpu_featureset_size()?;
        // SAFETY: the symbol must take a number: as the table of the release has it.
        let words = unsafe { get(mask) }.cast::<u32>();
        if words.is_null() {
            return Ok(None);
        }
        // SAFETY: must be so many readable words that nobody writes: the library's own, constant, of
        // the length that it tells (FEATURESET_NR_ENTRIES, xg_cpuid_x86.c).
        Ok(Some(unsafe { std::slice::from_raw_parts(words, count as usize) }.to_vec()))
    }
}

/// A policy of libxenguest.
#[derive(Debug)]
struct LibPolicy {
    policy: NonNull<xc_cpu_policy_t>,
    destroy: unsafe extern "C" fn(*mut xc_cpu_policy_t),
    /// The handle for the calls, nobody else's.
    interface: Interface,
    library: Arc<Library>,
}

// SAFETY: a policy must be usable from another thread than the one that made it: it is memory from
// calloc that refers to nothing else (xg_cpuid_x86.c).
unsafe impl Send for LibPolicy {}

impl LibPolicy {
    fn functions(&self) -> &Functions {
        self.library.functions()
    }

    /// A call, if this release has it.
    fn function<F>(&self, call: &'static str, function: Option<F>) -> Result<F, CallError> {
        super::function(&self.library, call, function)
    }
}

impl Drop for LibPolicy {
    fn drop(&mut self) {
        // SAFETY: must be of the same library and never used again: `init` beside it made the policy,
        // which ends with `self`.
        unsafe { (self.destroy)(self.policy.as_ptr()) };
    }
}

impl Policy for LibPolicy {
    fn get_system(&mut self, index: u32) -> Result<(), CallError> {
        let function = self.functions().cpu_policy_get_system;
        let get = self.function("xc_cpu_policy_get_system", function)?;
        let (handle, policy) = (handle(&self.interface)?, self.policy.as_ptr());
        check(|| {
            // SAFETY: the handle must be open and the policy live and used by nobody else: `self`, which
            // is borrowed uniquely, has both.
            unsafe { get(handle, index, policy) }
        })
    }

    fn get_domain(&mut self, dom: DomId) -> Result<(), CallError> {
        let function = self.functions().cpu_policy_get_domain;
        let get = self.function("xc_cpu_policy_get_domain", function)?;
        let (handle, policy) = (handle(&self.interface)?, self.policy.as_ptr());
        check(|| {
            // SAFETY: the handle must be open and the policy live and not used meanwhile: as for
            // `get_system`, `self` has both and is borrowed uniquely.
            unsafe { get(handle, dom.into(), policy) }
        })
    }

    fn set_domain(&mut self, dom: DomId) -> Result<(), CallError> {
        let function = self.functions().cpu_policy_set_domain;
        let set = self.function("xc_cpu_policy_set_domain", function)?;
        let (handle, policy) = (handle(&self.interface)?, self.policy.as_ptr());
        check(|| {
            // SAFETY: the handle must be open and the policy live and not used meanwhile: as for
            // `get_system`, `self` has both and is borrowed uniquely.
            unsafe { set(handle, dom.into(), policy) }
        })
    }

    fn serialise(
        &self,
        leaves: u32,
        msrs: u32,
    ) -> Result<(Vec<CpuidLeaf>, Vec<MsrEntry>), CallError> {
        let function = self.functions().cpu_policy_serialise;
        let serialise = self.function("xc_cpu_policy_serialise", function)?;
        let (handle, policy) = (handle(&self.interface)?, self.policy.as_ptr());
        let mut leaf_list = vec![CpuidLeaf::default(); leaves as usize];
        let mut msr_list = vec![MsrEntry::default(); msrs as usize];
        let (leaf_data, msr_data) = (leaf_list.as_mut_ptr().cast(), msr_list.as_mut_ptr().cast());
        let (mut leaves, mut msrs) = (leaves, msrs);
        let (nr_leaves, nr_msrs) = (&raw mut leaves, &raw mut msrs);
        check(|| {
            // SAFETY: the policy must be live and not written meanwhile, the numbers be writable and the
            // arrays of the announced lengths: `self` has it and is borrowed; no other thread can
            // have a reference, as it is not Sync; and the arrays were made so.
            unsafe { serialise(handle, policy, leaf_data, nr_leaves, msr_data, nr_msrs) }
        })?;
        leaf_list.truncate(leaves as usize);
        msr_list.truncate(msrs as usize);
        Ok((leaf_list, msr_list))
    }

    fn update_cpuid(&mut self, leaves: &[CpuidLeaf]) -> Result<(), CallError> {
        let function = self.functions().cpu_policy_update_cpuid;
        let update = self.function("xc_cpu_policy_update_cpuid", function)?;
        let (handle, policy) = (handle(&self.interface)?, self.policy.as_ptr());
        let (count, data) = (length(leaves)?, leaves.as_ptr().cast());
        check(|| {
            // SAFETY: as for `get_system`, and `count` leaves must be readable: the slice's.
            unsafe { update(handle, policy, data, count) }
        })
    }

    fn update_msrs(&mut self, msrs: &[MsrEntry]) -> Result<(), CallError> {
        let function = self.functions().cpu_policy_update_msrs;
        let update = self.function("xc_cpu_policy_update_msrs", function)?;
        let (handle, policy) = (handle(&self.interface)?, self.policy.as_ptr());
        let (count, data) = (length(msrs)?, msrs.as_ptr().cast());
        check(|| {
            // SAFETY: as for `get_system`, and `count` entries must be readable: the slice's.
            unsafe { update(handle, policy, data, count) }
        })
    }

    fn is_compatible(&self, guest: &dyn Policy) -> Result<Result<(), Vec<String>>, CallError> {
        let function = self.functions().cpu_policy_is_compatible;
        let is_compatible = self.function("xc_cpu_policy_is_compatible", function)?;
        let guest: &dyn Any = guest;
        // Another library's policy is another structure.
        let guest = guest
            .downcast_ref::<Self>()
            .filter(|guest| ptr::fn_addr_eq(guest.destroy, self.destroy))
            .ok_or(CallError::Foreign)?;
        let (handle, host, guest) =
            (handle(&self.interface)?, self.policy.as_ptr(), guest.policy.as_ptr());
        let (compatible, (_, said)) = listen(|| {
            // SAFETY: both policies must be live, of this library, and not written meanwhile: they are
            // borrowed; no other thread can have a reference, as they are not Sync. The call itself only
            // reads (x86_cpu_policies_are_compatible takes constants).
            unsafe { is_compatible(handle, host, guest) }
        });
        Ok(if compatible { Ok(()) } else { Err(said.problems) })
    }
}

/// What the call says is at fault. It tells of one entry, and of an MSR only if the leaves are well.
fn fault(leaf: u32, subleaf: u32, msr: u32) -> Option<PolicyEntry> {
    if leaf != NONE {
        let subleaf = (subleaf != XEN_CPUID_NO_SUBLEAF).then_some(subleaf);
        return Some(PolicyEntry::Leaf { leaf, subleaf });
    }
    (msr != NONE).then_some(PolicyEntry::Msr(msr))
}

fn length<T>(list: &[T]) -> Result<u32, CallError> {
    let too_many = |_| CallError::Failed { errno: Some(Errno::TOOBIG), said: Vec::new() };
    u32::try_from(list.len()).map_err(too_many)
}

/// What the call leaves where it found no fault.
const NONE: u32 = u32::MAX;
