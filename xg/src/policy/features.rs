//! Featuresets: the feature bits of a policy alone, as words, in the order of
//! `xen/include/public/arch-x86/cpufeatureset.h`.

use crate::{Error, Result, Xg};

/// One of the host's featuresets (`XEN_SYSCTL_cpu_featureset_*`, `xen/include/public/sysctl.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum FeatureSet {
    /// What the hardware has.
    Raw = 0,
    /// What Xen uses of it.
    Host = 1,
    /// What a new PV domain gets.
    Pv = 2,
    /// What a new HVM or PVH domain gets.
    Hvm = 3,
    /// The most that a PV domain can have.
    PvMax = 4,
    /// The most that an HVM or PVH domain can have.
    HvmMax = 5,
}

/// A featureset that libxenguest was built with, whatever the host has
/// (`enum xc_static_cpu_featuremask`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum FeatureMask {
    /// Features that have a name.
    Known = 0,
    /// Features with a meaning of their own.
    Special = 1,
    /// Features that PV domains can have.
    PvMax = 2,
    /// Features that PV domains get.
    PvDefault = 3,
    /// Features that HVM domains with shadow paging can have.
    HvmShadowMax = 4,
    /// Features that HVM domains with shadow paging get.
    HvmShadowDefault = 5,
    /// Features that HVM domains with hardware-assisted paging can have.
    HvmHapMax = 6,
    /// Features that HVM domains with hardware-assisted paging get.
    HvmHapDefault = 7,
}

impl Xg {
    /// Reads one of the host's featuresets, in as many words as Xen has.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) for PV or HVM if Xen was built without it.
    #[doc(alias = "xc_get_cpu_featureset")]
    #[doc(alias = "xc_get_cpu_featureset_size")]
    pub fn cpu_features(&self, which: FeatureSet) -> Result<Vec<u32>> {
        let backend = &self.backend;
        // Xen refuses less room than it has words. A stable update may have given it more than the
        // library.
        let room = |words: u32| words.saturating_add(SPARE_WORDS);
        backend
            .get_cpu_featureset_size()
            .and_then(|words| backend.get_cpu_featureset(which as u32, room(words)))
            .map_err(|e| Error::operation(format!("read the featureset {which:?}"), None, e))
    }

    /// One of the featuresets that libxenguest was built with; `None` if it has none of that name.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the library lacks the call.
    #[doc(alias = "xc_get_static_cpu_featuremask")]
    pub fn known_cpu_features(&self, mask: FeatureMask) -> Result<Option<Vec<u32>>> {
        self.backend
            .get_static_cpu_featuremask(mask as u32)
            .map_err(|e| Error::operation(format!("read the feature mask {mask:?}"), None, e))
    }
}

const SPARE_WORDS: u32 = 16;
