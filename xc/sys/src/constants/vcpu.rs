//! Virtual CPUs.

crate::constants! {
    /// Where a virtual CPU may run.
    XEN_VCPUAFFINITY_HARD: u32 = 1 << 0;
    /// Where a virtual CPU runs if it can.
    XEN_VCPUAFFINITY_SOFT: u32 = 1 << 1;
    /// Ends a pinning that the guest itself asked for.
    XEN_VCPUAFFINITY_FORCE: u32 = 1 << 2;
}
