//! The type field of a packet.

use std::fmt;

/// An operation of the protocol (`enum xsd_sockmsg_type`, `io/xs_wire.h`).
///
/// The set is open: a number without a name is kept as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Op(pub u32);

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl Op {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// The name of the operation in xenstore.txt; `None` for a number without one.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

ops! {
    /// Commands to the daemon itself.
    CONTROL = 0, "CONTROL";
    /// Lists the children of a node.
    DIRECTORY = 1, "DIRECTORY";
    /// Reads a value.
    READ = 2, "READ";
    /// Reads permissions.
    GET_PERMS = 3, "GET_PERMS";
    /// Starts a watch.
    WATCH = 4, "WATCH";
    /// Ends a watch.
    UNWATCH = 5, "UNWATCH";
    /// Starts a transaction.
    TRANSACTION_START = 6, "TRANSACTION_START";
    /// Commits or discards a transaction.
    TRANSACTION_END = 7, "TRANSACTION_END";
    /// Connects a domain to the store.
    INTRODUCE = 8, "INTRODUCE";
    /// Disconnects a domain from the store.
    RELEASE = 9, "RELEASE";
    /// Names the home of a domain.
    GET_DOMAIN_PATH = 10, "GET_DOMAIN_PATH";
    /// Writes a value.
    WRITE = 11, "WRITE";
    /// Makes a node.
    MKDIR = 12, "MKDIR";
    /// Removes a node and what is below.
    RM = 13, "RM";
    /// Sets permissions.
    SET_PERMS = 14, "SET_PERMS";
    /// Something under a watch changed; sent by the daemon only.
    WATCH_EVENT = 15, "WATCH_EVENT";
    /// A request failed; sent by the daemon only.
    ERROR = 16, "ERROR";
    /// Asks whether a domain is connected to the store.
    IS_DOMAIN_INTRODUCED = 17, "IS_DOMAIN_INTRODUCED";
    /// Lets the shutdown of a resumed domain be told again.
    RESUME = 18, "RESUME";
    /// Gives one domain the rights of another.
    SET_TARGET = 19, "SET_TARGET";
    /// Ends all watches and transactions of the caller.
    RESET_WATCHES = 21, "RESET_WATCHES";
    /// Lists some of the children of a node.
    DIRECTORY_PART = 22, "DIRECTORY_PART";
    /// Asks what the daemon offers a domain; Xen 4.21.
    GET_FEATURE = 23, "GET_FEATURE";
    /// Says what the daemon offers a domain; Xen 4.21.
    SET_FEATURE = 24, "SET_FEATURE";
    /// Asks how much a domain may use; Xen 4.22.
    GET_QUOTA = 25, "GET_QUOTA";
    /// Says how much a domain may use; Xen 4.22.
    SET_QUOTA = 26, "SET_QUOTA";
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "operation {}", self.0),
        }
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
