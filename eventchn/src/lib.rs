//! Xen event channels: bind, notify, wait.
