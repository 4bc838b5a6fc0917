//! Tests that run inside dom0 of a real Xen.
