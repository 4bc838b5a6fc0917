//! Xen PV device descriptions and their xenstore trees.
