//! What a store offers beyond the basics.

bitflags::bitflags! {
    /// Features of a store (`XENSTORE_SERVER_FEATURE_*`, `io/xs_wire.h`; docs/misc/xenstore-ring.txt).
    ///
    /// They stand in the ring page of a domain and answer `GET_FEATURE`. Bits without a name are
    /// kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Features: u32 {
        /// A guest may begin anew on its ring.
        const RECONNECTION = 1;
        /// The store says in the ring why it gave up on a guest.
        const ERROR = 2;
        /// A watch may be limited to some levels below its node.
        const WATCH_DEPTH = 4;
        /// Permissions may name any domain ([`Grantee::Any`](crate::Grantee::Any)).
        const ANY_DOMAIN = 8;
        const _ = !0;
    }
}
