//! The xenops command: a thin program over the xenops library.
