//! Event channels.

crate::c_structs! {
    /// `xc_evtchn_status_t` (`struct evtchn_status`, `xen/include/public/event_channel.h`). Of the union
    /// at its end, `peer` is a domain in its lower 16 bits, a PIRQ or a VIRQ.
    pub struct PortStatus = "xc_evtchn_status_t" [15, 22], 24 bytes {
        0: dom: u16,
        4: port: u32,
        8: status: u32,
        12: vcpu: u32,
        16: peer ("u.pirq"): u32,
        20: peer_port ("u.interdomain.port"): u32,
    }
}
