//! The security module FLASK: its policy, labels and cache.
//!
//! Xen has it only if built so and started with `flask=`; otherwise each of these calls is
//! [`Kind::Unavailable`](crate::Kind::Unavailable), which no `# Errors` repeats. A call that the policy
//! forbids the caller is [`Kind::Denied`](crate::Kind::Denied); libxc then also prints a line to the
//! standard error output. Contexts and names are bytes without a zero, of at most a page with the zero
//! that ends them; Xen wants it counted from 4.23 on and not before, which libxc sees to.

mod avc;
mod labels;
mod policy;

pub use avc::{AvcCpuStats, AvcHashStats};
pub use labels::{AccessVector, Labelled, Sid};
pub use policy::{Enforcement, FlaskBool};

/// The longest context or name that Xen takes or gives (`PAGE_SIZE`, `xen/xsm/flask/flask_op.c`).
const LONGEST: usize = 4096;
