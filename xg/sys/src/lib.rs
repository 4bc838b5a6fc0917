//! Declarations of libxenguest per Xen release, loaded at run time.
