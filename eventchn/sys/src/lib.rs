//! Numbers and structures of Linux's /dev/xen/evtchn.
