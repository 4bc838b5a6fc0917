//! Declarations of libxenctrl per Xen release, loaded at run time.
