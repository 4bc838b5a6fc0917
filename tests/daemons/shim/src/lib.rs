//! A Xen made of files, for one store daemon: `LD_PRELOAD` puts it before the real libraries.
//!
//! Debian's own `xenstored` and `oxenstored` then run on plain Linux, as any user. What they ask of
//! the hypervisor is answered from the folder `$FAKEXEN_DIR`, which the tests write:
//!
//! ```text
//! dom.N       domain N exists; the words in it: `dying`, `shutdown REASON`
//! ring.N      the page it shares with the daemon; ring.0 is the daemon's own domain's
//! evtchn      FIFO towards the daemon: numbers of raised ports, four bytes each
//! evtchn.N    FIFO from the daemon to domain N: a byte for each notification
//! port        text: domain 0's port, for what the kernel offers as /proc/xen/xsd_port
//! ```
//!
//! Port 1 is the virtual interrupt for domains that ended, port 1000 + N belongs to domain N.
//! Nothing here knows of the store: all of it is what the hypervisor and dom0's kernel would do.
//!
//! What it does not do: check access, count grants, or mask anything.

#![allow(unsafe_code, reason = "C calls into every function here, with pointers")]

mod domains;
mod evtchn;
mod gnttab;
mod lifeline;
mod place;
mod redirect;
mod xc;
