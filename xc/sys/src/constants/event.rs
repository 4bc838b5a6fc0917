//! What a port is bound to.

crate::constants! {
    /// To nothing.
    EVTCHNSTAT_CLOSED ("EVTCHNSTAT_closed"): u32 = 0;
    /// To no port of another domain yet.
    EVTCHNSTAT_UNBOUND ("EVTCHNSTAT_unbound"): u32 = 1;
    /// To a port of another domain.
    EVTCHNSTAT_INTERDOMAIN ("EVTCHNSTAT_interdomain"): u32 = 2;
    /// To a physical interrupt.
    EVTCHNSTAT_PIRQ ("EVTCHNSTAT_pirq"): u32 = 3;
    /// To a virtual interrupt.
    EVTCHNSTAT_VIRQ ("EVTCHNSTAT_virq"): u32 = 4;
    /// To a virtual CPU, for the others.
    EVTCHNSTAT_IPI ("EVTCHNSTAT_ipi"): u32 = 5;
}
