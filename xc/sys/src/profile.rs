//! What differs between releases, as values: one row per release.

use crate::Release;

/// Which layouts and prototypes a release uses, where releases differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// `struct xen_domctl_createdomain`.
    pub create_domain: CreateDomainLayout,
    /// `xc_domaininfo_t`.
    pub domain_info: DomainInfoLayout,
    /// `xc_physinfo_t`.
    pub phys_info: PhysInfoLayout,
}

impl Profile {
    /// The oldest release with a profile.
    pub const OLDEST: Release = Release::new(4, 15);
    /// The newest release with a profile.
    pub const NEWEST: Release = Release::new(4, 22);

    /// The profile of `release`, or `None` if its layouts were not measured.
    pub const fn of(release: Release) -> Option<Self> {
        if release.major != 4 {
            return None;
        }
        match release.minor {
            15 => Some(V4_15),
            16 => Some(V4_16),
            17 | 18 => Some(V4_17),
            19 | 20 => Some(V4_19),
            21 | 22 => Some(V4_21),
            _ => None,
        }
    }

    /// The profile of the newest known release, to try on a newer one.
    pub const fn newest() -> Self {
        V4_21
    }
}

/// How `struct xen_domctl_createdomain` is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateDomainLayout {
    /// 56 bytes, without `grant_opts`.
    V4_15,
    /// 60 bytes, with `grant_opts`.
    V4_16,
    /// 64 bytes, with `cpupool_id`.
    V4_17,
    /// 68 bytes, with `altp2m_opts` before `vmtrace_size`.
    V4_19,
    /// 68 bytes, with `altp2m_opts` split into its mode and the number of views.
    V4_21,
}

/// How `xc_domaininfo_t` is laid out; the difference is the stride of an array of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DomainInfoLayout {
    /// 104 bytes.
    V4_15,
    /// 112 bytes, with `gpaddr_bits`.
    V4_16,
}

/// How `xc_physinfo_t` is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhysInfoLayout {
    /// 104 bytes.
    V4_15,
    /// 112 bytes, with `arch_capabilities` before the page counts.
    V4_17,
}

const V4_15: Profile = Profile {
    create_domain: CreateDomainLayout::V4_15,
    domain_info: DomainInfoLayout::V4_15,
    phys_info: PhysInfoLayout::V4_15,
};
const V4_16: Profile = Profile {
    create_domain: CreateDomainLayout::V4_16,
    domain_info: DomainInfoLayout::V4_16,
    ..V4_15
};
const V4_17: Profile =
    Profile { create_domain: CreateDomainLayout::V4_17, phys_info: PhysInfoLayout::V4_17, ..V4_16 };
const V4_19: Profile = Profile { create_domain: CreateDomainLayout::V4_19, ..V4_17 };
const V4_21: Profile = Profile { create_domain: CreateDomainLayout::V4_21, ..V4_19 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_has_no_gap_and_nothing_outside_it_is_known() {
        let known: Vec<u16> =
            (0..100).filter(|&minor| Profile::of(Release::new(4, minor)).is_some()).collect();
        assert_eq!(known, (15..=22).collect::<Vec<u16>>());
        assert_eq!(Profile::of(Release::new(5, 17)), None);
    }

    #[test]
    fn the_newest_profile_is_that_of_the_newest_release() {
        assert_eq!(Profile::of(Profile::NEWEST), Some(Profile::newest()));
    }
}
