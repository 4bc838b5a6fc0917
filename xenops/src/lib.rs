//! The Xen toolstack library: create, list, inspect, shut down and destroy domains.
