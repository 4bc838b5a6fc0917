//! What can be asked of the hypervisor.

crate::constants! {
    /// The version's major and minor number.
    XENVER_VERSION ("XENVER_version"): i32 = 0;
    /// The version's last part, a string of at most 15 characters.
    XENVER_EXTRAVERSION ("XENVER_extraversion"): i32 = 1;
}
